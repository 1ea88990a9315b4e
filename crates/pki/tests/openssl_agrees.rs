//! `openssl verify` as an independent judge over chains with every combination of mistakes.
//!
//! Where we differ on purpose, we are the stricter side: a CA certificate is not accepted as a server or client.

#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose as Eku, IsCa, KeyUsagePurpose as Ku, SanType,
};
use skupper_pki::judge::Element;
use skupper_pki::verify::Chain;
use skupper_pki::{Certificate, Role, TrustBundle};
use support::{Openssl, Spec, days, key, now, pem_of};

#[derive(Clone, Copy, Debug)]
enum Life {
    Now,
    Past,
    Future,
}

/// One certificate's properties.
#[derive(Clone, Copy, Debug)]
struct Traits {
    life: Life,
    ca: bool,
    key_usage: Option<Ku>,
    usage: Option<&'static [Eku]>,
}

const BOTH: &[Eku] = &[Eku::ServerAuth, Eku::ClientAuth];
const SERVER: &[Eku] = &[Eku::ServerAuth];
const CLIENT: &[Eku] = &[Eku::ClientAuth];
const OTHER: &[Eku] = &[Eku::CodeSigning];

impl Traits {
    fn put(self, spec: Spec, path_len: Option<u8>) -> Spec {
        let (from, until) = match self.life {
            Life::Now => (days(-10), days(10)),
            Life::Past => (days(-10), days(-1)),
            Life::Future => (days(1), days(10)),
        };
        Spec {
            from,
            until,
            ca: match (self.ca, path_len) {
                (false, _) => IsCa::ExplicitNoCa,
                (true, None) => IsCa::Ca(BasicConstraints::Unconstrained),
                (true, Some(limit)) => IsCa::Ca(BasicConstraints::Constrained(limit)),
            },
            key_usages: self.key_usage.into_iter().collect(),
            usages: self.usage.unwrap_or_default().to_vec(),
            ..spec
        }
    }
}

/// A whole situation.
#[derive(Clone, Debug)]
struct World {
    root: Traits,
    intermediate: Option<Traits>,
    leaf: Traits,
    root_path_len: Option<u8>,
    permitted: Option<&'static str>,
    /// Key with which the leaf is really signed.
    forged: bool,
    /// What the verifier trusts.
    trusts: Trusts,
    sends_intermediate: bool,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trusts {
    Root,
    RootOfSameName,
    Stranger,
    Intermediate,
    RootAndStranger,
}

fn rarely<T: Clone + std::fmt::Debug + 'static>(
    usual: T,
    rare: Vec<T>,
) -> impl Strategy<Value = T> {
    prop_oneof![8 => Just(usual), 2 => proptest::sample::select(rare)]
}

fn traits(ca: bool) -> impl Strategy<Value = Traits> {
    let signs = if ca {
        Some(Ku::KeyCertSign)
    } else {
        Some(Ku::DigitalSignature)
    };
    (
        rarely(Life::Now, vec![Life::Past, Life::Future]),
        rarely(ca, vec![!ca]),
        rarely(
            None,
            vec![signs, Some(Ku::CrlSign), Some(Ku::KeyEncipherment)],
        ),
        rarely(
            None,
            vec![Some(BOTH), Some(SERVER), Some(CLIENT), Some(OTHER)],
        ),
    )
        .prop_map(|(life, ca, key_usage, usage)| Traits {
            life,
            ca,
            key_usage,
            usage,
        })
}

fn world() -> impl Strategy<Value = World> {
    let trusts = vec![
        Trusts::RootOfSameName,
        Trusts::Stranger,
        Trusts::Intermediate,
        Trusts::RootAndStranger,
    ];
    (
        (
            traits(true),
            proptest::option::of(traits(true)),
            traits(false),
        ),
        rarely(None, vec![Some(0), Some(1)]),
        rarely(None, vec![Some("example.com"), Some("example.org")]),
        rarely(false, vec![true]),
        rarely(Trusts::Root, trusts),
        rarely(true, vec![false]),
        prop_oneof![Just(Role::Server), Just(Role::Client)],
    )
        .prop_map(
            |(
                (root, intermediate, leaf),
                root_path_len,
                permitted,
                forged,
                trusts,
                sends_intermediate,
                role,
            )| World {
                root,
                intermediate,
                leaf,
                root_path_len,
                permitted,
                forged,
                trusts,
                sends_intermediate,
                role,
            },
        )
}

