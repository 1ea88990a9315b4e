//! From what a router runs to what a site wants of it: the operations that lead there, in an order in which each can be
//! done (reference, router-management.md §7.1 and kubernetes.md §8.2).
//!
//! Made for the adaptor, which reads the ConfigMap, asks the router, and sends the operations one after another. It works
//! with either router. A plan made of the outcome of a plan is empty.

mod compare;
mod order;

use std::collections::BTreeMap;

use crate::field::scalar;
use crate::protocol::Request;
use crate::{Attributes, Kind, RouterConfig};

pub use order::KEPT_CONNECTOR_PREFIX;

/// Types of entities that are brought in line. Ask the router for all attributes of each.
pub const KINDS: [Kind; 8] = [
    Kind::SslProfile,
    Kind::ProxyProfile,
    Kind::ListenerAddress,
    Kind::TcpConnector,
    Kind::TcpListener,
    Kind::Connector,
    Kind::Listener,
    Kind::Log,
];

/// What a router runs, as it answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    entities: BTreeMap<Kind, BTreeMap<String, Attributes>>,
}

impl Running {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the entities of a type.
    pub fn insert(&mut self, kind: Kind, entities: impl IntoIterator<Item = Attributes>) {
        let by_name = self.entities.entry(kind).or_default();
        for entity in entities {
            let own = if kind == Kind::Log { "module" } else { "name" };
            if let Some(name) = entity.get(own).and_then(scalar) {
                by_name.insert(name, entity);
            }
        }
    }

    /// The entities of a type by name (of a log: by module).
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = (&str, &Attributes)> {
        self.entities
            .get(&kind)
            .into_iter()
            .flatten()
            .map(|(name, entity)| (name.as_str(), entity))
    }

    fn get(&self, kind: Kind, name: &str) -> Option<&Attributes> {
        self.entities.get(&kind)?.get(name)
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Make an entity.
    Create {
        /// Its type.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its attributes.
        attributes: Attributes,
    },
    /// Change an entity.
    Update {
        /// Its type.
        kind: Kind,
        /// Its name.
        name: String,
        /// The attributes that change; null takes one away.
        attributes: Attributes,
        /// Which of them differ from what is running, for the log.
        because: Vec<&'static str>,
    },
    /// Remove an entity.
    Delete {
        /// Its type.
        kind: Kind,
        /// Its name.
        name: String,
        /// Which attributes differ from what is wanted, if it is made anew; none if it is not wanted.
        because: Vec<&'static str>,
    },
}

impl Change {
    /// The type of the entity.
    pub fn kind(&self) -> Kind {
        match self {
            Change::Create { kind, .. }
            | Change::Update { kind, .. }
            | Change::Delete { kind, .. } => *kind,
        }
    }

    /// The name of the entity.
    pub fn name(&self) -> &str {
        match self {
            Change::Create { name, .. }
            | Change::Update { name, .. }
            | Change::Delete { name, .. } => name,
        }
    }

    /// The request to send.
    pub fn request(&self) -> Request {
        match self {
            Change::Create {
                kind,
                name,
                attributes,
            } => Request::create(*kind, name, attributes.clone()),
            Change::Update {
                kind: Kind::Log,
                name,
                attributes,
                ..
            } => Request::update(Kind::Log, &format!("log/{name}"), attributes.clone()),
            Change::Update {
                kind,
                name,
                attributes,
                ..
            } => Request::update(*kind, name, attributes.clone()),
            Change::Delete { kind, name, .. } => Request::delete(*kind, name),
        }
    }
}

/// The operations that make a router run what is wanted; none if it does.
///
/// Listeners for the router's own sake ([`crate::config::PROTECTED_LISTENERS`]) and connectors whose names begin with
/// [`KEPT_CONNECTOR_PREFIX`] are left alone, and so are the profiles that these use. The router's own attributes, addresses
/// and the site cannot be changed in a running router.
pub fn plan(running: &Running, wanted: &RouterConfig) -> Vec<Change> {
    order::plan(running, wanted)
}

#[cfg(test)]
mod tests;
