//! What the data plane forwards by: one immutable state of the router, published as a whole.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use skupper_routing::edge::{self, Asker, Beyond, Standing};
use skupper_routing::{AddressKey, LinkId, Table, Treatment};

use skupper_management::entity::Role;

use super::addresses::Apart;
use crate::connection::handle::ConnectionHandle;
use crate::transit::load::Outstanding;
use crate::transit::message::{Message, Way};
use crate::transit::pipe::Consumer;

/// Takes deliveries off the router's hands.
pub trait Sink: Send + Sync {
    /// Takes a delivery; whoever cannot deliver it drops it, which answers its sender.
    fn deliver(&self, delivery: Consumer);

    /// Whether it takes a client's octets before the server's end has answered.
    fn takes_early(&self) -> bool {
        false
    }

    /// What is given to it is counted apart.
    fn apart(&self) -> Option<Apart> {
        None
    }
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
    /// The connection from or to an edge router or a router of another network that it lies behind, if it does.
    pub beyond: Option<Arc<ConnectionHandle>>,
    /// What is given to it is counted apart.
    pub apart: Option<Apart>,
}

impl Destination {
    /// The way that deliveries to it go.
    pub fn way(&self) -> Way {
        match &self.beyond {
            Some(beyond) if beyond.role == Role::Edge && !beyond.incoming => Way::Interior,
            _ => Way::Destination(self.id),
        }
    }

    /// Whether a delivery would go back to where it came from (§6.4, the edge-echo rule).
    pub fn echoes(&self, message: &Message) -> bool {
        let came = message.came_by.as_ref().and_then(|handle| handle.beyond());
        edge::echoes(self, came, message.annotations.ingress_mesh.as_deref())
    }
}

impl Standing for Destination {
    fn beyond(&self) -> Option<Beyond> {
        self.beyond.as_ref()?.beyond()
    }

    fn mesh(&self) -> Option<Arc<str>> {
        let mesh = self.beyond.as_ref()?.mesh.load();
        mesh.as_ref().map(|mesh| Arc::from(&***mesh))
    }

    fn is_in_mesh(&self, mesh: &str) -> bool {
        let theirs = self.beyond.as_ref().map(|beyond| beyond.mesh.load());
        let theirs = theirs.as_ref().and_then(|mesh| mesh.as_ref());
        theirs.is_some_and(|theirs| ***theirs == *mesh)
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
        edge::is_told(key, !self.in_process.is_empty(), &self.links)
    }

    /// What an interior router tells others of the address, if anything: the edge mesh that all destinations are in, if they
    /// are all in one.
    pub fn announcement(&self, key: &AddressKey) -> Option<Option<Arc<str>>> {
        edge::announcement(key, !self.in_process.is_empty(), &self.links)
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
        let asker = edge.map(|edge| Asker {
            connection: edge.number,
            mesh: mesh.as_ref().map(|mesh| &***mesh),
        });
        let local = self.locals.get(key);
        let local = local.map_or((false, &[][..]), |local| {
            (!local.in_process.is_empty(), &local.links)
        });
        let usable = |link| self.neighbours.contains_key(&link);
        let interior = self.uplink.is_some();
        edge::is_reachable(key, local, interior, &self.table, usable, asker)
    }
}
