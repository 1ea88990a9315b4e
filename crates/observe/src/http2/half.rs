//! What one side sends: frames, cut into their pieces (RFC 9113 sections 3.4, 4, 6).

use crate::MAX_HEAD;
use crate::event::Fault;

/// What a client sends first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Octets in front of each frame.
const FRAME_HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The client's first octets; how many have come.
    Preface(usize),
    /// A frame's header, which is gathered.
    Header,
    /// A frame's payload, which is gathered behind what was kept before: to that length.
    Payload(Frame, usize),
    /// The octet that tells how long a DATA frame's padding is.
    PadLength(Frame),
    /// So much content of a DATA frame, and then so much padding.
    Content(Frame, u32, u32),
    /// So much that is not looked at.
    Skip(u32),
}

/// A piece that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Fields of a stream are kept; whether nothing comes after them.
    Block { stream: u32, last: bool },
    /// Fields of a request that the server makes for the client are kept.
    Pushed,
    /// Content of a stream passed; whether it is whole now.
    Data {
        stream: u32,
        octets: u64,
        last: bool,
    },
    /// A stream is given up.
    Reset { stream: u32 },
    /// Settings are kept.
    Settings,
    /// Streams above that one are not dealt with.
    GoAway { last: u32 },
}

/// One side of a connection.
#[derive(Debug)]
pub(super) struct Half {
    next: Next,
    /// A frame's header or payload as far as it has come; behind the fields that are not whole.
    kept: Vec<u8>,
    /// Where in `kept` the frame begins that is gathered: fields that came before it are in front.
    frame: usize,
    /// Fields that go on in the next frame: of a HEADERS or PUSH_PROMISE.
    unfinished: Option<Frame>,
    /// What is kept has been taken.
    taken: bool,
}

impl Half {
    pub(super) fn client() -> Self {
        Self::new(Next::Preface(0))
    }

    pub(super) fn server() -> Self {
        Self::new(Next::Header)
    }

    fn new(next: Next) -> Self {
        Half {
            next,
            kept: Vec::new(),
            frame: 0,
            unfinished: None,
            taken: false,
        }
    }

    /// The fields or settings of the last piece.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Takes from `octets` up to the end of a piece; `None` if there is none or it is not whole.
    pub(super) fn take(&mut self, octets: &mut &[u8]) -> Result<Option<Piece>, Fault> {
        if std::mem::take(&mut self.taken) {
            // An idle connection keeps no buffer.
            self.kept = Vec::new();
            self.frame = 0;
        }
        match self.next {
            Next::Preface(matched) => {
                let expected = &PREFACE[matched..];
                let (seen, rest) = octets.split_at(octets.len().min(expected.len()));
                if !expected.starts_with(seen) {
                    return Err(Fault::Preface);
                }
                *octets = rest;
                let matched = matched + seen.len();
                self.next = if matched == PREFACE.len() {
                    Next::Header
                } else {
                    Next::Preface(matched)
                };
                Ok(None)
            }
            Next::Header => {
                if !self.gather(octets, self.frame + FRAME_HEADER) {
                    return Ok(None);
                }
                let frame = self.header();
                self.kept.truncate(self.frame);
                self.begin(frame)
            }
            Next::Payload(frame, to) => {
                if !self.gather(octets, to) {
                    return Ok(None);
                }
                self.payload(frame)
            }
            Next::PadLength(frame) => {
                let Some((padding, rest)) = octets.split_first() else {
                    return Ok(None);
                };
                *octets = rest;
                let padding = u32::from(*padding);
                let content = (frame.length - 1)
                    .checked_sub(padding)
                    .ok_or(Fault::Padding)?;
                self.content(frame, content, padding, 0)
            }
            Next::Content(frame, left, padding) => {
                let passed = octets.len().min(left as usize);
                *octets = &octets[passed..];
                // It is no more than `left`, which is a u32.
                let passed = passed as u32;
                self.content(frame, left - passed, padding, passed)
            }
            Next::Skip(left) => {
                let passed = octets.len().min(left as usize);
                *octets = &octets[passed..];
                self.skip(left - passed as u32);
                Ok(None)
            }
        }
    }

    /// Gathers octets up to a length of what is kept; whether that is reached.
    fn gather(&mut self, octets: &mut &[u8], to: usize) -> bool {
        let wanted = to.saturating_sub(self.kept.len());
        let (taken, rest) = octets.split_at(octets.len().min(wanted));
        self.kept.extend_from_slice(taken);
        *octets = rest;
        self.kept.len() >= to
    }

