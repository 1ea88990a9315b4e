//! Two connections, and a wire between them that cuts the octets where it likes.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use skupper_amqp::{
    Open,
    connection::{Config, Connection, Event, Mechanism},
    sasl,
};

pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) inbox: BytesMut,
}

impl End {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            connection: Connection::new(config, Duration::ZERO),
            inbox: BytesMut::new(),
        }
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    pub(crate) fn take(&mut self, most: usize) -> Vec<u8> {
        let output = self.connection.output();
        let octets = output.copy_to_bytes(output.remaining().min(most));
        octets.to_vec()
    }

    pub(crate) fn give(&mut self, octets: &[u8], now: Duration) {
        self.inbox.extend_from_slice(octets);
        self.connection.handle_input(&mut self.inbox, now);
    }
}

pub(crate) struct Pair {
    pub(crate) connector: End,
    pub(crate) listener: End,
    pub(crate) now: Duration,
}

pub(crate) fn connector_config() -> Config {
    Config::connector(
        Open::new("connector"),
        vec![Mechanism::External, Mechanism::Anonymous("test".into())],
    )
}

pub(crate) fn listener_config() -> Config {
    Config::listener(Open::new("listener"), vec![sasl::ANONYMOUS], true)
}

impl Pair {
    pub(crate) fn new(connector: Config, listener: Config) -> Self {
        Self {
            connector: End::new(connector),
            listener: End::new(listener),
            now: Duration::ZERO,
        }
    }

    /// Carries at most so many octets each way; the octets carried.
    pub(crate) fn carry(&mut self, most: usize) -> usize {
        let there = self.connector.take(most);
        self.listener.give(&there, self.now);
        let back = self.listener.take(most);
        self.connector.give(&back, self.now);
        there.len() + back.len()
    }

    /// Carries until both are silent.
    pub(crate) fn settle(&mut self) {
        while self.carry(usize::MAX) > 0 {}
    }

    /// Both opened.
    pub(crate) fn opened(connector: Config, listener: Config) -> Self {
        let mut pair = Self::new(connector, listener);
        pair.settle();
        assert!(matches!(
            pair.connector.events().as_slice(),
            [Event::Opened(_)]
        ));
        assert!(matches!(
            pair.listener.events().as_slice(),
            [Event::Opened(_)]
        ));
        pair
    }
}
