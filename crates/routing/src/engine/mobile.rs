//! Mobile addresses: announced by differences, asked for in full where one was missed (§5.7).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::config::{Event, Output};
use super::node::Announced;
use super::{Destination, Engine};
use crate::address::{AddressKey, Treatment};
use crate::message::{ControlMessage, Descriptor, MobileChange, MobileRequest, MobileUpdate};
use crate::set::RouterSet;
use crate::table::{Remotes, RouterIndex};

impl Engine {
    /// An address has got its first local destination, or its attributes have changed. Keys of other classes than those that
    /// are synchronised are passed over.
    ///
    /// `sole_mesh` is the edge mesh, if all its local destinations are in one.
    pub fn address_up(
        &mut self,
        key: AddressKey,
        treatment: Treatment,
        sole_mesh: Option<Arc<str>>,
        now: Duration,
    ) {
        self.set_address(key, Some((treatment, sole_mesh)), now);
    }

    /// An address has lost its last local destination.
    pub fn address_down(&mut self, key: AddressKey, now: Duration) {
        self.set_address(key, None, now);
    }

    fn set_address(
        &mut self,
        key: AddressKey,
        state: Option<(Treatment, Option<Arc<str>>)>,
        now: Duration,
    ) {
        self.advance(now);
        if key.is_synchronised() {
            self.local.set(
                key,
                state,
                self.now,
                self.config.mobile_delay,
                self.config.mobile_interval,
            );
        }
    }

    pub(super) fn on_mobile_request(&mut self, request: &MobileRequest) {
        let Some(node) = self
            .learn(&request.id)
            .and_then(|index| self.nodes.get_mut(index))
        else {
            return;
        };
        // One that is ahead has kept what a former run said: it is put right as well.
        node.owed_mobile |= request.have_seq != self.local.seq;
    }

    pub(super) fn on_mobile_update(&mut self, update: MobileUpdate) {
        let Some(index) = self.learn(&update.id) else {
            return;
        };
        let (now, retry, limit) = (
            self.now,
            self.config.request_retry,
            self.config.max_addresses,
        );
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        let announced = |d: Descriptor| {
            (
                d.key,
                Announced {
                    treatment: d.treatment,
                    sole_mesh: d.sole_mesh,
                },
            )
        };
        let synchronised = |d: &Descriptor| d.key.is_synchronised();
        let mut touched: Vec<AddressKey> = Vec::new();
        let size = match update.change {
            // An absolute update that is older than what is known was overtaken on its way.
            MobileChange::Exist(_) if update.mobile_seq < node.mobile.seq => return,
            MobileChange::Exist(exist) => {
                let state: BTreeMap<_, _> = exist
                    .into_iter()
                    .filter(synchronised)
                    .map(announced)
                    .collect();
                let (then, size) = (&node.mobile.state, state.len());
                if size <= limit {
                    touched.extend(then.keys().filter(|key| !state.contains_key(*key)).cloned());
                    touched.extend(
                        state
                            .iter()
                            .filter(|(key, a)| then.get(*key) != Some(*a))
                            .map(|(key, _)| key.clone()),
                    );
                    node.mobile.accept(state, update.mobile_seq, now);
                }
                size
            }
            MobileChange::Difference { add, del } => {
                if update.mobile_seq != node.mobile.seq + 1 {
                    if update.mobile_seq > node.mobile.seq {
                        node.mobile.advertise(update.mobile_seq, now);
                        node.mobile.want(now, retry);
                    }
                    return;
                }
                let size = node.mobile.state.len() + add.len();
                if size <= limit {
                    for key in del {
                        node.mobile.state.remove(&key);
                        touched.push(key);
                    }
                    for (key, attributes) in add.into_iter().filter(synchronised).map(announced) {
                        touched.push(key.clone());
                        node.mobile.state.insert(key, attributes);
                    }
                    node.mobile.stand_at(update.mobile_seq, now);
                }
                size
            }
        };
        if size > limit {
            node.mobile.request = None;
            self.out
                .push_back(Output::Event(Event::TooManyAddresses { id: update.id }));
        } else if node.shown {
            touched.iter().for_each(|key| self.map(index, key));
        } else if node.way.is_some() || node.neighbour.is_some() {
            self.show(index);
        }
    }

    /// Puts a router's addresses into the table.
    pub(super) fn show(&mut self, index: RouterIndex) {
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        node.shown = true;
        // A neighbour is shown before its paths are computed; should they never be, it is hidden again.
        node.unreachable_since = node.way.is_none().then_some(self.now);
        self.map_all(index);
    }

