//! Taking a site over from upstream's controller: its Secrets are adopted as they are.

use serde_json::{Value, json};
use skupper_pki::KeyAlgorithm;
use skupper_site::ObjectKind::{Certificate, ConfigMap, Secret, Site};
use skupper_site::names::NOT_CONTROLLED;
use skupper_site::{ObjectKind, Write};

use crate::material::{Ca, days};
use crate::world::{ADDRESS, World};

/// A site as upstream's controller leaves it: no fingerprints, its own keys and lifetimes, its order of things.
fn made_by_upstream() -> World {
    let mut world = World::new();
    world.settings.images.adaptor_is_ours = false;
    world.settings.certificates.algorithm = KeyAlgorithm::Rsa2048;
    world.settings.certificates.ca_lifetime = std::time::Duration::from_secs(5 * 365 * 86_400);
    world.settings.certificates.server_lifetime = world.settings.certificates.ca_lifetime;
    world.create(
        Site,
        "west",
        json!({"spec": {"linkAccess": "loadbalancer"}}),
    );
    world.create(Certificate, "link-west", json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "10.71.80.20,10.71.80.20"}}));
    world.settle();
    let keys: Vec<_> = world
        .objects
        .keys()
        .filter(|(kind, _)| *kind == Secret)
        .cloned()
        .collect();
    for key in keys {
        world.edit(&key, |secret| {
            secret["metadata"]["annotations"]
                .as_object_mut()
                .unwrap()
                .remove("internal.skupper.io/fingerprint");
        });
    }
    world.edit(&(ConfigMap, "skupper-router".to_owned()), |config_map| {
        let data = config_map["data"].as_object_mut().unwrap();
        data.remove("tls-profiles.json");
        let mut sections: Vec<Value> =
            serde_json::from_str(data["skrouterd.json"].as_str().unwrap()).unwrap();
        sections.reverse();
        data.insert(
            "skrouterd.json".to_owned(),
            serde_json::to_string_pretty(&sections).unwrap().into(),
        );
    });
    world.settings = World::new().settings;
    world.settings.images.adaptor_is_ours = false;
    world.restart();
    world.writes.clear();
    world
}

#[test]
fn secrets_made_by_upstream_are_adopted_without_reissue() {
    let mut world = made_by_upstream();
    let secrets = [
        "skupper-site-ca",
        "skupper-local-ca",
        "skupper-local-server",
        "skupper-site-server",
        "link-west",
    ];
    let before = secrets.map(|name| world.credential(name));
    let config = world.object(ConfigMap, "skupper-router")["data"]["skrouterd.json"].clone();
    world.settle();
    assert_eq!(secrets.map(|name| world.credential(name)), before);
    // Only metadata of Secrets, and of the ConfigMap the profiles' revisions: the document stays as upstream wrote it.
    for write in &world.writes {
        let Write::Patch { kind, patch, .. } = write else {
            panic!("{write:?}")
        };
        match kind {
            ObjectKind::Secret => assert!(patch.get("data").is_none(), "{patch}"),
            ObjectKind::ConfigMap => {
                assert!(patch["data"].get("skrouterd.json").is_none(), "{patch}")
            }
            other => panic!("{other} is written: {patch}"),
        }
    }
    assert_eq!(world.writes.len(), secrets.len() + 1);
    assert_eq!(
        world.object(ConfigMap, "skupper-router")["data"]["skrouterd.json"],
        config
    );
}

#[test]
fn adopted_secrets_are_managed_from_then_on() {
    let mut world = made_by_upstream();
    world.settle();
    let before = world.credential("skupper-site-server");
    world.set_address(Some("10.71.80.99"));
    world.settle();
    let after = world.credential("skupper-site-server");
    assert_ne!(before.tls_crt, after.tls_crt);
    assert!(
        after
            .leaf()
            .unwrap()
            .is_issued_by(&world.credential("skupper-site-ca").leaf().unwrap())
    );
    // Five years in all of them, and none ends before a new one is there.
    for _ in 0..80 {
        world.advance(days(30));
        for name in [
            "skupper-site-ca",
            "skupper-local-ca",
            "skupper-local-server",
            "skupper-site-server",
            "link-west",
        ] {
            assert!(
                world.credential(name).leaf().unwrap().not_after > world.now,
                "{name} at {}",
                world.now
            );
        }
    }
}

#[test]
fn what_the_user_applied_while_no_controller_ran_is_the_users() {
    let mut world = made_by_upstream();
    let server = Ca::new("the user's CA", world.now).server(&[ADDRESS], world.now);
    world.apply_credential("skupper-site-server", &server);
    world.settle();
    assert_eq!(world.credential("skupper-site-server"), server);
    // And it does not trust the client that upstream's controller issued.
    let said = world.certificate("skupper-site-server").message;
    assert!(
        said.starts_with(&format!("{NOT_CONTROLLED}: ca.crt trusts no client")),
        "{said}"
    );
}

#[test]
fn with_our_adaptor_upstreams_annotations_are_left_behind() {
    let mut world = made_by_upstream();
    world.settings.images.adaptor_is_ours = true;
    world.settle();
    // The router's ordinals go on from where upstream's controller was.
    assert_eq!(
        world.profiles()["skupper-site-server"].ordinal,
        world.router_config().ssl_profiles["skupper-site-server"].ordinal
    );
    let secret = world.object(Secret, "skupper-local-server");
    assert!(
        secret["metadata"]["annotations"]
            .get("internal.skupper.io/tls-profile-context")
            .is_some()
    );
}
