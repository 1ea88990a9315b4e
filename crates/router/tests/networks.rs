//! Networks that are joined by connections with the role `inter-network`, on sockets: what passes from one to the other, and what
//! is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use common::clients::*;
use common::raw::Raw;
use common::*;
use serde_json::{Value, json};
use skupper_amqp::connection::{Event, Initiator, Outgoing, Payload, Sent};
use skupper_amqp::message::{RouterAnnotations, flags};
use skupper_amqp::{Attach, Message, Open, Role as LinkRole, Symbol, Terminus};
use skupper_client::ClientError;
use skupper_management::agent::Store;
use skupper_management::protocol::Request;
use skupper_management::{Attributes, Kind};
use skupper_router::Router;
use skupper_router::agent::Agent;

fn network(id: &str) -> Value {
    json!(["network", {"networkId": id}])
}

fn border_listener() -> Value {
    with_role(inter_router_listener("border"), "inter-network")
}

fn border_connector(port: u16) -> Value {
    with_role(inter_router_connector("border", port), "inter-network")
}

/// An automatic link on the connection to the other network.
fn auto_link(name: &str, direction: &str, more: Value) -> Value {
    let mut attributes = more;
    attributes["name"] = json!(name);
    attributes["direction"] = json!(direction);
    attributes["connection"] = json!("border");
    json!(["autoLink", attributes])
}

/// What is addressed to routers of this network comes by it.
fn answers(network: &str) -> Value {
    let external = format!("_xtopo/{network}");
    auto_link("answers", "in", json!({"externalAddress": external}))
}

/// Deliveries to an address come by it.
fn comes(address: &str) -> Value {
    auto_link(address, "in", json!({"address": address}))
}

/// Two interior routers of one network; the first is at the border.
struct Net {
    /// They end before their routers.
    _agents: [Agent; 2],
    gate: Router,
    inner: Router,
}

impl Net {
    /// `A` and `B`, in every network.
    fn new(id: &str, gate: &[Value], inner: &[Value]) -> Self {
        let mut sections = vec![
            network(id),
            inter_router_listener("link"),
            client_listener(),
        ];
        sections.extend_from_slice(gate);
        let gate = router("A", &sections);
        let link = inter_router_connector("link", listener_port(&gate, "link"));
        let mut sections = vec![network(id), link, client_listener()];
        sections.extend_from_slice(inner);
        let inner = router("B", &sections);
        Net {
            _agents: [&gate, &inner].map(|router| Agent::start(router).unwrap()),
            gate,
            inner,
        }
    }

    fn routers(&self) -> [&Router; 2] {
        [&self.gate, &self.inner]
    }
}

/// East listens, west connects; both want what is addressed to their routers.
fn joined(east: [&[Value]; 2], west: [&[Value]; 2]) -> (Net, Net) {
    let gate = [&[border_listener(), answers("east")], east[0]].concat();
    let east = Net::new("east", &gate, east[1]);
    let border = border_connector(listener_port(&east.gate, "border"));
    let gate = [&[border, answers("west")], west[0]].concat();
    let west = Net::new("west", &gate, west[1]);
    for (net, other) in [(&east, "_xtopo/west"), (&west, "_xtopo/east")] {
        // Whoever answers before it is known there answers in vain.
        for router in net.routers() {
            reached(router, other);
        }
    }
    (east, west)
}

fn entity(router: &Router, kind: Kind, name: &str) -> Attributes {
    let found = router.entities().find(kind, "name", name);
    found.into_iter().next().unwrap()
}

