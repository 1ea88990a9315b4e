use super::*;
use crate::document::pretty;
use crate::field::scalar;
use crate::{Kind, Value};

/// `skrouterd.json` of ConfigMaps that upstream's controller wrote.
const OBSERVED: &[(&str, &str)] = &[
    (
        "accessgrant",
        include_str!("../../tests/observed/accessgrant-skupper-router.json"),
    ),
    (
        "certificate-client",
        include_str!("../../tests/observed/certificate-client-skupper-router.json"),
    ),
    (
        "custom-server-first",
        include_str!("../../tests/observed/custom-server-first-skupper-router.json"),
    ),
    (
        "edge-link",
        include_str!("../../tests/observed/edge-link-skupper-router.json"),
    ),
    (
        "edge-linkaccess",
        include_str!("../../tests/observed/edge-linkaccess-skupper-router.json"),
    ),
    (
        "ha",
        include_str!("../../tests/observed/ha-skupper-router.json"),
    ),
    (
        "ha, second",
        include_str!("../../tests/observed/ha-skupper-router-2.json"),
    ),
    (
        "loadbalancer",
        include_str!("../../tests/observed/loadbalancer-skupper-router.json"),
    ),
    (
        "local",
        include_str!("../../tests/observed/local-skupper-router.json"),
    ),
    (
        "nodeport",
        include_str!("../../tests/observed/nodeport-skupper-router.json"),
    ),
];

/// The text with the sections of one type in the order of their names: upstream leaves that order to chance.
fn in_order_of_names(text: &str) -> String {
    let Value::Array(mut sections) = serde_json::from_str::<Value>(text).unwrap() else {
        panic!("not a document")
    };
    let mut types: Vec<Value> = sections.iter().map(|section| section[0].clone()).collect();
    types.dedup();
    let name = |section: &Value| {
        section[1]
            .get("name")
            .or(section[1].get("prefix"))
            .and_then(scalar)
    };
    sections.sort_by_key(|section| {
        (
            types.iter().position(|kind| *kind == section[0]),
            name(section),
        )
    });
    pretty(&Value::Array(sections))
}

#[test]
fn what_upstream_wrote_is_written_back_to_the_letter() {
    for (case, text) in OBSERVED {
        let config = RouterConfig::parse(text).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(config.to_json(), in_order_of_names(text), "{case}");
        assert_eq!(
            RouterConfig::parse(&config.to_json()).unwrap(),
            config,
            "{case}"
        );
    }
}

#[test]
fn what_was_read_means_what_it_says() {
    let config = RouterConfig::parse(OBSERVED[3].1).unwrap();
    assert_eq!(config.router.mode, Some(Mode::Edge));
    assert_eq!(config.router.hello_max_age_seconds, Some(Textual(3)));
    let connector = &config.connectors["link-west-skupper-router"];
    assert_eq!(
        (
            connector.host.as_str(),
            connector.port.as_str(),
            connector.cost
        ),
        ("10.71.80.20", "45671", 1)
    );
    assert_eq!(connector.role, Some(Role::Edge));
    assert_eq!(connector.verify_hostname, Tristate(None));
    assert_eq!(config.listeners["amqp"].role, None);
    assert_eq!(config.listeners["@9090"].healthz, Tristate(Some(true)));
    assert_eq!(config.listeners["@9090"].websockets, Tristate(None));
}

#[test]
fn every_section_that_a_site_writes_survives_the_document() {
    let mut config = RouterConfig::parse(OBSERVED[6].1).unwrap();
    config.router.data_connection_count = "4".to_owned();
    config.proxy_profiles.insert(
        "corporate".to_owned(),
        ProxyProfile {
            name: "corporate".to_owned(),
            host: "proxy".to_owned(),
            port: "3128".to_owned(),
            username: "me".to_owned(),
            password: "file:/etc/skupper-router-proxies/corporate/password.txt".to_owned(),
        },
    );
    let profile = config.ssl_profiles.get_mut("skupper-site-server").unwrap();
    (profile.ordinal, profile.oldest_valid_ordinal) = (3, 1);
    config
        .tcp_connectors
        .values_mut()
        .for_each(|connector| connector.verify_hostname = Tristate(Some(false)));
    config.tcp_listeners.insert(
        "multiAddress/all".to_owned(),
        TcpListener {
            name: "multiAddress/all".to_owned(),
            port: "1025".to_owned(),
            multi_address_strategy: MultiAddressStrategy::Priority.to_string(),
            authenticate_peer: true,
            ..TcpListener::default()
        },
    );
    config.listener_addresses.insert(
        "all/backend".to_owned(),
        ListenerAddress {
            name: "all/backend".to_owned(),
            address: "backend".to_owned(),
            value: 0,
            listener: "multiAddress/all".to_owned(),
        },
    );
    config.logs.insert(
        "SERVER".to_owned(),
        LogConfig {
            module: "SERVER".to_owned(),
            enable: "debug+".to_owned(),
        },
    );
    config.site = Some(Site {
        name: "west".to_owned(),
        platform: "linux".to_owned(),
        ..Site::default()
    });

    let text = config.to_json();
    assert_eq!(RouterConfig::parse(&text).unwrap(), config);
    // Upstream's controller always writes a value, even zero, and a port of an AMQP listener as a number.
    assert!(text.contains("\"value\": 0"), "{text}");
    assert!(text.contains("\"verifyHostname\": false"), "{text}");
    let kinds: Vec<Kind> = config.sections().iter().map(|(kind, _)| *kind).collect();
    let mut deduplicated = kinds.clone();
    deduplicated.dedup();
    assert_eq!(
        deduplicated
            .iter()
            .map(|kind| kind.section_name())
            .collect::<Vec<_>>(),
        [
            "router",
            "sslProfile",
            "proxyProfile",
            "connector",
            "listener",
            "address",
            "tcpConnector",
            "tcpListener",
            "listenerAddress",
            "log",
            "site"
        ]
    );
}

#[test]
fn profiles_without_users_are_removed() {
    let mut config = RouterConfig::parse(OBSERVED[7].1).unwrap();
    assert!(!config.remove_unreferenced_profiles());
    config
        .listeners
        .retain(|name, _| PROTECTED_LISTENERS.contains(&name.as_str()));
    assert!(config.remove_unreferenced_profiles());
    assert_eq!(
        config.ssl_profiles.keys().collect::<Vec<_>>(),
        ["skupper-local-server"]
    );
}

#[test]
fn all_faults_are_told_with_their_lines() {
    let text = r#"[
  ["router", {"id": "west", "mode": "exterior"}],
  ["listener", {
    "name": "amqp",
    "port": "amqps"
  }],
  ["sslProfile", {"name": "p", "ordinal": -1}]
]"#;
    let errors = RouterConfig::parse(text).unwrap_err();
    let told: Vec<String> = errors.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 2: router `west`: attribute `mode`: expected one of standalone, interior, edge, found \"exterior\"",
            "line 5: listener `amqp`: attribute `port`: expected a port between 0 and 65535, found \"amqps\"",
            "line 7: sslProfile `p`: attribute `ordinal`: expected a whole number not below 0, found -1",
        ]
    );
}
