use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Value;
use crate::agent::tests::Rows;
use crate::agent::{Store, handle};
use crate::config::{
    Connector, Listener, ListenerAddress, MultiAddressStrategy, Observer, ProxyProfile, Role,
    SslProfile, TcpConnector, TcpListener, Tristate,
};
use crate::protocol::{Reply, Request};

/// What a router runs, as it answers over AMQP.
fn running(store: &mut Rows) -> Running {
    let mut running = Running::new();
    for kind in KINDS {
        let request = Request::query(kind, &[]);
        let sent = Request::decode(&request.encode("$management", "here", 1u64));
        let reply = handle(&sent, store).encode(&sent);
        let rows = Reply::decode(&reply).unwrap().into_rows(&request).unwrap();
        running.insert(kind, rows.entities());
    }
    running
}

/// Applies changes one after another; each must be possible where it stands.
fn apply(store: &mut Rows, changes: &[Change]) {
    for change in changes {
        let request = change.request();
        let sent = Request::decode(&request.encode("$management", "here", 1u64));
        let reply = handle(&sent, store);
        assert!(
            reply.status.is_success(),
            "{change:?}: {reply:?}\nof {changes:?}"
        );
    }
}

/// A router as it starts: its own listeners with their profile, and a connector that its image made.
fn fresh() -> Rows {
    let mut store = Rows::default();
    let own = [
        (
            Kind::SslProfile,
            "skupper-local-server",
            json!({"caCertFile": "/c/ca.crt"}),
        ),
        (
            Kind::Listener,
            "amqps",
            json!({"port": 5671, "sslProfile": "skupper-local-server", "saslMechanisms": "EXTERNAL"}),
        ),
        (
            Kind::Listener,
            "amqp",
            json!({"host": "localhost", "port": 5672}),
        ),
        (Kind::SslProfile, "mesh", json!({})),
        (
            Kind::Connector,
            "auto-mesh-connector/x:1",
            json!({"host": "x", "port": "1", "sslProfile": "mesh"}),
        ),
    ];
    for (kind, name, attributes) in own {
        let request = Request::create(kind, name, attributes.as_object().unwrap().clone());
        assert!(handle(&request, &mut store).status.is_success());
    }
    store
}

fn name() -> impl Strategy<Value = String> {
    "[abc]"
}

fn with_names<T: Clone + std::fmt::Debug>(
    record: impl Strategy<Value = T>,
    set: fn(&mut T, String),
) -> impl Strategy<Value = BTreeMap<String, T>> {
    btree_map(name(), record, 0..4).prop_map(move |mut records| {
        records
            .iter_mut()
            .for_each(|(name, record)| set(record, name.clone()));
        records
    })
}

prop_compose! {
    fn ssl_profile()(ca in any::<bool>(), cert in any::<bool>(), oldest in 0u64..3, more in 0u64..3) -> SslProfile {
        SslProfile {
            ca_cert_file: if ca { "/ca.crt".to_owned() } else { String::new() },
            cert_file: if cert { "/tls.crt".to_owned() } else { String::new() },
            ordinal: oldest + more,
            oldest_valid_ordinal: oldest,
            ..SslProfile::default()
        }
    }
}

prop_compose! {
    fn connector()(port in 1u16..3, cost in 0u32..3, role in 0usize..2, verify in any::<Option<bool>>()) -> Connector {
        Connector {
            host: "peer".to_owned(),
            port: port.to_string(),
            cost,
            role: Some([Role::InterRouter, Role::Edge][role]),
            verify_hostname: Tristate(verify),
            ..Connector::default()
        }
    }
}

prop_compose! {
    fn listener()(port in 1u16..3, frame in 0u32..2, peer in any::<bool>()) -> Listener {
        Listener { port, max_frame_size: frame * 1024, authenticate_peer: peer, ..Listener::default() }
    }
}

prop_compose! {
    fn tcp_connector()(port in 1u16..3, verify in any::<Option<bool>>(), any_host in any::<bool>()) -> TcpConnector {
        TcpConnector {
            host: if any_host { "0.0.0.0" } else { "10.0.0.1" }.to_owned(),
            port: port.to_string(),
            address: "a".to_owned(),
            verify_hostname: Tristate(verify),
            ..TcpConnector::default()
        }
    }
}

prop_compose! {
    fn tcp_listener()(port in 1u16..3, several in any::<bool>(), observer in 0usize..5) -> TcpListener {
        TcpListener {
            port: port.to_string(),
            address: if several { String::new() } else { "a".to_owned() },
            multi_address_strategy: if several { MultiAddressStrategy::Weighted.to_string() } else { String::new() },
            observer: Observer::ALL.get(observer).map_or(String::new(), ToString::to_string),
            ..TcpListener::default()
        }
    }
}