fn text_of(entity: &Attributes, attribute: &str) -> String {
    let text = entity.get(attribute).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Waits until an automatic link has come so far; what it says of its last error.
fn wait_for_link(router: &Router, name: &str, status: &str) -> String {
    wait_for(status, || {
        let link = entity(router, Kind::AutoLink, name);
        (text_of(&link, "operStatus") == status).then(|| text_of(&link, "lastError"))
    })
}

#[test]
fn a_service_is_asked_from_everywhere_in_another_network_and_answers() {
    let (east, west) = joined([&[], &[]], [&[comes("service"), comes("other")], &[]]);
    run(async {
        serve(
            client(&west.inner, "server"),
            "service",
            "the server of west",
        )
        .await;
        serve(client(&west.gate, "server"), "other", "the other server").await;
        for asks in east.routers() {
            let asker = client(asks, "asker");
            assert_eq!(who(&asker, "service").await, "the server of west");
            assert_eq!(who(&asker, "other").await, "the other server");
        }
    });
}

/// Both networks have routers of the same names.
#[test]
fn agents_are_asked_by_the_name_of_their_network() {
    let (east, west) = joined([&[], &[]], [&[], &[]]);
    run(async {
        for (net, other) in [(&east, "west"), (&west, "east")] {
            for asks in net.routers() {
                let asker = client(asks, "asker");
                for id in ["A", "B"] {
                    let address = format!("amqp:/_xtopo/{other}/0/{id}/$management");
                    assert_eq!(who(&asker, &address).await, id);
                    let agent = asker.clone().with_agent(address);
                    let networks = agent.query(Kind::Network, &["networkId"]).await.unwrap();
                    assert_eq!(networks[0]["networkId"], json!(other));
                }
            }
        }
    });
}

#[test]
fn deliveries_are_counted_at_the_border() {
    let (east, west) = joined([&[], &[]], [&[comes("queue")], &[]]);
    run(async {
        let consumer = client(&west.inner, "consumer");
        let mut queue = consumer.subscribe("queue");
        attached(&mut queue).await;
        reached(&west.gate, "queue");
        let producer = client(&east.inner, "producer");
        // More than the credit of any link.
        for n in 0..300 {
            send(&producer, "queue", &n.to_string()).await;
            assert_eq!(text(&mut queue).await, n.to_string());
        }
    });
    run(async {
        for (gate, expected) in [(&east.gate, [0, 300]), (&west.gate, [300, 0])] {
            let counts = |entity: &Attributes| {
                ["Ingress", "Egress"].map(|way| {
                    let count = &entity[&format!("deliveries{way}InterNetwork")];
                    count.as_u64().unwrap()
                })
            };
            assert_eq!(counts(&entity(gate, Kind::Address, "Mqueue")), expected);
            let manager = client(gate, "manager");
            let metrics = manager.query(Kind::RouterMetrics, &[]).await.unwrap();
            assert_eq!(counts(&metrics[0]), expected);
        }
    });
}

/// Waits until a router's own consumers or other routers take what is for an address.
fn reached(router: &Router, address: &str) {
    let dispatch = &router.context().dispatch;
    let key = dispatch.key(address);
    wait_for("destination", || {
        let forwarding = dispatch.forwarding.load();
        forwarding.is_reachable(&key).then_some(())
    });
}

/// Attaches a link to an address and sends a message by it.
fn produce(raw: &mut Raw, address: &str, message: &Message) {
    let session = raw.amqp.begin().unwrap();
    let target = Terminus::at(address);
    let attach = Attach::new("out", LinkRole::Sender, Terminus::default(), target);
    let link = raw.amqp.attach(session, attach).unwrap();
    raw.wait("credit", |event| match event {
        Event::Flow { credit, .. } => (*credit > 0).then_some(()),
        _ => None,
    });
    let mut payload = Payload::new();
    payload.push(message.to_bytes());
    let sent = raw.amqp.transfer(link, &Outgoing::default(), &mut payload);
    assert!(matches!(sent, Ok(Sent::All(_))));
    assert!(raw.turn());
}

/// A router of another network that does what it likes.
fn stranger(gate: &Router) -> Raw {
    let mut open = Open::new("A");
    open.offered_capabilities = vec![Symbol::from_static("qd.streaming-links")];
    let port = listener_port(gate, "border");
    Raw::open_as(connect(([127, 0, 0, 1], port).into()), open)
}

#[test]
fn another_network_learns_nothing_of_where_a_message_has_been() {
    let east = Net::new("east", &[border_listener(), answers("east")], &[]);
    let mut west = stranger(&east.gate);
    let source = west.wait("attach of the router", |event| match event {
        Event::Attached {
            by: Initiator::Remote,
            attach,
            ..
        } => Some(attach.source.clone()),
        _ => None,
    });
    assert_eq!(source.unwrap().address.as_deref(), Some("_xtopo/east"));
    let session = west.amqp.begin().unwrap();
    let attach = Attach::new(
        "queue",
        LinkRole::Receiver,
        Terminus::at("queue"),
        Terminus::default(),
    );
    let link = west.amqp.attach(session, attach).unwrap();
    west.amqp.grant(link, 1).unwrap();
    west.wait("attach", |event| {
        matches!(event, Event::Attached { link: attached, .. } if *attached == link).then_some(())
    });
    reached(&east.inner, "queue");
    let port = listener_port(&east.inner, "clients");
    let mut producer = Raw::open(connect(([127, 0, 0, 1], port).into()));
    produce(&mut producer, "queue", &message("queue", "hello"));
    let payload = west.wait("transfer", |event| match event {
        Event::Transfer(incoming) => Some(incoming.payload.clone()),
        _ => None,
    });
    let (section, used) = RouterAnnotations::parse(&payload).unwrap().unwrap();
    let expected = RouterAnnotations {
        to_override: Some("queue".to_owned()),
        ..RouterAnnotations::default()
    };
    assert_eq!(section, expected);
    assert!(Message::decode(&payload[used..]).is_ok());
}

/// Names of routers are unique in a network only: one that has been at an `A` of another has not been here.
#[test]
fn where_a_message_has_been_in_another_network_says_nothing_here() {
    let east = Net::new("east", &[border_listener()], &[]);
    run(async {
        let consumer = client(&east.inner, "consumer");
        let mut queue = consumer.subscribe("queue");
        attached(&mut queue).await;
        reached(&east.gate, "queue");
        let mut west = stranger(&east.gate);
        let section = RouterAnnotations {
            flags: flags::RESEND_RELEASED,
            ingress: Some("0/B".to_owned()),
            trace: ["0/B", "0/A", "0/B", "0/A", "0/B"]
                .map(str::to_owned)
                .to_vec(),
            ..RouterAnnotations::default()
        };
        let message = Message {
            router_annotations: Some(section),
            ..message("queue", "hello")
        };
        produce(&mut west, "queue", &message);
        assert_eq!(text(&mut queue).await, "hello");
    });
}

/// Each stream has a link of its own, on which it goes by the name that it has on the other side.
#[test]
fn flows_go_from_network_to_network_under_either_name() {
    let renamed = |name: &str, direction: &str, inner: &str, outer: &str| {
        auto_link(
            name,
            direction,
            json!({"address": inner, "externalAddress": outer}),
        )
    };
    let addresses = ["echo", "far-echo", "near-echo"];
    let listeners = addresses.map(tcp_listener);
    let (east, west) = joined(
        [&[renamed("out", "out", "near-echo", "echo")], &listeners],
        [
            &[comes("echo"), renamed("in", "in", "echo", "far-echo")],
            &[tcp_connector("echo", server(echo))],
        ],
    );
    reached(&west.gate, "echo");
    for address in addresses {
        exercise(&east.inner, address);
    }
    drop(west);
    for address in addresses {
        closed_port(&east.inner, address);
    }
}

#[test]
fn routers_of_the_same_network_are_sent_away_from_the_border() {
    let east = Net::new("east", &[border_listener()], &[]);
    let port = listener_port(&east.gate, "border");
    let interior = router("C", &[inter_router_connector("to-border", port)]);
    let edge = with_role(inter_router_connector("to-border", port), "edge");
    let edge = edge_router("E", &[edge]);
    for router in [&interior, &edge] {
        wait_for("refusal", || {
            let connector = entity(router, Kind::Connector, "to-border");
            let said = text_of(&connector, "connectionMsg");
            said.contains("this port is for routers of other networks")
                .then_some(())
        });
    }
    let checks = wait_for("refusals", || {
        let border = entity(&east.gate, Kind::Listener, "border");
        let refusals = border["refusals"].as_array().unwrap().clone();
        (!refusals.is_empty()).then_some(refusals)
    });
    for refusal in checks {
        assert_eq!(
            (&refusal["by"], &refusal["check"]),
            (&json!("us"), &json!("role"))
        );
    }
}

#[test]
fn a_port_for_routers_of_its_own_network_takes_no_links_of_another() {
    let east = Net::new("east", &[], &[]);
    let border = border_connector(listener_port(&east.gate, "link"));
    let west = router("C", &[network("west"), border, comes("service")]);
    assert_eq!(
        wait_for_link(&west, "service", "failed"),
        "Link attach forbidden on inter-router connection"
    );
}

/// Nothing could be addressed to it from here.
#[test]
fn a_network_without_a_name_of_its_own_is_told_so() {
    for name in ["", "east"] {
        let gate = [border_listener(), answers("east")];
        let east = Net::new("east", &gate, &[]);
        let border = border_connector(listener_port(&east.gate, "border"));
        let _west = Net::new(name, &[border], &[]);
        let error = wait_for_link(&east.gate, "answers", "failed");
        assert!(error.contains("a networkId of its own"), "{error}");
    }
}

/// Both networks would take it from the other: it is not sent to and fro.
#[test]
fn what_nobody_takes_is_given_back() {
    let (east, west) = joined([&[comes("lonely")], &[]], [&[comes("lonely")], &[]]);
    for gate in [&east.gate, &west.gate] {
        wait_for_link(gate, "lonely", "active");
        reached(gate, "lonely");
    }
    run(async {
        let producer = client(&east.inner, "producer");
        reached(&east.inner, "lonely");
        for to in [
            "lonely",
            "amqp:/_xtopo/west/0/nobody/address",
            "amqp:/_xtopo/nowhere/0/A/$management",
        ] {
            let sent = producer.send(message(to, "hello")).await;
            assert!(
                matches!(sent, Err(ClientError::Undeliverable { .. })),
                "{to}: {sent:?}"
            );
        }
    });
}

#[test]
fn the_networks_name_can_be_changed() {
    let router = router("A", &[client_listener()]);
    let _agent = Agent::start(&router).unwrap();
    run(async {
        let client = client(&router, "manager");
        let rows = client.query(Kind::Network, &["identity", "networkId"]);
        let found = rows.await.unwrap().remove(0);
        assert_eq!(found.get("networkId"), None);
        let update = |id: &str| Request {
            name: None,
            identity: found["identity"].as_str().map(str::to_owned),
            ..Request::update(
                Kind::Network,
                "",
                network(id)[1].as_object().unwrap().clone(),
            )
        };
        let unnamed = "amqp:/_topo/0/A/$management";
        let named = "amqp:/_xtopo/late/0/A/$management";
        let other = "amqp:/_xtopo/other/0/A/$management";
        // A network without a name is any.
        for address in [unnamed, named, other] {
            assert_eq!(who(&client, address).await, "A");
        }
        client.request(&update("late")).await.unwrap();
        for address in [unnamed, named] {
            assert_eq!(who(&client, address).await, "A");
        }
        let sent = client.send(message(other, "hello")).await;
        assert!(
            matches!(sent, Err(ClientError::Undeliverable { .. })),
            "{sent:?}"
        );
        let reply = router.context().dispatch.reply_address("x");
        assert_eq!(reply, "amqp:/_xtopo/late/0/A/x");
        let refused = client
            .request(&update("a/b"))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("the character '/'"), "{refused}");
    });
}

