//! HTTP/1.0 and 1.1 (RFC 9112).

mod half;
mod head;

use std::collections::VecDeque;

use crate::event::{Event, Fault, Side};
use crate::{MAX_OPEN, forwarded};
use half::{Half, Piece};
use head::{Framing, RequestLine, StatusLine};

/// One connection.
#[derive(Debug)]
pub(crate) struct Http1 {
    client: Half,
    server: Half,
    /// Requests in the order of their answers: those before the last one are whole.
    open: VecDeque<Exchange>,
    next: u64,
}

/// A request and its answer.
#[derive(Debug)]
struct Exchange {
    id: u64,
    /// The method is HEAD: the answer has no body, whatever its head says.
    head: bool,
    /// The method is CONNECT: a positive answer ends HTTP.
    connect: bool,
    /// The code of the answer that is coming.
    code: u16,
    answered: bool,
    /// The request is whole.
    asked: bool,
    /// The final answer is whole.
    told: bool,
}

impl Default for Http1 {
    fn default() -> Self {
        Http1 {
            client: Half::new(Side::Client),
            server: Half::new(Side::Server),
            open: VecDeque::new(),
            next: 0,
        }
    }
}

impl Http1 {
    /// Takes octets; whether HTTP has come to its end.
    pub(crate) fn feed(
        &mut self,
        side: Side,
        mut octets: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<bool, Fault> {
        while !octets.is_empty() {
            let half = match side {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            if side == Side::Server
                && half.is_between_messages()
                && self.open.front().is_none_or(|front| front.told)
                && !matches!(octets, [b'\r' | b'\n', ..])
            {
                return Err(Fault::SpuriousResponse);
            }
            let Some(piece) = half.take(&mut octets)? else {
                continue;
            };
            match (side, piece) {
                (Side::Client, Piece::StartLine) => self.request_line(events)?,
                (Side::Server, Piece::StartLine) => self.status_line(events)?,
                (Side::Client, Piece::Head) => self.request_head(events)?,
                (Side::Server, Piece::Head) => {
                    if self.response_head(events)? {
                        return Ok(true);
                    }
                }
                (_, Piece::Body { octets, last }) => {
                    if let Some(id) = self.current(side) {
                        events.push(Event::Body { id, side, octets });
                    }
                    if last {
                        self.end(side, events);
                    }
                }
                (_, Piece::End) => self.end(side, events),
            }
        }
        Ok(false)
    }

    /// The request that a side is at.
    fn current(&self, side: Side) -> Option<u64> {
        let exchange = match side {
            Side::Client => self.open.back(),
            Side::Server => self.open.front(),
        };
        exchange.map(|exchange| exchange.id)
    }

    fn request_line(&mut self, events: &mut Vec<Event>) -> Result<(), Fault> {
        let RequestLine { version, method } = head::request_line(self.client.kept())?;
        if self.open.len() >= MAX_OPEN {
            return Err(Fault::TooManyRequests);
        }
        let id = self.next;
        self.next += 1;
        self.open.push_back(Exchange {
            id,
            head: method == "HEAD",
            connect: method == "CONNECT",
            code: 0,
            answered: false,
            asked: false,
            told: false,
        });
        events.push(Event::Request {
            id,
            version,
            method: forwarded::text(method.as_bytes()),
        });
        Ok(())
    }

    fn request_head(&mut self, events: &mut Vec<Event>) -> Result<(), Fault> {
        let head = head::request(self.client.kept())?;
        if let (Some(host), Some(id)) = (head.forwarded_for, self.current(Side::Client)) {
            events.push(Event::ForwardedFor { id, host });
        }
        let whole = match head.framing {
            Framing::Encoded => return Err(Fault::TransferEncoding),
            Framing::Chunked => self.client.chunks(),
            Framing::Length(octets) => self.client.octets(octets),
            Framing::Open => self.client.octets(0),
        };
        if whole {
            self.request_end(events);
        }
        Ok(())
    }

    /// A side's message is whole.
    fn end(&mut self, side: Side, events: &mut Vec<Event>) {
        match side {
            Side::Client => self.request_end(events),
            Side::Server => self.response_end(events),
        }
    }

    fn request_end(&mut self, events: &mut Vec<Event>) {
        if let Some(exchange) = self.open.back_mut() {
            exchange.asked = true;
            if exchange.connect && !exchange.told {
                // What comes until the answer is of the other protocol already, if the answer is positive.
                self.client.pass_over();
            }
        }
        self.complete(events);
    }

    fn status_line(&mut self, events: &mut Vec<Event>) -> Result<(), Fault> {
        let StatusLine { code, reason } = head::status_line(self.server.kept())?;
        let Some(exchange) = self.open.front_mut() else {
            return Err(Fault::SpuriousResponse);
        };
        let id = exchange.id;
        exchange.code = code;
        if !std::mem::replace(&mut exchange.answered, true) {
            events.push(Event::Answered { id });
        }
        if !is_informational(code) || code == 101 {
            let reason = forwarded::text(reason.as_bytes());
            events.push(Event::Status { id, code, reason });
        }
        Ok(())
    }

    fn response_head(&mut self, events: &mut Vec<Event>) -> Result<bool, Fault> {
        let framing = head::response(self.server.kept())?;
        let Some(exchange) = self.open.front() else {
            return Err(Fault::SpuriousResponse);
        };
        let (id, code) = (exchange.id, exchange.code);
        if code == 101 || (exchange.connect && matches!(code, 200..=299)) {
            events.push(Event::Done { id });
            return Ok(true);
        }
        let whole = if exchange.head || is_informational(code) || matches!(code, 204 | 304) {
            self.server.octets(0)
        } else {
            match framing {
                Framing::Chunked => self.server.chunks(),
                Framing::Length(octets) => self.server.octets(octets),
                // Reset Content has none, as upstream has it, and may say so in any way.
                Framing::Open if code == 205 => self.server.octets(0),
                Framing::Open | Framing::Encoded => self.server.all(),
            }
        };
        if whole {
            self.response_end(events);
        }
        Ok(false)
    }

    fn response_end(&mut self, events: &mut Vec<Event>) {
        if let Some(exchange) = self.open.front_mut()
            && !is_informational(exchange.code)
        {
            exchange.told = true;
            if exchange.connect {
                self.client.resume();
            }
        }
        self.complete(events);
    }

    /// Removes the first request if nothing more is to come of it.
    fn complete(&mut self, events: &mut Vec<Event>) {
        if let Some(exchange) = self.open.pop_front_if(|front| front.asked && front.told) {
            events.push(Event::Done { id: exchange.id });
        }
        if self.open.is_empty() {
            // Room for many requests is not kept by a connection that has none.
            self.open.shrink_to(1);
        }
    }
}

fn is_informational(code: u16) -> bool {
    code / 100 == 1
}
