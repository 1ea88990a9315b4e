use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use skupper_api::{
    Certificate, CertificateSpec, Connector, ConnectorSpec, Endpoint, Link, LinkSpec, Listener,
    ListenerSpec, RouterAccess, RouterAccessSpec, RouterAccessStatus, Site, SiteSpec,
};
use skupper_pki::issue::{CaRequest, Issued, Issuer, LeafRequest, issue_ca};
use skupper_pki::{Credential, KeyAlgorithm, Role};

use super::credentials::{Secrets, Terms, judge_all};
use super::report::{Item, Report, ends};
use super::uses::{Objects, Relation, uses};

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn ca(subject: &str) -> Issued {
    let lifetime = SignedDuration::from_hours(24 * 3650);
    let request = CaRequest {
        subject: subject.to_owned(),
        lifetime,
        algorithm: KeyAlgorithm::EcdsaP256,
    };
    issue_ca(&request, now()).unwrap()
}

fn leaf(ca: &Issued, subject: &str, hosts: &[&str], client: bool, days: i64) -> Credential {
    let request = LeafRequest {
        subject: subject.to_owned(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        server: !client,
        client,
        lifetime: SignedDuration::from_hours(24 * days),
        algorithm: KeyAlgorithm::EcdsaP256,
    };
    Issuer::of(ca).issue(&request, now()).unwrap().credential()
}

fn secret(credential: &Credential) -> Secret {
    let data = credential
        .data()
        .map(|(key, value)| (key.to_owned(), ByteString(value.to_vec())));
    Secret {
        data: Some(data.collect()),
        ..Secret::default()
    }
}

fn objects() -> Objects {
    let endpoint = Endpoint {
        name: "inter-router".into(),
        host: "203.0.113.7".into(),
        port: "55671".into(),
        group: "skupper-router".into(),
    };
    let mut access = RouterAccess::new(
        "skupper-router",
        RouterAccessSpec {
            tls_credentials: "skupper-site-server".into(),
            ..RouterAccessSpec::default()
        },
    );
    access.status = Some(RouterAccessStatus {
        endpoints: vec![endpoint.clone()],
        ..RouterAccessStatus::default()
    });
    let certificate = |name: &str, spec: CertificateSpec| Certificate::new(name, spec);
    Objects {
        sites: vec![Site::new("west", SiteSpec::default())],
        accesses: vec![access],
        links: vec![Link::new(
            "east",
            LinkSpec {
                endpoints: vec![endpoint],
                tls_credentials: "to-east".into(),
                ..LinkSpec::default()
            },
        )],
        certificates: vec![
            certificate(
                "skupper-site-ca",
                CertificateSpec {
                    signing: true,
                    ..CertificateSpec::default()
                },
            ),
            certificate(
                "skupper-site-server",
                CertificateSpec {
                    server: true,
                    ..CertificateSpec::default()
                },
            ),
            certificate(
                "link-west",
                CertificateSpec {
                    client: true,
                    ..CertificateSpec::default()
                },
            ),
        ],
        listeners: vec![Listener::new(
            "web",
            ListenerSpec {
                host: "web".into(),
                tls_credentials: "web-tls".into(),
                ..ListenerSpec::default()
            },
        )],
        connectors: vec![Connector::new(
            "db",
            ConnectorSpec {
                tls_credentials: "db-ca".into(),
                ..ConnectorSpec::default()
            },
        )],
    }
}

fn judged(secrets: &Secrets, fail_within: Option<i64>) -> Report {
    let objects = objects();
    let terms = Terms {
        now: now(),
        fail_within: fail_within.map(|days| SignedDuration::from_hours(24 * days)),
    };
    let items = judge_all(&uses(&objects), &objects, secrets, terms);
    Report {
        sections: vec![("Credentials", items)],
    }
}

fn fitting(ca: &Issued) -> Secrets {
    let credential = |credential: &Credential| secret(credential);
    BTreeMap::from([
        ("skupper-site-ca".to_owned(), credential(&ca.credential())),
        (
            "skupper-site-server".to_owned(),
            credential(&leaf(ca, "skupper-router", &["203.0.113.7"], false, 365)),
        ),
        (
            "to-east".to_owned(),
            credential(&leaf(ca, "client", &[], true, 1825)),
        ),
        (
            "link-west".to_owned(),
            credential(&leaf(ca, "client", &[], true, 1825)),
        ),
        (
            "web-tls".to_owned(),
            credential(&leaf(ca, "web", &["web"], false, 365)),
        ),
        (
            "db-ca".to_owned(),
            credential(&Credential {
                tls_crt: Vec::new(),
                tls_key: Vec::new(),
                ..ca.credential()
            }),
        ),
    ])
}

/// Without the identifiers of keys, which are made anew for each run.
fn shown(report: &Report) -> String {
    let text = report.to_string();
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let bare: String = word.chars().take_while(char::is_ascii_hexdigit).collect();
            if bare.len() == 40 {
                word.replace(&bare, "<id>")
            } else {
                word.to_owned()
            }
        })
        .collect();
    words.join(" ")
}

