//! Lists and tidings, in the orders in which they may come.

use k8s_openapi::api::core::v1::{Secret, Service};
use prometheus_client::registry::Registry;

use super::*;
use crate::metrics::QueueMetrics;

fn world() -> World {
    World::new(Queue::new(QueueMetrics::new(
        &mut Registry::default(),
        "test",
    )))
}

fn secret(name: &str, version: u64) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.namespace = Some("west".to_owned());
    secret.metadata.resource_version = Some(version.to_string());
    secret
}

/// The names of the Secrets that are known of the namespace.
fn known(world: &World) -> Vec<String> {
    let Some(namespace) = world.get("west") else {
        return Vec::new();
    };
    let mut state = lock(&namespace.state);
    namespace.take_in(&mut state);
    state.observed.secrets.keys().cloned().collect()
}

fn list(world: &World, watch: usize, listed: &[Secret]) {
    world.list_begins::<Secret>(watch);
    for secret in listed {
        world.listed(watch, secret.clone());
    }
    world.list_ends::<Secret>(watch, None);
}

#[tokio::test]
async fn all_is_known_when_every_list_is_complete() {
    let world = world();
    world.expect::<Secret>(0);
    world.expect::<Service>(1);
    list(&world, 0, &[secret("a", 1)]);
    assert!(!world.is_synced());
    assert_eq!(world.missing(), ["services: being listed"]);
    assert!(world.trouble(1, Some("forbidden".to_owned())));
    assert!(
        !world.trouble(1, Some("forbidden".to_owned())),
        "the same trouble is no news"
    );
    assert_eq!(world.missing(), ["services: forbidden"]);
    world.list_begins::<Service>(1);
    world.list_ends::<Service>(1, None);
    assert!(world.is_synced());
    // A later list does not take that back.
    world.list_begins::<Service>(1);
    assert!(world.is_synced());
}

#[tokio::test]
async fn a_later_list_ends_what_went_unseen() {
    let world = world();
    list(&world, 0, &[secret("a", 1), secret("b", 2)]);
    assert_eq!(known(&world), ["a", "b"]);
    list(&world, 0, &[secret("b", 2)]);
    assert_eq!(known(&world), ["b"]);
    world.gone(&secret("b", 3));
    assert!(known(&world).is_empty());
}

/// We may write an object after the API server made up a list and before we have read it.
#[tokio::test]
async fn what_we_write_during_a_list_is_not_ended_by_it() {
    let world = world();
    list(&world, 0, &[secret("a", 1)]);
    world.list_begins::<Secret>(0);
    world.listed(0, secret("a", 1));
    let west = world
        .get("west")
        .map(|namespace| Arc::clone(&namespace.name))
        .unwrap();
    world.seen(secret("ours", 5));
    world.written(ObjectKind::Secret, &west, "ours");
    world.list_ends::<Secret>(0, None);
    assert_eq!(known(&world), ["a", "ours"]);
}

#[tokio::test]
async fn a_list_of_one_namespace_ends_nothing_in_another() {
    let world = world();
    list(&world, 0, &[secret("a", 1)]);
    world.list_begins::<Secret>(1);
    world.list_ends::<Secret>(1, Some("east"));
    assert_eq!(known(&world), ["a"]);
    world.list_begins::<Secret>(1);
    world.list_ends::<Secret>(1, Some("west"));
    assert!(known(&world).is_empty());
}

#[tokio::test]
async fn a_namespace_in_which_something_came_up_is_not_forgotten() {
    let world = world();
    world.seen(secret("a", 1));
    let namespace = world.get("west").unwrap();
    world.forget(&namespace);
    assert_eq!(known(&world), ["a"]);
    world.forget(&namespace);
    assert!(world.get("west").is_none());
}

#[tokio::test]
async fn what_stands_outside_reaches_old_namespaces_and_new_ones() {
    let world = world();
    world.seen(secret("a", 1));
    let sizings = [("big".to_owned(), Arc::default())].into();
    world.change_outside(|outside| outside.sizings = sizings);
    let mut later = secret("a", 1);
    later.metadata.namespace = Some("east".to_owned());
    world.seen(later);
    for name in ["west", "east"] {
        let namespace = world.get(name).unwrap();
        let mut state = lock(&namespace.state);
        namespace.take_in(&mut state);
        assert!(state.observed.outside.sizings.contains_key("big"), "{name}");
    }
}
