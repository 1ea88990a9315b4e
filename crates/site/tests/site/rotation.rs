//! Certificates that we issued: renewal, CAs that are renewed or replaced, lifetimes.

use jiff::SignedDuration;
use serde_json::json;
use skupper_pki::{Expectation, KeyAlgorithm, Role, TrustBundle, judge};
use skupper_site::ObjectKind::{Certificate, Secret, Site};

use crate::material::{Ca, days};
use crate::world::{ADDRESS, World};

fn client(world: &mut World) {
    world.create(
        Certificate,
        "link-east",
        json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "east"}}),
    );
    world.settle();
}

#[test]
fn a_server_certificate_is_renewed_at_two_thirds_of_its_life() {
    let mut world = World::with_site();
    let first = world.credential("skupper-site-server");
    world.advance(days(365 * 60 / 100));
    assert_eq!(world.credential("skupper-site-server"), first);
    world.advance(days(365 * 8 / 100));
    let second = world.credential("skupper-site-server");
    assert_ne!(second.tls_key, first.tls_key);
    assert_eq!(second.ca_crt, first.ca_crt);
    assert_eq!(
        world.condition(Certificate, "skupper-site-server", "Ready"),
        "True/Ready/OK"
    );
    // It was renewed in time: nobody had to be warned.
    assert!(world.told("Expiring").is_empty(), "{:?}", world.events);
}

#[test]
fn a_ca_is_renewed_with_its_key_and_leaves_keep_their_certificates() {
    let mut world = World::with_site();
    client(&mut world);
    let (ca, handed_out) = (
        world.credential("skupper-site-ca"),
        world.credential("link-east"),
    );
    world.advance(days(365 * 5 + 1));
    let renewed = world.credential("skupper-site-ca");
    assert_eq!(renewed.tls_key, ca.tls_key);
    assert_ne!(renewed.tls_crt, ca.tls_crt);
    // Both are trusted while both live.
    let server = world.credential("skupper-site-server");
    assert_eq!(
        server.trusted().unwrap(),
        [renewed.leaf().unwrap(), ca.leaf().unwrap()]
    );
    assert_eq!(server.ca_crt, renewed.ca_crt);
    // Who has the old one trusts the new server certificate.
    let old = TrustBundle::from_pem(&handed_out.ca_crt).unwrap();
    assert_eq!(
        judge(
            &server,
            &Expectation::new(Role::Server, world.now).trusted_by(&old)
        ),
        []
    );
    // The old one goes when it has ended.
    world.advance(days(365 * 5 + 2));
    assert!(
        !world
            .credential("skupper-site-server")
            .trusted()
            .unwrap()
            .contains(&ca.leaf().unwrap())
    );
}

#[test]
fn a_ca_that_its_user_replaces_is_followed_and_the_old_one_stays_trusted_as_long_as_it_is_needed() {
    let mut world = World::with_site();
    client(&mut world);
    let (old_ca, handed_out) = (
        world.credential("skupper-site-ca"),
        world.credential("link-east"),
    );
    world.advance(days(100));
    let new_ca = Ca::new("the user's CA", world.now);
    world.apply_credential("skupper-site-ca", &new_ca.credential);
    world.settle();
    let new = new_ca.credential.leaf().unwrap();
    for leaf in ["skupper-site-server", "link-east"] {
        let credential = world.credential(leaf);
        assert!(credential.leaf().unwrap().is_issued_by(&new), "{leaf}");
        assert_eq!(
            credential.trusted().unwrap(),
            [new.clone(), old_ca.leaf().unwrap()],
            "{leaf}"
        );
    }
    assert_eq!(world.credential("skupper-site-ca"), new_ca.credential);
    // What was handed out works until its own end.
    let accepts = |world: &World| {
        let trusted =
            TrustBundle::from_pem(&world.credential("skupper-site-server").ca_crt).unwrap();
        judge(
            &handed_out,
            &Expectation::new(Role::Client, world.now).trusted_by(&trusted),
        )
        .is_empty()
    };
    let end = handed_out.leaf().unwrap().not_after;
    while world.now < end.checked_sub(days(31)).unwrap() {
        assert!(accepts(&world), "refused at {}", world.now);
        world.advance(days(30));
    }
    assert!(accepts(&world));
    // Then the old CA goes.
    world.advance(days(40));
    assert_eq!(
        world.credential("skupper-site-server").trusted().unwrap(),
        [new]
    );
}

#[test]
fn an_old_ca_that_nobody_needs_goes_at_once() {
    let mut world = World::with_site();
    let new_ca = Ca::new("the user's CA", world.now);
    world.apply_credential("skupper-site-ca", &new_ca.credential);
    world.settle();
    assert_eq!(
        world.credential("skupper-site-server").trusted().unwrap(),
        [new_ca.credential.leaf().unwrap()]
    );
}

