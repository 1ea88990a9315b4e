//! Documents of all kinds: those of a running upstream go through unchanged, odd ones are not refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use skupper_api::{
    AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, Certificate, Connector,
    Endpoint, Kind, Link, Listener, MultiKeyListener, Observer, RouterAccess, SecuredAccess, Site,
    StatusFields as _, StatusType, Target,
};

const OBSERVED: [&str; 11] = [
    include_str!("data/observed/accessgrant.yaml"),
    include_str!("data/observed/certificate-client.yaml"),
    include_str!("data/observed/cli.yaml"),
    include_str!("data/observed/controller-namespace.yaml"),
    include_str!("data/observed/custom-server-first.yaml"),
    include_str!("data/observed/edge-link.yaml"),
    include_str!("data/observed/edge-linkaccess.yaml"),
    include_str!("data/observed/ha.yaml"),
    include_str!("data/observed/loadbalancer.yaml"),
    include_str!("data/observed/local.yaml"),
    include_str!("data/observed/nodeport.yaml"),
];

fn through<K>(document: Value) -> Value
where
    K: Kind + serde::Serialize + serde::de::DeserializeOwned,
{
    let object: K = serde_json::from_value(document.clone())
        .unwrap_or_else(|error| panic!("{error}: {document}"));
    serde_json::to_value(object).unwrap()
}

fn through_its_kind(document: Value) -> Value {
    match document["kind"].as_str().unwrap() {
        "AccessGrant" => through::<AccessGrant>(document),
        "AccessToken" => through::<AccessToken>(document),
        "AttachedConnector" => through::<AttachedConnector>(document),
        "AttachedConnectorBinding" => through::<AttachedConnectorBinding>(document),
        "Certificate" => through::<Certificate>(document),
        "Connector" => through::<Connector>(document),
        "Link" => through::<Link>(document),
        "Listener" => through::<Listener>(document),
        "MultiKeyListener" => through::<MultiKeyListener>(document),
        "RouterAccess" => through::<RouterAccess>(document),
        "SecuredAccess" => through::<SecuredAccess>(document),
        "Site" => through::<Site>(document),
        other => panic!("unknown kind {other}"),
    }
}

#[test]
fn observed_documents_go_through_unchanged() {
    let mut seen = 0;
    for file in OBSERVED {
        for document in serde_saphyr::from_multiple::<Value>(file).unwrap() {
            assert_eq!(through_its_kind(document.clone()), document);
            seen += 1;
        }
    }
    assert_eq!(seen, 71);
}

#[test]
fn kinds_that_were_not_observed_go_through_unchanged() {
    let documents = json!([
        { "apiVersion": "skupper.io/v2alpha1", "kind": "MultiKeyListener", "metadata": { "name": "m" },
          "spec": { "host": "h", "port": 80, "tlsCredentials": "s", "requireClientCert": true, "observer": "none",
                    "settings": { "a": "b" }, "strategy": { "weighted": { "routingKeys": { "x": 1, "y": -2 } } } },
          "status": { "status": "Ready", "message": "OK", "hasDestination": true,
                      "strategy": { "weighted": { "routingKeysReachable": { "x": 1 } } } } },
        { "apiVersion": "skupper.io/v2alpha1", "kind": "MultiKeyListener", "metadata": { "name": "m" },
          "spec": { "host": "h", "port": 80, "strategy": { "priority": { "routingKeys": ["x", "y"] } } },
          "status": { "strategy": { "priority": { "routingKeysReachable": [] } } } },
        { "apiVersion": "skupper.io/v2alpha1", "kind": "AccessToken", "metadata": { "name": "t" },
          "spec": { "url": "https://h:9090/u", "code": "c", "ca": "pem", "linkCost": 3, "settings": { "a": "b" } },
          "status": { "redeemed": true, "status": "Ready", "message": "OK" } },
        { "apiVersion": "skupper.io/v2alpha1", "kind": "AttachedConnector", "metadata": { "name": "c" },
          "spec": { "siteNamespace": "s", "selector": "a=b", "port": 1, "tlsCredentials": "t", "useClientCert": true,
                    "type": "tcp", "includeNotReadyPods": true },
          "status": { "selectedPods": [{ "name": "p", "ip": "10.0.0.1" }] } },
        { "apiVersion": "skupper.io/v2alpha1", "kind": "AttachedConnectorBinding", "metadata": { "name": "c" },
          "spec": { "connectorNamespace": "s", "routingKey": "k", "exposePodsByName": true },
          "status": { "hasMatchingListener": true } },
        { "apiVersion": "skupper.io/v2alpha1", "kind": "AccessGrant", "metadata": { "name": "g" },
          "spec": { "redemptionsAllowed": 2, "expirationWindow": "1h30m", "code": "c", "issuer": "i" } },
        { "apiVersion": "skupper.io/v2alpha1", "kind": "RouterAccess", "metadata": { "name": "r" },
          "spec": { "roles": [{ "name": "edge" }], "tlsCredentials": "t", "bindHost": "::1",
                    "subjectAlternativeNames": ["a", "1.2.3.4"] } },
        { "apiVersion": "skupper.io/v2alpha1", "kind": "Connector", "metadata": { "name": "c" },
          "spec": { "routingKey": "k", "selector": "", "port": 99999, "verifyHostname": true } },
        { "apiVersion": "skupper.io/v2alpha1", "kind": "Certificate", "metadata": { "name": "c" },
          "spec": { "ca": "", "subject": "s" }, "status": { "expiration": "2027-01-02T03:04:05Z" } }
    ]);
    for document in documents.as_array().unwrap() {
        assert_eq!(&through_its_kind(document.clone()), document);
    }
}

