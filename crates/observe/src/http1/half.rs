//! What one side sends: messages, cut into their pieces.

use crate::MAX_HEAD;
use crate::event::{Fault, Side};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    StartLine,
    /// Headers; whether the line so far is empty.
    Headers(bool),
    /// So much of a body of known length.
    Octets(u64),
    /// A body that ends with the connection.
    All,
    ChunkSize,
    /// So much of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailer,
    /// Nothing that is looked at.
    PassedOver,
}

/// A piece that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// The start line is kept.
    StartLine,
    /// The head is kept, its start line included.
    Head,
    /// So much of the body passed; whether it is whole now.
    Body { octets: u64, last: bool },
    /// The body is whole.
    End,
}

/// One side of a connection.
#[derive(Debug)]
pub(super) struct Half {
    side: Side,
    next: Next,
    kept: Vec<u8>,
}

impl Half {
    pub(super) fn new(side: Side) -> Self {
        Half {
            side,
            next: Next::StartLine,
            kept: Vec::new(),
        }
    }

    /// Whether nothing of a message has come.
    pub(super) fn is_between_messages(&self) -> bool {
        self.next == Next::StartLine && self.kept.is_empty()
    }

    /// What of the head has come.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Takes from `octets` up to the end of a piece; `None` if it is not whole.
    pub(super) fn take(&mut self, octets: &mut &[u8]) -> Result<Option<Piece>, Fault> {
        match self.next {
            Next::StartLine => self.start_line(octets),
            Next::Headers(empty) => self.headers(octets, empty),
            Next::Octets(left) => {
                let octets = pass(octets, left);
                let last = octets == left;
                if last {
                    self.begin();
                } else {
                    self.next = Next::Octets(left - octets);
                }
                Ok(Some(Piece::Body { octets, last }))
            }
            Next::All => Ok(Some(Piece::Body {
                octets: pass(octets, u64::MAX),
                last: false,
            })),
            Next::ChunkSize => {
                if self.line(octets)? {
                    self.next = match chunk_size(&self.kept)? {
                        0 => Next::Trailer,
                        size => Next::Chunk(size),
                    };
                    self.kept.clear();
                }
                Ok(None)
            }
            Next::Chunk(left) => {
                let octets = pass(octets, left);
                self.next = match left - octets {
                    0 => Next::ChunkEnd,
                    left => Next::Chunk(left),
                };
                Ok(Some(Piece::Body {
                    octets,
                    last: false,
                }))
            }
            Next::ChunkEnd => {
                if self.line(octets)? {
                    if !is_empty(&self.kept) {
                        return Err(Fault::ChunkEnd);
                    }
                    self.kept.clear();
                    self.next = Next::ChunkSize;
                }
                Ok(None)
            }
            Next::Trailer => {
                if !self.line(octets)? {
                    return Ok(None);
                }
                let end = is_empty(&self.kept);
                self.kept.clear();
                if end {
                    self.begin();
                    return Ok(Some(Piece::End));
                }
                Ok(None)
            }
            Next::PassedOver => {
                pass(octets, u64::MAX);
                Ok(None)
            }
        }
    }

    /// The body has so many octets. Whether the message is whole.
    pub(super) fn octets(&mut self, octets: u64) -> bool {
        self.begin();
        if octets > 0 {
            self.next = Next::Octets(octets);
        }
        octets == 0
    }

    /// The body comes in chunks: the message is not whole yet.
    pub(super) fn chunks(&mut self) -> bool {
        self.begin();
        self.next = Next::ChunkSize;
        false
    }

    /// The body is all that comes: the message is never whole.
    pub(super) fn all(&mut self) -> bool {
        self.begin();
        self.next = Next::All;
        false
    }

    /// What follows is not looked at.
    pub(super) fn pass_over(&mut self) {
        self.next = Next::PassedOver;
    }

    /// What follows is a message after all, if nothing was looked at before.
    pub(super) fn resume(&mut self) {
        if self.next == Next::PassedOver {
            self.begin();
        }
    }

    /// The next message begins. An idle connection keeps no buffer.
    fn begin(&mut self) {
        self.next = Next::StartLine;
        self.kept = Vec::new();
    }

    fn start_line(&mut self, octets: &mut &[u8]) -> Result<Option<Piece>, Fault> {
        if self.kept.is_empty() {
            // Empty lines before a message are passed over (RFC 9112 section 2.2).
            let blank = octets.iter().take_while(|octet| is_line_end(**octet));
            let blank = blank.count();
            if blank > 0 {
                *octets = &octets[blank..];
                return Ok(None);
            }
        }
        let room = MAX_HEAD - self.kept.len();
        let seen = &octets[..octets.len().min(room)];
        let end = seen.iter().position(|octet| *octet == b'\n');
        let part = &seen[..end.map_or(seen.len(), |end| end + 1)];
        // What is not HTTP at all is known by its first octets, not by a line that never ends.
        if part.iter().any(|octet| !self.is_text(*octet)) {
            return Err(Fault::NotText);
        }
        self.keep(octets, part.len(), end.is_some())?;
        if end.is_some() {
            self.next = Next::Headers(true);
            return Ok(Some(Piece::StartLine));
        }
        Ok(None)
    }

    fn is_text(&self, octet: u8) -> bool {
        match octet {
            b' '..=b'~' | b'\t' | b'\r' | b'\n' => true,
            // Reasons in other alphabets are allowed.
            0x80.. => self.side == Side::Server,
            _ => false,
        }
    }

    fn headers(&mut self, octets: &mut &[u8], mut empty: bool) -> Result<Option<Piece>, Fault> {
        let room = MAX_HEAD - self.kept.len();
        let seen = &octets[..octets.len().min(room)];
        let mut length = 0;
        let mut whole = false;
        for line in seen.split_inclusive(|octet| *octet == b'\n') {
            length += line.len();
            empty = empty && is_empty(line);
            if line.ends_with(b"\n") {
                if empty {
                    whole = true;
                    break;
                }
                empty = true;
            }
        }
        self.next = Next::Headers(empty);
        self.keep(octets, length, whole)?;
        Ok(whole.then_some(Piece::Head))
    }

    /// Keeps a line; whether it is whole.
    fn line(&mut self, octets: &mut &[u8]) -> Result<bool, Fault> {
        let room = MAX_HEAD - self.kept.len();
        let end = octets.iter().take(room).position(|octet| *octet == b'\n');
        let length = end.map_or(octets.len().min(room), |end| end + 1);
        self.keep(octets, length, end.is_some())?;
        Ok(end.is_some())
    }

    /// Keeps the first `length` octets, which are all for which there is room unless what is wanted is whole.
    fn keep(&mut self, octets: &mut &[u8], length: usize, whole: bool) -> Result<(), Fault> {
        let (kept, rest) = octets.split_at(length);
        if !whole && !rest.is_empty() {
            return Err(Fault::TooLong);
        }
        self.kept.extend_from_slice(kept);
        *octets = rest;
        Ok(())
    }
}

/// Passes at most `most` octets by; how many they were.
fn pass(octets: &mut &[u8], most: u64) -> u64 {
    let passed = octets
        .len()
        .min(usize::try_from(most).unwrap_or(usize::MAX));
    *octets = &octets[passed..];
    passed as u64
}

fn is_line_end(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n')
}

fn is_empty(line: &[u8]) -> bool {
    line.iter().all(|octet| is_line_end(*octet))
}

fn chunk_size(line: &[u8]) -> Result<u64, Fault> {
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((_, size))) => Ok(size),
        _ => Err(Fault::ChunkLength),
    }
}
