//! What the engine publishes for the data plane: routers, the way to them, and who has which address.

mod addresses;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::address::AddressKey;
use crate::id::{AREA, LinkId, RouterId};
use crate::set::RouterSet;

pub use crate::set::RouterIndex;
pub(crate) use addresses::AddressMap;
pub use addresses::Remotes;

/// One state of the network as this router sees it. Immutable; a change is a new table.
#[derive(Clone, Debug)]
pub struct Table {
    /// This router.
    pub me: RouterId,
    /// Rises by one with each table that an engine publishes.
    pub version: u64,
    pub(crate) routes: Arc<Routes>,
    pub(crate) addresses: AddressMap,
}

/// The part of a [`Table`] that changes with the topology.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    /// By index; `None` where the number is free.
    pub(crate) routers: Vec<Option<Route>>,
    pub(crate) by_id: HashMap<RouterId, RouterIndex>,
    /// The neighbours, and the control link to each.
    pub(crate) neighbours: Vec<(RouterIndex, LinkId)>,
    pub(crate) radius: u32,
    pub(crate) last_change: Duration,
    pub(crate) peers: Arc<BTreeMap<RouterId, u32>>,
}

/// A router that is known, and the way to it.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its id.
    pub id: RouterId,
    /// Its instance, where it has said.
    pub instance: Option<i64>,
    /// The control connection to the first hop; `None` where there is no way to it now.
    pub link: Option<LinkId>,
    /// The first hop; the router itself where it is a neighbour.
    pub next_hop: Option<RouterId>,
    /// Cost of the whole way.
    pub cost: u32,
    /// Routers whose messages for it come through this router (§5.6).
    pub valid_origins: RouterSet,
    /// Its link state as last heard.
    pub peers: Arc<BTreeMap<RouterId, u32>>,
}

impl Route {
    /// Whether there is a way to it.
    pub fn is_reachable(&self) -> bool {
        self.link.is_some()
    }

    /// Whether it is one hop away.
    pub fn is_neighbour(&self) -> bool {
        self.next_hop.as_ref() == Some(&self.id)
    }
}

/// Where a delivery entered the network of interior routers, as seen here.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// At this router.
    Here,
    /// At another router that is known.
    Router(RouterIndex),
    /// At a router that is not known (yet).
    Unknown,
}

impl Table {
    /// A table that knows nobody.
    pub fn empty(me: RouterId) -> Self {
        Self {
            me,
            version: 0,
            routes: Arc::default(),
            addresses: AddressMap::default(),
        }
    }

    /// All routers that are known, but for this one.
    pub fn routers(&self) -> impl Iterator<Item = (RouterIndex, &Route)> {
        let routers = self.routes.routers.iter().enumerate();
        routers.filter_map(|(i, route)| Some((RouterIndex(i as u32), route.as_ref()?)))
    }

    /// The router of that id.
    pub fn router(&self, id: &str) -> Option<(RouterIndex, &Route)> {
        let index = *self.routes.by_id.get(id)?;
        Some((index, self.route(index)?))
    }

    /// The router of that index.
    pub fn route(&self, index: RouterIndex) -> Option<&Route> {
        self.routes.routers.get(index.0 as usize)?.as_ref()
    }

    /// Hops to the farthest router that is reachable.
    pub fn radius(&self) -> u32 {
        self.routes.radius
    }

    /// When the topology changed last, on the clock of the engine's driver.
    pub fn last_topology_change(&self) -> Duration {
        self.routes.last_change
    }

    /// This router's own link state: neighbour → cost.
    pub fn peers(&self) -> &Arc<BTreeMap<RouterId, u32>> {
        &self.routes.peers
    }

    /// The routers that have an address, those without a way to them for a moment included.
    pub fn remotes(&self, key: &AddressKey) -> Option<&Arc<Remotes>> {
        self.addresses.get(key)
    }

    /// Every address that a remote router has.
    pub fn addresses(&self) -> impl Iterator<Item = (&AddressKey, &Arc<Remotes>)> {
        self.addresses.iter()
    }

    /// The origin that an ingress annotation (`0/<id>`) names; `None` is a delivery that enters here.
    pub fn origin(&self, ingress: Option<&str>) -> Origin {
        let Some(ingress) = ingress else {
            return Origin::Here;
        };
        match annotated(ingress) {
            Some(id) if id == self.me.as_str() => Origin::Here,
            Some(id) => self
                .routes
                .by_id
                .get(id)
                .map_or(Origin::Unknown, |i| Origin::Router(*i)),
            None => Origin::Unknown,
        }
    }

    /// The origin test (§6.4): whether a delivery of that origin may go on to the router, and on which link.
    pub fn eligible(&self, to: RouterIndex, origin: Origin) -> Option<LinkId> {
        let route = self.route(to)?;
        let valid = match origin {
            Origin::Here => true,
            Origin::Router(origin) => route.valid_origins.contains(origin),
            Origin::Unknown => false,
        };
        if valid { route.link } else { None }
    }

    /// The links to those neighbours that a delivery has passed already, by its trace annotation (§3.4).
    pub fn traced<'a>(&self, trace: impl IntoIterator<Item = &'a str>) -> Vec<LinkId> {
        let passed = trace
            .into_iter()
            .filter_map(|entry| self.router(annotated(entry)?));
        passed
            .filter(|(_, route)| route.is_neighbour())
            .filter_map(|(_, route)| route.link)
            .collect()
    }

    /// The control links to the neighbours that a message has not passed yet, by its trace annotation.
    pub(crate) fn neighbours_off<'a>(
        &self,
        trace: impl IntoIterator<Item = &'a str>,
    ) -> impl Iterator<Item = LinkId> {
        let passed: RouterSet = trace
            .into_iter()
            .filter_map(|entry| self.routes.by_id.get(annotated(entry)?).copied())
            .collect();
        let neighbours = self.routes.neighbours.iter();
        neighbours
            .filter(move |(router, _)| !passed.contains(*router))
            .map(|(_, link)| *link)
    }

    /// Whether both tables share the same routes (the addresses may differ).
    pub fn same_routes(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.routes, &other.routes)
    }
}

/// The id in an ingress or trace annotation.
fn annotated(annotation: &str) -> Option<&str> {
    annotation.strip_prefix(AREA)?.strip_prefix('/')
}
