//! What attributes do that no other test would miss: each with a value that is not its default, seen where it has its effect.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::mpsc;

use common::clients::client_listener;
use common::links::{consumer, interior, known, message, producer, transfer_to};
use common::raw::Raw;
use common::*;
use serde_json::{Value, json};
use skupper_amqp::codec::Reader;
use skupper_amqp::connection::Event;
use skupper_amqp::frame::write_sasl;
use skupper_amqp::sasl::{ANONYMOUS, PLAIN, SaslFrame};
use skupper_amqp::{Attach, DeliveryState, Role, Terminus, Value as Amqp};
use skupper_management::agent::{self, Store};
use skupper_management::{Attributes, Kind};
use skupper_router::Router;
use skupper_router::connection::connector::Status;
use skupper_router::event::Event as Happening;

fn rows(router: &Router, kind: Kind) -> Vec<Attributes> {
    let mut rows = Vec::new();
    router.entities().visit(kind, &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    });
    rows
}

fn delete(router: &Router, kind: Kind, name: &str) {
    let mut entities = router.entities();
    let found = entities.find(kind, "name", name).remove(0);
    entities.delete(kind, &found).unwrap();
}

/// A connector to a port, with more attributes.
fn connector(role: &str, port: u16, more: Value) -> Value {
    let mut connector = with_role(inter_router_connector("link", port), role);
    let attributes = connector[1].as_object_mut().unwrap();
    attributes.extend(more.as_object().cloned().unwrap());
    connector
}

/// A listener for clients, with more attributes.
fn listener(more: Value) -> Value {
    let mut listener = client_listener();
    let attributes = listener[1].as_object_mut().unwrap();
    attributes.extend(more.as_object().cloned().unwrap());
    listener
}

/// A router that connects to this test with such a connector, and what it has come to.
fn connecting(role: &str, more: Value) -> (Router, Raw) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = port.local_addr().unwrap().port();
    let router = router("A", &[connector(role, number, more)]);
    let (stream, _) = port.accept().unwrap();
    (router, Raw::accept(stream))
}

fn status(router: &Router) -> (Status, String) {
    router.entities().connector("link").unwrap().status()
}

#[test]
fn drop_tcp_connections_decides_whether_flows_outlive_their_entities() {
    let port = server(echo);
    for (drop, kind, name) in [
        (false, Kind::TcpListener, "listener/echo".to_owned()),
        (true, Kind::TcpListener, "listener/echo".to_owned()),
        (false, Kind::TcpConnector, format!("connector/echo@{port}")),
        (true, Kind::TcpConnector, format!("connector/echo@{port}")),
    ] {
        let sections = [tcp_listener("echo"), tcp_connector("echo", port)];
        let router = router_whose("dropTcpConnections", json!(drop), "A", &sections);
        let mut flow = connect(open_port(&router, "echo"));
        let mut ping = || {
            let mut pong = [0; 4];
            flow.write_all(b"ping")?;
            flow.read_exact(&mut pong).map(|()| pong)
        };
        assert_eq!(&ping().unwrap(), b"ping");
        delete(&router, kind, &name);
        if drop {
            wait_for("end of the flow", || ping().is_err().then_some(()));
        } else {
            assert_eq!(&ping().unwrap(), b"ping", "{kind}");
        }
    }
}

#[test]
fn data_connection_count_is_how_many_carry_streams() {
    for count in [0, 3] {
        let sections = [inter_router_listener("link"), tcp_listener("echo")];
        let west = router("west", &sections);
        let sections = [
            inter_router_connector("link", listener_port(&west, "link")),
            tcp_connector("echo", server(echo)),
        ];
        let _east = router_whose(
            "dataConnectionCount",
            json!(count.to_string()),
            "east",
            &sections,
        );
        assert_eq!(exchange(open_port(&west, "echo"), b"hello"), b"hello");
        wait_for("connections", || {
            let connections = west.context().connections.all();
            let data = connections
                .iter()
                .filter_map(|each| Some(each.peer.get()?.data));
            let data: Vec<bool> = data.collect();
            let streams = data.iter().filter(|data| **data).count();
            (data.len() == count + 1 && streams == count).then_some(())
        });
    }
}