#[test]
fn an_old_ca_is_dropped_by_deleting_the_secret() {
    let mut world = World::with_site();
    client(&mut world);
    let new_ca = Ca::new("the user's CA", world.now);
    world.apply_credential("skupper-site-ca", &new_ca.credential);
    world.settle();
    assert_eq!(
        world
            .credential("skupper-site-server")
            .trusted()
            .unwrap()
            .len(),
        2
    );
    world.delete(Secret, "skupper-site-server");
    world.settle();
    world.advance(SignedDuration::from_secs(31));
    assert_eq!(
        world.credential("skupper-site-server").trusted().unwrap(),
        [new_ca.credential.leaf().unwrap()]
    );
}

#[test]
fn a_managed_ca_that_is_deleted_comes_back_with_another_key_and_leaves_follow() {
    let mut world = World::with_site();
    client(&mut world);
    let before = world.credential("skupper-site-ca").leaf().unwrap();
    world.delete(Secret, "skupper-site-ca");
    world.settle();
    // While it is away, what it signed stays.
    assert!(
        world
            .credential("skupper-site-server")
            .leaf()
            .unwrap()
            .is_issued_by(&before)
    );
    assert_eq!(
        world.condition(Certificate, "skupper-site-server", "Ready"),
        "True/Ready/OK"
    );
    world.advance(SignedDuration::from_secs(31));
    let after = world.credential("skupper-site-ca").leaf().unwrap();
    assert_ne!(after.public_key, before.public_key);
    assert!(
        world
            .credential("skupper-site-server")
            .leaf()
            .unwrap()
            .is_issued_by(&after)
    );
    assert_eq!(
        world.credential("skupper-site-server").trusted().unwrap(),
        [after, before]
    );
}

#[test]
fn a_leaf_moves_to_another_issuer_when_its_certificate_says_so() {
    let mut world = World::with_site();
    client(&mut world);
    let other = Ca::new("other", world.now);
    world.apply_credential("other-ca", &other.credential);
    world.apply(
        Certificate,
        "link-east",
        json!({"spec": {"ca": "other-ca"}}),
    );
    world.settle();
    assert!(
        world
            .credential("link-east")
            .leaf()
            .unwrap()
            .is_issued_by(&other.credential.leaf().unwrap())
    );
}

#[test]
fn a_default_issuer_serves_server_and_clients() {
    let mut world = World::with_site();
    let own = Ca::new("my-ca", world.now);
    world.apply_credential("my-ca", &own.credential);
    world.apply(Site, "west", json!({"spec": {"defaultIssuer": "my-ca"}}));
    world.settle();
    assert!(
        world
            .credential("skupper-site-server")
            .leaf()
            .unwrap()
            .is_issued_by(&own.credential.leaf().unwrap())
    );
    assert_eq!(
        world.object(Site, "west")["status"]["defaultIssuer"],
        "my-ca"
    );
    world.apply(Site, "west", json!({"spec": {"defaultIssuer": null}}));
    world.settle();
    assert_eq!(
        world.object(Site, "west")["status"]["defaultIssuer"],
        "skupper-site-ca"
    );
}

#[test]
fn lifetimes_and_keys_are_settings_of_site_and_certificate() {
    let mut world = World::new();
    let settings = json!({"tls-ca-lifetime": "20d", "tls-server-lifetime": "10d", "tls-client-lifetime": "5d", "tls-key-algorithm": "ecdsa-p384"});
    world.create(
        Site,
        "west",
        json!({"spec": {"linkAccess": "loadbalancer", "settings": settings}}),
    );
    world.create(
        Certificate,
        "c",
        json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "x"}}),
    );
    let own = json!({"tls-client-lifetime": "2d", "tls-key-algorithm": "ed25519"});
    world.create(
        Certificate,
        "own",
        json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "x", "settings": own}}),
    );
    world.settle();
    let life = |world: &World, secret: &str| {
        world
            .credential(secret)
            .leaf()
            .unwrap()
            .not_after
            .duration_since(world.now)
            .as_hours()
            / 24
    };
    assert_eq!(
        ["skupper-site-ca", "skupper-site-server", "c", "own"].map(|name| life(&world, name)),
        [20, 10, 5, 2]
    );
    let key = |name: &str| {
        world
            .credential(name)
            .leaf()
            .unwrap()
            .public_key
            .to_string()
    };
    assert_eq!(
        key("c"),
        skupper_pki::PrivateKey::generate(KeyAlgorithm::EcdsaP384)
            .unwrap()
            .public()
            .to_string()
    );
    assert_eq!(
        key("own"),
        skupper_pki::PrivateKey::generate(KeyAlgorithm::Ed25519)
            .unwrap()
            .public()
            .to_string()
    );
    // With lives this short all of it is renewed again and again, without a pause in which something has ended.
    for _ in 0..30 {
        world.advance(days(1));
        for name in ["skupper-site-ca", "skupper-site-server", "c", "own"] {
            assert!(
                world.credential(name).leaf().unwrap().not_after > world.now,
                "{name} at {}",
                world.now
            );
            assert_eq!(world.condition(Certificate, name, "Ready"), "True/Ready/OK");
        }
    }
}