/// The interior is told by its edge router which networks are beyond it.
#[test]
fn an_edge_router_can_stand_at_the_border() {
    let edges = with_role(inter_router_listener("edges"), "edge");
    let east = Net::new("east", &[edges], &[]);
    let up = inter_router_connector("up", listener_port(&east.gate, "edges"));
    let edge = edge_router(
        "E",
        &[
            network("east"),
            client_listener(),
            with_role(up, "edge"),
            border_listener(),
            answers("east"),
        ],
    );
    let _agent = Agent::start(&edge).unwrap();
    let border = border_connector(listener_port(&edge, "border"));
    let west = Net::new(
        "west",
        &[border, answers("west"), comes("service"), comes("echo")],
        &[tcp_connector("echo", server(echo))],
    );
    for router in west.routers() {
        reached(router, "_xtopo/east");
    }
    for router in [&east.gate, &east.inner, &edge] {
        reached(router, "_xtopo/west");
    }
    run(async {
        serve(client(&west.inner, "server"), "service", "the server").await;
        for asks in [&east.gate, &east.inner, &edge] {
            let asker = client(asks, "asker");
            assert_eq!(who(&asker, "service").await, "the server");
            let address = "amqp:/_xtopo/west/0/B/$management";
            assert_eq!(who(&asker, address).await, "B");
        }
        let asker = client(&west.inner, "asker");
        for (address, id) in [
            ("amqp:/_xtopo/east/0/B/$management", "B"),
            ("amqp:/_xedge/east/E/$management", "E"),
        ] {
            assert_eq!(who(&asker, address).await, id);
        }
    });
    let more = tcp_listener("echo");
    let other = router(
        "C",
        &[
            network("east"),
            more,
            inter_router_connector("link", listener_port(&east.gate, "link")),
        ],
    );
    exercise(&other, "echo");
}
