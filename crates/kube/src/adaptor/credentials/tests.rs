use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skupper_pki::KeyAlgorithm;
use skupper_pki::issue::{CaRequest, Issuer, LeafRequest, issue_ca};

use super::*;

/// Two credentials of one CA.
static ISSUED: LazyLock<[Credential; 2]> = LazyLock::new(|| {
    let now = Timestamp::now();
    let lifetime = SignedDuration::from_hours(1);
    let algorithm = KeyAlgorithm::default();
    let ca = issue_ca(
        &CaRequest {
            subject: "ca".to_owned(),
            lifetime,
            algorithm,
        },
        now,
    )
    .unwrap();
    let issue = || {
        let subject = "server".to_owned();
        let hosts = vec!["host".to_owned()];
        let request = LeafRequest {
            subject,
            hosts,
            server: true,
            client: true,
            lifetime,
            algorithm,
        };
        Issuer::of(&ca).issue(&request, now).unwrap().credential()
    };
    [issue(), issue()]
});

fn secret(name: &str, credential: &Credential, annotations: Value) -> Secret {
    let data: serde_json::Map<String, Value> = credential
        .data()
        .map(|(key, bytes)| {
            (
                key.to_owned(),
                serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).unwrap(),
            )
        })
        .collect();
    let metadata = json!({"name": name, "annotations": annotations});
    serde_json::from_value(json!({"metadata": metadata, "type": "kubernetes.io/tls", "data": data}))
        .unwrap()
}

fn secrets(all: impl IntoIterator<Item = Secret>) -> Secrets {
    let named = |secret: Secret| (secret.metadata.name.clone().unwrap(), Arc::new(secret));
    all.into_iter().map(named).collect()
}

fn profile(name: &str, ordinal: u64) -> SslProfile {
    let path = |file| format!("/etc/skupper-router-certs/{name}/{file}");
    SslProfile {
        name: name.to_owned(),
        cert_file: path(TLS_CRT),
        private_key_file: path(TLS_KEY),
        ca_cert_file: path(CA_CRT),
        ordinal,
        oldest_valid_ordinal: 0,
    }
}

fn files(credential: &Credential) -> Files {
    let file = |name, content: &[u8]| File {
        name,
        content: content.to_vec(),
    };
    Files(vec![
        file(CA_CRT, &credential.ca_crt),
        file(TLS_KEY, &credential.tls_key),
        file(TLS_CRT, &credential.tls_crt),
    ])
}

fn published(secret: &Secret, ordinal: u64) -> Profile {
    Profile {
        secret: secret.metadata.name.clone().unwrap(),
        ordinal,
        oldest_valid_ordinal: 0,
        checksum: checksum(secret),
    }
}

const WAIT: Decision = Decision::Keep { problem: None };

#[test]
fn what_our_controller_has_published_is_written_once() {
    let [one, two] = &*ISSUED;
    let (old, new) = (secret("s", one, json!({})), secret("s", two, json!({})));
    let (first, second) = (published(&old, 1), published(&new, 2));
    let decide = |ordinal, published: &Profile, secret: &Secret, on_disk: Option<&Files>| {
        decide(
            &profile("p", ordinal),
            Some(published),
            &secrets([secret.clone()]),
            on_disk,
        )
    };
    assert_eq!(decide(1, &first, &old, None), Decision::Write(files(one)));
    assert_eq!(
        decide(1, &first, &old, Some(&files(one))),
        Decision::Current
    );
    // The Secret comes before the configuration, or after it: both times the other half is awaited.
    assert_eq!(decide(1, &first, &new, Some(&files(one))), WAIT);
    assert_eq!(decide(2, &second, &old, Some(&files(one))), WAIT);
    assert_eq!(
        decide(2, &second, &new, Some(&files(one))),
        Decision::Write(files(two))
    );
    assert_eq!(
        decide(2, &second, &new, Some(&files(two))),
        Decision::Current
    );
    // A pod that starts in between takes what there is.
    assert_eq!(decide(1, &first, &new, None), Decision::Write(files(two)));
}

