//! A router of upstream's, as far as its recording goes, against a connection of ours.

use std::time::Duration;

use crate::support::{End, connector_config, listener_config};
use skupper_amqp::{
    Message, Role,
    connection::{CloseReason, Event, Initiator},
    sniff::Sniff,
};

/// What came of a replay.
#[derive(Debug, Default)]
struct Seen {
    container: String,
    sessions: usize,
    links: usize,
    opcodes: Vec<String>,
    octets: usize,
    end: Option<CloseReason>,
}

/// Plays the stream of a peer that begins and attaches everything itself.
fn play(mut end: End, stream: &[u8], cut: usize) -> Seen {
    let mut seen = Seen::default();
    for piece in stream.chunks(cut) {
        end.give(piece, Duration::ZERO);
        while let Some(event) = end.connection.poll_event() {
            match event {
                Event::Opened(open) => seen.container = open.container_id,
                Event::SessionBegun { .. } => seen.sessions += 1,
                Event::Attached {
                    link,
                    by: Initiator::Remote,
                    attach,
                    ..
                } => {
                    seen.links += 1;
                    end.connection
                        .accept(link, attach.source, attach.target, 0)
                        .unwrap();
                    if end.connection.role(link) == Some(Role::Receiver) {
                        end.connection.grant(link, 250).unwrap();
                    }
                }
                Event::Transfer(transfer) => {
                    seen.octets += transfer.payload.len();
                    if transfer.first && !transfer.more {
                        let message = Message::decode(&transfer.payload)
                            .unwrap_or_else(|e| panic!("{e}: {transfer:?}"));
                        let opcode = message
                            .application_properties
                            .as_ref()
                            .and_then(|map| map.get("opcode"));
                        seen.opcodes
                            .extend(opcode.and_then(|opcode| opcode.as_str()).map(str::to_owned));
                    }
                    end.connection.grant(transfer.link, 1).unwrap();
                }
                Event::Closed(reason) => seen.end = Some(reason),
                _ => {}
            }
        }
        end.take(usize::MAX);
    }
    end.connection.handle_eof();
    if let Some(Event::Closed(reason)) = end.connection.poll_event() {
        seen.end = Some(reason);
    }
    seen
}

#[test]
fn a_control_connection_of_upstream_is_understood_from_its_first_octet_to_its_last() {
    for cut in [1, 7, 100] {
        let seen = play(
            End::new(listener_config()),
            include_bytes!("../data/control-connector.bin"),
            cut,
        );
        assert_eq!(
            (seen.container.as_str(), seen.sessions, seen.links),
            ("A", 11, 22)
        );
        for opcode in ["HELLO", "RA", "LSU", "MAU"] {
            assert!(
                seen.opcodes.iter().any(|seen| seen == opcode),
                "{opcode}: {:?}",
                seen.opcodes
            );
        }
        // The router was stopped, which drops the socket without a close.
        assert_eq!(seen.end, Some(CloseReason::Lost), "{seen:?}");
    }
}

#[test]
fn an_edge_router_of_upstreams_is_understood_as_far_as_it_speaks_by_itself() {
    let stream = include_bytes!("../data/edge-connector.bin");
    for cut in [1, 7, 100] {
        let seen = play(End::new(listener_config()), stream, cut);
        // A session of ours would carry what it answers next: streams.
        assert_eq!((seen.container.as_str(), seen.links), ("E", 13));
        let end = seen.end.map(|end| end.to_string()).unwrap_or_default();
        assert!(end.contains("a begin answers channel 3"), "{end}");
    }
}

#[test]
fn a_management_client_without_sasl_is_served() {
    let mut config = listener_config();
    config.sasl = skupper_amqp::connection::Sasl::Accept {
        offered: Vec::new(),
        required: false,
    };
    let seen = play(
        End::new(config),
        include_bytes!("../data/management-client.bin"),
        50,
    );
    assert_eq!((seen.sessions, seen.links, seen.octets), (1, 2, 200));
    assert_eq!(seen.end, Some(CloseReason::Remote(None)));
}

#[test]
fn the_first_octets_tell_the_layer() {
    for (octets, expected) in [
        (&b""[..], Sniff::NeedMore),
        (b"\x16\x03", Sniff::NeedMore),
        (b"\x16\x03\x01\x02\x00", Sniff::Tls),
        (b"\x16\x04\x01", Sniff::Unknown),
        (b"AMQP", Sniff::NeedMore),
        (b"AMQP\x03\x01\x00\x00", Sniff::Amqp),
        (b"AMQP\x00\x01\x00\x00rest", Sniff::Amqp),
        (b"AMQP\x00\x00\x09\x01", Sniff::Amqp),
        (b"AMQP\x02\x01\x00\x00", Sniff::AmqpTls),
        (b"GE", Sniff::NeedMore),
        (b"GET / HTTP/1.1", Sniff::Http),
        (b"\x00\x00\x00\x00", Sniff::Unknown),
        (b"SSH-2.0", Sniff::Unknown),
    ] {
        assert_eq!(Sniff::of(octets), expected, "{}", octets.escape_ascii());
    }
}

#[test]
fn what_is_no_amqp_is_named() {
    let reason = |mut end: End, octets: &[u8]| {
        end.give(octets, Duration::ZERO);
        match end.events().pop() {
            Some(Event::Closed(reason)) => reason.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let listener = || End::new(listener_config());
    let connector = || End::new(connector_config());
    assert!(
        reason(listener(), b"\x16\x03\x01\x02\x00\x01")
            .ends_with("TLS (this port speaks plain AMQP) came")
    );
    assert!(
        reason(connector(), b"\x15\x03\x03\x00\x02\x02\x28")
            .ends_with("a TLS alert (the peer expects TLS) came")
    );
    assert!(reason(connector(), b"HTTP/1.1 400 Bad Request").ends_with("\"HTTP/1.1\" came"));
    assert!(
        reason(connector(), b"AMQP\x00\x01\x00\x00").ends_with("(the peer has no SASL layer) came")
    );
    // A frame beyond what may come before the open is refused by its size, before it has come.
    let mut end = listener();
    end.give(
        b"AMQP\x03\x01\x00\x00\x7f\xff\xff\xff\x02\x01\x00\x00",
        Duration::ZERO,
    );
    assert!(end.connection.is_closed());
}
