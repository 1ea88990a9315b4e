//! Every finding, provoked and read: the sentence, the check, the remedy.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod arbitrary_bytes;
mod bundle;

use skupper_pki::issue::LeafRequest;
use skupper_pki::judge::worst;
use skupper_pki::{
    Credential, Expectation, Finding, KeyAlgorithm, Role, Severity, TrustBundle, certificate,
    judge, pem,
};
use support::{
    Spec, ca_credential, client, days, issuer, key, key_pem, now, pem_of, request, server, with_ca,
};

fn names() -> Vec<String> {
    vec!["skupper.public.host".to_owned(), "10.0.0.7".to_owned()]
}

fn report(title: &str, findings: &[Finding]) -> String {
    let mut text = format!("# {title}\n");
    for finding in findings {
        text += &format!(
            "{:?} [{}] {finding}\n    -> {}\n",
            finding.severity,
            finding.check(),
            finding.remedy()
        );
    }
    if findings.is_empty() {
        text += "fit\n";
    }
    // Identifiers of keys that are made anew for each run.
    let words = text.split_inclusive([' ', ')', ',', '\n']);
    words
        .map(|word| {
            let bare = word.trim_end_matches([' ', ')', ',', '\n', ':']);
            let is_id = bare.len() == 40 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_id {
                word.replace(bare, "<id>")
            } else {
                word.to_owned()
            }
        })
        .collect()
}

fn self_signed(spec: Spec, index: usize) -> Credential {
    let certificate = spec.self_signed(key(index)).to_pem();
    Credential {
        tls_crt: certificate.clone().into(),
        tls_key: key_pem(index).into(),
        ca_crt: certificate.into(),
    }
}

fn leaf(spec: Spec) -> Credential {
    let root = Spec::ca("root");
    Credential {
        tls_crt: spec.signed(key(1), &root, key(0)).to_pem().into(),
        tls_key: key_pem(1).into(),
        ca_crt: root.self_signed(key(0)).to_pem().into(),
    }
}

