//! What users make with plain `openssl` loads, is judged fit, and issues; what we issue, `openssl` accepts.

#![allow(clippy::unwrap_used)]

mod support;

use jiff::{SignedDuration, Timestamp};
use skupper_pki::certificate::PublicKeyKind;
use skupper_pki::issue::{IssueError, Issuer, LeafRequest};
use skupper_pki::judge::{Fault, worst};
use skupper_pki::{Credential, Expectation, KeyAlgorithm, Role, Severity, TrustBundle, judge};
use support::{Openssl, ca_credential, now, request};

const KEYS: [(&str, &str); 8] = [
    ("RSA PKCS#1", "genrsa -traditional -out ca.key 2048"),
    ("RSA PKCS#8", "genrsa -out ca.key 2048"),
    (
        "RSA 4096",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out ca.key",
    ),
    (
        "EC SEC1 with parameters",
        "ecparam -name prime256v1 -genkey -out ca.key",
    ),
    (
        "EC PKCS#8",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key",
    ),
    (
        "EC P-384",
        "ecparam -name secp384r1 -genkey -noout -out ca.key",
    ),
    (
        "EC P-521",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out ca.key",
    ),
    ("Ed25519", "genpkey -algorithm ED25519 -out ca.key"),
];

/// A CA as the README makes it.
const CA: &str = "req -x509 -new -key ca.key -subj /O=Example/OU=One/OU=Two/CN=Example-CA -days 3650 -out ca.crt";

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn far(openssl_now: bool) -> Timestamp {
    // Certificates made by openssl begin at the real now.
    if openssl_now { Timestamp::now() } else { now() }
}

#[test]
fn every_kind_of_ca_key_loads_and_issues_what_openssl_accepts() {
    for (kind, make_key) in KEYS {
        let openssl = Openssl::new();
        openssl.run(make_key);
        openssl.run(CA);
        let at = far(true);
        let credential = Credential {
            tls_crt: openssl.read("ca.crt"),
            tls_key: openssl.read("ca.key"),
            ca_crt: openssl.read("ca.crt"),
        };
        let findings = judge(&credential, &Expectation::new(Role::Ca, at));
        assert_eq!(findings, [], "{kind}");

        let issuer = Issuer::load(&credential, at).unwrap();
        let server = LeafRequest {
            server: true,
            ..request("skupper-router", &["skupper-router", "10.0.0.1"])
        };
        let client = LeafRequest {
            client: true,
            ..request("client", &[])
        };
        for (request, role, purpose) in [
            (&server, Role::Server, "sslserver"),
            (&client, Role::Client, "sslclient"),
        ] {
            let issued = issuer.issue(request, at).unwrap();
            let leaf = issued.credential();
            let wanted = names(&["skupper-router", "10.0.0.1"]);
            let bundle = TrustBundle::new(issuer.trusted().to_vec());
            let expected = Expectation::new(role, at)
                .names(&wanted)
                .trusted_by(&bundle);
            assert_eq!(judge(&leaf, &expected), [], "{kind} {role}");
            openssl.write("leaf.crt", &leaf.tls_crt);
            openssl.write("trusted.crt", &leaf.ca_crt);
            openssl.run(&format!(
                "verify -CAfile trusted.crt -purpose {purpose} leaf.crt"
            ));
            openssl.write("leaf.key", &leaf.tls_key);
            let of_key = openssl.run("pkey -in leaf.key -pubout");
            let of_certificate = openssl.run("x509 -in leaf.crt -noout -pubkey");
            assert_eq!(of_key, of_certificate, "{kind} {role}");
        }
    }
}

#[test]
fn what_openssl_issues_is_judged_fit() {
    for (kind, make_key) in KEYS {
        let openssl = Openssl::new();
        openssl.run(make_key);
        openssl.run(CA);
        openssl.run(&make_key.replace("ca.key", "tls.key"));
        openssl.run("req -new -key tls.key -subj /CN=whatever -out tls.csr");
        openssl.write(
            "ext",
            "subjectAltName=DNS:skupper.public.host,IP:10.1.2.3\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\nbasicConstraints=CA:FALSE\n",
        );
        openssl.run("x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -extfile ext -out tls.crt");
        let credential = Credential {
            tls_crt: openssl.read("tls.crt"),
            tls_key: openssl.read("tls.key"),
            ca_crt: openssl.read("ca.crt"),
        };
        let wanted = names(&["skupper.public.host", "10.1.2.3"]);
        for role in [Role::Server, Role::Client] {
            let expected = Expectation::new(role, far(true)).names(&wanted);
            assert_eq!(judge(&credential, &expected), [], "{kind} {role}");
        }
    }
}

