//! The configured entities of one type, found by name or identity however many there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use skupper_management::{Attributes, Value};

use crate::auto_link::AutoLink;
use crate::connection::connector::AmqpConnector;
use crate::connection::listener::AmqpListener;
use crate::core::Rule;
use crate::tcp::{TcpConnector, TcpListener};
use crate::tls::Profile;

/// What runs of a configured entity.
pub(super) enum Running {
    /// Nothing but what others read of it.
    Nothing,
    Profile(Arc<Profile>),
    Listener(Arc<AmqpListener>),
    Connector(Arc<AmqpConnector>),
    TcpListener(Arc<TcpListener>),
    TcpConnector(Arc<TcpConnector>),
    /// An address of a TCP listener.
    Target(Arc<TcpListener>),
    Rule(Rule),
    AutoLink(Arc<AutoLink>),
}

/// One configured entity. Its name and identity never change.
pub(super) struct Entry {
    pub(super) attributes: Attributes,
    pub(super) running: Running,
}

impl Entry {
    pub(super) fn text(&self, attribute: &str) -> &str {
        self.attributes
            .get(attribute)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn name(&self) -> &str {
        match self.text("name") {
            "" => self.text("identity"),
            name => name,
        }
    }
}

/// The entities of one type, in the order in which they were made.
#[derive(Default)]
pub(super) struct Entries {
    entries: BTreeMap<u64, Entry>,
    next: u64,
    names: HashMap<String, u64>,
    identities: HashMap<String, u64>,
}

impl Entries {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Adds an entity whose name and identity no other of the type has.
    pub(super) fn add(&mut self, entry: Entry) {
        let place = self.next;
        self.next += 1;
        self.names.insert(entry.name().to_owned(), place);
        let identity = entry.text("identity").to_owned();
        self.identities.insert(identity, place);
        self.entries.insert(place, entry);
    }

    /// The entity of that `attribute`, which is `name` or `identity`.
    pub(super) fn find(&self, attribute: &str, value: &str) -> Option<&Entry> {
        let places = match attribute {
            "name" => &self.names,
            _ => &self.identities,
        };
        self.entries.get(places.get(value)?)
    }

    /// The entity of an identity, to be changed.
    pub(super) fn get_mut(&mut self, identity: &str) -> Option<&mut Entry> {
        self.entries.get_mut(self.identities.get(identity)?)
    }

    /// Takes out the entity of an identity.
    pub(super) fn remove(&mut self, identity: &str) -> Option<Entry> {
        let entry = self.entries.remove(&self.identities.remove(identity)?)?;
        self.names.remove(entry.name());
        Some(entry)
    }

    /// Takes out all of them.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.entries.into_values()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(identity: &str, name: &str) -> Entry {
        let attributes = json!({"identity": identity, "name": name});
        Entry {
            attributes: attributes.as_object().cloned().unwrap(),
            running: Running::Nothing,
        }
    }

    #[test]
    fn they_are_found_by_name_and_identity_and_keep_their_order() {
        let mut entries = Entries::default();
        for (identity, name) in [("t/b", "b"), ("t/a", ""), ("t/c", "c")] {
            entries.add(entry(identity, name));
        }
        assert_eq!(entries.find("name", "b").unwrap().text("identity"), "t/b");
        assert_eq!(entries.find("identity", "t/c").unwrap().text("name"), "c");
        assert!(entries.find("name", "t/a").is_some(), "it has no other");
        assert_eq!(entries.remove("t/b").unwrap().text("name"), "b");
        assert!(entries.find("name", "b").is_none());
        assert!(entries.remove("t/b").is_none());
        entries.add(entry("t/b", "b"));
        let order: Vec<_> = entries.iter().map(|entry| entry.text("identity")).collect();
        assert_eq!(order, ["t/a", "t/c", "t/b"]);
    }
}
