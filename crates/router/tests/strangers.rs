//! What strangers send: each is told off or dropped, everybody else is served.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use common::trust::{Ca, Files, Use};
use common::*;
use serde_json::json;
use skupper_amqp::Open;
use skupper_amqp::connection::{CloseReason, Config, Connection, Event, Mechanism};
use skupper_router::Router;

/// A router with a port for routers, and a flow through it that has to go on.
struct Served {
    router: Router,
    flow: TcpStream,
}

impl Served {
    fn new() -> Self {
        let port = server(echo);
        let edge =
            json!(["listener", {"name": "edge", "role": "edge", "host": "127.0.0.1", "port": "0"}]);
        let sections = [
            inter_router_listener("link"),
            edge,
            tcp_listener("echo"),
            tcp_connector("echo", port),
        ];
        let router = router("A", &sections);
        let flow = connect(open_port(&router, "echo"));
        let mut served = Served { router, flow };
        served.check();
        served
    }

    fn stranger(&self, listener: &str) -> TcpStream {
        connect(([127, 0, 0, 1], listener_port(&self.router, listener)).into())
    }

    /// Everybody else is served.
    fn check(&mut self) {
        self.flow.write_all(b"ping").unwrap();
        let mut pong = [0; 4];
        self.flow.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"ping");
    }

    fn refusal(&self, listener: &str) -> String {
        wait_for("refusal", || {
            let refusals = self
                .router
                .entities()
                .listener(listener)?
                .refusals
                .snapshot();
            refusals
                .entries()
                .first()
                .map(|refusal| refusal.message.clone())
        })
    }
}

/// Whether the router closes the connection.
fn is_closed(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset is an end, too.
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[test]
fn other_protocols_are_told_apart() {
    let mut served = Served::new();
    for (words, sentence) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "neither TLS nor AMQP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", "no sslProfile"),
    ] {
        let mut stranger = served.stranger("link");
        stranger.write_all(words).unwrap();
        assert!(is_closed(stranger));
        wait_for(sentence, || {
            served.refusal("link").contains(sentence).then_some(())
        });
    }
    served.check();
}

#[test]
fn a_probe_of_the_port_is_no_refusal() {
    let mut served = Served::new();
    drop(served.stranger("link"));
    let mut other = served.stranger("link");
    other.write_all(b"something").unwrap();
    served.refusal("link");
    let refusals = served
        .router
        .entities()
        .listener("link")
        .unwrap()
        .refusals
        .snapshot();
    assert_eq!(refusals.total(), 1);
    served.check();
}

#[test]
fn garbage_behind_a_good_beginning() {
    let mut served = Served::new();
    let begun = [&b"AMQP\x03\x01\x00\x00"[..], b"AMQP\x00\x01\x00\x00"];
    let garbage: [&[u8]; 5] = [
        b"\xff\xff\xff\xff\x02\x00\x00\x00",
        b"\x00\x00\x00\x01\x02\x00\x00\x00",
        b"\x00\x00\x00\x10\x02\x00\x00\x00\x00\x53\x10\xd0\xff\xff\xff\xff",
        b"\x00\x00\x00\x0c\x02\x01\x00\x00\x00\x53\x41\x40",
        b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x14\x45",
    ];
    for header in begun {
        for octets in garbage {
            let mut stranger = served.stranger("link");
            stranger.write_all(header).unwrap();
            // The router may have closed already.
            let _ = stranger.write_all(octets);
            assert!(is_closed(stranger), "{header:?} {octets:?}");
            served.check();
        }
    }
}

#[test]
fn many_who_say_nothing_keep_nobody_out() {
    let mut served = Served::new();
    let _silent: Vec<_> = (0..200).map(|_| served.stranger("link")).collect();
    served.check();
    let link = listener_port(&served.router, "link");
    let port = server(echo);
    let _other = router(
        "B",
        &[
            inter_router_connector("link", link),
            tcp_connector("late", port),
        ],
    );
    wait_for("the other router", || {
        let forwarding = served.router.context().dispatch.forwarding.load();
        forwarding.table.router("B").map(|_| ())
    });
    served.check();
}

#[test]
fn garbage_within_tls() {
    let home = tempfile::tempdir().unwrap();
    let ca = Ca::new("CA");
    let files = Files::write(
        home.path(),
        "server",
        &ca.leaf(Use::Server, "west", &["127.0.0.1"]),
    );
    let west = router(
        "west",
        &[files.profile("server"), secure_listener("link", "server")],
    );
    let address = ([127, 0, 0, 1], listener_port(&west, "link")).into();
    for octets in [
        &b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x03\x00\x04\x0b\x00\x00\x00",
    ] {
        let mut stranger = connect(address);
        stranger.write_all(octets).unwrap();
        stranger.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(is_closed(stranger), "{octets:?}");
    }
    let east = Files::write(home.path(), "client", &ca.leaf(Use::Client, "east", &[]));
    let link = listener_port(&west, "link");
    let east = router(
        "east",
        &[
            east.profile("client"),
            secure_connector("link", link, "client"),
        ],
    );
    wait_for("a link all the same", || {
        let forwarding = east.context().dispatch.forwarding.load();
        forwarding.table.router("west").map(|_| ())
    });
}

#[test]
fn an_interior_router_at_the_port_for_edges_is_told_so() {
    let mut served = Served::new();
    let port = listener_port(&served.router, "edge");
    let lost = router("B", &[inter_router_connector("up", port)]);
    let expected = "this port is for edge routers and the peer is an interior router";
    let mut events = lost.context().events.subscribe();
    wait_for("the sentence at the connector", || {
        let connector = lost.entities().connector("up")?;
        connector.status().1.contains(expected).then_some(())
    });
    assert!(served.refusal("edge").contains(expected));
    // Nobody is told of a link that was never of use.
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(
            event,
            skupper_router::event::Event::ConnectionOpened(_)
        ));
    }
    assert_eq!(
        lost.entities().connector("up").unwrap().open_connections(),
        0
    );
    served.check();
}

#[test]
fn an_edge_router_with_this_routers_id_is_told_so() {
    let served = Served::new();
    let mut stream = served.stranger("edge");
    let now = Duration::ZERO;
    let mechanisms = vec![Mechanism::Anonymous("edge".to_owned())];
    let mut edge = Connection::new(Config::connector(Open::new("A"), mechanisms), now);
    let mut input = BytesMut::new();
    let reason = loop {
        while let Some(event) = edge.poll_event() {
            if let Event::Closed(reason) = event {
                let CloseReason::Remote(Some(error)) = reason else {
                    panic!("{reason:?}")
                };
                let sentence = error.description.unwrap();
                assert!(sentence.contains("this router's own id"), "{sentence}");
                assert!(served.refusal("edge").contains("this router's own id"));
                return;
            }
        }
        let output = edge.output();
        while output.has_remaining() {
            let count = stream.write(output.chunk()).unwrap();
            output.advance(count);
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(0) => break "the end",
            Ok(count) => input.extend_from_slice(&block[..count]),
            Err(_) => break "an error",
        }
        edge.handle_input(&mut input, now);
    };
    panic!("a close with a sentence was expected, not {reason}");
}
