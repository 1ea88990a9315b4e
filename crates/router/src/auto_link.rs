//! Links that the router makes by itself on connections with the role `route-container` or `inter-network` (router protocol
//! reference §2.9): what is known of each, whichever connections it is on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skupper_management::entity::AutoLink as Settings;

use crate::connection::handle::ConnectionHandle;

/// How long after a refusal or a loss the link is tried again, at first.
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// And from then on.
const RETRY: Duration = Duration::from_secs(5);

/// One configured link.
pub(crate) struct AutoLink {
    /// Its configuration.
    pub(crate) settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    deleted: bool,
    /// By connection.
    places: BTreeMap<u64, Place>,
    last_error: String,
}

/// The link on one connection.
struct Place {
    phase: Phase,
    /// Failures since it was last in use.
    failures: u32,
}

enum Phase {
    /// It waits to be tried again.
    Failed,
    /// The link of that number waits for the peer's answer.
    Attaching(u64),
    /// The link of that number is in use.
    Active(u64),
}

impl Phase {
    fn link(&self) -> Option<u64> {
        match self {
            Phase::Failed => None,
            Phase::Attaching(link) | Phase::Active(link) => Some(*link),
        }
    }
}

/// The state of a link as management shows it: of several connections the one where it has come farthest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// `inactive`, `failed`, `attaching` or `active`.
    pub(crate) status: &'static str,
    /// Number of the link.
    pub(crate) link: Option<u64>,
    /// What the peer last said when it refused or detached it; empty if it never did.
    pub(crate) last_error: String,
}

