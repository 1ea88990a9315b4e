//! Address → remote routers, cheap to copy for each new table.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use crate::address::{AddressKey, Treatment};
use crate::set::RouterSet;
use crate::table::RouterIndex;

/// The remote routers that have an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remotes {
    /// Treatment that the first announcement hinted at; own configuration goes before it (§4.4).
    pub treatment: Option<Treatment>,
    /// The routers.
    pub routers: RouterSet,
    /// Edge meshes: routers that said all their destinations are in one.
    pub sole_meshes: Vec<(RouterIndex, Arc<str>)>,
}

impl Remotes {
    /// The edge mesh that all destinations at a router are in, if it has said so.
    pub fn sole_mesh(&self, router: RouterIndex) -> Option<&str> {
        let mut meshes = self.sole_meshes.iter();
        let found = meshes.find(|(of, _)| *of == router);
        found.map(|(_, mesh)| &**mesh)
    }
}

// As many parts as keep a copy-on-write of one of them small with some ten thousand addresses.
const SHARDS: usize = 128;

type Shard = HashMap<AddressKey, Arc<Remotes>>;

/// A persistent map by copy-on-write of its shards: a table costs what changed in it, not what is in it.
#[derive(Clone, Debug)]
pub(crate) struct AddressMap {
    shards: Arc<[Arc<Shard>]>,
}

impl Default for AddressMap {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Arc::default()).collect(),
        }
    }
}

impl AddressMap {
    pub(crate) fn get(&self, key: &AddressKey) -> Option<&Arc<Remotes>> {
        self.shards[shard(key)].get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&AddressKey, &Arc<Remotes>)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    pub(crate) fn set(&mut self, key: &AddressKey, remotes: Option<Remotes>) {
        let shards = Arc::make_mut(&mut self.shards);
        let shard = Arc::make_mut(&mut shards[shard(key)]);
        match remotes {
            Some(remotes) => shard.insert(key.clone(), Arc::new(remotes)),
            None => shard.remove(key),
        };
    }
}

fn shard(key: &AddressKey) -> usize {
    // The same in every run: which shard a key is in never shows.
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    hash as usize % SHARDS
}
