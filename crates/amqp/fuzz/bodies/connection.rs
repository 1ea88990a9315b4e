//! A stranger's octets at a listener (first octet even) or at a connector (odd), cut by the second octet.

use std::time::Duration;

use bytes::BytesMut;
use skupper_amqp::{
    Open,
    connection::{Config, Connection, Event, Mechanism},
    sasl,
};

pub(crate) fn run(octets: &[u8]) {
    let [side, cut, stream @ ..] = octets else {
        return;
    };
    let open = Open::new("fuzz");
    let config = if side % 2 == 0 {
        Config::listener(open, vec![sasl::ANONYMOUS], false)
    } else {
        Config::connector(open, vec![Mechanism::Anonymous(String::new())])
    };
    let mut connection = Connection::new(config, Duration::ZERO);
    let mut input = BytesMut::new();
    for piece in stream.chunks(usize::from(*cut) + 1) {
        input.extend_from_slice(piece);
        connection.handle_input(&mut input, Duration::ZERO);
        while let Some(event) = connection.poll_event() {
            if let Event::Attached { link, attach, .. } = event {
                let _ = connection.accept(link, attach.source, attach.target, 0);
                let _ = connection.grant(link, 10);
            }
        }
        let waiting = connection.buffered_output();
        bytes::Buf::advance(connection.output(), waiting);
    }
    connection.handle_eof();
    assert!(connection.is_closed());
}