#[test]
fn default_distribution_holds_for_addresses_that_nothing_is_said_of() {
    for (distribution, copies) in [("multicast", 2), ("closest", 1), ("balanced", 1)] {
        let router = router_whose(
            "defaultDistribution",
            json!(distribution),
            "A",
            &[client_listener()],
        );
        let mut consumers = [(); 2].map(|()| consumer(&router, "any"));
        known(&router, "any", 2, 0);
        let mut producer = producer(&router, "any", &[]);
        producer.send(message("one"), false);
        for _ in 0..copies {
            let (at, came) = transfer_to(&mut consumers);
            consumers[at].tell(&came, DeliveryState::Accepted, true);
        }
        // Who got it has taken it, so nobody else can be on the way to it.
        let (state, settled) = producer.told();
        assert!(settled, "{state:?}");
        assert!(
            consumers
                .iter_mut()
                .all(|consumer| consumer.look().is_none()),
            "{distribution}"
        );
    }
    let router = router_whose(
        "defaultDistribution",
        json!("unavailable"),
        "A",
        &[client_listener()],
    );
    let mut raw = Raw::open(connect(
        ([127, 0, 0, 1], listener_port(&router, "clients")).into(),
    ));
    let session = raw.amqp.begin().unwrap();
    let attach = Attach::new(
        "out",
        Role::Sender,
        Terminus::default(),
        Terminus::at("any"),
    );
    raw.amqp.attach(session, attach).unwrap();
    let refused = raw.wait("refusal", |event| match event {
        Event::Detached { error, .. } => error.clone(),
        _ => None,
    });
    assert_eq!(refused.condition.as_str(), "amqp:not-found");
}

#[test]
fn require_encryption_sends_clear_clients_away() {
    for attribute in ["requireEncryption", "requireSsl"] {
        let router = router("A", &[listener(json!({attribute: true}))]);
        let mut stream = connect(([127, 0, 0, 1], listener_port(&router, "clients")).into());
        stream.write_all(b"AMQP\x00\x01\x00\x00").unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0, "{attribute}");
        let said = wait_for("refusal", || {
            let listener = router.entities().listener("clients")?;
            let refusals = listener.refusals.snapshot();
            refusals
                .entries()
                .first()
                .map(|refusal| refusal.message.clone())
        });
        assert!(
            said.contains("Client connection unencrypted - forbidden"),
            "{said}"
        );
    }
}

#[test]
fn link_capacity_is_the_credit_that_senders_get() {
    let credit = |raw: &mut Raw| {
        let session = raw.amqp.begin().unwrap();
        let attach = Attach::new(
            "out",
            Role::Sender,
            Terminus::default(),
            Terminus::at("any"),
        );
        raw.amqp.attach(session, attach).unwrap();
        raw.wait("credit", |event| match event {
            Event::Flow { credit, .. } => (*credit > 0).then_some(*credit),
            _ => None,
        })
    };
    // There is credit where there is somebody to consume.
    let router = router("A", &[listener(json!({"linkCapacity": 7}))]);
    let _consumer = consumer(&router, "any");
    let stream = connect(([127, 0, 0, 1], listener_port(&router, "clients")).into());
    assert_eq!(credit(&mut Raw::open(stream)), 7);
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = port.local_addr().unwrap().port();
    let connector = connector("normal", number, json!({"linkCapacity": 9}));
    let router = common::router("B", &[client_listener(), connector]);
    let _consumer = consumer(&router, "any");
    let (stream, _) = port.accept().unwrap();
    assert_eq!(credit(&mut Raw::accept(stream)), 9);
}

#[test]
fn open_properties_are_said_to_peers() {
    let own = json!({"openProperties": {"colour": "red", "number": 7, "list": [true, null], "map": {"a": 1.5}}});
    let router = router("A", &[listener(own.clone())]);
    let accepted = Raw::open(connect(
        ([127, 0, 0, 1], listener_port(&router, "clients")).into(),
    ));
    let (_router, connected) = connecting("normal", own);
    for peer in [&accepted.peer, &connected.peer] {
        let said = |key: &str| peer.properties.get(key).cloned();
        assert_eq!(said("colour"), Some(Amqp::from("red")));
        assert_eq!(said("number"), Some(Amqp::Int(7)));
        assert_eq!(
            said("list"),
            Some(Amqp::List(vec![Amqp::Bool(true), Amqp::Null]))
        );
        let Some(Amqp::Map(map)) = said("map") else {
            panic!("{peer:?}")
        };
        assert_eq!(map.get("a"), Some(&Amqp::Double(1.5)));
        assert_eq!(said("product"), Some(Amqp::from("skupper-router")));
    }
}

