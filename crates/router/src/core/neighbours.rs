//! Connections to other routers: which of them belong together, and which are used.
//!
//! A connector's connections carry one correlator; a renewed credential makes a new set of them with a higher ordinal. New
//! deliveries use the newest set whose control links are attached; deliveries under way stay where they are (router protocol
//! reference §2.3).

use std::collections::HashMap;
use std::sync::Arc;

use skupper_routing::LinkId;

use super::doubts::Doubts;
use super::forwarding::Neighbour;
use crate::connection::handle::{Command, ConnectionHandle, Purpose};

struct Entry {
    handle: Arc<ConnectionHandle>,
    control: bool,
    /// A control connection of its set has been there.
    led: bool,
}

/// All connections to other routers.
#[derive(Default)]
pub(crate) struct Connections {
    entries: HashMap<u64, Entry>,
}

impl Connections {
    /// A connection was opened. Older ones that it replaces are closed.
    pub(crate) fn opened(&mut self, handle: Arc<ConnectionHandle>) {
        self.look_for_split(&handle);
        if handle.purpose() == Purpose::Router && handle.incoming {
            self.replace(&handle);
        }
        let led = self
            .iter()
            .any(|control| control.purpose() == Purpose::Router && are_of_a_set(&handle, control));
        self.entries.insert(
            handle.number,
            Entry {
                handle,
                control: false,
                led,
            },
        );
    }

    /// A control connection comes: the data connections of its set that had another before. Upstream opens them without
    /// waiting for it, so those that had none are as new as it is.
    pub(crate) fn data_before(&mut self, control: &ConnectionHandle) -> Vec<Arc<ConnectionHandle>> {
        let entries = self.entries.values_mut();
        entries
            .filter(|entry| are_of_a_set(&entry.handle, control))
            .filter_map(|entry| {
                std::mem::replace(&mut entry.led, true).then(|| entry.handle.clone())
            })
            .collect()
    }

    /// A connector has one control connection for each ordinal: a second one says that the first is dead and nobody has
    /// noticed yet.
    fn replace(&self, new: &ConnectionHandle) {
        let Some(correlator) = correlator(new) else {
            return;
        };
        for entry in self.entries.values() {
            let old = &entry.handle;
            if old.purpose() == Purpose::Router
                && self::correlator(old) == Some(correlator)
                && ordinal(old) == ordinal(new)
            {
                // It may be closing by itself.
                drop(old.send(Command::Close {
                    condition: "amqp:connection:forced",
                    description: "New inter-router connection takes precedence".to_owned(),
                }));
            }
        }
    }

    /// All connections of a connector have to lead to one router: a balancer in front of several breaks the group. Those that lead
    /// elsewhere than its control connection are not used, and nothing but that there are fewer than were asked for would show it.
    fn look_for_split(&self, new: &ConnectionHandle) {
        let Some(correlator) = correlator(new).filter(|_| new.purpose() == Purpose::RouterData)
        else {
            return;
        };
        let control = self.iter().find(|old| {
            old.purpose() == Purpose::Router
                && self::correlator(old) == Some(correlator)
                && ordinal(old) == ordinal(new)
        });
        if let Some(control) = control.filter(|control| container(control) != container(new)) {
            tracing::error!(
                target: "ROUTER_CORE",
                "Connection group failure: connections split across routers: {} ([C{}]) and {} ([C{}]): only those to {} are used. Let the connector's host and port lead to one router, not to a balancer before several",
                container(new).unwrap_or_default(),
                new.number,
                container(control).unwrap_or_default(),
                control.number,
                container(control).unwrap_or_default(),
            );
        }
    }

    /// A neighbour is talked to on a connection: its connector's older ones are not needed any more.
    pub(crate) fn retire_older(&self, new: &ConnectionHandle) {
        let Some(correlator) = correlator(new).filter(|_| !new.incoming) else {
            return;
        };
        for entry in self.entries.values().filter(|entry| entry.control) {
            let old = &entry.handle;
            if self::correlator(old) == Some(correlator) && ordinal(old) < ordinal(new) {
                // It may be closing by itself.
                drop(old.send(Command::Retire));
            }
        }
    }

    /// The control links of a connection are attached (or not any more). The connection, if it is known.
    pub(crate) fn set_control(&mut self, number: u64, up: bool) -> Option<Arc<ConnectionHandle>> {
        let entry = self.entries.get_mut(&number)?;
        entry.control = up;
        Some(entry.handle.clone())
    }

    /// A connection is gone; whether it had control links.
    pub(crate) fn closed(&mut self, number: u64) -> bool {
        self.entries
            .remove(&number)
            .is_some_and(|entry| entry.control)
    }