prop_compose! {
    fn config()(
        mut ssl_profiles in with_names(ssl_profile(), |profile, name| profile.name = name),
        mut proxy_profiles in with_names(
            Just(ProxyProfile { host: "p".to_owned(), port: "1".to_owned(), ..ProxyProfile::default() }),
            |profile, name| profile.name = name,
        ),
        mut connectors in with_names(connector(), |connector, name| connector.name = name),
        mut listeners in with_names(listener(), |listener, name| listener.name = name),
        tcp_connectors in with_names(tcp_connector(), |connector, name| connector.name = name),
        tcp_listeners in with_names(tcp_listener(), |listener, name| listener.name = name),
        keys in vec((name(), name(), 0i64..3), 0..4),
        references in vec(any::<prop::sample::Index>(), 8),
    ) -> RouterConfig {
        let local = SslProfile {
            name: "skupper-local-server".to_owned(),
            ca_cert_file: "/c/ca.crt".to_owned(),
            ..SslProfile::default()
        };
        ssl_profiles.insert(local.name.clone(), local);
        let profiles: Vec<String> = ssl_profiles.keys().cloned().collect();
        let proxies: Vec<String> = proxy_profiles.keys().cloned().collect();
        for (connector, index) in connectors.values_mut().zip(&references) {
            connector.ssl_profile = index.get(&profiles).clone();
            if !proxies.is_empty() {
                connector.proxy_profile = index.get(&proxies).clone();
            }
        }
        for (listener, index) in listeners.values_mut().zip(&references[4..]) {
            listener.ssl_profile = index.get(&profiles).clone();
        }
        let mut config = RouterConfig {
            ssl_profiles, proxy_profiles: std::mem::take(&mut proxy_profiles), connectors, listeners, tcp_connectors,
            tcp_listeners, ..RouterConfig::default()
        };
        for (listener, address, value) in keys {
            if config.tcp_listeners.contains_key(&listener) {
                let name = format!("{listener}/{address}");
                config.listener_addresses.insert(name.clone(), ListenerAddress { name, address, value, listener });
            }
        }
        config
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// From any configuration to any other: every operation can be done where it stands, then nothing is left to do, and
    /// what is the router's own is as before.
    #[test]
    fn a_plan_leads_there_and_then_is_empty(first in config(), second in config()) {
        let store = &mut fresh();
        for wanted in [&first, &second] {
            let changes = plan(&running(store), wanted);
            apply(store, &changes);
            prop_assert_eq!(plan(&running(store), wanted), vec![]);
            for (kind, records) in [
                (Kind::Connector, wanted.connectors.len() + 1),
                (Kind::Listener, wanted.listeners.len() + 2),
                (Kind::SslProfile, wanted.ssl_profiles.len() + 1),
                (Kind::ProxyProfile, wanted.proxy_profiles.len()),
                (Kind::TcpConnector, wanted.tcp_connectors.len()),
                (Kind::TcpListener, wanted.tcp_listeners.len()),
                (Kind::ListenerAddress, wanted.listener_addresses.len()),
            ] {
                prop_assert_eq!(store.of(kind).count(), records, "{}", kind);
            }
        }
    }

    /// What is equal in both configurations is not touched, unless it stands on what changes.
    #[test]
    fn what_does_not_change_is_not_touched(first in config(), second in config()) {
        let store = &mut fresh();
        let changes = plan(&running(store), &first);
        apply(store, &changes);
        for change in plan(&running(store), &second) {
            let same = match change.kind() {
                Kind::SslProfile => first.ssl_profiles.get(change.name()) == second.ssl_profiles.get(change.name()),
                Kind::Connector => first.connectors.get(change.name()) == second.connectors.get(change.name()),
                Kind::Listener => first.listeners.get(change.name()) == second.listeners.get(change.name()),
                Kind::TcpConnector => first.tcp_connectors.get(change.name()) == second.tcp_connectors.get(change.name()),
                Kind::TcpListener => first.tcp_listeners.get(change.name()) == second.tcp_listeners.get(change.name()),
                _ => false,
            };
            prop_assert!(!same, "{:?}", change);
        }
    }
}

fn profile(ordinal: u64) -> RouterConfig {
    let mut config = RouterConfig::default();
    let profile = SslProfile {
        name: "p".to_owned(),
        cert_file: "/tls.crt".to_owned(),
        ordinal,
        ..SslProfile::default()
    };
    config.ssl_profiles.insert("p".to_owned(), profile);
    config
}

#[test]
fn a_rotation_is_one_update_and_no_connection_is_touched() {
    let store = &mut Rows::default();
    let changes = plan(&running(store), &profile(1));
    assert!(
        matches!(&changes[..], [Change::Create { .. }]),
        "{changes:?}"
    );
    apply(store, &changes);
    let changes = plan(&running(store), &profile(2));
    let [
        Change::Update {
            attributes,
            because,
            ..
        },
    ] = &changes[..]
    else {
        panic!("{changes:?}")
    };
    assert_eq!(because, &["ordinal"]);
    assert_eq!(
        Value::Object(attributes.clone()),
        json!({"name": "p", "certFile": "/tls.crt", "ordinal": 2})
    );
    // A file that is no longer wanted is taken away by name.
    apply(store, &changes);
    let mut without = profile(0);
    without
        .ssl_profiles
        .values_mut()
        .for_each(|profile| profile.cert_file.clear());
    let changes = plan(&running(store), &without);
    let [Change::Update { attributes, .. }] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(
        Value::Object(attributes.clone()),
        json!({"name": "p", "certFile": null, "ordinal": 0})
    );
}

#[test]
fn only_an_observer_changes_in_place() {
    let mut wanted = RouterConfig::default();
    let listener = TcpListener {
        name: "l".to_owned(),
        port: "1024".to_owned(),
        address: "a".to_owned(),
        ..TcpListener::default()
    };
    wanted.tcp_listeners.insert("l".to_owned(), listener);
    let store = &mut Rows::default();
    let changes = plan(&running(store), &wanted);
    apply(store, &changes);
    wanted
        .tcp_listeners
        .values_mut()
        .for_each(|listener| listener.observer = "http2".to_owned());
    let changes = plan(&running(store), &wanted);
    assert!(
        matches!(
            &changes[..],
            [Change::Update {
                kind: Kind::TcpListener,
                ..
            }]
        ),
        "{changes:?}"
    );
    wanted
        .tcp_listeners
        .values_mut()
        .for_each(|listener| listener.port = "1025".to_owned());
    let changes = plan(&running(store), &wanted);
    let [Change::Delete { because, .. }, Change::Create { .. }] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(because, &["port", "observer"]);
}

#[test]
fn upstreams_router_needs_no_change_for_what_it_runs() {
    // As skrouterd answers for entities made of these sections: defaults filled in, counters, what it computed.
    let wanted = RouterConfig::parse(
        r#"[["sslProfile", {"name": "link-profile", "caCertFile": "/ca.crt"}],
            ["connector", {"name": "link", "role": "inter-router", "host": "h", "port": "55671", "cost": 1, "sslProfile": "link-profile"}],
            ["listener", {"name": "in", "role": "inter-router", "port": 55671, "sslProfile": "link-profile", "saslMechanisms": "EXTERNAL", "authenticatePeer": true}],
            ["tcpListener", {"name": "listener/b", "port": "1024", "address": "b", "siteId": "s"}],
            ["log", {"module": "SERVER", "enable": "trace+"}]]"#,
    )
    .unwrap();
    let mut running = Running::new();
    let rows = [
        (
            Kind::SslProfile,
            json!({"name": "link-profile", "caCertFile": "/ca.crt", "identity": "sslProfile/link-profile"}),
        ),
        (
            Kind::Connector,
            json!({
                "name": "link", "role": "inter-router", "host": "h", "port": "55671", "cost": 1, "sslProfile": "link-profile",
                "verifyHostname": true, "maxFrameSize": 16384, "maxSessionFrames": 8192, "linkCapacity": 250,
                "connectionStatus": "SUCCESS"
            }),
        ),
        (
            Kind::Listener,
            json!({
                "name": "in", "role": "inter-router", "host": "", "port": "55671", "cost": 1, "sslProfile": "link-profile",
                "saslMechanisms": "EXTERNAL", "authenticatePeer": true, "maxFrameSize": 16384, "http": false,
                "websockets": true, "healthz": true, "metrics": true
            }),
        ),
        (
            Kind::TcpListener,
            json!({
                "name": "listener/b", "host": "", "port": "1024", "address": "b", "siteId": "s", "observer": "auto",
                "multiAddressStrategy": "none", "authenticatePeer": false, "operStatus": "down", "bytesIn": 0
            }),
        ),
        (
            Kind::Log,
            json!({"module": "SERVER", "name": "log/SERVER", "enable": "debug+"}),
        ),
    ];
    for (kind, row) in rows {
        running.insert(kind, [row.as_object().unwrap().clone()]);
    }
    assert_eq!(plan(&running, &wanted), []);
}

#[test]
fn rows_of_the_test_store_are_found_by_name() {
    let store = fresh();
    assert_eq!(store.find(Kind::Listener, "name", "amqps").len(), 1);
}
