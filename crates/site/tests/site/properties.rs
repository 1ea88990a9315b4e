//! What holds whatever happens.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;
use skupper_pki::Credential;
use skupper_site::ObjectKind::{Certificate, Link, Listener, Secret, Site};
use skupper_site::{Memo, ObjectKind, reconcile};

use crate::links::link_spec;
use crate::material::{Ca, days};
use crate::world::{ADDRESS, World, merge};

/// Something that happens in a namespace.
#[derive(Clone, Debug)]
enum Happens {
    ApplyCredential(usize, usize),
    CreateCredential(usize, usize),
    DeleteSecret(usize),
    DamageSecret(usize),
    CreateSite(bool),
    DeleteSite,
    LinkAccess(usize),
    DeleteCertificate(usize),
    ClientCertificate,
    Address(usize),
    Link,
    Listener,
    Restart,
    Time(i64),
}

const SECRETS: [&str; 6] = [
    "skupper-site-server",
    "skupper-site-ca",
    "skupper-local-ca",
    "skupper-local-server",
    "link-east",
    "link-west",
];
const ACCESS: [&str; 4] = ["none", "default", "local", "nodeport"];

/// Credentials that users bring: good ones, and such as do not fit in one way or another.
static MATERIAL: LazyLock<Vec<Credential>> = LazyLock::new(|| {
    let now = World::new().now;
    let (ca, other) = (Ca::new("the user's CA", now), Ca::new("another CA", now));
    let good = ca.server(&[ADDRESS], now);
    vec![
        good.clone(),
        ca.client("east", now),
        ca.credential.clone(),
        other.credential.clone(),
        other.server(&["other.example"], now),
        ca.leaf(
            "short",
            &[ADDRESS],
            true,
            true,
            SignedDuration::from_hours(2),
            now,
        ),
        Credential {
            tls_key: other.credential.tls_key.clone(),
            ..good.clone()
        },
        Credential {
            ca_crt: Vec::new(),
            ..good.clone()
        },
        Credential {
            tls_crt: b"-----BEGIN CERTIFICATE-----\nnonsense\n".to_vec(),
            ..good
        },
        Credential::default(),
    ]
});

fn happens() -> impl Strategy<Value = Happens> {
    let secret = 0..SECRETS.len();
    prop_oneof![
        3 => (secret.clone(), 0..MATERIAL.len()).prop_map(|(name, what)| Happens::ApplyCredential(name, what)),
        2 => (secret.clone(), 0..MATERIAL.len()).prop_map(|(name, what)| Happens::CreateCredential(name, what)),
        2 => secret.clone().prop_map(Happens::DeleteSecret),
        1 => secret.clone().prop_map(Happens::DamageSecret),
        3 => any::<bool>().prop_map(Happens::CreateSite),
        1 => Just(Happens::DeleteSite),
        1 => (0..ACCESS.len()).prop_map(Happens::LinkAccess),
        1 => secret.prop_map(Happens::DeleteCertificate),
        1 => Just(Happens::ClientCertificate),
        1 => (0..3usize).prop_map(Happens::Address),
        1 => Just(Happens::Link),
        1 => Just(Happens::Listener),
        1 => Just(Happens::Restart),
        3 => prop_oneof![1..40i64, 3_600..90_000i64, 86_400..40_000_000i64].prop_map(Happens::Time),
    ]
}

/// A world, and what its user has put into Secrets.
struct History {
    world: World,
    users: BTreeMap<&'static str, Credential>,
}

impl History {
    fn put(&mut self, name: &'static str, credential: &Credential) {
        // An apply of an element that is empty removes it, as the stand-in does for all.
        self.world.apply_credential(name, credential);
        self.users.insert(name, credential.clone());
    }