impl AutoLink {
    pub(crate) fn new(settings: Settings) -> Self {
        AutoLink {
            settings,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the link belongs on a connection that both sides have opened.
    pub(crate) fn fits(&self, connection: &ConnectionHandle) -> bool {
        let peer = connection.peer.get();
        connection.role.has_auto_links()
            && peer.is_some_and(|peer| self.is_for(&connection.owner, &peer.container))
    }

    fn is_for(&self, owner: &str, container: &str) -> bool {
        let Settings {
            connection,
            container_id,
            ..
        } = &self.settings;
        let is = |wanted: &str, found: &str| !wanted.is_empty() && wanted == found;
        !self.terminus().is_empty() && (is(connection, owner) || is(container_id, container))
    }

    /// The address that the peer is asked for.
    pub(crate) fn terminus(&self) -> &str {
        match self.settings.external_address.as_str() {
            "" => &self.settings.address,
            external => external,
        }
    }

    /// The address that the peer is asked for, if it has another name here.
    pub(crate) fn renames(&self) -> Option<&str> {
        let Settings {
            address,
            external_address: external,
            ..
        } = &self.settings;
        let renames = !external.is_empty() && !address.is_empty() && external != address;
        renames.then_some(external)
    }

    /// Notes that a link is about to be attached; false if it must not be, being there or deleted.
    pub(crate) fn attaching(&self, connection: u64, link: u64) -> bool {
        let mut state = self.lock();
        if state.deleted {
            return false;
        }
        let place = state.places.entry(connection).or_insert(Place {
            phase: Phase::Failed,
            failures: 0,
        });
        let free = place.phase.link().is_none();
        if free {
            place.phase = Phase::Attaching(link);
        }
        free
    }

    /// Notes that the peer has confirmed the address.
    pub(crate) fn confirmed(&self, connection: u64) {
        if let Some(place) = self.lock().places.get_mut(&connection)
            && let Some(link) = place.phase.link()
        {
            place.phase = Phase::Active(link);
            place.failures = 0;
        }
    }

    /// Notes that the peer has refused or detached the link; returns when to try again.
    pub(crate) fn failed(&self, connection: u64, error: Option<&str>) -> Option<Duration> {
        let mut state = self.lock();
        if state.deleted {
            return None;
        }
        error.unwrap_or_default().clone_into(&mut state.last_error);
        let place = state.places.get_mut(&connection)?;
        place.phase = Phase::Failed;
        place.failures = place.failures.saturating_add(1);
        Some(if place.failures == 1 {
            FIRST_RETRY
        } else {
            RETRY
        })
    }

    /// Forgets a connection that has ended.
    pub(crate) fn left(&self, connection: u64) {
        self.lock().places.remove(&connection);
    }

    /// The entity is deleted: the links to be detached, each with its connection.
    fn delete(&self) -> Vec<(u64, u64)> {
        let mut state = self.lock();
        state.deleted = true;
        let places = std::mem::take(&mut state.places);
        let link = |(connection, place): (u64, Place)| Some((connection, place.phase.link()?));
        places.into_iter().filter_map(link).collect()
    }

    /// The state for management.
    pub(crate) fn shown(&self) -> Shown {
        let state = self.lock();
        let rank = |place: &Place| match place.phase {
            Phase::Failed => (1, "failed"),
            Phase::Attaching(_) => (2, "attaching"),
            Phase::Active(_) => (3, "active"),
        };
        let first = state.places.values().max_by_key(|place| rank(place));
        Shown {
            status: first.map_or("inactive", |place| rank(place).1),
            link: first.and_then(|place| place.phase.link()),
            last_error: state.last_error.clone(),
        }
    }
}

/// All configured links.
#[derive(Default)]
pub(crate) struct AutoLinks {
    links: Mutex<Vec<Arc<AutoLink>>>,
}

impl AutoLinks {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<AutoLink>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a link. Connections that open from now on find it.
    pub(crate) fn add(&self, link: Arc<AutoLink>) {
        self.lock().push(link);
    }

    /// Takes a link out; returns what is to be detached, as connection and link.
    pub(crate) fn remove(&self, link: &Arc<AutoLink>) -> Vec<(u64, u64)> {
        self.lock().retain(|known| !Arc::ptr_eq(known, link));
        link.delete()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<AutoLink>> {
        self.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use skupper_management::entity::Direction;

    use super::*;

    fn link(connection: &str, container_id: &str) -> AutoLink {
        AutoLink::new(Settings {
            name: "a".to_owned(),
            address: "queue".to_owned(),
            direction: Direction::Out,
            container_id: container_id.to_owned(),
            connection: connection.to_owned(),
            external_address: String::new(),
        })
    }

    #[test]
    fn it_is_for_a_connection_or_a_container() {
        assert!(link("broker", "").is_for("broker", "anybody"));
        assert!(!link("broker", "").is_for("other", "broker"));
        assert!(link("", "broker").is_for("any", "broker"));
        assert!(!link("", "").is_for("", ""));
        let mut nameless = link("broker", "");
        nameless.settings.address.clear();
        assert!(!nameless.is_for("broker", "anybody"));
        nameless.settings.external_address = "ext".to_owned();
        assert!(nameless.is_for("broker", "anybody"));
    }

    #[test]
    fn it_is_tried_again_sooner_at_first_and_shows_how_far_it_came() {
        let auto = link("broker", "");
        assert_eq!(auto.shown().status, "inactive");
        assert!(auto.attaching(1, 10));
        assert!(!auto.attaching(1, 11), "it is there already");
        assert_eq!(auto.failed(1, Some("no")), Some(FIRST_RETRY));
        assert_eq!(auto.shown().status, "failed");
        assert_eq!(auto.shown().last_error, "no");
        assert!(auto.attaching(1, 12));
        assert_eq!(auto.failed(1, Some("no")), Some(RETRY));
        assert!(auto.attaching(1, 13) && auto.attaching(2, 20));
        auto.confirmed(1);
        assert_eq!(auto.shown().link, Some(13));
        assert_eq!(auto.shown().status, "active");
        auto.left(1);
        assert_eq!(auto.shown().status, "attaching");
        assert_eq!(auto.delete(), [(2, 20)]);
        assert_eq!(auto.failed(2, None), None);
        assert!(!auto.attaching(3, 30), "it is deleted");
    }
}