#[test]
fn every_use_of_a_secret_is_found_once() {
    let found = uses(&objects());
    let shown: Vec<(&str, Role, Relation)> = found
        .iter()
        .map(|used| (used.secret.as_str(), used.role, used.relation))
        .collect();
    assert_eq!(
        shown,
        [
            ("skupper-site-ca", Role::Ca, Relation::None),
            ("skupper-site-server", Role::Server, Relation::JudgesLinks),
            ("to-east", Role::Client, Relation::None),
            ("web-tls", Role::Server, Relation::None),
            ("db-ca", Role::TrustBundle, Relation::None),
            ("link-west", Role::Client, Relation::HandedOut),
        ]
    );
    let mut ha = objects();
    ha.sites[0].spec.ha = true;
    let roles = uses(&ha)
        .into_iter()
        .filter(|used| used.secret == "skupper-site-server");
    assert_eq!(
        roles.map(|used| used.role).collect::<Vec<_>>(),
        [Role::Server, Role::Client]
    );
}

#[test]
fn a_site_that_fits_is_reported_in_a_line_each() {
    let report = judged(&fitting(&ca("west site CA")), None);
    assert_eq!(report.faults(), 0);
    insta::assert_snapshot!(shown(&report));
}

#[test]
fn each_fault_is_reported_with_its_remedy() {
    let own = ca("west site CA");
    let users = ca("Example CA");
    let mut secrets = fitting(&own);
    secrets.insert(
        "skupper-site-server".to_owned(),
        secret(&leaf(
            &users,
            "skupper.public.host",
            &["elsewhere"],
            false,
            20,
        )),
    );
    secrets.insert(
        "to-east".to_owned(),
        secret(&leaf(&own, "server", &["x"], false, 365)),
    );
    secrets.insert(
        "web-tls".to_owned(),
        Secret {
            type_: Some("helm.sh/release.v1".into()),
            ..Secret::default()
        },
    );
    secrets.remove("db-ca");
    let mut ca_only = own.credential();
    ca_only.tls_key.clear();
    secrets.insert("skupper-site-ca".to_owned(), secret(&ca_only));
    insta::assert_snapshot!(shown(&judged(&secrets, None)));
    // With the key there, the CA from which credentials come is held against the server's ca.crt.
    secrets.insert("skupper-site-ca".to_owned(), secret(&own.credential()));
    let text = shown(&judged(&secrets, None));
    assert!(text.contains("ca.crt of Secret skupper-site-server does not trust the CA in Secret skupper-site-ca (CN=west site CA, key id <id>), which signs link credentials"), "{text}");
}

#[test]
fn what_ends_too_soon_fails_when_asked_for() {
    let secrets = fitting(&ca("west site CA"));
    assert_eq!(judged(&secrets, Some(364)).faults(), 0);
    let report = judged(&secrets, Some(366));
    assert_eq!(report.faults(), 2);
    assert!(
        report
            .to_string()
            .contains("it ends 2027-11-25 (in 365 days), sooner than asked for with --fail-within"),
        "{report}"
    );
}

#[test]
fn ends_are_told_in_the_unit_that_says_something() {
    let at = |seconds: i64| now() + SignedDuration::from_secs(seconds);
    assert_eq!(ends(at(86_400 * 40), now()), "ends 2027-01-04 (in 40 days)");
    assert_eq!(ends(at(7_200), now()), "ends 2026-11-25 (in 2 hours)");
    assert_eq!(
        ends(at(-86_400 * 3), now()),
        "ended 2026-11-22 (3 days ago)"
    );
}

#[test]
fn the_last_line_counts() {
    let of = |items: Vec<Item>| Report {
        sections: vec![("x", items)],
    };
    assert_eq!(of(Vec::new()).to_string(), "Everything fits.\n");
}
