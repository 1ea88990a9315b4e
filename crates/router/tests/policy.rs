//! Policies of virtual hosts, with clients that try what they may not, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::clients::{client, client_listener, run};
use common::raw::Raw;
use common::*;
use serde_json::{Map, Value, json};
use skupper_amqp::connection::{CloseReason, Event, LinkId, Outgoing, Payload, Sent, SessionId};
use skupper_amqp::{Attach, Condition, DeliveryState, Message, Open, Properties, Role, Terminus};
use skupper_management::agent::Store;
use skupper_management::document::{Dialect, Document};
use skupper_management::protocol::{Request, Status};
use skupper_management::{Kind, agent};
use skupper_router::Router;
use skupper_router::agent::Agent;
use skupper_router::entities::Entities;

/// A router that obeys virtual hosts.
fn policed(more: Value, vhosts: &[Value]) -> Router {
    let mut policy = json!({"enableVhostPolicy": true});
    policy
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap());
    let mut sections = vec![json!(["policy", policy]), client_listener()];
    sections.extend(vhosts.iter().map(|vhost| json!(["vhost", vhost])));
    router("policed", &sections)
}

/// A virtual host for everybody, with these settings.
fn everybody(name: &str, settings: Value) -> Value {
    let mut group = json!({"users": "*", "remoteHosts": "*"});
    group
        .as_object_mut()
        .unwrap()
        .extend(settings.as_object().cloned().unwrap());
    json!({"hostname": name, "groups": {"all": group}})
}

fn asking(hostname: &str) -> Open {
    let mut open = Open::new("client");
    open.hostname = Some(hostname.to_owned());
    open
}

fn open(router: &Router, hostname: &str) -> Raw {
    let stream = connect(([127, 0, 0, 1], listener_port(router, "clients")).into());
    Raw::open_as(stream, asking(hostname))
}

/// Why the router closed the connection.
fn closed(raw: &mut Raw) -> Condition {
    raw.wait("close", |event| match event {
        Event::Closed(CloseReason::Remote(Some(error))) => Some(error.clone()),
        _ => None,
    })
}

/// Attaches a link; the error with which it was refused, if it was.
fn attach(
    raw: &mut Raw,
    session: SessionId,
    role: Role,
    terminus: impl Into<Option<Terminus>>,
) -> Result<LinkId, Condition> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("link-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut attach = Attach::new(name, role, Terminus::default(), Terminus::default());
    match role {
        Role::Sender => attach.target = terminus.into(),
        Role::Receiver => attach.source = terminus.into(),
    }
    let id = raw.amqp.attach(session, attach).unwrap();
    raw.wait("attach", |event| match event {
        Event::Attached { link, attach, .. } if *link == id => {
            let named = match role {
                Role::Sender => attach.target.is_some(),
                Role::Receiver => attach.source.is_some(),
            };
            named.then_some(Ok(id))
        }
        Event::Detached { link, error } if *link == id => Some(Err(*error.clone().unwrap())),
        _ => None,
    })
}

fn dynamic() -> Terminus {
    Terminus {
        dynamic: true,
        ..Terminus::default()
    }
}

fn disallowed(refused: Result<LinkId, Condition>, condition: &str) {
    let error = refused.unwrap_err();
    assert_eq!(error.condition.as_str(), condition);
    assert_eq!(
        error.description.as_deref(),
        Some("link disallowed by local policy")
    );
}

/// The one row of a type, or that of a host name.
fn row(router: &Router, kind: Kind, hostname: &str) -> Map<String, Value> {
    let mut found =
        router
            .entities()
            .find(kind, "identity", &format!("{}/{hostname}", kind.short()));
    found.remove(0)
}