#[test]
fn cost_is_said_to_the_peer_and_decides_the_way() {
    let (_router, raw) = connecting("inter-router", json!({"cost": 10}));
    let said = raw.peer.properties.get("qd.inter-router-cost");
    assert_eq!(said, Some(&Amqp::Int(10)));
    // B is reached by its neighbour C where the link to it costs more than both of theirs.
    for (cost, next, whole) in [(10, json!("C"), 2), (1, Value::Null, 1)] {
        let b = router("B", &[inter_router_listener("link")]);
        let to_b = |name: &str, cost: u32| {
            let mut connector = inter_router_connector(name, listener_port(&b, "link"));
            connector[1]["cost"] = json!(cost);
            connector
        };
        let c = router("C", &[inter_router_listener("link"), to_b("to B", 1)]);
        let to_c = inter_router_connector("to C", listener_port(&c, "link"));
        let a = router("A", &[to_c, to_b("to B", cost)]);
        let way = |from: &Router, to: &str| {
            let nodes = rows(from, Kind::Node);
            let node = nodes.into_iter().find(|node| node["id"] == to)?;
            let next = node.get("nextHop").cloned().unwrap_or_default();
            Some((next, node["cost"].clone()))
        };
        // The listener's side has it from the connector's.
        for (from, to) in [(&a, "B"), (&b, "A")] {
            wait_for("way", || {
                (way(from, to)? == (next.clone(), json!(whole))).then_some(())
            });
        }
    }
}

#[test]
fn the_priority_of_an_address_is_that_of_its_messages() {
    let urgent = json!(["address", {"prefix": "urgent", "distribution": "closest", "priority": 8}]);
    let west = interior("west", &[urgent.clone(), inter_router_listener("link")]);
    let link = inter_router_connector("link", listener_port(&west, "link"));
    let east = interior("east", &[urgent, link]);
    for (address, priority) in [("urgent/news", 8), ("near/news", 4)] {
        let mut consumers = [consumer(&west, address)];
        known(&east, address, 0, 1);
        let mut producer = producer(&east, address, &[]);
        producer.send(message("one"), false);
        let (_, came) = transfer_to(&mut consumers);
        consumers[0].tell(&came, DeliveryState::Accepted, true);
        assert!(producer.told().1);
        let links = rows(&east, Kind::Link).into_iter();
        let used = links.filter(|link| {
            link["linkType"] == "inter-router"
                && link["linkDir"] == "out"
                && link["priority"] == priority
        });
        let deliveries: u64 = used.filter_map(|link| link["acceptedCount"].as_u64()).sum();
        assert_eq!(deliveries, 1, "{address}");
    }
}

#[test]
fn a_client_that_is_silent_has_as_long_as_the_listener_says() {
    let router = router(
        "A",
        &[listener(json!({"initialHandshakeTimeoutSeconds": 1}))],
    );
    let mut stream = connect(([127, 0, 0, 1], listener_port(&router, "clients")).into());
    assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
    let listener = router.entities().listener("clients").unwrap();
    let refusal = wait_for("refusal", || {
        listener.refusals.snapshot().entries().first().cloned()
    });
    assert_eq!(refusal.check, "timeout", "{refusal:?}");
}

/// What a router chose of PLAIN and ANONYMOUS, and its first response.
type Chosen = (String, Vec<u8>);

/// A port for routers that have a password; whoever chose something else is sent away. What they chose is told.
fn asks_for_password() -> (u16, mpsc::Receiver<Chosen>) {
    let (tell, told) = mpsc::channel();
    let port = server(move |mut stream| {
        let mut header = [0; 8];
        if stream.read_exact(&mut header).is_err() {
            return;
        }
        let mut octets = bytes::BytesMut::from(&header[..]);
        write_sasl(&mut octets, &SaslFrame::Mechanisms(vec![ANONYMOUS, PLAIN]));
        stream.write_all(&octets).unwrap();
        let mut size = [0; 4];
        stream.read_exact(&mut size).unwrap();
        let mut rest = vec![0; u32::from_be_bytes(size) as usize - 4];
        stream.read_exact(&mut rest).unwrap();
        let SaslFrame::Init {
            mechanism,
            initial_response,
            ..
        } = SaslFrame::read(&mut Reader::new(&rest[4..])).unwrap()
        else {
            panic!("{rest:?}")
        };
        let welcome = mechanism == PLAIN;
        // Nobody may wait for it any more.
        drop(tell.send((mechanism.to_string(), initial_response.unwrap_or_default())));
        let mut octets = bytes::BytesMut::new();
        let code = u8::from(!welcome);
        write_sasl(&mut octets, &SaslFrame::Outcome { code });
        stream.write_all(&octets).unwrap();
        if welcome {
            let mut raw = Raw::beneath_sasl(stream);
            while raw.turn() {}
        }
    });
    (port, told)
}

