//! A peer that does what it likes: the protocol's state machine on a socket, turned by hand.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use skupper_amqp::connection::{Config, Connection, Event, Mechanism, Sasl};
use skupper_amqp::{Open, sasl};

use super::{PATIENCE, wait_for};

/// How long one turn waits for what the router sends.
const TURN: Duration = Duration::from_millis(10);

/// A peer.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    pub(crate) amqp: Connection,
    /// What the router has said of itself.
    pub(crate) peer: Open,
    input: BytesMut,
    begun: Instant,
}

impl Raw {
    /// Opens a connection as an anonymous client.
    pub(crate) fn open(stream: TcpStream) -> Self {
        Self::open_as(stream, Open::new("raw"))
    }

    /// Opens a connection as an anonymous client that says this of itself.
    pub(crate) fn open_as(stream: TcpStream, open: Open) -> Self {
        let mechanisms = vec![Mechanism::Anonymous(sasl::ANONYMOUS.to_string())];
        Self::of(stream, Config::connector(open, mechanisms))
    }

    /// Opens a connection as who TLS beneath has made sure of.
    pub(crate) fn open_external(stream: TcpStream) -> Self {
        Self::of(
            stream,
            Config::connector(Open::new("raw"), vec![Mechanism::External]),
        )
    }

    /// Lets a router that has connected open.
    pub(crate) fn accept(stream: TcpStream) -> Self {
        let config = Config::listener(Open::new("raw"), vec![sasl::ANONYMOUS], false);
        Self::of(stream, config)
    }

    /// Opens where SASL is over.
    pub(crate) fn beneath_sasl(stream: TcpStream) -> Self {
        let mut config = Config::connector(Open::new("raw"), Vec::new());
        config.sasl = Sasl::Skip;
        Self::of(stream, config)
    }

    fn of(stream: TcpStream, config: Config) -> Self {
        stream.set_read_timeout(Some(TURN)).unwrap();
        let mut raw = Raw {
            stream,
            amqp: Connection::new(config, Duration::ZERO),
            peer: Open::new(""),
            input: BytesMut::new(),
            begun: Instant::now(),
        };
        raw.peer = raw.wait("open", |event| match event {
            Event::Opened(open) => Some((**open).clone()),
            _ => None,
        });
        raw
    }

    /// Sends what there is, reads what has come; false at the end.
    pub(crate) fn turn(&mut self) -> bool {
        let output = self.amqp.output();
        while output.has_remaining() {
            let Ok(count) = self.stream.write(output.chunk()) else {
                return false;
            };
            output.advance(count);
        }
        let mut block = [0; 64 * 1024];
        match self.stream.read(&mut block) {
            Ok(0) => return false,
            Ok(count) => self.input.extend_from_slice(&block[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return false,
        }
        self.amqp
            .handle_input(&mut self.input, self.begun.elapsed());
        true
    }

    /// Turns until an event is the one that is looked for.
    pub(crate) fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&Event) -> Option<T>) -> T {
        wait_for(what, || {
            let goes_on = self.turn();
            while let Some(event) = self.amqp.poll_event() {
                if let Some(found) = look(&event) {
                    return Some(found);
                }
            }
            assert!(goes_on, "the connection ended before: {what}");
            None
        })
    }

    /// Writes octets as they are; how many, before the router closed or took no more within the time given.
    pub(crate) fn write(&mut self, octets: &[u8], most: usize, within: Duration) -> usize {
        self.stream.set_write_timeout(Some(within)).unwrap();
        let written = pour(&mut self.stream, octets, most);
        self.stream.set_write_timeout(Some(PATIENCE)).unwrap();
        written
    }
}

/// Writes the same octets again and again; how many, before the other side closed or took no more.
pub(crate) fn pour(stream: &mut TcpStream, octets: &[u8], most: usize) -> usize {
    let mut written = 0;
    let mut at = 0;
    while written < most {
        match stream.write(&octets[at..]) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                written += count;
                at = (at + count) % octets.len();
            }
        }
    }
    written
}