    fn header(&self) -> Frame {
        let mut header = [0; FRAME_HEADER];
        for (octet, kept) in header.iter_mut().zip(&self.kept[self.frame..]) {
            *octet = *kept;
        }
        let [a, b, c, kind, flags, stream @ ..] = header;
        Frame {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & (u32::MAX >> 1),
        }
    }

    /// A frame's header has come.
    fn begin(&mut self, frame: Frame) -> Result<Option<Piece>, Fault> {
        let continues = frame.kind == CONTINUATION;
        match self.unfinished {
            Some(before) if !continues || before.stream != frame.stream => {
                return Err(Fault::Interleaved);
            }
            None if continues => return Err(Fault::Interleaved),
            _ => {}
        }
        let of_stream = matches!(frame.kind, DATA | HEADERS | RST_STREAM | PUSH_PROMISE);
        if of_stream && frame.stream == 0 {
            return Err(Fault::StreamZero);
        }
        match frame.kind {
            DATA if frame.flags & PADDED == 0 => self.content(frame, frame.length, 0, 0),
            DATA if frame.length == 0 => Err(Fault::Padding),
            DATA => {
                self.next = Next::PadLength(frame);
                Ok(None)
            }
            HEADERS | PUSH_PROMISE | CONTINUATION | SETTINGS | GOAWAY => {
                let to = self.frame + frame.length as usize;
                if to > MAX_HEAD {
                    return Err(Fault::FrameTooLong);
                }
                self.next = Next::Payload(frame, to);
                if frame.length == 0 {
                    return self.payload(frame);
                }
                Ok(None)
            }
            kind => {
                self.skip(frame.length);
                let stream = frame.stream;
                Ok((kind == RST_STREAM).then_some(Piece::Reset { stream }))
            }
        }
    }

    /// A frame's payload has been gathered.
    fn payload(&mut self, frame: Frame) -> Result<Option<Piece>, Fault> {
        self.next = Next::Header;
        match frame.kind {
            SETTINGS => {
                self.taken = true;
                Ok((frame.flags & ACK == 0).then_some(Piece::Settings))
            }
            GOAWAY => {
                self.taken = true;
                let last = self.kept.first_chunk().ok_or(Fault::FrameTooShort)?;
                let last = u32::from_be_bytes(*last) & (u32::MAX >> 1);
                Ok(Some(Piece::GoAway { last }))
            }
            _ => {
                self.trim(frame)?;
                if frame.flags & END_HEADERS == 0 {
                    self.frame = self.kept.len();
                    self.unfinished.get_or_insert(frame);
                    return Ok(None);
                }
                self.taken = true;
                let first = self.unfinished.take().unwrap_or(frame);
                Ok(Some(match first.kind {
                    PUSH_PROMISE => Piece::Pushed,
                    _ => Piece::Block {
                        stream: first.stream,
                        last: first.flags & END_STREAM != 0,
                    },
                }))
            }
        }
    }

    /// Leaves of a payload the fields alone.
    fn trim(&mut self, frame: Frame) -> Result<(), Fault> {
        let payload = &self.kept[self.frame..];
        let (mut front, mut back) = (0, 0);
        if frame.kind != CONTINUATION && frame.flags & PADDED != 0 {
            front += 1;
            back = usize::from(*payload.first().ok_or(Fault::Padding)?);
        }
        front += match frame.kind {
            PUSH_PROMISE => 4,
            HEADERS if frame.flags & PRIORITY != 0 => 5,
            _ => 0,
        };
        if front + back > payload.len() {
            return Err(Fault::Padding);
        }
        self.kept.truncate(self.kept.len() - back);
        self.kept.drain(self.frame..self.frame + front);
        Ok(())
    }

    /// Content has passed, and so much is left of it.
    fn content(
        &mut self,
        frame: Frame,
        left: u32,
        padding: u32,
        passed: u32,
    ) -> Result<Option<Piece>, Fault> {
        if left == 0 {
            self.skip(padding);
        } else {
            self.next = Next::Content(frame, left, padding);
        }
        Ok(Some(Piece::Data {
            stream: frame.stream,
            octets: u64::from(passed),
            last: left == 0 && frame.flags & END_STREAM != 0,
        }))
    }

    fn skip(&mut self, left: u32) {
        self.next = if left == 0 {
            Next::Header
        } else {
            Next::Skip(left)
        };
    }
}
