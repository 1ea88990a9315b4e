//! Addresses made up for one link or one flow (`temp.…`): nobody announces them, they come and go with each flow, so
//! they are kept apart from the published state, where each change has a price.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::distr::{Alphanumeric, SampleString};

use super::forwarding::Sink;

const SHARDS: usize = 32;
/// What every such address begins with.
pub(crate) const PREFIX: &str = "temp.";
/// Length of the random part.
const RANDOM: usize = 15;

type Shard = HashMap<Box<str>, Arc<dyn Sink>>;

/// The addresses made up on this router that are in use.
pub struct Replies {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl Default for Replies {
    fn default() -> Self {
        Replies {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Replies {
    fn shard(&self, name: &str) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[self.hasher.hash_one(name) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes up a name (`temp.` and 15 characters) and binds it until the guard is dropped.
    pub fn bind(self: &Arc<Self>, sink: Arc<dyn Sink>) -> Reply {
        let mut name = String::with_capacity(PREFIX.len() + RANDOM);
        name.push_str(PREFIX);
        Alphanumeric.append_string(&mut crate::random::rng(), &mut name, RANDOM);
        let name: Box<str> = name.into();
        self.shard(&name).insert(name.clone(), sink);
        Reply {
            replies: self.clone(),
            name,
        }
    }

    /// How many names are bound.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap().len())
            .sum()
    }

    /// Who is bound to a name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Sink>> {
        self.shard(name).get(name).cloned()
    }
}

/// A bound name.
pub struct Reply {
    replies: Arc<Replies>,
    name: Box<str>,
}

impl Reply {
    /// The name, without the router's part of the address.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.replies.shard(&self.name).remove(&self.name);
    }
}
