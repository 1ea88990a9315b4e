//! HTTP/2 (RFC 9113).

mod half;

use std::collections::BTreeMap;

use crate::event::{Event, Fault, Side, Version};
use crate::hpack::Decoder;
use crate::{MAX_OPEN, forwarded};
pub(crate) use half::PREFACE;
use half::{Half, Piece};

/// `SETTINGS_HEADER_TABLE_SIZE`.
const HEADER_TABLE_SIZE: u16 = 1;

/// One connection.
#[derive(Debug)]
pub(crate) struct Http2 {
    client: Half,
    server: Half,
    /// Of what each side compresses.
    client_fields: Decoder,
    server_fields: Decoder,
    /// Requests by their streams; whether the answer has begun.
    open: BTreeMap<u32, bool>,
    /// The client's highest stream.
    last: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Http2 {
            client: Half::client(),
            server: Half::server(),
            client_fields: Decoder::default(),
            server_fields: Decoder::default(),
            open: BTreeMap::new(),
            last: 0,
        }
    }
}

/// The fields that are told of.
#[derive(Default)]
struct Told {
    method: Option<String>,
    status: Option<u16>,
    /// The value of the first `X-Forwarded-For`.
    forwarded_for: Option<Option<String>>,
}

impl Http2 {
    /// Takes octets.
    pub(crate) fn feed(
        &mut self,
        side: Side,
        mut octets: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        while !octets.is_empty() {
            let half = match side {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            let Some(piece) = half.take(&mut octets)? else {
                continue;
            };
            match (side, piece) {
                (Side::Client, Piece::Block { stream, .. }) => self.request(stream, events)?,
                (Side::Server, Piece::Block { stream, last }) => {
                    self.response(stream, last, events)?;
                }
                // Only what it does to the table counts.
                (_, Piece::Pushed) => drop(self.fields(side)?),
                (
                    _,
                    Piece::Data {
                        stream,
                        octets,
                        last,
                    },
                ) => {
                    if self.open.contains_key(&stream) {
                        let id = u64::from(stream);
                        if octets > 0 {
                            events.push(Event::Body { id, side, octets });
                        }
                        if last && side == Side::Server {
                            self.done(stream, events);
                        }
                    }
                }
                (_, Piece::Reset { stream }) => self.done(stream, events),
                (_, Piece::Settings) => self.settings(side),
                (Side::Server, Piece::GoAway { last }) => {
                    // What is above has not been and will not be looked at.
                    let above = self.open.range(last.saturating_add(1)..);
                    let above: Vec<u32> = above.map(|(stream, _)| *stream).collect();
                    for stream in above {
                        self.done(stream, events);
                    }
                }
                (Side::Client, Piece::GoAway { .. }) => {}
            }
        }
        Ok(())
    }

    fn done(&mut self, stream: u32, events: &mut Vec<Event>) {
        if self.open.remove(&stream).is_some() {
            let id = u64::from(stream);
            events.push(Event::Done { id });
        }
    }

    fn settings(&mut self, side: Side) {
        let (half, fields) = match side {
            Side::Client => (&self.client, &mut self.server_fields),
            Side::Server => (&self.server, &mut self.client_fields),
        };
        for setting in half.kept().chunks_exact(6) {
            if let [a, b, size @ ..] = setting
                && u16::from_be_bytes([*a, *b]) == HEADER_TABLE_SIZE
                && let Ok(size) = size.try_into()
            {
                fields.allow(u32::from_be_bytes(size));
            }
        }
    }

    /// Reads the block that a side has sent.
    fn fields(&mut self, side: Side) -> Result<Told, Fault> {
        let (half, fields) = match side {
            Side::Client => (&self.client, &mut self.client_fields),
            Side::Server => (&self.server, &mut self.server_fields),
        };
        let mut told = Told::default();
        fields.decode(half.kept(), |name, value| match name {
            b":method" => {
                told.method.get_or_insert_with(|| forwarded::text(value));
            }
            b":status" if value.len() == 3 => {
                let code = str::from_utf8(value).ok();
                told.status = code.and_then(|code| code.parse().ok());
            }
            name if forwarded::is_forwarded_for(name) => {
                told.forwarded_for
                    .get_or_insert_with(|| forwarded::first(value));
            }
            _ => {}
        })?;
        Ok(told)
    }

    fn request(&mut self, stream: u32, events: &mut Vec<Event>) -> Result<(), Fault> {
        let told = self.fields(Side::Client)?;
        // Below are trailers, and what comes late of a request that is over.
        if stream <= self.last {
            return Ok(());
        }
        self.last = stream;
        if self.open.len() >= MAX_OPEN {
            return Err(Fault::TooManyRequests);
        }
        self.open.insert(stream, false);
        let id = u64::from(stream);
        events.push(Event::Request {
            id,
            version: Version::Http2,
            method: told.method.unwrap_or_default(),
        });
        if let Some(host) = told.forwarded_for.flatten() {
            events.push(Event::ForwardedFor { id, host });
        }
        Ok(())
    }

    fn response(&mut self, stream: u32, last: bool, events: &mut Vec<Event>) -> Result<(), Fault> {
        let told = self.fields(Side::Server)?;
        let Some(answered) = self.open.get_mut(&stream) else {
            return Ok(());
        };
        let id = u64::from(stream);
        if !std::mem::replace(answered, true) {
            events.push(Event::Answered { id });
        }
        if let Some(code @ 200..=999) = told.status {
            let reason = String::new();
            events.push(Event::Status { id, code, reason });
        }
        if last {
            self.done(stream, events);
        }
        Ok(())
    }
}