#[test]
fn what_is_missing_reads_as_empty() {
    let listener: Listener =
        serde_json::from_value(json!({ "metadata": { "name": "l" } })).unwrap();
    assert_eq!(listener, Listener::new("l", Default::default()));
    assert_eq!(
        serde_json::to_value(&listener).unwrap(),
        json!({ "apiVersion": "skupper.io/v2alpha1", "kind": "Listener", "metadata": { "name": "l" },
                "spec": { "routingKey": "", "host": "", "port": 0 } })
    );
}

#[test]
fn odd_statuses_do_not_hide_the_object() {
    let document = json!({ "metadata": { "name": "c" }, "spec": { "ca": "ca", "subject": "s" }, "status": {
        "status": "Strange", "message": "m", "expiration": "tomorrow", "unknown": [1],
        "conditions": [{ "type": "Ready", "status": "Perhaps", "lastTransitionTime": "2026-01-02T03:04:05",
                         "reason": "X", "message": "" }],
    } });
    let certificate: Certificate = serde_json::from_value(document).unwrap();
    let status = certificate.status.unwrap();
    assert_eq!(
        (status.status, status.message.as_str(), status.expiration),
        (None, "m", None)
    );
    assert_eq!(status.conditions.len(), 1);
    assert!(!status.is_true("Ready"));
}

#[test]
fn helpers_read_what_the_fields_say() {
    let connector: Connector =
        serde_json::from_value(json!({ "spec": { "host": "h", "selector": "" } })).unwrap();
    assert_eq!(connector.spec.target(), Target::Host("h"));
    let connector: Connector =
        serde_json::from_value(json!({ "spec": { "selector": "a=b" } })).unwrap();
    assert_eq!(connector.spec.target(), Target::Selector("a=b"));
    let connector: Connector =
        serde_json::from_value(json!({ "spec": { "selector": "" } })).unwrap();
    assert_eq!(connector.spec.target(), Target::Missing);

    let access: RouterAccess =
        serde_json::from_value(json!({ "spec": { "roles": [{ "name": "inter-router" }, { "name": "edge" }, { "name": "x", "port": 7 }] } })).unwrap();
    let ports: Vec<i64> = access
        .spec
        .roles
        .iter()
        .map(skupper_api::RouterAccessRole::port_or_usual)
        .collect();
    assert_eq!(ports, [55671, 45671, 7]);

    for (link_access, accepts) in [
        ("", false),
        ("none", false),
        ("default", true),
        ("local", true),
    ] {
        let site: Site =
            serde_json::from_value(json!({ "spec": { "linkAccess": link_access } })).unwrap();
        assert_eq!(site.spec.accepts_links(), accepts, "{link_access}");
    }

    let link: Link = serde_json::from_value(json!({ "spec": { "endpoints": [
        { "name": "edge", "host": "h", "port": "1" }, { "name": "inter-router", "host": "::1", "port": "2" }] } })).unwrap();
    assert_eq!(
        link.spec
            .endpoint(Endpoint::INTER_ROUTER)
            .unwrap()
            .to_string(),
        "[::1]:2"
    );
    assert_eq!(
        link.spec.endpoint(Endpoint::EDGE).unwrap().to_string(),
        "h:1"
    );
    assert_eq!(link.spec.endpoint("normal"), None);

    let listener: Listener =
        serde_json::from_value(json!({ "spec": { "observer": "http2" } })).unwrap();
    assert_eq!(listener.spec.observer, Some(Observer::Http2));
    assert_eq!(Observer::Http2.as_str(), "http2");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the texts hold, a Link goes through unchanged.
    #[test]
    fn any_text_goes_through(host in "\\PC{1,40}", secret in "\\PC{1,40}", key in "\\PC{1,10}", cost in 1i64.., port in "[0-9]{1,5}") {
        let document = json!({ "apiVersion": "skupper.io/v2alpha1", "kind": "Link", "metadata": { "name": "l" },
            "spec": { "endpoints": [{ "name": "inter-router", "host": host, "port": port }], "tlsCredentials": secret,
                      "cost": cost, "settings": { key: "v" } },
            "status": { "status": "Error", "message": secret } });
        prop_assert_eq!(through::<Link>(document.clone()), document);
    }

    /// A word in `status.status` that is not ours reads as none, and one that is stays.
    #[test]
    fn status_words(word in "Ready|Pending|Error|[A-Za-z]{0,8}") {
        let site: Site = serde_json::from_value(json!({ "status": { "status": word.clone() } })).unwrap();
        let expected = match word.as_str() {
            "Ready" => Some(StatusType::Ready),
            "Pending" => Some(StatusType::Pending),
            "Error" => Some(StatusType::Error),
            _ => None,
        };
        prop_assert_eq!(site.status.unwrap().status, expected);
    }
}
