//! What a flow carries, read from its octets as they pass: the requests of HTTP/1 and HTTP/2 (observability reference §4.5).
//!
//! An [`Observer`] is a state machine without I/O and without a clock: give it the octets of each side in the order in which they
//! pass ([`Observer::feed`]), take its [events](Event). How the octets are cut makes no difference, except that one
//! [`Event::Body`] may come as several. It never holds octets back and never changes them; what it cannot read ends the
//! observation and nothing else.
//!
//! Whatever is sent, an observer itself keeps at most about 400 KiB: the head that is being read, of each side ([`MAX_HEAD`]);
//! for HTTP/2 a table of headers of each side ([`MAX_TABLE`]); what it knows of requests that are not answered
//! ([`MAX_OPEN`] of them). An idle one keeps less than a kilobyte, with HTTP/2 what its peers put into the tables.

mod event;
mod forwarded;
mod hpack;
mod http1;
mod http2;

pub use event::{Event, Fault, Side, Version};

use http1::Http1;
use http2::{Http2, PREFACE};

/// Octets of the longest head of a message that is read, and of the longest line in a chunked body or block of fields.
pub const MAX_HEAD: usize = 64 * 1024;
/// Requests that may be open at once in one flow.
pub const MAX_OPEN: usize = 1024;
/// What the fields that HTTP/2 keeps for reference may count for each side (RFC 7541 section 4.1).
pub const MAX_TABLE: usize = 64 * 1024;
/// Octets of a server that are kept while its client has not said what it speaks, as upstream does.
pub const MAX_UNDECIDED: usize = 16 * 1024;

/// The requests in one flow.
#[derive(Debug)]
pub struct Observer(State);

#[derive(Debug)]
enum State {
    /// The client has said nothing else than HTTP/2's first octets so far.
    Undecided(Box<Undecided>),
    Http1(Box<Http1>),
    Http2(Box<Http2>),
    Over {
        http2: bool,
    },
}

/// What has passed before it is known what the client speaks.
#[derive(Debug, Default)]
struct Undecided {
    /// How many of HTTP/2's first octets have come.
    matched: usize,
    server: Vec<u8>,
}

impl Observer {
    /// An observer of either: a client that does not say HTTP/2's first octets may speak HTTP/1.
    pub fn auto() -> Self {
        Observer(State::Undecided(Box::default()))
    }

    /// An observer of HTTP/2.
    pub fn http2() -> Self {
        Observer(State::Http2(Box::default()))
    }

    /// An observer of HTTP/1.
    pub fn http1() -> Self {
        Observer(State::Http1(Box::default()))
    }

    /// Takes octets that `side` sent, and adds what they tell to `events`. After [`Event::Over`] there is nothing more.
    pub fn feed(&mut self, side: Side, octets: &[u8], events: &mut Vec<Event>) {
        let over = match &mut self.0 {
            State::Undecided(undecided) => match undecided.feed(side, octets) {
                Decision::Open => return,
                Decision::Unknown => Ok(true),
                Decision::For(observer) => {
                    let server = std::mem::take(&mut undecided.server);
                    let matched = undecided.matched;
                    *self = observer;
                    self.feed(Side::Server, &server, events);
                    // What has been compared is the beginning of HTTP/2's first octets.
                    self.feed(Side::Client, &PREFACE[..matched], events);
                    return self.feed(Side::Client, octets, events);
                }
            },
            State::Http1(http1) => http1.feed(side, octets, events),
            State::Http2(http2) => http2.feed(side, octets, events).map(|()| false),
            State::Over { .. } => return,
        };
        match over {
            Ok(false) => return,
            Ok(true) => events.push(Event::Over(None)),
            Err(fault) => events.push(Event::Over(Some(fault))),
        }
        let http2 = self.is_of_http2();
        self.0 = State::Over { http2 };
    }

    /// Whether it is HTTP/2 that is observed, or was.
    pub fn is_of_http2(&self) -> bool {
        matches!(self.0, State::Http2(_) | State::Over { http2: true })
    }

    /// Whether the observation has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.0, State::Over { .. })
    }
}

/// What the client speaks.
enum Decision {
    /// That is not known yet.
    Open,
    /// It will not be known.
    Unknown,
    /// What this one observes.
    For(Observer),
}

impl Undecided {
    fn feed(&mut self, side: Side, octets: &[u8]) -> Decision {
        if side == Side::Server {
            // A server that speaks for long before its client does is none of HTTP.
            if self.server.len() + octets.len() > MAX_UNDECIDED {
                return Decision::Unknown;
            }
            self.server.extend_from_slice(octets);
            return Decision::Open;
        }
        let expected = &PREFACE[self.matched..];
        let seen = &octets[..octets.len().min(expected.len())];
        if !expected.starts_with(seen) {
            return Decision::For(Observer::http1());
        }
        if seen.len() == expected.len() {
            return Decision::For(Observer::http2());
        }
        self.matched += seen.len();
        Decision::Open
    }
}