struct Made {
    leaf: Certificate,
    sent: Vec<Certificate>,
    trusted: Vec<Certificate>,
}

fn make(world: &World) -> Made {
    let root = world.root.put(
        Spec {
            permitted_dns: world.permitted,
            ..Spec::ca("root")
        },
        world.root_path_len,
    );
    let root_certificate = root.self_signed(key(0));
    let leaf = world.leaf.put(Spec::leaf("leaf"), None);
    let intermediate = world.intermediate.map(|traits| {
        let spec = traits.put(Spec::ca("intermediate"), None);
        let certificate = spec.signed(key(1), &root, key(0));
        (spec, certificate)
    });
    let (signer, signer_key) = match &intermediate {
        Some((spec, _)) => (spec, key(1)),
        None => (&root, key(0)),
    };
    let signer_key = if world.forged { key(5) } else { signer_key };
    let leaf = leaf.signed(key(2), signer, signer_key);
    let intermediate = intermediate.map(|(_, certificate)| certificate);
    let stranger = Spec::ca("stranger").self_signed(key(3));
    let trusted = match (world.trusts, &intermediate) {
        (Trusts::RootOfSameName, _) => vec![Spec::ca("root").self_signed(key(4))],
        (Trusts::Stranger, _) => vec![stranger],
        (Trusts::Intermediate, Some(intermediate)) => vec![intermediate.clone()],
        (Trusts::RootAndStranger, _) => vec![stranger, root_certificate],
        _ => vec![root_certificate],
    };
    let sent = intermediate
        .filter(|_| world.sends_intermediate)
        .into_iter()
        .collect();
    Made {
        leaf,
        sent,
        trusted,
    }
}

