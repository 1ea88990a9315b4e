//! What a flow carries, read from its octets as they pass: the requests of HTTP/1 and HTTP/2 (observability reference §4.5).
//!
//! An [`Observer`] is a state machine without I/O and without a clock: give it the octets of each side in the order in which they
//! pass ([`Observer::feed`]), take its [events](Event). How the octets are cut makes no difference, except that one
//! [`Event::Body`] may come as several. It never holds octets back and never changes them; what it cannot read ends the
//! observation and nothing else.
//!
//! Whatever is sent, an observer keeps at most about 300 KiB: the head that is being read, of each side ([`MAX_HEAD`]);
//! for HTTP/2 a table of headers of each side ([`MAX_TABLE`]); what it knows of requests that are not answered
//! ([`MAX_OPEN`] of them). An idle one keeps less than a kilobyte, with HTTP/2 what its peers put into the tables.

mod event;
mod forwarded;
mod http1;

pub use event::{Event, Fault, Side, Version};

use http1::Http1;

/// Octets of the longest head of a message that is read, and of the longest line in a chunked body.
pub const MAX_HEAD: usize = 64 * 1024;
/// Requests that may be open at once in one flow.
pub const MAX_OPEN: usize = 1024;

/// The requests in one flow.
#[derive(Debug)]
pub struct Observer(State);

#[derive(Debug)]
enum State {
    Http1(Box<Http1>),
    Over,
}

impl Observer {
    /// An observer of HTTP/1.
    pub fn http1() -> Self {
        Observer(State::Http1(Box::default()))
    }

    /// Takes octets that `side` sent, and adds what they tell to `events`. After [`Event::Over`] there is nothing more.
    pub fn feed(&mut self, side: Side, octets: &[u8], events: &mut Vec<Event>) {
        let over = match &mut self.0 {
            State::Http1(http1) => http1.feed(side, octets, events),
            State::Over => return,
        };
        match over {
            Ok(false) => return,
            Ok(true) => events.push(Event::Over(None)),
            Err(fault) => events.push(Event::Over(Some(fault))),
        }
        self.0 = State::Over;
    }

    /// Whether the observation has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.0, State::Over)
    }
}