#[test]
fn each_fault_has_a_sentence_and_a_remedy() {
    let ca = issuer("site CA");
    let good = server(&ca, &["skupper.public.host", "10.0.0.7"]);
    let other = issuer("other CA");
    let twin = issuer("site CA");
    let names = names();
    let as_server = Expectation::new(Role::Server, now()).names(&names);
    let mut text = String::new();
    let mut say = |title: &str, credential: &Credential, expectation: &Expectation<'_>| {
        text += &report(title, &judge(credential, expectation));
        text.push('\n');
    };
    let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();

    say("a server certificate that fits", &good, &as_server);
    say("nothing", &Credential::default(), &as_server);
    say("no ca.crt", &with_ca(good.clone(), ""), &as_server);
    say(
        "garbled",
        &with_ca(good.clone(), text_of(&good.ca_crt).replace("M", "!")),
        &as_server,
    );
    say(
        "cut off",
        &with_ca(good.clone(), &good.ca_crt[..300]),
        &as_server,
    );
    say(
        "base64 twice",
        &with_ca(good.clone(), "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUQ="),
        &as_server,
    );
    say(
        "not a certificate",
        &with_ca(good.clone(), pem::encode("CERTIFICATE", b"hello")),
        &as_server,
    );
    say(
        "a key as ca.crt",
        &with_ca(good.clone(), key_pem(1)),
        &as_server,
    );
    let with_key = text_of(&good.tls_crt) + &text_of(&good.tls_key);
    say(
        "the key in tls.crt as well",
        &Credential {
            tls_crt: with_key.into(),
            ..good.clone()
        },
        &as_server,
    );
    say(
        "another key",
        &Credential {
            tls_key: key_pem(3).into(),
            ..good.clone()
        },
        &as_server,
    );
    let encrypted = pem::encode("ENCRYPTED PRIVATE KEY", b"hello");
    say(
        "an encrypted key",
        &Credential {
            tls_key: encrypted.into(),
            ..good.clone()
        },
        &as_server,
    );
    let reversed = certificate::write_pem(ca.trusted()) + &text_of(&good.tls_crt);
    say(
        "the CA first",
        &Credential {
            tls_crt: reversed.into(),
            ..good.clone()
        },
        &as_server,
    );

    say(
        "expired",
        &good,
        &Expectation::new(Role::Server, days(366)).names(&names),
    );
    say(
        "not yet valid",
        &good,
        &Expectation::new(Role::Server, days(-1)).names(&names),
    );
    say(
        "everything ended",
        &good,
        &Expectation::new(Role::Server, days(4000)).names(&names),
    );
    say(
        "names not covered",
        &server(&ca, &["elsewhere"]),
        &as_server,
    );
    say(
        "no names",
        &leaf(Spec {
            names: Vec::new(),
            ..Spec::leaf("skupper.public.host")
        }),
        &as_server,
    );
    say(
        "a server certificate as client",
        &good,
        &Expectation::new(Role::Client, now()),
    );
    say("a client certificate as server", &client(&ca), &as_server);
    let usage = vec![rcgen::KeyUsagePurpose::CrlSign];
    say(
        "key usage of another kind",
        &leaf(Spec {
            key_usages: usage,
            ..Spec::leaf("leaf")
        }),
        &Expectation::new(Role::Client, now()),
    );
    say(
        "a CA as server",
        &self_signed(Spec::ca("root"), 0),
        &Expectation::new(Role::Server, now()),
    );
    say(
        "a self-signed server",
        &self_signed(Spec::leaf("leaf"), 0),
        &Expectation::new(Role::Server, now()),
    );

    let bundle = |of: &skupper_pki::issue::Issuer| {
        TrustBundle::new(of.trusted().to_vec()).named("ca.crt of Secret skupper-site-server")
    };
    let (foreign, same_name) = (bundle(&other), bundle(&twin));
    let as_client = Expectation::new(Role::Client, now());
    say(
        "issued by a CA that the peer does not trust",
        &client(&ca),
        &as_client.trusted_by(&foreign),
    );
    say(
        "issued by another CA of the same name",
        &client(&ca),
        &as_client.trusted_by(&same_name),
    );
    say(
        "own ca.crt does not hold the issuer",
        &with_ca(client(&ca), certificate::write_pem(other.trusted())),
        &as_client,
    );
    let mut der = ca
        .issue(
            &LeafRequest {
                client: true,
                ..request("c", &[])
            },
            now(),
        )
        .unwrap()
        .certificate
        .der()
        .to_vec();
    *der.last_mut().unwrap() ^= 1;
    let forged = Credential {
        tls_crt: pem::encode("CERTIFICATE", &der).into(),
        ..client(&ca)
    };
    say(
        "a forged signature",
        &forged,
        &as_client.trusted_by(&bundle(&ca)),
    );

    let as_ca = Expectation::new(Role::Ca, now());
    say(
        "a CA that fits",
        &ca_credential("site CA", KeyAlgorithm::Rsa2048),
        &as_ca,
    );
    say(
        "a CA without its key",
        &Credential {
            tls_key: Vec::new(),
            ..ca_credential("site CA", KeyAlgorithm::EcdsaP256)
        },
        &as_ca,
    );
    say("a leaf as CA", &good, &as_ca);
    let usage = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    say(
        "a CA that may not sign",
        &self_signed(
            Spec {
                key_usages: usage,
                ..Spec::ca("root")
            },
            0,
        ),
        &as_ca,
    );

    let as_trust = Expectation::new(Role::TrustBundle, now());
    let ended = Spec {
        until: days(-1),
        ..Spec::ca("old root")
    }
    .self_signed(key(0));
    let fine = Spec::ca("new root").self_signed(key(1));
    say(
        "an ended CA beside a good one",
        &with_ca(Credential::default(), pem_of(&[&ended, &fine])),
        &as_trust,
    );
    say(
        "only an ended CA",
        &with_ca(Credential::default(), ended.to_pem()),
        &as_trust,
    );
    let intermediate = Spec::ca("issuing CA").signed(key(2), &Spec::ca("root"), key(0));
    say(
        "an intermediate CA without its root",
        &with_ca(Credential::default(), intermediate.to_pem()),
        &as_trust,
    );

    insta::assert_snapshot!(text);
}