#[test]
fn who_may_connect_is_decided_by_virtual_host_user_and_number() {
    let mut one = everybody("one", json!({"maxConnectionsPerUser": 2}));
    one["aliases"] = json!("uno");
    let strict =
        json!({"hostname": "strict", "groups": {"g": {"users": "ann", "remoteHosts": "*"}}});
    let mut far = everybody("far", json!({}));
    far["groups"]["all"]["remoteHosts"] = json!("10.0.0.1-10.0.0.9");
    let router = policed(json!({}), &[one, strict, far]);
    for hostname in ["elsewhere", "strict", "far"] {
        let error = closed(&mut open(&router, hostname));
        assert_eq!(error.condition.as_str(), "amqp:resource-limit-exceeded");
        assert_eq!(
            error.description.as_deref(),
            Some("connection disallowed by local policy")
        );
    }
    let first = open(&router, "one");
    let _second = open(&router, "uno");
    closed(&mut open(&router, "one"));
    let stats = || row(&router, Kind::VhostStats, "one");
    assert_eq!(
        (
            &stats()["connectionsApproved"],
            &stats()["connectionsDenied"]
        ),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        stats()["perUserState"]["anonymous"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        stats()["perHostState"]["127.0.0.1"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    drop(first);
    wait_for("end of the first", || {
        (stats()["connectionsCurrent"] == 1).then_some(())
    });
    open(&router, "one");
    assert_eq!(
        row(&router, Kind::VhostStats, "far")["connectionsDenied"],
        1
    );
    // Its own administrator is told why, soon after the clients.
    for text in [
        "'elsewhere' is no vhost's hostname or alias",
        "add 'anonymous' to the users of a group of vhost 'strict'",
        "is let in from 10.0.0.1-10.0.0.9, and the connection is from 127.0.0.1",
        "2 connections are open, which is maxConnectionsPerUser",
    ] {
        wait_for(text, || {
            let listeners = router.entities().find(Kind::Listener, "name", "clients");
            let refusals = listeners[0]["refusals"].as_array()?;
            let said = refusals.iter().any(|refusal| {
                refusal["check"] == "policy" && refusal["message"].as_str().unwrap().contains(text)
            });
            said.then_some(())
        });
    }
}

/// The limit of the whole router, which holds whether virtual hosts are obeyed or not.
#[test]
fn one_too_many_is_sent_away_until_another_ends() {
    let limit = json!(["policy", {"maxConnections": 2}]);
    let router = router("limited", &[limit, client_listener()]);
    let _agent = Agent::start(&router).unwrap();
    let one = open(&router, "");
    run(async {
        let manager = client(&router, "manager");
        let counts = async || {
            let policy = manager.query(Kind::Policy, &[]).await.unwrap().remove(0);
            ["Processed", "Denied", "Current"]
                .map(|count| policy[&format!("connections{count}")].as_u64().unwrap())
        };
        assert_eq!(counts().await, [2, 0, 2]);
        let mut third = connect(([127, 0, 0, 1], listener_port(&router, "clients")).into());
        let end = third.read(&mut [0]).map_err(|error| error.kind());
        assert!(
            matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)),
            "{end:?}"
        );
        assert_eq!(counts().await, [3, 1, 2]);
        drop(one);
        let gone = async {
            while counts().await[2] > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
        drop(open(&router, ""));
    });
}

#[test]
fn a_name_that_does_not_resolve_keeps_nobody_but_who_comes_from_there_out() {
    let from = |name: &str, hosts: &str| {
        let mut vhost = everybody(name, json!({}));
        vhost["groups"]["all"]["remoteHosts"] = json!(hosts);
        vhost
    };
    let router = policed(
        json!({}),
        &[
            from("nowhere", "no-such-name.invalid"),
            from("both", "no-such-name.invalid, 127.0.0.1"),
            from("here", "localhost"),
        ],
    );
    let tried = |hostname: &str| {
        let stream = connect(([127, 0, 0, 1], listener_port(&router, "clients")).into());
        let mut raw = Raw::open_as(stream, asking(hostname));
        let mut closed = false;
        wait_for("an answer", || {
            let goes_on = raw.turn();
            while let Some(event) = raw.amqp.poll_event() {
                closed |= matches!(event, Event::Closed(_));
            }
            let admitted = row(&router, Kind::VhostStats, hostname)["connectionsCurrent"] == 1;
            (closed || !goes_on || admitted).then_some(admitted)
        })
    };
    assert!(tried("both"));
    wait_for("the address of this host", || tried("here").then_some(()));
    assert!(!tried("nowhere"));
    let listener = router.entities().listener("clients").unwrap();
    wait_for("the refusal", || {
        let refusals = listener.refusals.snapshot();
        let text = "is let in from no-such-name.invalid (which did not resolve: ";
        let mut all = refusals.entries().iter();
        all.any(|refusal| refusal.message.contains(text))
            .then_some(())
    });
}

#[test]
fn frames_sessions_and_links_are_limited() {
    let settings = json!({"maxFrameSize": 2048, "maxSessions": 2, "maxSessionWindow": 10240,
        "maxSenders": 1, "maxReceivers": 2, "sources": "a*, ${user}/in", "targetPattern": "to.#"});
    let router = policed(json!({}), &[everybody("v", settings)]);
    let stream = connect(([127, 0, 0, 1], listener_port(&router, "clients")).into());
    let mut raw = Raw::open_as(stream, asking("v"));
    let session = raw.amqp.begin().unwrap();
    raw.wait("begin", |event| {
        matches!(event, Event::SessionBegun { .. }).then_some(())
    });
    // Five frames of 2048 octets, less their heads.
    assert_eq!(raw.amqp.session_send_capacity(session), 5 * (2048 - 64));
    assert!(raw.amqp.begin().is_ok(), "the second");
    assert!(raw.amqp.begin().is_err(), "the third is above channel-max");
    let unauthorized = "amqp:unauthorized-access";
    disallowed(
        attach(&mut raw, session, Role::Sender, Terminus::at("from.here")),
        unauthorized,
    );
    disallowed(
        attach(&mut raw, session, Role::Sender, Terminus::default()),
        unauthorized,
    );
    disallowed(attach(&mut raw, session, Role::Sender, None), unauthorized);
    disallowed(
        attach(&mut raw, session, Role::Receiver, Terminus::at("b")),
        unauthorized,
    );
    disallowed(
        attach(&mut raw, session, Role::Receiver, dynamic()),
        unauthorized,
    );
    disallowed(
        attach(&mut raw, session, Role::Receiver, Terminus::at("bob/in")),
        unauthorized,
    );
    let sender = attach(&mut raw, session, Role::Sender, Terminus::at("to/x/y")).unwrap();
    let limit = "amqp:resource-limit-exceeded";
    disallowed(
        attach(&mut raw, session, Role::Sender, Terminus::at("to/z")),
        limit,
    );
    attach(&mut raw, session, Role::Receiver, Terminus::at("a1")).unwrap();
    attach(
        &mut raw,
        session,
        Role::Receiver,
        Terminus::at("anonymous/in"),
    )
    .unwrap();
    disallowed(
        attach(&mut raw, session, Role::Receiver, Terminus::at("a2")),
        limit,
    );
    raw.amqp.detach(sender, None).unwrap();
    raw.wait("detach", |event| {
        matches!(event, Event::Detached { .. }).then_some(())
    });
    attach(&mut raw, session, Role::Sender, Terminus::at("to/z")).unwrap();
    let stats = row(&router, Kind::VhostStats, "v");
    assert_eq!(
        (&stats["senderDenied"], &stats["receiverDenied"]),
        (&json!(4), &json!(4))
    );
}

/// Sends a message; what became of it, or why the connection was closed.
fn send(raw: &mut Raw, link: LinkId, message: &Message) -> Result<DeliveryState, Condition> {
    raw.wait("credit", |event| {
        matches!(event, Event::Flow { credit, .. } if *credit > 0).then_some(())
    });
    let mut payload = Payload::new();
    payload.push(message.to_bytes());
    let sent = raw
        .amqp
        .transfer(link, &Outgoing::default(), &mut payload)
        .unwrap();
    assert!(matches!(sent, Sent::All(_)));
    raw.wait("outcome", |event| match event {
        Event::Disposition {
            state: Some(state), ..
        } => Some(Ok(state.clone())),
        Event::Closed(CloseReason::Remote(Some(error))) => Some(Err(error.clone())),
        _ => None,
    })
}

fn rejected(state: DeliveryState) -> (String, String) {
    match state {
        DeliveryState::Rejected(Some(error)) => (
            error.condition.to_string(),
            error.description.clone().unwrap_or_default(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_go_where_their_sender_may_and_say_who_sent_them() {
    let settings = json!({"sources": "a, b", "targets": "a, b", "allowAnonymousSender": true});
    let router = policed(json!({}), &[everybody("v", settings)]);
    let mut consumer = open(&router, "v");
    let session = consumer.amqp.begin().unwrap();
    let inward = attach(&mut consumer, session, Role::Receiver, Terminus::at("a")).unwrap();
    consumer.amqp.grant(inward, 10).unwrap();
    consumer.turn();
    let unauthorized = |text: &str| ("amqp:unauthorized-access".to_owned(), text.to_owned());
    let fresh = || {
        let mut raw = open(&router, "v");
        let session = raw.amqp.begin().unwrap();
        let link = attach(&mut raw, session, Role::Sender, Terminus::default()).unwrap();
        (raw, link)
    };
    let by = |user: Option<&[u8]>, to: &str| {
        let properties = Properties {
            user_id: user.map(|user| user.to_vec().into()),
            ..Properties::to(to)
        };
        Message::with_value(properties, "text")
    };
    let (mut raw, link) = fresh();
    let state = send(&mut raw, link, &by(None, "c")).unwrap();
    assert_eq!(rejected(state), unauthorized("policy violation on target"));
    let (mut raw, link) = fresh();
    let state = send(&mut raw, link, &by(Some(b"root"), "a")).unwrap();
    assert_eq!(rejected(state), unauthorized("user_id proxy violation"));
    for user in [None, Some(b"anonymous".as_slice()), Some(b"")] {
        let (mut raw, link) = fresh();
        raw.wait("credit", |event| {
            matches!(event, Event::Flow { credit, .. } if *credit > 0).then_some(())
        });
        let mut payload = Payload::new();
        payload.push(by(user, "a").to_bytes());
        let settled = Outgoing {
            settled: true,
            ..Outgoing::default()
        };
        assert!(matches!(
            raw.amqp.transfer(link, &settled, &mut payload).unwrap(),
            Sent::All(_)
        ));
        raw.turn();
        consumer.wait("message", |event| {
            matches!(event, Event::Transfer(_)).then_some(())
        });
    }
    // Also where the link has the address.
    let mut raw = open(&router, "v");
    let session = raw.amqp.begin().unwrap();
    let link = attach(&mut raw, session, Role::Sender, Terminus::at("a")).unwrap();
    let state = send(&mut raw, link, &by(Some(b"root"), "elsewhere")).unwrap();
    assert_eq!(rejected(state), unauthorized("user_id proxy violation"));
}

#[test]
fn a_message_that_is_too_long_ends_its_senders_connection() {
    let named = |name: &str, most: Value| {
        let mut vhost = everybody(name, json!({"sources": "*", "targets": "*"}));
        vhost["groups"]["all"]["maxMessageSize"] = most;
        vhost
    };
    let router = policed(
        json!({"maxMessageSize": 3000}),
        &[
            named("group", json!(100_000)),
            named("policy", json!(null)),
            named("free", json!(0)),
        ],
    );
    let at = |hostname: &str, octets: usize| {
        let mut raw = open(&router, hostname);
        let session = raw.amqp.begin().unwrap();
        let inward = attach(&mut raw, session, Role::Receiver, Terminus::at(hostname)).unwrap();
        raw.amqp.grant(inward, 10).unwrap();
        let link = attach(&mut raw, session, Role::Sender, Terminus::at(hostname)).unwrap();
        raw.wait("credit", |event| {
            matches!(event, Event::Flow { link: at, credit, .. } if *at == link && *credit > 0)
                .then_some(())
        });
        let mut payload = Payload::new();
        let text = "x".repeat(octets);
        payload.push(Message::with_value(Properties::default(), text.as_str()).to_bytes());
        assert!(matches!(
            raw.amqp
                .transfer(link, &Outgoing::default(), &mut payload)
                .unwrap(),
            Sent::All(_)
        ));
        let mut state = None;
        let mut came = false;
        raw.wait("what becomes of it", |event| match event {
            Event::Transfer(incoming) => {
                came = !incoming.more;
                came.then_some(Ok(()))
            }
            Event::Disposition {
                state: Some(told), ..
            } => {
                state = Some(told.clone());
                None
            }
            Event::Closed(CloseReason::Remote(Some(error))) => {
                Some(Err((error.clone(), state.clone())))
            }
            _ => None,
        })
    };
    for (hostname, octets, fits) in [
        ("policy", 2_900, true),
        ("policy", 3_100, false),
        ("group", 99_000, true),
        ("group", 101_000, false),
        ("free", 300_000, true),
    ] {
        match at(hostname, octets) {
            Ok(()) => assert!(fits, "{hostname} {octets}"),
            Err((error, state)) => {
                assert!(!fits, "{hostname} {octets}");
                assert_eq!(error.condition.as_str(), "amqp:connection:forced");
                assert_eq!(error.description.as_deref(), Some("Message size exceeded"));
                let (condition, _) = rejected(state.unwrap());
                assert_eq!(condition, "amqp:link:message-size-exceeded");
            }
        }
    }
    assert_eq!(
        row(&router, Kind::VhostStats, "group")["maxMessageSizeDenied"],
        1
    );
    assert_eq!(
        row(&router, Kind::VhostStats, "free")["maxMessageSizeDenied"],
        0
    );
}

#[test]
fn a_virtual_host_is_replaced_for_those_who_come_then() {
    let router = policed(json!({}), &[everybody("v", json!({"sources": "a"}))]);
    let mut before = open(&router, "v");
    let session = before.amqp.begin().unwrap();
    let store = &mut *router.entities();
    let current = store.find(Kind::Vhost, "identity", "vhost/v").remove(0);
    let mut wanted = current.clone();
    wanted.insert(
        "groups".to_owned(),
        everybody("v", json!({"sources": "b"}))["groups"].clone(),
    );
    store.update(Kind::Vhost, &current, wanted).unwrap();
    let twice = everybody("w", json!({}));
    let mut twice = twice.as_object().unwrap().clone();
    twice.insert("aliases".to_owned(), json!("v"));
    let refused = agent::create(Kind::Vhost, twice, store)
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "PolicyError: Policy for vhost 'w' defines alias 'v' which conflicts with an existing vhost named 'v'"
    );
    attach(&mut before, session, Role::Receiver, Terminus::at("a")).unwrap();
    let mut after = open_held(store, "v");
    let session = after.amqp.begin().unwrap();
    disallowed(
        attach(&mut after, session, Role::Receiver, Terminus::at("a")),
        "amqp:unauthorized-access",
    );
    attach(&mut after, session, Role::Receiver, Terminus::at("b")).unwrap();
    let current = store.find(Kind::Vhost, "identity", "vhost/v").remove(0);
    store.delete(Kind::Vhost, &current).unwrap();
    closed(&mut open_held(store, "v"));
    assert!(store.find(Kind::Vhost, "identity", "vhost/v").is_empty());
    let stats = |store: &Entities| store.find(Kind::VhostStats, "identity", "vhostStats/v");
    assert_eq!(stats(store)[0]["connectionsCurrent"], 2);
    // Who is connected still counts when it comes again.
    let again = store.create(Kind::Vhost, current).unwrap();
    assert_eq!(stats(store).len(), 1);
    assert_eq!(stats(store)[0]["connectionsCurrent"], 2);
    store.delete(Kind::Vhost, &again).unwrap();
    drop((before, after));
    wait_for("end of its counters", || {
        stats(store).is_empty().then_some(())
    });
}

#[test]
fn who_may_not_close_connections_is_told_so() {
    let settings = json!({"sources": "*", "targets": "*", "allowDynamicSource": true, "allowAnonymousSender": true});
    let mut strict = settings.clone();
    strict["allowAdminStatusUpdate"] = json!(false);
    let router = policed(
        json!({"defaultVhost": "strict"}),
        &[everybody("strict", strict), everybody("open", settings)],
    );
    let agent = Agent::start(&router).unwrap();
    let _victim = open(&router, "open");
    let number = router.context().connections.all()[0].number;
    let by_number = |mut request: Request| {
        request.name = None;
        request.identity = Some(number.to_string());
        request
    };
    let deleted = json!({"adminStatus": "deleted"});
    let close = Request::update(Kind::Connection, "", deleted.as_object().unwrap().clone());
    run(async {
        let asker = client(&router, "asker");
        let reply = asker.ask(&by_number(close)).await.unwrap();
        assert_eq!(reply.status, Status::FORBIDDEN);
        assert_eq!(
            reply.description,
            "You are not allowed to perform this operation."
        );
        let traced = json!({"enableProtocolTrace": true});
        let trace = Request::update(Kind::Connection, "", traced.as_object().unwrap().clone());
        let reply = asker.ask(&by_number(trace)).await.unwrap();
        assert_eq!(reply.status, Status::FORBIDDEN, "others' frames");
        let read = by_number(Request::read(Kind::Connection, ""));
        assert_eq!(asker.ask(&read).await.unwrap().status, Status::OK);
    });
    drop(agent);
}

#[test]
fn a_connector_fails_without_its_virtual_host_and_holds_its_peer_to_it() {
    let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = peer.local_addr().unwrap().port().to_string();
    let connector = |name: &str, vhost: &str| json!(["connector", {"name": name, "role": "route-container", "host": "127.0.0.1", "port": port, "policyVhost": vhost}]);
    let vhost = json!({"hostname": "out", "groups": {"$connector": {"sources": "a", "targets": "b", "maxSessions": 1}}});
    let router = router(
        "policed",
        &[
            json!(["policy", {"enableVhostPolicy": true}]),
            json!(["vhost", vhost]),
            connector("good", "out"),
        ],
    );
    let mut container = Raw::accept(peer.accept().unwrap().0);
    let session = container.amqp.begin().unwrap();
    attach(&mut container, session, Role::Receiver, Terminus::at("a")).unwrap();
    attach(&mut container, session, Role::Sender, Terminus::at("b")).unwrap();
    disallowed(
        attach(&mut container, session, Role::Sender, Terminus::at("a")),
        "amqp:unauthorized-access",
    );
    let second = container.amqp.begin().unwrap();
    let error = container.wait("end", |event| match event {
        Event::Ended { session, error } if *session == second => error.clone(),
        _ => None,
    });
    assert_eq!(error.condition.as_str(), "amqp:resource-limit-exceeded");
    assert_eq!(
        error.description.as_deref(),
        Some("session disallowed by local policy")
    );
    assert_eq!(row(&router, Kind::VhostStats, "out")["sessionDenied"], 1);
    let bad = connector("bad", "nosuch")[1].as_object().unwrap().clone();
    agent::create(Kind::Connector, bad, &mut *router.entities()).unwrap();
    let mut refused = Raw::accept(peer.accept().unwrap().0);
    assert_eq!(
        closed(&mut refused).condition.as_str(),
        "amqp:resource-limit-exceeded"
    );
    let message = wait_for("connectionMsg", || {
        let row = router
            .entities()
            .find(Kind::Connector, "name", "bad")
            .remove(0);
        let message = row["connectionMsg"].as_str().unwrap_or_default().to_owned();
        message.contains("policyVhost: 'nosuch'").then_some(message)
    });
    assert!(
        message.contains("create the vhost with a group '$connector'"),
        "{message}"
    );
}

#[test]
fn virtual_hosts_are_read_from_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "1.json",
        r#"[
        # A comment.
        ["vhost", {"hostname": "one", "groups": {"g": {"users": "*", "remoteHosts": "*"}}}],
        ["listener", {"name": "left alone", "port": "no port"}]
    ]"#,
    );
    write("2.txt", "not looked at");
    let start = || {
        let policy = json!({"enableVhostPolicy": true, "policyDir": directory.path()});
        let text =
            json!([["router", {"id": "r"}], ["policy", policy], client_listener()]).to_string();
        Router::start(&Document::parse(&text, Dialect::Json).unwrap())
    };
    let router = start().unwrap();
    open(&router, "one");
    assert_eq!(
        row(&router, Kind::VhostStats, "one")["connectionsApproved"],
        1
    );
    closed(&mut open(&router, "two"));
    drop(router);
    write(
        "3.json",
        r#"[["vhost", {"hostname": "three", "groups": {"g": {"maxSenders": "many"}}}]]"#,
    );
    let error = start().err().unwrap().to_string();
    assert!(
        error.contains("3.json")
            && error.contains("'maxSenders' has error 'Value 'many' does not resolve"),
        "{error}"
    );
}

/// Opens a connection while the entities are held.
fn open_held(store: &Entities, hostname: &str) -> Raw {
    let port = store.listener("clients").unwrap().bound().unwrap().port();
    Raw::open_as(connect(([127, 0, 0, 1], port).into()), asking(hostname))
}