fn openssl_accepts(openssl: &Openssl, made: &Made, role: Role) -> (bool, String) {
    openssl.write("leaf.crt", made.leaf.to_pem());
    openssl.write(
        "trusted.crt",
        pem_of(&made.trusted.iter().collect::<Vec<_>>()),
    );
    let untrusted = match made.sent.as_slice() {
        [] => "",
        sent => {
            openssl.write("sent.crt", pem_of(&sent.iter().collect::<Vec<_>>()));
            "-untrusted sent.crt"
        }
    };
    let purpose = if role == Role::Server {
        "sslserver -verify_hostname router.example.com"
    } else {
        "sslclient"
    };
    let at = now().as_second();
    // Without -partial_chain an intermediate in the bundle would need its root beside it, which is a note of ours.
    openssl.try_run(&format!("verify -partial_chain -attime {at} -no-CApath -no-CAstore -CAfile trusted.crt {untrusted} -purpose {purpose} leaf.crt"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_we_accept_is_what_openssl_accepts(world in world()) {
        let made = make(&world);
        let openssl = Openssl::new();
        let (accepted, output) = openssl_accepts(&openssl, &made, world.role);
        let chain = Chain { leaf: &made.leaf, intermediates: &made.sent, element: Element::Presented };
        let bundle = TrustBundle::new(made.trusted.clone());
        let name = (world.role == Role::Server).then_some("router.example.com");
        let ours = bundle.verify(&chain, world.role, name, now());
        if let Err(refusal) = &ours {
            prop_assert!(!refusal.findings.is_empty());
            // A sentence of the last resort means that a check of ours is missing.
            let says = refusal.to_string();
            prop_assert!(!says.contains("path validation says"), "{}", says);
        }
        if world.leaf.ca {
            prop_assert!(ours.is_err());
        } else {
            prop_assert_eq!(ours.is_ok(), accepted, "ours: {:?}\nopenssl: {}", ours, output);
        }
    }
}

#[test]
fn names_are_covered_as_openssl_covers_them() {
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let openssl = Openssl::new();
    let cases = [
        (dns("*.example.com"), "a.example.com"),
        (dns("*.example.com"), "a.b.example.com"),
        (dns("*.example.com"), "example.com"),
        (dns("Router"), "router"),
        (dns("router"), "router.ns"),
        (SanType::IpAddress("10.0.0.1".parse().unwrap()), "10.0.0.1"),
        (SanType::IpAddress("10.0.0.1".parse().unwrap()), "10.0.0.2"),
        (SanType::IpAddress("fd00::1".parse().unwrap()), "fd00:0::1"),
    ];
    for (name, host) in cases {
        let shown = format!("{name:?} {host}");
        let root = Spec::ca("root");
        let leaf = Spec {
            names: vec![name],
            ..Spec::leaf("leaf")
        }
        .signed(key(2), &root, key(0));
        openssl.write("root.crt", root.self_signed(key(0)).to_pem());
        openssl.write("leaf.crt", leaf.to_pem());
        let check = if host.parse::<std::net::IpAddr>().is_ok() {
            "-verify_ip"
        } else {
            "-verify_hostname"
        };
        let at = now().as_second();
        let (accepted, _) = openssl.try_run(&format!(
            "verify -attime {at} -CAfile root.crt {check} {host} leaf.crt"
        ));
        assert_eq!(
            skupper_pki::verify::covers(&leaf, host),
            accepted,
            "{shown}"
        );
    }
    // Where we are wider on purpose: an address written as a DNS name, as upstream's users do.
    let leaf = Spec {
        names: vec![dns("10.0.0.1")],
        ..Spec::leaf("leaf")
    }
    .self_signed(key(2));
    assert!(skupper_pki::verify::covers(&leaf, "10.0.0.1"));
}

#[test]
fn a_holder_is_called_as_openssl_calls_it() {
    let openssl = Openssl::new();
    let subjects: [&[(rcgen::DnType, &str)]; 3] = [
        &[
            (rcgen::DnType::CountryName, "US"),
            (rcgen::DnType::OrganizationName, "Widgets, Inc. + \"Sons\""),
            (rcgen::DnType::CommonName, "west"),
        ],
        &[
            (rcgen::DnType::OrganizationalUnitName, " two blanks "),
            (rcgen::DnType::CommonName, "#1; <a\\b>"),
        ],
        &[(rcgen::DnType::CommonName, "M\u{fc}ller\t\u{2028}x")],
    ];
    let text = |value: &str| rcgen::DnValue::from(value);
    let mut subjects: Vec<Vec<(rcgen::DnType, rcgen::DnValue)>> = subjects
        .iter()
        .map(|subject| {
            subject
                .iter()
                .map(|(kind, value)| (kind.clone(), text(value)))
                .collect()
        })
        .collect();
    // Attributes whose names differ from registry to registry, and one that has none.
    let kinds = "4 5 8 9 12 13 15 17 41 42 43 44 46 65 97"
        .split(' ')
        .map(|last| vec![2, 5, 4, last.parse().unwrap()]);
    let more = [
        vec![0, 9, 2342, 19_200_300, 100, 1, 1],
        vec![0, 9, 2342, 19_200_300, 100, 1, 25],
        vec![1, 2, 840, 113_549, 1, 9, 1],
        vec![1, 3, 6, 1, 4, 1, 99_999, 7],
    ];
    subjects.extend(kinds.chain(more).map(|oid: Vec<u64>| {
        let kind = rcgen::DnType::CustomDnType(oid);
        vec![(kind, text("a, b"))]
    }));
    let wide = rcgen::DnValue::BmpString("Z\u{fc}rich \u{20ac}".try_into().unwrap());
    subjects.push(vec![(rcgen::DnType::LocalityName, wide)]);
    let teletex = rcgen::DnValue::TeletexString("Basel".try_into().unwrap());
    subjects.push(vec![(rcgen::DnType::LocalityName, teletex)]);
    for subject in subjects {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            parameters.distinguished_name.push(kind, value);
        }
        let made = parameters
            .self_signed(&rcgen::KeyPair::generate().unwrap())
            .unwrap();
        openssl.write("leaf.pem", made.pem());
        let theirs = openssl.run("x509 -in leaf.pem -noout -subject -nameopt RFC2253");
        let ours = Certificate::from_der(made.der()).unwrap().subject.as_user();
        assert_eq!(format!("subject={ours}"), theirs.trim_end_matches('\n'));
    }
}