#[test]
fn a_connector_says_its_user_and_password() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("password");
    std::fs::write(&file, "of the file\r\nmore\n").unwrap();
    let path = std::env::var("PATH").unwrap();
    for (source, password) in [
        ("pass:secret".to_owned(), "secret"),
        ("bare".to_owned(), "bare"),
        // A word of `sslProfile` and `proxyProfile`, and none here.
        ("literal:secret".to_owned(), "literal:secret"),
        (format!("file:{}", file.display()), "of the file"),
        ("env:PATH".to_owned(), &*path),
    ] {
        let (port, told) = asks_for_password();
        let credential = json!({"saslUsername": "ann", "saslPassword": source});
        let router = router("A", &[connector("normal", port, credential)]);
        let chosen = told.recv_timeout(PATIENCE).unwrap();
        let response = format!("\0ann\0{password}");
        assert_eq!(chosen, ("PLAIN".to_owned(), response.into_bytes()));
        wait_for("connection", || {
            (status(&router).0 == Status::Success).then_some(())
        });
        assert!(
            status(&router).1.contains("auth=PLAIN"),
            "{}",
            status(&router).1
        );
    }
}

#[test]
fn a_connector_without_its_password_does_not_connect_as_somebody_else() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("password");
    let missing = format!("file:{}", file.display());
    let unreadable = format!(
        "saslPassword: Unable to open password file {}, error: ",
        file.display()
    );
    let unset =
        "saslPassword: Failed to find a password in the environment variable NO_SUCH_PASSWORD: ";
    for (source, sentence) in [(&*missing, &*unreadable), ("env:NO_SUCH_PASSWORD", unset)] {
        let (port, told) = asks_for_password();
        let credential = json!({"saslUsername": "ann", "saslPassword": source});
        let router = router("A", &[connector("normal", port, credential)]);
        wait_for(sentence, || {
            let (status, message) = status(&router);
            (status == Status::Failed && message.starts_with(sentence)).then_some(())
        });
        assert!(told.try_recv().is_err(), "it has connected all the same");
        let listed = router
            .entities()
            .connector("link")
            .unwrap()
            .refusals
            .snapshot();
        assert_eq!(listed.entries()[0].check, "credential");
        if source == missing {
            std::fs::write(&file, "late").unwrap();
            let chosen = told.recv_timeout(PATIENCE).unwrap();
            assert_eq!(chosen, ("PLAIN".to_owned(), b"\0ann\0late".to_vec()));
        }
    }
    // Where PLAIN is not to be used, neither is the password.
    let (port, told) = asks_for_password();
    let credential = json!({"saslUsername": "ann", "saslPassword": "env:NO_SUCH_PASSWORD", "saslMechanisms": "ANONYMOUS"});
    let _router = router("A", &[connector("normal", port, credential)]);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().0, "ANONYMOUS");
}

#[test]
fn a_password_that_is_not_there_is_no_fault_of_what_was_sent() {
    let router = router("A", &[]);
    let mut events = router.context().events.subscribe();
    let credential = json!({"saslUsername": "ann", "saslPassword": "env:NO_SUCH_PASSWORD"});
    let section = connector("normal", free_port(), credential);
    let attributes = section[1].as_object().unwrap().clone();
    agent::create(Kind::Connector, attributes, &mut *router.entities()).unwrap();
    let told = wait_for("failure", || match events.try_recv() {
        Ok(Happening::ConnectorFailed(_, loss)) => Some(loss.to_string()),
        _ => None,
    });
    let begins = "amqp:unauthorized-access saslPassword: Failed to find a password in the environment variable NO_SUCH_PASSWORD: set it";
    assert!(told.starts_with(begins), "{told}");
}