    /// Takes the addresses of routers out that have been out of reach for the hold-off.
    pub(super) fn hide_unreachable(&mut self) {
        let holdoff = self.config.unreachable_holdoff;
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= self.now);
        let gone: Vec<RouterIndex> = self
            .nodes
            .iter()
            .filter(|(_, node)| due(node.hidden_at(holdoff)))
            .map(|(index, _)| index)
            .collect();
        for index in gone {
            if let Some(node) = self.nodes.get_mut(index) {
                node.shown = false;
            }
            self.map_all(index);
        }
    }

    /// Forgets what a router has announced.
    pub(super) fn forget_addresses(&mut self, index: RouterIndex) {
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        let state = std::mem::take(&mut node.mobile.state);
        node.mobile.forget();
        state.keys().for_each(|key| self.map(index, key));
    }

    fn map_all(&mut self, index: RouterIndex) {
        let Some(node) = self.nodes.get(index) else {
            return;
        };
        let keys: Vec<AddressKey> = node.mobile.state.keys().cloned().collect();
        keys.iter().for_each(|key| self.map(index, key));
    }

    /// Brings the table's entry for an address into line with what a router announces of it.
    fn map(&mut self, index: RouterIndex, key: &AddressKey) {
        let announced = self
            .nodes
            .get(index)
            .filter(|node| node.shown)
            .and_then(|node| node.mobile.state.get(key));
        let before = self.addresses.get(key);
        let mut remotes = match (before, announced) {
            (None, None) => return,
            (Some(remotes), _) => Remotes::clone(remotes),
            (None, Some(announced)) => Remotes {
                treatment: announced.treatment,
                routers: RouterSet::new(),
                sole_meshes: Vec::new(),
            },
        };
        remotes.sole_meshes.retain(|(router, _)| *router != index);
        match announced {
            Some(announced) => {
                remotes.routers.insert(index);
                remotes
                    .sole_meshes
                    .extend(announced.sole_mesh.clone().map(|mesh| (index, mesh)));
                remotes
                    .sole_meshes
                    .sort_unstable_by_key(|(router, _)| *router);
            }
            None => {
                remotes.routers.remove(index);
            }
        }
        if before.is_some_and(|before| **before == remotes) {
            return;
        }
        let remotes = (!remotes.routers.is_empty()).then_some(remotes);
        self.addresses.set(key, remotes);
        self.addresses_changed = true;
    }

    /// Announces what has changed here. The advertisement follows: the other way round everybody would ask.
    pub(super) fn announce(&mut self) {
        if self.local.due().is_none_or(|due| self.now < due) {
            return;
        }
        let change = self.local.announce(self.now);
        let update = MobileUpdate {
            id: self.config.id.clone(),
            mobile_seq: self.local.seq,
            change,
        };
        // Along the tree, where each router gets one copy: the original asks for everything where it gets a second.
        let ways = self.nodes.iter().filter_map(|(_, node)| node.way.as_ref());
        let hops: RouterSet = ways.map(|way| way.next_hop).collect();
        self.flood(
            Destination::AllRoutersMobile,
            ControlMessage::MobileUpdate(update),
            |index, node| hops.contains(index) || node.way.is_none(),
        );
        self.ra_wanted = true;
        self.flux = self.now;
    }

    pub(super) fn send_mobile(&mut self) {
        let longest = self.config.ra_interval_flux / 2;
        let mut sends = Vec::new();
        for (index, node) in self.nodes.iter_mut() {
            if node.way.is_none() && node.neighbour.is_none() {
                continue;
            }
            if std::mem::take(&mut node.owed_mobile) {
                let update = MobileUpdate {
                    id: self.config.id.clone(),
                    mobile_seq: self.local.seq,
                    change: self.local.absolute(),
                };
                sends.push((index, ControlMessage::MobileUpdate(update)));
            }
            if node.mobile.take_due(self.now, longest) {
                let request = MobileRequest {
                    id: self.config.id.clone(),
                    have_seq: node.mobile.seq,
                };
                sends.push((index, ControlMessage::MobileRequest(request)));
            }
        }
        for (index, message) in sends {
            let Some(node) = self.nodes.get(index) else {
                continue;
            };
            let to = Destination::RouterMobile(node.id.clone());
            self.send_to(index, to, message);
        }
    }
}