#[test]
fn forms_of_pem_that_users_bring_are_read() {
    let openssl = Openssl::new();
    openssl.run("genrsa -out ca.key 2048");
    openssl.run(CA);
    let text = openssl.run("x509 -in ca.crt -text");
    let pem = String::from_utf8(openssl.read("ca.crt")).unwrap();
    let forms = [
        text,
        pem.replace('\n', "\r\n"),
        format!("\n\n{}\n\n", pem.replace('\n', "\n ")),
        format!("Bag Attributes\n    friendlyName: ca\nsubject=CN = ca\n\n{pem}"),
        pem.trim_end().to_owned(),
        format!("\u{feff}{pem}"),
    ];
    for form in forms {
        let bundle = TrustBundle::from_pem(form.as_bytes()).unwrap();
        assert_eq!(bundle.certificates().len(), 1, "{form}");
    }
    let double = format!("{pem}{pem}");
    assert_eq!(
        TrustBundle::from_pem(double.as_bytes())
            .unwrap()
            .certificates()
            .len(),
        2
    );
}

#[test]
fn chains_with_intermediates_are_used_whole() {
    let openssl = Openssl::new();
    openssl.run("genrsa -out root.key 2048");
    openssl.run("req -x509 -new -key root.key -subj /CN=Root -days 3650 -out root.crt");
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.run("req -new -key ca.key -subj /DC=com/DC=example/CN=Issuing -out ca.csr");
    openssl.write("ext", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
    openssl.run("x509 -req -in ca.csr -CA root.crt -CAkey root.key -CAcreateserial -days 1000 -extfile ext -out ca.crt");
    let at = far(true);
    let intermediate = Credential {
        tls_crt: openssl.read("ca.crt"),
        tls_key: openssl.read("ca.key"),
        ca_crt: openssl.read("root.crt"),
    };
    let issuer = Issuer::load(&intermediate, at).unwrap();
    assert_eq!(issuer.trusted().len(), 1);
    let issued = issuer
        .issue(
            &LeafRequest {
                server: true,
                ..request("r", &["r"])
            },
            at,
        )
        .unwrap();
    assert!(issued.certificate.not_after <= issuer.certificate().not_after);
    let credential = issued.credential();
    assert_eq!(judge(&credential, &Expectation::new(Role::Server, at)), []);
    openssl.write("leaf.crt", issued.certificate.to_pem());
    openssl.run("verify -CAfile root.crt -untrusted ca.crt -purpose sslserver leaf.crt");

    // Without the intermediate the chain ends nowhere, and the sentence says what to append.
    let cut = Credential {
        tls_crt: issued.certificate.to_pem().into_bytes(),
        ..credential
    };
    let root = TrustBundle::from_pem(&openssl.read("root.crt")).unwrap();
    let findings = judge(&cut, &Expectation::new(Role::Server, at).trusted_by(&root));
    assert_eq!(worst(&findings), Some(Severity::Unfit));
    assert!(
        matches!(findings[0].fault, Fault::UnknownIssuer { .. }),
        "{findings:?}"
    );
    assert!(
        findings[0].remedy().contains("intermediate CA"),
        "{}",
        findings[0].remedy()
    );

    // Without the root, the intermediate is the anchor: good for us, not for OpenSSL, which is noted.
    let rootless = Credential {
        ca_crt: Vec::new(),
        ..intermediate
    };
    let issuer = Issuer::load(&rootless, at).unwrap();
    let issued = issuer
        .issue(
            &LeafRequest {
                client: true,
                ..request("c", &[])
            },
            at,
        )
        .unwrap();
    let findings = judge(&issued.credential(), &Expectation::new(Role::Client, at));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(matches!(findings[0].fault, Fault::NoRoot { .. }));
}

#[test]
fn a_version_1_client_certificate_is_accepted_as_upstream_does() {
    let openssl = Openssl::new();
    openssl.run("genrsa -out ca.key 2048");
    openssl.run(CA);
    openssl.run("genrsa -out tls.key 2048");
    openssl.run("req -new -key tls.key -subj /CN=client -out tls.csr");
    openssl.run(
        "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -out tls.crt",
    );
    openssl.run("verify -CAfile ca.crt -purpose sslclient tls.crt");
    let credential = Credential {
        tls_crt: openssl.read("tls.crt"),
        tls_key: openssl.read("tls.key"),
        ca_crt: openssl.read("ca.crt"),
    };
    let bundle = TrustBundle::from_pem(&credential.ca_crt).unwrap();
    let findings = judge(
        &credential,
        &Expectation::new(Role::Client, far(true)).trusted_by(&bundle),
    );
    if credential.leaf().unwrap().version == 1 {
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].severity, &findings[0].fault),
            (Severity::Note, &Fault::Version1)
        );
    } else {
        assert_eq!(findings, []);
    }
    let other = TrustBundle::from_pem(&ca_credential("Example-CA", KeyAlgorithm::EcdsaP256).ca_crt)
        .unwrap();
    let findings = judge(
        &credential,
        &Expectation::new(Role::Client, far(true)).trusted_by(&other),
    );
    assert_eq!(worst(&findings), Some(Severity::Unfit));
}