#[test]
fn weak_keys_and_signatures_are_told_from_other_faults() {
    let openssl = support::Openssl::new();
    openssl.run("genrsa -out ca.key 1024");
    openssl.run("req -x509 -new -key ca.key -subj /CN=weak-CA -days 3650 -out ca.crt");
    openssl.run("genrsa -out tls.key 2048");
    openssl.run("req -new -key tls.key -subj /CN=client -out tls.csr");
    openssl.write("ext", "basicConstraints=CA:FALSE\n");
    openssl.run("x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -extfile ext -out tls.crt");
    openssl.run("genrsa -out strong.key 2048");
    openssl.run("req -x509 -new -key strong.key -subj /CN=strong-CA -days 3650 -out strong.crt");
    openssl.run("x509 -req -sha1 -in tls.csr -CA strong.crt -CAkey strong.key -CAcreateserial -days 90 -extfile ext -out sha1.crt");
    let at = jiff::Timestamp::now();
    let said = |certificate: &str, ca: &str| {
        let credential = Credential {
            tls_crt: openssl.read(certificate),
            tls_key: openssl.read("tls.key"),
            ca_crt: openssl.read(ca),
        };
        let bundle = TrustBundle::from_pem(&credential.ca_crt).unwrap();
        let findings = judge(
            &credential,
            &Expectation::new(Role::Client, at).trusted_by(&bundle),
        );
        assert_eq!(worst(&findings), Some(Severity::Unfit));
        let unfit = findings
            .iter()
            .filter(|finding| finding.severity > Severity::Note);
        unfit
            .map(|finding| format!("{}: {finding}", finding.check()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        said("tls.crt", "ca.crt"),
        ["strength: certificate 1 of ca.crt (CN=weak-CA) has a key that peers refuse: RSA 1024 bits, expected RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, or Ed25519";
            1]
    );
    assert_eq!(
        said("sha1.crt", "strong.crt"),
        [
            "strength: the certificate in tls.crt (CN=client) is signed with SHA-1 with RSA, which peers refuse, expected SHA-256 or better"
        ]
    );
}

#[test]
fn what_upstreams_controller_issued_is_fit() {
    let at: jiff::Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
    let data = |name: &str| std::fs::read(format!("tests/data/upstream-{name}")).unwrap();
    let server = Credential {
        tls_crt: data("skupper-site-server.tls.crt"),
        tls_key: Vec::new(),
        ca_crt: data("skupper-site-server.ca.crt"),
    };
    let link = Credential {
        tls_crt: data("link-west.tls.crt"),
        ..server.clone()
    };
    let ca = Credential {
        tls_crt: data("skupper-site-ca.tls.crt"),
        ..server.clone()
    };
    let names = ["skupper-router", "10.71.80.20"].map(str::to_owned);
    let bundle = TrustBundle::from_pem(&server.ca_crt).unwrap();
    for (credential, role) in [
        (&server, Role::Server),
        (&server, Role::Client),
        (&link, Role::Client),
        (&ca, Role::Ca),
    ] {
        let expected = Expectation::new(role, at).names(&names).trusted_by(&bundle);
        let findings = judge(credential, &expected);
        // The observed files hold no private keys.
        let beyond_key: Vec<String> = findings
            .iter()
            .filter(|finding| finding.check() != "presence")
            .map(ToString::to_string)
            .collect();
        assert_eq!(beyond_key, Vec::<String>::new(), "{role}");
    }
    assert_eq!(
        bundle.judge_issuer(&ca.leaf().unwrap(), &[], Role::Client, at),
        []
    );
    let other = TrustBundle::new(issuer("other").trusted().to_vec());
    assert_eq!(
        worst(&other.judge_issuer(&ca.leaf().unwrap(), &[], Role::Client, at)),
        Some(Severity::Unfit)
    );
}

#[test]
fn a_bundle_trusts_an_issuer_also_by_an_earlier_certificate_of_it() {
    let ca = issuer("CA");
    let renewed = ca
        .renew(jiff::SignedDuration::from_hours(24 * 100), days(30))
        .unwrap();
    let bundle = TrustBundle::new(ca.trusted().to_vec());
    assert_eq!(
        bundle.judge_issuer(&renewed.certificate, &[], Role::Client, days(31)),
        []
    );
    let twin = issuer("CA");
    let findings = bundle.judge_issuer(twin.certificate(), &[], Role::Client, now());
    assert!(
        findings[0].to_string().contains("same name, different key"),
        "{}",
        findings[0]
    );
}

#[test]
fn fingerprints_tell_one_byte() {
    let one = client(&issuer("CA"));
    let two = with_ca(one.clone(), [one.ca_crt.as_slice(), b"\n"].concat());
    assert_ne!(one.fingerprint(), two.fingerprint());
    assert_eq!(one.leaf_fingerprint(), two.leaf_fingerprint());
    let moved = Credential {
        tls_crt: one.ca_crt.clone(),
        ca_crt: one.tls_crt.clone(),
        ..one.clone()
    };
    assert_ne!(one.fingerprint(), moved.fingerprint());
}
