//! What the data plane forwards by: one immutable state of the router, published as a whole.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use skupper_routing::address::Class;
use skupper_routing::{AddressKey, LinkId, Table, Treatment};

use skupper_management::entity::Role;

use crate::connection::handle::ConnectionHandle;
use crate::transit::load::Outstanding;
use crate::transit::message::{Message, Way};
use crate::transit::pipe::Consumer;

/// Takes deliveries off the router's hands.
pub trait Sink: Send + Sync {
    /// Takes a delivery; whoever cannot deliver it drops it, which answers its sender.
    fn deliver(&self, delivery: Consumer);
}

/// One destination of this router: a link to a client, a connector, a consumer inside the router.
pub struct Destination {
    /// Unique in the router.
    pub id: u64,
    /// Where deliveries go.
    pub sink: Arc<dyn Sink>,
    /// Deliveries under way.
    pub outstanding: Outstanding,
    /// From how many on other destinations are preferred.
    pub capacity: u64,
    /// The connection from or to an edge router that it lies behind, if it does.
    pub beyond: Option<Arc<ConnectionHandle>>,
    /// It lies on a connection with the role `route-container`.
    pub container: bool,
}

impl Destination {
    /// Whether it only stands for consumers of another router: the interior's or another edge router's, seen from an edge
    /// router (§2.5, §2.8).
    pub fn is_proxy(&self) -> bool {
        self.beyond.as_ref().is_some_and(|handle| handle.is_proxy())
    }

    /// The way that deliveries to it go.
    pub fn way(&self) -> Way {
        match &self.beyond {
            Some(beyond) if beyond.role == Role::Edge && !beyond.incoming => Way::Interior,
            _ => Way::Destination(self.id),
        }
    }

    /// Whether a delivery would go back to where it came from (§6.4, the edge-echo rule).
    pub fn echoes(&self, message: &Message) -> bool {
        let Some(out) = &self.beyond else {
            return false;
        };
        if let Some(came) = &message.came_by {
            // One hop between edge routers, and none from the interior through one edge router to another.
            let back = came.number == out.number && came.role == Role::Edge;
            if back || out.is_proxy() {
                return true;
            }
        }
        message.annotations.ingress_mesh.is_some() && out.is_in_mesh(message)
    }
}

impl ConnectionHandle {
    fn is_proxy(&self) -> bool {
        match self.role {
            Role::Edge => !self.incoming,
            role => role == Role::InterEdge,
        }
    }

    fn is_in_mesh(&self, message: &Message) -> bool {
        let ingress = message.annotations.ingress_mesh.as_deref();
        let mesh = self.mesh.load();
        ingress == mesh.as_ref().map(|mesh| &***mesh)
    }
}

/// The destinations that an address has on this router.
#[derive(Clone)]
pub struct Local {
    /// How deliveries are spread.
    pub treatment: Treatment,
    /// Priority that the configuration gives the address's messages.
    pub priority: Option<u8>,
    /// Consumers inside the router: they go first.
    pub in_process: Vec<Arc<Destination>>,
    /// Links and connectors.
    pub links: Vec<Arc<Destination>>,
}

impl Local {
    /// Whether nobody consumes here.
    pub fn is_empty(&self) -> bool {
        self.in_process.is_empty() && self.links.is_empty()
    }

    /// Whether other routers are told that the address is consumed here.
    pub fn is_told(&self, key: &AddressKey) -> bool {
        (key.is_propagated() && !self.in_process.is_empty())
            || self.links.iter().any(|link| !link.is_proxy())
    }

    /// The edge mesh that all destinations are in, if they are all in one.
    pub fn sole_mesh(&self) -> Option<Arc<str>> {
        if !self.in_process.is_empty() {
            return None;
        }
        let mut meshes = self.links.iter().map(|link| {
            let mesh = link.beyond.as_ref()?.mesh.load_full()?;
            Some(mesh)
        });
        let first = meshes.next()??;
        meshes
            .all(|mesh| mesh.as_deref() == Some(&*first))
            .then(|| Arc::from(&**first))
    }
}

/// The connections to a neighbour.
#[derive(Clone)]
pub struct Neighbour {
    /// Control messages and complete messages go here.
    pub control: Arc<ConnectionHandle>,
    /// Streams go to one of these; to the control connection if there is none.
    pub data: Vec<Arc<ConnectionHandle>>,
}

/// As many parts as make a copy-on-write of one cheap with some ten thousand addresses.
const SHARDS: usize = 64;

type Shard = HashMap<AddressKey, Arc<Local>>;

/// Local destinations by address; a change copies one shard.
#[derive(Clone)]
pub struct Locals {
    shards: Arc<[Arc<Shard>]>,
}

impl Default for Locals {
    fn default() -> Self {
        Locals {
            shards: (0..SHARDS).map(|_| Arc::default()).collect(),
        }
    }
}

impl Locals {
    /// The destinations of an address.
    pub fn get(&self, key: &AddressKey) -> Option<&Arc<Local>> {
        self.shards[shard(key)].get(key)
    }

    /// Replaces the destinations of an address.
    pub fn set(&mut self, key: &AddressKey, local: Option<Local>) {
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard(key)]);
        match local {
            Some(local) => shard.insert(key.clone(), Arc::new(local)),
            None => shard.remove(key),
        };
    }

    /// All addresses with local destinations.
    pub fn iter(&self) -> impl Iterator<Item = (&AddressKey, &Arc<Local>)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

fn shard(key: &AddressKey) -> usize {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key) as usize % SHARDS
}

/// One state of the router.
#[derive(Clone)]
pub struct Forwarding {
    /// Other routers, the ways to them, and their addresses.
    pub table: Arc<Table>,
    /// This router's own destinations.
    pub locals: Locals,
    /// Connections to neighbours, by control link.
    pub neighbours: Arc<HashMap<LinkId, Neighbour>>,
    /// Where an edge router sends what it has no destination for.
    pub uplink: Option<Arc<Destination>>,
}

impl Forwarding {
    /// Whether a delivery to the address would find a destination now.
    pub fn is_reachable(&self, key: &AddressKey) -> bool {
        self.is_reachable_from(key, None)
    }

    /// The same of a delivery that comes from an edge router (§2.6): not its own consumers, nor those of its mesh.
    pub fn is_reachable_from(&self, key: &AddressKey, edge: Option<&ConnectionHandle>) -> bool {
        let mesh = edge.and_then(|edge| edge.mesh.load_full());
        let other = |of: Option<&str>| mesh.is_none() || mesh.as_ref().map(|mesh| &***mesh) != of;
        let serves = |destination: &Destination| {
            let (Some(edge), Some(beyond)) = (edge, &destination.beyond) else {
                return true;
            };
            let theirs = beyond.mesh.load();
            beyond.number != edge.number && other(theirs.as_ref().map(|mesh| &***mesh))
        };
        if self.locals.get(key).is_some_and(|local| {
            !local.in_process.is_empty() || local.links.iter().any(|link| serves(link))
        }) {
            return true;
        }
        // What is no application's address, an edge router leaves to the interior.
        if self.uplink.is_some() && !matches!(key.class(), Class::Mobile | Class::Local) {
            return true;
        }
        self.table.remotes(key).is_some_and(|remotes| {
            let sole = |router| {
                let found = remotes.sole_meshes.iter().find(|(of, _)| *of == router);
                found.map(|(_, mesh)| &**mesh)
            };
            remotes.routers.iter().any(|router| {
                let link = self.table.route(router).and_then(|route| route.link);
                link.is_some_and(|link| self.neighbours.contains_key(&link)) && other(sole(router))
            })
        })
    }
}