#[test]
fn upstreams_annotation_says_which_revision_a_secret_has() {
    let [one, two] = &*ISSUED;
    let annotated = |credential: &Credential, ordinal: u64| {
        let context = json!([{"profileName": "p-profile", "ordinal": ordinal}, {"profileName": "x", "ordinal": 9}]);
        secret(
            "p",
            credential,
            json!({TLS_PROFILE_CONTEXT: context.to_string()}),
        )
    };
    let decide = |ordinal, secret: Secret, on_disk: Option<&Files>| {
        decide(
            &profile("p-profile", ordinal),
            None,
            &secrets([secret]),
            on_disk,
        )
    };
    assert_eq!(
        decide(0, annotated(one, 0), None),
        Decision::Write(files(one))
    );
    assert_eq!(
        decide(0, annotated(one, 0), Some(&files(one))),
        Decision::Current
    );
    // The configuration is ahead of the Secret as seen here.
    assert_eq!(decide(1, annotated(one, 0), Some(&files(one))), WAIT);
    // The Secret is ahead of the configuration, which does no harm.
    assert_eq!(
        decide(0, annotated(two, 1), Some(&files(one))),
        Decision::Write(files(two))
    );
    assert_eq!(
        decide(1, annotated(two, 1), Some(&files(two))),
        Decision::Current
    );
    // Not annotated yet.
    assert_eq!(
        decide(0, secret("p", one, json!({})), None),
        Decision::Write(files(one))
    );
}

#[test]
fn a_secret_that_is_gone_or_useless_leaves_the_files_that_there_are() {
    let [one, two] = &*ISSUED;
    let good = secret("s", one, json!({}));
    let published = published(&good, 1);
    let mixed = Credential {
        tls_key: two.tls_key.clone(),
        ..one.clone()
    };
    let garbled = Credential {
        ca_crt: b"-----BEGIN CERTIFICATE-----\nx\n".to_vec(),
        ..one.clone()
    };
    let cases = [
        (None, "the Secret \"s\" does not exist"),
        (
            Some(secret("s", &mixed, json!({}))),
            "profile \"p\" cannot use the Secret \"s\": ",
        ),
        (
            Some(secret("s", &garbled, json!({}))),
            "profile \"p\" cannot use the Secret \"s\": ",
        ),
        (
            Some(secret(
                "s",
                &Credential {
                    ca_crt: Vec::new(),
                    ..one.clone()
                },
                json!({}),
            )),
            "ca.crt is missing in it",
        ),
    ];
    for (secret, expected) in cases {
        let secrets = secrets(secret);
        let decide =
            |on_disk: Option<&Files>| decide(&profile("p", 1), Some(&published), &secrets, on_disk);
        let Decision::Missing { problem } = decide(None) else {
            panic!("{expected}")
        };
        assert!(problem.contains(expected), "{problem}");
        let Decision::Keep {
            problem: Some(problem),
        } = decide(Some(&files(one)))
        else {
            panic!("{expected}")
        };
        assert!(
            problem.contains(expected) && problem.ends_with("stay in use"),
            "{problem}"
        );
    }
}

#[test]
fn only_what_a_profile_names_is_needed_and_written() {
    let [one, _] = &*ISSUED;
    let ca_only = SslProfile {
        cert_file: String::new(),
        private_key_file: String::new(),
        ..profile("s-profile", 0)
    };
    let bundle = Credential {
        ca_crt: one.ca_crt.clone(),
        ..Credential::default()
    };
    let decision = decide(
        &ca_only,
        None,
        &secrets([secret("s", &bundle, json!({}))]),
        None,
    );
    let file = File {
        name: CA_CRT,
        content: one.ca_crt.clone(),
    };
    assert_eq!(decision, Decision::Write(Files(vec![file])));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let [one, _] = &*ISSUED;
    for name in ["../x", "a/b", "/etc", "..", ".", ""] {
        assert!(!is_plain_name(name), "{name}");
        let secrets = secrets([secret(name, one, json!({}))]);
        let decision = decide(&profile(name, 0), None, &secrets, None);
        assert!(
            matches!(decision, Decision::Missing { .. }),
            "{name}: {decision:?}"
        );
    }
    assert!(is_plain_name("skupper-local-server") && is_plain_name("..x"));
}
