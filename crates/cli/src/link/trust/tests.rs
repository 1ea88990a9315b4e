use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use skupper_api::{RouterAccessSpec, RouterAccessStatus};
use skupper_pki::issue::{CaRequest, LeafRequest, issue_ca};
use skupper_pki::{Credential, KeyAlgorithm, certificate};

use super::*;

fn endpoint(name: &str, host: &str, port: &str, group: &str) -> Endpoint {
    let [name, host, port, group] = [name, host, port, group].map(str::to_owned);
    Endpoint {
        name,
        host,
        port,
        group,
    }
}

fn endpoints(host: &str, group: &str) -> Vec<Endpoint> {
    vec![
        endpoint("edge", host, "45671", group),
        endpoint("inter-router", host, "55671", group),
    ]
}

fn secret(credential: &Credential) -> Secret {
    let data = credential
        .data()
        .map(|(key, value)| (key.to_owned(), ByteString(value.to_vec())));
    Secret {
        data: Some(data.collect()),
        type_: Some("kubernetes.io/tls".into()),
        ..Secret::default()
    }
}

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn ca(subject: &str) -> Issuer {
    let lifetime = SignedDuration::from_hours(24 * 3650);
    let request = CaRequest {
        subject: subject.to_owned(),
        lifetime,
        algorithm: KeyAlgorithm::EcdsaP256,
    };
    Issuer::of(&issue_ca(&request, now()).unwrap())
}

fn ca_secret(subject: &str) -> (Issuer, Secret) {
    let lifetime = SignedDuration::from_hours(24 * 3650);
    let request = CaRequest {
        subject: subject.to_owned(),
        lifetime,
        algorithm: KeyAlgorithm::EcdsaP256,
    };
    let issued = issue_ca(&request, now()).unwrap();
    (Issuer::of(&issued), secret(&issued.credential()))
}

fn leaf(ca: &Issuer, subject: &str, host: &str, client: bool) -> Credential {
    let request = LeafRequest {
        subject: subject.to_owned(),
        hosts: vec![host.to_owned()],
        server: !client,
        client,
        lifetime: SignedDuration::from_hours(24 * 365),
        algorithm: KeyAlgorithm::EcdsaP256,
    };
    ca.issue(&request, now()).unwrap().credential()
}

fn server(credential: &Credential) -> Server {
    Server {
        name: "skupper-site-server".to_owned(),
        hosts: ["203.0.113.7".to_owned()].into(),
        secret: Some(secret(credential)),
    }
}

/// Sentence and next step without the identifiers of keys, which are made anew for each run.
fn said(result: Result<(), Failure>) -> String {
    let text = result.unwrap_err().to_string();
    let words: Vec<&str> = text.split(' ').collect();
    let shown = words.iter().map(|word| {
        let bare: String = word.chars().take_while(char::is_ascii_hexdigit).collect();
        if bare.len() == 40 {
            word.replace(&bare, "<id>")
        } else {
            (*word).to_owned()
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_server_secrets_are_those_behind_the_endpoints() {
    let access = |name: &str, secret: &str, host: &str| {
        let spec = RouterAccessSpec {
            tls_credentials: secret.to_owned(),
            ..RouterAccessSpec::default()
        };
        let mut access = RouterAccess::new(name, spec);
        access.status = Some(RouterAccessStatus {
            endpoints: endpoints(host, name),
            ..RouterAccessStatus::default()
        });
        access
    };
    let accesses = [
        access("skupper-router", "skupper-site-server", "a"),
        access("other", "x", "b"),
    ];
    let servers = servers(&accesses, &endpoints("a", "skupper-router"));
    assert_eq!(
        servers.into_iter().collect::<Vec<_>>(),
        [("skupper-site-server".to_owned(), ["a".to_owned()].into())]
    );
}

#[test]
fn what_the_site_would_refuse_is_not_generated() {
    let (own, issuer) = ca_secret("west site CA");
    let fine = leaf(&own, "skupper-router", "203.0.113.7", false);
    assert_eq!(
        judge_issuer("skupper-site-ca", Some(&issuer), &[server(&fine)], now()),
        Ok(())
    );

    // The user's server certificate, and nothing else of the user's.
    let users = leaf(
        &ca("Example CA"),
        "skupper.public.host",
        "203.0.113.7",
        false,
    );
    insta::assert_snapshot!(said(judge_issuer(
        "skupper-site-ca",
        Some(&issuer),
        &[server(&users)],
        now()
    )));
    // Clients are trusted, but the other site would not trust the server.
    let both = Credential {
        ca_crt: certificate::write_pem(own.trusted()).into(),
        ..users.clone()
    };
    insta::assert_snapshot!(said(judge_issuer(
        "skupper-site-ca",
        Some(&issuer),
        &[server(&both)],
        now()
    )));
    // Same name, other key.
    let twin = leaf(&ca("west site CA"), "skupper-router", "203.0.113.7", false);
    let text = said(judge_issuer(
        "skupper-site-ca",
        Some(&issuer),
        &[server(&twin)],
        now(),
    ));
    assert!(text.contains("(CN=west site CA, key id <id>) would sign it, and ca.crt of Secret skupper-site-server trusts only CN=west site CA (key id <id>)"), "{text}");
    insta::assert_snapshot!(said(judge_issuer(
        "skupper-site-ca",
        None,
        &[server(&fine)],
        now()
    )));
    let mut without_key = issuer.clone();
    without_key.data.as_mut().unwrap().remove("tls.key");
    insta::assert_snapshot!(said(judge_issuer(
        "skupper-site-ca",
        Some(&without_key),
        &[server(&fine)],
        now()
    )));
}

#[test]
fn a_credential_that_exists_is_judged_before_it_is_printed() {
    let example = ca("Example CA");
    let here = server(&leaf(&example, "skupper.public.host", "203.0.113.7", false));
    let judge = |credential: &Credential| {
        judge_credential(
            "skupper-link",
            &secret(credential),
            std::slice::from_ref(&here),
            now(),
        )
    };
    let good = leaf(&example, "client", "", true);
    assert_eq!(judge(&good), Ok(()));

    insta::assert_snapshot!(said(judge(&leaf(&ca("other CA"), "client", "", true))));
    insta::assert_snapshot!(said(judge(&leaf(&example, "server", "x", false))));
    insta::assert_snapshot!(said(judge(&Credential {
        ca_crt: Vec::new(),
        ..good.clone()
    })));
    insta::assert_snapshot!(said(judge(&Credential {
        ca_crt: certificate::write_pem(ca("other CA").trusted()).into(),
        ..good.clone()
    })));
    let typed = Secret {
        type_: Some("kubernetes.io/basic-auth".into()),
        ..secret(&good)
    };
    insta::assert_snapshot!(said(judge_credential("skupper-link", &typed, &[], now())));
}

#[test]
fn a_host_that_is_not_covered_is_a_warning() {
    let example = ca("Example CA");
    assert_eq!(
        uncovered(&[server(&leaf(&example, "s", "203.0.113.7", false))]),
        Vec::<String>::new()
    );
    assert_eq!(
        uncovered(&[server(&leaf(&example, "s", "elsewhere", false))]),
        [
            "the certificate in Secret skupper-site-server (CN=s) does not cover 203.0.113.7, by which the other site will connect: it covers elsewhere"
        ]
    );
}