    /// A connection by its number.
    pub(crate) fn get(&self, number: u64) -> Option<&Arc<ConnectionHandle>> {
        self.entries.get(&number).map(|entry| &entry.handle)
    }

    /// All connections to other routers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ConnectionHandle>> {
        self.entries.values().map(|entry| &entry.handle)
    }

    /// What the data plane uses, by control link.
    pub(super) fn neighbours(&self, doubts: &Doubts) -> HashMap<LinkId, Neighbour> {
        let control = self.entries.values().filter(|entry| entry.control);
        control
            .map(|entry| {
                let control = entry.handle.clone();
                let mut data: Vec<_> = self
                    .iter()
                    .filter(|data| belongs(data, &control) && !doubts.has(data.number))
                    .cloned()
                    .collect();
                data.sort_by_key(|handle| handle.number);
                (LinkId(control.number), Neighbour { control, data })
            })
            .collect()
    }
}

fn correlator(handle: &ConnectionHandle) -> Option<&str> {
    handle.peer.get()?.correlator.as_deref()
}

fn container(handle: &ConnectionHandle) -> Option<&str> {
    Some(&handle.peer.get()?.container)
}

fn ordinal(handle: &ConnectionHandle) -> u64 {
    handle.peer.get().map_or(0, |peer| peer.group_ordinal)
}

/// Whether a connection carries streams for the neighbour at the other end of a control connection.
fn belongs(data: &ConnectionHandle, control: &ConnectionHandle) -> bool {
    are_of_a_set(data, control) && control.peer.get().is_some_and(|peer| peer.trunking)
}

/// Whether a data connection is of the set of a control connection.
fn are_of_a_set(data: &ConnectionHandle, control: &ConnectionHandle) -> bool {
    data.purpose() == Purpose::RouterData
        && correlator(data).is_some()
        && correlator(data) == correlator(control)
        && ordinal(data) == ordinal(control)
        && container(data) == container(control)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use skupper_amqp::{Map, Open, Symbol};
    use skupper_management::entity::Role;

    use super::*;
    use crate::connection::describe::Peer;

    /// A connection that a connector of this peer has opened; `data`: for streams.
    fn connection(number: u64, container: &str, data: bool) -> Arc<ConnectionHandle> {
        let handle = ConnectionHandle::new(number, 0, Role::InterRouter, true, "link".into(), None);
        let mut open = Open::new(container);
        open.properties = Map::new().with_symbol("qd.group-correlator", "group");
        if data {
            open.properties = open.properties.with_symbol("qd.inter-router-role", 4_i32);
        }
        open.offered_capabilities = vec![Symbol::from_static("qd.connection_trunking")];
        handle.introduce(Peer::read(&open, 1, true, "127.0.0.1:1".to_owned()));
        handle
    }

    #[test]
    fn what_leads_to_another_router_carries_no_streams() {
        let mut connections = Connections::default();
        for (number, container, data) in [(1, "A", false), (2, "A", true), (3, "B", true)] {
            connections.opened(connection(number, container, data));
        }
        connections.set_control(1, true);
        let neighbours = connections.neighbours(&Doubts::default());
        let data = neighbours[&LinkId(1)].data.iter();
        assert_eq!(data.map(|handle| handle.number).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_data_connection_that_is_doubted_carries_nothing_new() {
        let mut connections = Connections::default();
        let mut doubts = Doubts::default();
        let now = Duration::from_secs(7);
        let old = connection(2, "A", true);
        for connection in [connection(1, "A", false), old.clone()] {
            connections.opened(connection);
        }
        connections.closed(1);
        let control = connection(3, "A", false);
        for data in connections.data_before(&control) {
            doubts.add(data, None, now);
        }
        for connection in [control, connection(4, "A", true)] {
            connections.opened(connection);
        }
        connections.set_control(3, true);
        let data = |doubts: &Doubts| {
            let neighbours = connections.neighbours(doubts);
            let data = neighbours[&LinkId(3)].data.iter();
            data.map(|handle| handle.number).collect::<Vec<_>>()
        };
        assert_eq!(data(&doubts), [4]);
        old.octets_in.store(8, Ordering::Relaxed);
        assert_eq!(doubts.take_alive(now), [2]);
        assert_eq!(data(&doubts), [2, 4]);
    }

    #[test]
    fn a_data_connection_that_comes_before_its_control_connection_is_not_doubted() {
        let mut connections = Connections::default();
        connections.opened(connection(1, "A", true));
        let first = connection(2, "A", false);
        assert!(connections.data_before(&first).is_empty());
        connections.opened(first);
        // Another one of its set has been there now.
        assert_eq!(connections.data_before(&connection(3, "A", false)).len(), 1);
    }
}