#[test]
fn settings_that_cannot_be_read_are_told_and_the_defaults_hold() {
    let mut world = World::new();
    world.create(
        Site,
        "west",
        json!({"spec": {"settings": {"tls-ca-lifetime": "soon"}}}),
    );
    world.settle();
    let said = world.condition(Site, "west", "Configured");
    assert_eq!(
        said,
        "False/Error/setting tls-ca-lifetime is \"soon\", expected a time such as 90d, 8760h or 1h30m"
    );
    assert!(world.has(Secret, "skupper-site-ca"));
    let spec = json!({"ca": "skupper-site-ca", "client": true, "subject": "x", "settings": {"tls-key-algorithm": "dsa"}});
    world.create(Certificate, "c", json!({"spec": spec}));
    world.settle();
    assert_eq!(world.condition(Certificate, "c", "Ready"), "True/Ready/OK");
    let [event] = world.told("SettingIgnored")[..] else {
        panic!("one Event, not {:?}", world.events)
    };
    assert!(
        event.message.starts_with(
            "setting tls-key-algorithm: unknown key algorithm \"dsa\": expected one of "
        ),
        "{}",
        event.message
    );
}

#[test]
fn a_leaf_of_a_ca_that_ends_soon_lives_no_longer_than_that_and_is_not_issued_in_vain() {
    let mut world = World::new();
    let issuer = skupper_pki::issue::issue_ca(
        &skupper_pki::issue::CaRequest {
            subject: "short".to_owned(),
            lifetime: days(30),
            algorithm: KeyAlgorithm::EcdsaP256,
        },
        world.now,
    );
    let ca = issuer.unwrap().credential();
    world.apply_credential("skupper-site-ca", &ca);
    world.create(
        Site,
        "west",
        json!({"spec": {"linkAccess": "loadbalancer"}}),
    );
    world.settle();
    let end = ca.leaf().unwrap().not_after;
    let first = world.credential("skupper-site-server");
    assert_eq!(first.leaf().unwrap().not_after, end);
    world.advance(days(29));
    assert_eq!(world.credential("skupper-site-server"), first);
    // People are warned of both.
    let warned: std::collections::BTreeSet<&str> = world
        .told("Expiring")
        .iter()
        .map(|event| event.object.as_str())
        .collect();
    assert!(
        warned.contains("skupper-site-ca") && warned.contains("skupper-site-server"),
        "{warned:?}"
    );
    world.advance(days(2));
    let said = world.condition(Certificate, "skupper-site-server", "Ready");
    assert!(
        said.starts_with("False/Error/Secret skupper-site-server has to be issued anew ("),
        "{said}"
    );
    assert!(
        world
            .condition(Site, "west", "Configured")
            .contains("has expired")
    );
}

#[test]
fn long_subjects_and_addresses_are_no_trouble() {
    let mut world = World::with_site();
    let subject = ["a.very.long.host.name.example.com"; 5].join(",");
    world.create(
        Certificate,
        "c",
        json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": subject}}),
    );
    world.create(Certificate, "v6", json!({"spec": {"ca": "skupper-site-ca", "server": true, "subject": "x", "hosts": ["2001:db8::1", " H.example ", "H.example"]}}));
    world.create(Certificate, "odd", json!({"spec": {"ca": "skupper-site-ca", "server": true, "subject": "x", "hosts": ["größe.example"]}}));
    world.create(
        Certificate,
        "neither",
        json!({"spec": {"ca": "skupper-site-ca", "subject": "x", "hosts": [ADDRESS]}}),
    );
    world.settle();
    for name in ["c", "v6", "neither"] {
        assert_eq!(
            world.condition(Certificate, name, "Ready"),
            "True/Ready/OK",
            "{name}"
        );
    }
    assert!(
        world
            .condition(Certificate, "odd", "Ready")
            .contains("cannot stand in a certificate")
    );
}

#[test]
fn a_thousand_certificates_are_issued_in_portions() {
    let mut world = World::with_site();
    for index in 0..250 {
        world.create(
            Certificate,
            &format!("c{index:03}"),
            json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "x"}}),
        );
    }
    let plan = world.plan();
    let made = plan
        .writes
        .iter()
        .filter(|write| write.target().0 == Secret)
        .count();
    assert_eq!(made, skupper_site::ISSUES_PER_RECONCILE);
    assert_eq!(plan.wake_at, Some(world.now));
    let writes = world.settle();
    assert_eq!(writes, 500);
}