    fn happen(&mut self, what: &Happens) {
        let world = &mut self.world;
        match *what {
            Happens::ApplyCredential(name, what) => self.put(SECRETS[name], &MATERIAL[what]),
            Happens::CreateCredential(name, what) => {
                if !world.has(Secret, SECRETS[name]) {
                    self.put(SECRETS[name], &MATERIAL[what]);
                }
            }
            Happens::DeleteSecret(name) => {
                if world.has(Secret, SECRETS[name]) {
                    world.delete(Secret, SECRETS[name]);
                    self.users.remove(SECRETS[name]);
                }
            }
            Happens::DamageSecret(name) => {
                if world.has(Secret, SECRETS[name]) {
                    let credential = Credential { tls_key: b"damaged".to_vec(), ..world.credential(SECRETS[name]) };
                    self.put(SECRETS[name], &credential);
                }
            }
            Happens::CreateSite(access) => {
                if !world.has(Site, "west") {
                    let access = if access { "loadbalancer" } else { "none" };
                    world.create(Site, "west", json!({"spec": {"linkAccess": access}}));
                }
            }
            Happens::DeleteSite => {
                if world.has(Site, "west") {
                    world.delete(Site, "west");
                }
            }
            Happens::LinkAccess(access) => {
                if world.has(Site, "west") {
                    world.apply(Site, "west", json!({"spec": {"linkAccess": ACCESS[access]}}));
                }
            }
            Happens::DeleteCertificate(name) => {
                if world.has(Certificate, SECRETS[name]) {
                    world.delete(Certificate, SECRETS[name]);
                }
            }
            Happens::ClientCertificate => {
                if !world.has(Certificate, "link-east") {
                    world.create(Certificate, "link-east", json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "east"}}));
                }
            }
            Happens::Address(which) => world.set_address([None, Some(ADDRESS), Some("10.71.80.99")][which]),
            Happens::Link => world.apply(Link, "to-west", json!({"spec": link_spec()})),
            Happens::Listener => world.apply(Listener, "l", json!({"spec": {"host": "l", "port": 1, "routingKey": "k", "tlsCredentials": "link-west"}})),
            Happens::Restart => world.restart(),
            Happens::Time(seconds) => world.advance(SignedDuration::from_secs(seconds)),
        }
        self.world.settle();
    }
}

/// So many cases, unless `PROPTEST_CASES` says otherwise.
fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(usual),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_users_secret_is_never_touched_and_every_plan_comes_to_rest(history in prop::collection::vec(happens(), 1..14)) {
        let mut it = History { world: World::new(), users: BTreeMap::new() };
        for what in &history {
            it.happen(what);
            for (name, credential) in &it.users {
                prop_assert!(it.world.has(Secret, name), "the user's Secret {} is gone after {:?}", name, what);
                prop_assert_eq!(&it.world.credential(name), credential, "the user's Secret {} changed after {:?}", name, what);
                let meta = &it.world.object(Secret, name)["metadata"];
                prop_assert!(meta.get("ownerReferences").is_none(), "{} is owned after {:?}: {}", name, what, meta);
            }
            // Whoever looks at it anew, nothing remembered, has nothing to write.
            let plan = reconcile(&it.world.observed(), &it.world.settings, it.world.now, &mut Memo::default());
            prop_assert!(plan.writes.is_empty(), "a new controller would write {:#?}", plan.writes);
        }
    }

}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn what_others_add_to_our_objects_is_not_fought(label in "[a-z]{1,8}", kinds in prop::collection::vec(0..ObjectKind::ALL.len(), 1..6)) {
        let mut world = World::with_site();
        let keys: Vec<_> = world.objects.keys().filter(|(kind, _)| kinds.iter().any(|index| ObjectKind::ALL[*index] == *kind)).cloned().collect();
        for key in keys {
            world.edit(&key, |object| merge(object, &json!({"metadata": {"labels": {&label: "x"}, "annotations": {&label: "y"}}})));
        }
        prop_assert_eq!(world.settle(), 0);
    }
}

#[test]
fn a_secret_created_at_the_moment_of_issue_is_its_users() {
    // The plan is made, then the user creates the Secret, then the plan is carried out.
    let mut world = World::new();
    world.create(Site, "west", json!({"spec": {"linkAccess": "local"}}));
    let server = Ca::new("the user's CA", world.now).server(&[ADDRESS], world.now);
    let mut created = false;
    for _ in 0..20 {
        let plan = world.plan();
        let about_to = plan
            .writes
            .iter()
            .any(|write| write.target() == (Secret, "skupper-site-server"));
        if about_to && !created {
            world.apply_credential("skupper-site-server", &server);
            created = true;
        }
        if plan.is_empty() {
            break;
        }
        world.carry_out(plan);
    }
    assert!(created);
    assert_eq!(world.credential("skupper-site-server"), server);
    assert_eq!(
        world.certificate("skupper-site-server").message,
        skupper_site::names::NOT_CONTROLLED
    );
    world.advance(days(400));
    assert_eq!(world.credential("skupper-site-server"), server);
}