#[test]
fn encrypted_and_short_keys_are_refused_with_a_sentence() {
    let openssl = Openssl::new();
    openssl.run("genrsa -out plain.key 2048");
    openssl.run("rsa -in plain.key -aes256 -passout pass:x -traditional -out old.key");
    openssl.run("pkcs8 -topk8 -in plain.key -v2 aes256 -passout pass:x -out new.key");
    openssl.run("genrsa -out short.key 1024");
    openssl.run("genpkey -algorithm X25519 -out other.key");
    for (file, said) in [
        ("old.key", "the key is encrypted (block RSA PRIVATE KEY)"),
        (
            "new.key",
            "the key is encrypted (block ENCRYPTED PRIVATE KEY)",
        ),
        ("short.key", "RSA key of 1024 bits, expected at least 2048"),
        ("other.key", "key of kind 1.3.101.110"),
    ] {
        let error = skupper_pki::PrivateKey::from_pem(&openssl.read(file)).unwrap_err();
        assert!(error.to_string().contains(said), "{file}: {error}");
    }
}

#[test]
fn a_renewed_ca_and_the_old_one_verify_each_others_leaves() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048] {
        let old = Issuer::load(&ca_credential("site CA", algorithm), now()).unwrap();
        let later = now() + SignedDuration::from_hours(24 * 2000);
        let new = old
            .renew(SignedDuration::from_hours(24 * 3650), later)
            .unwrap();
        assert_eq!(new.certificate.public_key, old.certificate().public_key);
        assert_eq!(
            new.certificate.subject_key_id,
            old.certificate().subject_key_id
        );
        assert_eq!(new.certificate.subject, old.certificate().subject);
        assert_ne!(new.certificate.serial, old.certificate().serial);
        let request = LeafRequest {
            client: true,
            lifetime: SignedDuration::from_hours(24 * 3650),
            ..request("c", &[])
        };
        let before = old.issue(&request, now()).unwrap().certificate;
        let after = Issuer::of(&new).issue(&request, later).unwrap().certificate;
        let trusts_old = TrustBundle::new(vec![old.certificate().clone()]);
        let trusts_new = TrustBundle::new(vec![new.certificate.clone()]);
        assert!(trusts_new.accepts(&before, Role::Client, later));
        assert!(trusts_old.accepts(&after, Role::Client, later));
        // The leaf of the old CA ends with it at the latest, so that who holds it holds a valid bundle too.
        assert!(before.not_after <= old.certificate().not_after);
    }
}

#[test]
fn what_cannot_be_issued_is_said() {
    let ca = support::issuer("CA");
    let leaf = |request: LeafRequest| ca.issue(&request, now()).unwrap_err();
    assert_eq!(leaf(request("x", &[])), IssueError::NoUsage);
    assert!(matches!(
        leaf(LeafRequest {
            server: true,
            ..request("x", &["bücher.example"])
        }),
        IssueError::Host { .. }
    ));
    let nothing = LeafRequest {
        server: true,
        lifetime: SignedDuration::ZERO,
        ..request("x", &[])
    };
    assert!(matches!(leaf(nothing), IssueError::Lifetime { .. }));
    let no_key = Credential {
        tls_key: Vec::new(),
        ..ca_credential("x", KeyAlgorithm::EcdsaP256)
    };
    let refused = Issuer::load(&no_key, now()).unwrap_err().to_string();
    assert!(refused.contains("tls.key is missing or empty"), "{refused}");
    let ended = Issuer::load(
        &ca_credential("x", KeyAlgorithm::EcdsaP256),
        support::days(4000),
    )
    .unwrap_err();
    assert!(ended.to_string().contains("has expired"), "{ended}");
}

#[test]
fn an_address_becomes_an_ip_name_and_a_dns_name() {
    let issued = support::issuer("CA");
    let request = LeafRequest {
        server: true,
        ..request("x", &[" 10.0.0.1 ", "fd00::1", "a.b", "a.b", ""])
    };
    let leaf = issued.issue(&request, now()).unwrap().certificate;
    assert_eq!(
        leaf.names(),
        ["10.0.0.1", "fd00::1", "a.b", "IP:10.0.0.1", "IP:fd00::1"]
    );
    assert!(matches!(
        leaf.public_key.kind(),
        PublicKeyKind::Ecdsa { .. }
    ));
    let openssl = Openssl::new();
    openssl.write("leaf.crt", leaf.to_pem());
    openssl.write("ca.crt", issued.certificate().to_pem());
    let at = now().as_second();
    openssl.run(&format!("verify -x509_strict -attime {at} -CAfile ca.crt -purpose sslserver -verify_ip 10.0.0.1 leaf.crt"));
    assert!(leaf.subject_key_id.is_some());
    assert_eq!(leaf.authority_key_id, issued.certificate().subject_key_id);
}
