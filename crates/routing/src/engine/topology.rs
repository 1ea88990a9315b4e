//! Link states: advertised, asked for, compared, and the paths computed from them (§5.5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::config::{Event, Output};
use super::node::Nodes;
use super::{Destination, Engine};
use crate::id::RouterId;
use crate::message::{
    ControlMessage, LinkState, LinkStateRequest, LinkStateUpdate, RouterAdvertisement,
};
use crate::table::RouterIndex;

/// This router's own link state.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) seq: u64,
    pub(super) peers: Arc<BTreeMap<RouterId, u32>>,
    /// Differs from what stands at `seq`.
    pub(super) changed: bool,
}

impl Own {
    pub(super) fn set_peer(&mut self, id: &RouterId, cost: u32) {
        if self.peers.get(id) != Some(&cost) {
            Arc::make_mut(&mut self.peers).insert(id.clone(), cost);
            self.changed = true;
        }
    }

    pub(super) fn remove_peer(&mut self, id: &RouterId) {
        if self.peers.contains_key(id) {
            Arc::make_mut(&mut self.peers).remove(id);
            self.changed = true;
        }
    }
}

/// A router that nobody mentions any more is forgotten with the third tick that finds it so.
const IDLE_TICKS: u8 = 3;
/// An advertisement that says what the last one said is a copy of it within this time, and then a new one.
const SAME_FLOOD: Duration = Duration::from_secs(1);
/// After a change of its own a router repeats the advertisement once: the first may have met tables in transition.
const REPEAT: Duration = Duration::from_millis(1200);
/// So long may messages of a router's former run be under way.
const LATE: Duration = Duration::from_secs(10);
/// Where the run that is believed in has not answered for so long, and one that was given up does, that one is the present.
const ANSWER: Duration = Duration::from_secs(1);
pub(super) const TICK: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) fn on_advertisement(&mut self, ra: &RouterAdvertisement) {
        let Some(index) = self.learn(&ra.id) else {
            return;
        };
        let (now, retry) = (self.now, self.config.request_retry);
        let believed = self.on_instance(index, ra.instance);
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        if !believed {
            // Late, or the run that is believed in is: the router itself knows which.
            node.link_state.want(now, retry);
            return;
        }
        node.refreshed = now;
        if node.link_state.advertise(ra.ls_seq, now) {
            node.link_state.want(now, retry);
        }
        if node.mobile.advertise(ra.mobile_seq, now) {
            node.mobile.want(now, retry);
        }
    }

    /// Whether a message that is flooded goes on to other routers. Of its copies, which come by every way there is, only the
    /// first does, and none that a newer one has overtaken: the number of ways grows exponentially with the routers.
    pub fn passes_on(&mut self, message: &ControlMessage, now: Duration) -> bool {
        self.advance(now);
        let ControlMessage::RouterAdvertisement(ra) = message else {
            return true;
        };
        let now = self.now;
        let Some(node) = self
            .learn(&ra.id)
            .and_then(|index| self.nodes.get_mut(index))
        else {
            return false;
        };
        if node
            .former
            .iter()
            .any(|(former, given_up)| *former == ra.instance && now < *given_up + LATE)
        {
            return false;
        }
        if let Some((last, at)) = &node.passed_on
            && last.instance == ra.instance
        {
            let news = ra.ls_seq > last.ls_seq || ra.mobile_seq > last.mobile_seq;
            if !news && (last != ra || now < *at + SAME_FLOOD) {
                return false;
            }
        }
        node.passed_on = Some((ra.clone(), now));
        true
    }

    pub(super) fn on_link_state_request(&mut self, request: &LinkStateRequest) {
        if let Some(node) = self
            .learn(&request.id)
            .and_then(|index| self.nodes.get_mut(index))
        {
            node.owed_link_state = true;
        }
    }

    pub(super) fn on_link_state_update(&mut self, update: LinkStateUpdate) {
        let Some(index) = self.learn(&update.id) else {
            return;
        };
        if let Some(instance) = update.instance {
            if let Some(node) = self.nodes.get_mut(index)
                && node.link_state.asked_for(self.now) >= ANSWER
            {
                node.former.retain(|(former, _)| *former != instance);
            }
            if !self.on_instance(index, instance) {
                return;
            }
        }
        let peers = self.learn_peers(&update.id, update.ls.peers);
        let now = self.now;
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        node.refreshed = now;
        if update.ls.ls_seq > node.link_state.seq {
            node.link_state
                .accept(Arc::clone(&peers), update.ls.ls_seq, now);
            self.set_links(index, &peers);
        } else if update.ls.ls_seq == node.link_state.seq {
            node.link_state.stand_at(update.ls.ls_seq, now);
        }
    }

    /// Makes the peers of a link state known; those beyond the limit are left out of it.
    fn learn_peers(
        &mut self,
        of: &RouterId,
        peers: Arc<BTreeMap<RouterId, u32>>,
    ) -> Arc<BTreeMap<RouterId, u32>> {
        let mut unknown = Vec::new();
        for peer in peers.keys() {
            if *peer == *of || (*peer != self.config.id && self.learn(peer).is_none()) {
                unknown.push(peer.clone());
            }
        }
        if unknown.is_empty() {
            return peers;
        }
        let mut peers = Arc::unwrap_or_clone(peers);
        peers.retain(|peer, _| !unknown.contains(peer));
        Arc::new(peers)
    }

    /// A router by id, made known if it is not. `None` for this router itself and beyond the limit.
    pub(super) fn learn(&mut self, id: &RouterId) -> Option<RouterIndex> {
        if *id == self.config.id {
            return None;
        }
        if let Some(index) = self.nodes.index(id.as_str()) {
            return Some(index);
        }
        if self.nodes.len() >= self.config.max_routers {
            if !std::mem::replace(&mut self.full_reported, true) {
                self.out
                    .push_back(Output::Event(Event::TooManyRouters { id: id.clone() }));
            }
            return None;
        }
        let index = self.nodes.add(id.clone(), self.now);
        self.paths.add(index, id.clone());
        self.routes_changed = true;
        let (now, retry) = (self.now, self.config.request_retry);
        if let Some(node) = self.nodes.get_mut(index) {
            node.link_state.want(now, retry);
        }
        Some(index)
    }

    /// A HELLO comes by one hop and in order: its instance is the present one.
    pub(super) fn on_instance_from_neighbour(&mut self, index: RouterIndex, instance: i64) {
        if let Some(node) = self.nodes.get_mut(index) {
            node.former.retain(|(former, _)| *former != instance);
        }
        self.on_instance(index, instance);
    }

    /// Takes notice of a router's instance; false where the message is left over from a run before.
    ///
    /// Instances have no order: a clock may have been set back. So one that was never heard of is taken for a new run, although
    /// it may be one in between, whose messages come by a slower way than those of the run after it.
    fn on_instance(&mut self, index: RouterIndex, instance: i64) -> bool {
        let (now, retry) = (self.now, self.config.request_retry);
        let Some(node) = self.nodes.get_mut(index) else {
            return false;
        };
        node.former.retain(|(_, given_up)| now < *given_up + LATE);
        match node.instance {
            Some(present) if present == instance => true,
            Some(_) if node.former.iter().any(|(former, _)| *former == instance) => false,
            None => {
                node.instance = Some(instance);
                if node.mobile.seq > 0 {
                    // Taken before it was known whose they were: a run before this one may have said so.
                    node.mobile.doubt(now, retry);
                }
                self.routes_changed = true;
                true
            }
            Some(present) => {
                node.former.push((present, now));
                node.doubt_at = Some(now + LATE);
                node.instance = Some(instance);
                node.link_state.forget();
                node.link_state.want(now, retry);
                node.refreshed = now;
                node.owed_mobile |= node.neighbour.is_some() && self.local.seq > 0;
                let id = node.id.clone();
                self.set_links(index, &BTreeMap::new());
                self.forget_addresses(index);
                if let Some(node) = self.nodes.get_mut(index) {
                    // Only an advertisement tells where its addresses stand, and this may have been another message.
                    node.mobile.want(now, retry);
                }
                self.out
                    .push_back(Output::Event(Event::RouterRestarted { id }));
                true
            }
        }
    }

    fn set_links(&mut self, index: RouterIndex, peers: &BTreeMap<RouterId, u32>) {
        let links: Vec<(RouterIndex, u32)> = peers
            .iter()
            .filter_map(|(peer, cost)| {
                let me = *peer == self.config.id;
                Some((
                    if me {
                        Nodes::ME
                    } else {
                        self.nodes.index(peer.as_str())?
                    },
                    *cost,
                ))
            })
            .collect();
        self.paths.set_links(index, links);
        self.topology_changed = true;
        self.routes_changed = true;
    }

    /// Once a second: link states that nobody refreshes, routers that nobody mentions.
    pub(super) fn tick(&mut self) {
        if self.now < self.tick_at {
            return;
        }
        let (now, retry) = (self.now, self.config.request_retry);
        self.tick_at = now + TICK;
        for (_, node) in self.nodes.iter_mut() {
            if node.doubt_at.take_if(|at| *at <= now).is_some() {
                node.mobile.doubt(now, retry);
            }
        }
        let oldest = self.now.checked_sub(self.config.remote_ls_max_age);
        let stale = |refreshed: Duration| oldest.is_some_and(|oldest| refreshed < oldest);
        let silent: Vec<RouterIndex> = self
            .nodes
            .iter()
            .filter(|(_, node)| stale(node.refreshed) && !node.link_state.state.is_empty())
            .map(|(index, _)| index)
            .collect();
        for index in silent {
            if let Some(node) = self.nodes.get_mut(index) {
                node.link_state.forget();
            }
            self.set_links(index, &BTreeMap::new());
        }
        let unmentioned: Vec<RouterIndex> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.neighbour.is_none() && node.link_state.state.is_empty())
            .filter(|(_, node)| {
                !self
                    .nodes
                    .iter()
                    .any(|(_, other)| other.link_state.state.contains_key(&node.id))
            })
            .map(|(index, _)| index)
            .collect();
        for index in unmentioned {
            let Some(node) = self.nodes.get_mut(index) else {
                continue;
            };
            node.idle += 1;
            if node.idle >= IDLE_TICKS && !self.own.peers.contains_key(&node.id) {
                self.forget_addresses(index);
                self.paths.remove(index);
                self.nodes.remove(index);
                self.routes_changed = true;
            }
        }
    }

    /// Brings the sequence of the own link state and the paths up to date, not too often.
    pub(super) fn compute(&mut self) {
        if !(self.own.changed || self.topology_changed) || self.now < self.compute_at {
            return;
        }
        self.compute_at = self.now + self.config.compute_interval;
        self.last_change = self.now;
        // The time of the change is published, whether a way changes or not.
        self.routes_changed = true;
        self.flux = self.now;
        if std::mem::take(&mut self.own.changed) {
            self.own.seq += 1;
            let peers = Arc::clone(&self.own.peers);
            self.set_links(Nodes::ME, &peers);
            self.ra_wanted = true;
            // Everybody would ask for it; and the original, which computes once a second, would ask by ways that are gone.
            self.nodes
                .iter_mut()
                .for_each(|(_, node)| node.owed_link_state = true);
        }
        self.topology_changed = false;
        let found = self.paths.compute();
        self.radius = found.radius;
        let mut ways = found.ways;
        let (now, retry, out) = (self.now, self.config.request_retry, &mut self.out);
        for (index, node) in self.nodes.iter_mut() {
            let way = ways.get_mut(index.0 as usize).and_then(Option::take);
            if node.way == way {
                continue;
            }
            self.routes_changed = true;
            if way.is_none() {
                node.unreachable_since = Some(now);
                out.push_back(Output::Event(Event::RouterUnreachable {
                    id: node.id.clone(),
                }));
            } else if node.way.is_none() {
                node.unreachable_since = None;
                self.arrived.push(index);
                // Its advertisement may have passed while it was not known.
                node.mobile.want(now, retry);
                // What was asked for while it was out of reach is asked for at once.
                node.link_state
                    .request
                    .iter_mut()
                    .for_each(|request| request.due = now);
                node.mobile
                    .request
                    .iter_mut()
                    .for_each(|request| request.due = now);
            }
            node.way = way;
        }
        for index in std::mem::take(&mut self.arrived) {
            self.show(index);
            if let Some(node) = self.nodes.get(index)
                && let Some(way) = &node.way
                && let Some(hop) = self.nodes.get(way.next_hop)
            {
                self.out.push_back(Output::Event(Event::RouterReachable {
                    id: node.id.clone(),
                    next_hop: hop.id.clone(),
                    cost: way.cost,
                }));
            }
        }
    }

    /// Sends the requests that are due and the answers that are owed, to routers in reach.
    pub(super) fn send_link_states(&mut self) {
        let longest = self.config.ra_interval_flux / 2;
        let mut sends = Vec::new();
        for (index, node) in self.nodes.iter_mut() {
            if node.way.is_none() && node.neighbour.is_none() {
                continue;
            }
            if node.link_state.take_due(self.now, longest) {
                let request = LinkStateRequest {
                    id: self.config.id.clone(),
                };
                sends.push((index, ControlMessage::LinkStateRequest(request)));
            }
            if std::mem::take(&mut node.owed_link_state) {
                let ls = LinkState {
                    ls_seq: self.own.seq,
                    peers: Arc::clone(&self.own.peers),
                };
                let update = LinkStateUpdate {
                    id: self.config.id.clone(),
                    instance: Some(self.config.instance),
                    ls,
                };
                sends.push((index, ControlMessage::LinkStateUpdate(update)));
            }
        }
        for (index, message) in sends {
            let Some(node) = self.nodes.get(index) else {
                continue;
            };
            let to = Destination::Router(node.id.clone());
            self.send_to(index, to, message);
        }
    }

    /// The advertisement: after each change, and at intervals.
    pub(super) fn advertise(&mut self) {
        let news = std::mem::take(&mut self.ra_wanted);
        if !news && self.now < self.next_ra() {
            return;
        }
        self.ra_sent = Some(self.now);
        self.ra_repeat = news.then(|| self.now + REPEAT);
        let ra = RouterAdvertisement {
            id: self.config.id.clone(),
            instance: self.config.instance,
            ls_seq: self.own.seq,
            mobile_seq: self.local.seq,
        };
        self.flood(
            Destination::AllRouters,
            ControlMessage::RouterAdvertisement(ra),
            |_, _| true,
        );
    }

    pub(super) fn next_ra(&self) -> Duration {
        let Some(sent) = self.ra_sent else {
            return Duration::ZERO;
        };
        let calm_at = self.flux + self.config.ra_interval_flux * 2;
        let soon = sent + self.config.ra_interval_flux;
        let regular = if soon <= calm_at {
            soon
        } else {
            sent + self.config.ra_interval
        };
        self.ra_repeat.map_or(regular, |repeat| repeat.min(regular))
    }
}
