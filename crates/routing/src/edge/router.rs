//! An edge router in place of the routing protocol: one of its connections to the interior is in use, with a link for each
//! address that is consumed or produced here; and every other edge router of its mesh has a link for each address that is
//! consumed here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::mesh::{Bid, Consequence, Negotiation};
use super::{Output, Purpose, Source};
use crate::address::{AddressKey, Class};

/// The edge router's side of its connections to other routers: it is told what happens to them, and after each call
/// [`Edge::take_outputs`] has what is to be done.
#[derive(Debug)]
pub struct Edge<S> {
    source: S,
    /// Open connections to the interior, oldest first.
    open: Vec<Uplink>,
    active: Option<Active>,
    peers: Vec<Peer>,
    negotiation: Negotiation,
    outputs: Vec<Output>,
}

#[derive(Debug, Clone, Copy)]
struct Uplink {
    connection: u64,
    /// Revision of the credential it was made with.
    ordinal: Option<u64>,
}

/// The connection to the interior that is in use.
#[derive(Debug)]
struct Active {
    uplink: Uplink,
    /// The links that do not belong to an address: the interior is told of the mesh by the first.
    links: [u64; 4],
    consumers: HashMap<AddressKey, u64>,
    producers: HashMap<AddressKey, Produced>,
    /// Addresses whose link the interior has refused.
    refused: HashSet<AddressKey>,
}

#[derive(Debug)]
struct Produced {
    link: u64,
    bound: bool,
}

/// A connection to another edge router.
#[derive(Debug)]
struct Peer {
    connection: u64,
    container: Arc<str>,
    bids: u64,
    /// Only the first connection to each edge router is used for deliveries.
    primary: Option<Primary>,
}

#[derive(Debug)]
struct Primary {
    direct: u64,
    consumers: HashMap<AddressKey, u64>,
}

impl<S: Source> Edge<S> {
    /// Of a router that has no connections yet.
    pub fn new(mut source: S) -> Self {
        let negotiation = Negotiation::new(source.bid());
        let outputs = vec![Output::Named(negotiation.id().clone())];
        Edge {
            source,
            open: Vec::new(),
            active: None,
            peers: Vec::new(),
            negotiation,
            outputs,
        }
    }

    /// What is to be done, in this order.
    #[must_use]
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// A connection to the interior was opened, with a credential of that revision. One with a newer credential takes over at
    /// once.
    pub fn opened(&mut self, connection: u64, ordinal: Option<u64>) {
        self.open.push(Uplink {
            connection,
            ordinal,
        });
        self.choose();
    }

    /// A connection is gone, whomever it led to.
    pub fn closed(&mut self, connection: u64) {
        self.open.retain(|uplink| uplink.connection != connection);
        if self.active_on(connection).is_some()
            && let Some(active) = self.active.take()
        {
            self.unbind_all(&active);
            self.choose();
            if self.active.is_none() {
                self.outputs.push(Output::Uplink(None));
            }
        }
        self.peer_closed(connection);
    }

    fn active_on(&mut self, connection: u64) -> Option<&mut Active> {
        let active = self.active.as_mut();
        active.filter(|active| active.uplink.connection == connection)
    }

    fn choose(&mut self) {
        // The oldest of those with the newest credential.
        let best = self.open.iter().rev().max_by_key(|uplink| uplink.ordinal);
        let Some(best) = best.copied() else { return };
        let current = self.active.as_ref().map(|active| active.uplink);
        if current.is_some_and(|current| current.ordinal >= best.ordinal) {
            return;
        }
        if let Some(active) = self.active.take() {
            self.unbind_all(&active);
            self.retire(active);
        }
        self.activate(best);
        self.announce_mesh();
    }

    fn activate(&mut self, uplink: Uplink) {
        let connection = uplink.connection;
        let purposes = [
            Purpose::Mesh,
            Purpose::Uplink,
            Purpose::Downlink,
            Purpose::Tracking,
        ];
        let links = purposes.map(|purpose| self.attach(connection, purpose));
        self.outputs
            .push(Output::Uplink(Some((connection, links[1]))));
        self.active = Some(Active {
            uplink,
            links,
            consumers: HashMap::new(),
            producers: HashMap::new(),
            refused: HashSet::new(),
        });
    }

    fn unbind_all(&mut self, active: &Active) {
        let producers = active.producers.iter();
        let bound = producers.filter(|(_, produced)| produced.bound);
        for (key, link) in sorted(bound.map(|(key, produced)| (key.clone(), produced.link))) {
            self.outputs.push(Output::Unbind { key, link });
        }
    }

    /// Another connection has taken over: nothing of this one is used any more but the streams that are under way.
    fn retire(&mut self, active: Active) {
        let producers = active.producers.values().map(|produced| produced.link);
        let addressed = active.consumers.values().copied().chain(producers);
        for link in active.links.into_iter().chain(sorted(addressed)) {
            self.detach(active.uplink.connection, link);
        }
    }

    /// Brings the links for addresses in line with who consumes and produces here. Of each address with destinations here,
    /// `locals` has whether others are told of it ([`is_told`](super::is_told)) and whether a consumer inside the router takes
    /// it; `watched` are those of producers.
    pub fn reconcile<'a>(
        &mut self,
        locals: impl IntoIterator<Item = (&'a AddressKey, bool, bool)>,
        watched: &HashSet<AddressKey>,
    ) {
        let is_mobile = |key: &AddressKey| key.class() == Class::Mobile;
        let (mut consumed, mut networks) = (HashSet::new(), Vec::new());
        let mut inner = HashSet::new();
        for (key, is_told, is_inner) in locals {
            match key.class() {
                Class::Mobile if is_told => {
                    consumed.insert(key);
                }
                Class::Network if is_told => networks.push(key),
                _ => {}
            }
            if is_inner {
                inner.insert(key);
            }
        }
        for at in 0..self.peers.len() {
            let connection = self.peers[at].connection;
            if let Some(mut primary) = self.peers[at].primary.take() {
                self.align(connection, &mut primary.consumers, &consumed);
                self.peers[at].primary = Some(primary);
            }
        }
        let Some(mut active) = self.active.take() else {
            return;
        };
        let connection = active.uplink.connection;
        // The interior alone: another edge router has what is for other networks go there, too.
        consumed.extend(networks);
        consumed.retain(|key| !active.refused.contains(*key));
        self.align(connection, &mut active.consumers, &consumed);
        let produced: HashSet<&AddressKey> = watched
            .iter()
            .filter(|key| is_mobile(key) && !inner.contains(*key) && !active.refused.contains(*key))
            .collect();
        let unwanted = active.producers.keys();
        let unwanted = unwanted.filter(|key| !produced.contains(*key)).cloned();
        for key in sorted(unwanted) {
            if let Some(Produced { link, bound }) = active.producers.remove(&key) {
                self.detach(connection, link);
                if bound {
                    self.outputs.push(Output::Unbind { key, link });
                }
            }
        }
        let missing = produced.into_iter().cloned();
        for key in sorted(missing.filter(|key| !active.producers.contains_key(key))) {
            let link = self.attach(connection, Purpose::Producer(key.clone()));
            let bound = false;
            active.producers.insert(key, Produced { link, bound });
        }
        self.active = Some(active);
    }

    /// Attaches the links of consumers that are missing and detaches those that are not wanted.
    fn align(
        &mut self,
        connection: u64,
        links: &mut HashMap<AddressKey, u64>,
        wanted: &HashSet<&AddressKey>,
    ) {
        let unwanted = links.keys().filter(|key| !wanted.contains(*key)).cloned();
        for key in sorted(unwanted) {
            if let Some(link) = links.remove(&key) {
                self.detach(connection, link);
            }
        }
        let missing = wanted.iter().filter(|key| !links.contains_key(**key));
        for key in sorted(missing.map(|key| (*key).clone())) {
            let link = self.attach(connection, Purpose::Consumer(key.clone()));
            links.insert(key, link);
        }
    }

    /// The interior has (or has not any more) a destination for an address that is produced here.
    pub fn tracked(&mut self, connection: u64, key: &AddressKey, reachable: bool) {
        let Some(active) = self.active_on(connection) else {
            return;
        };
        let Some(produced) = active.producers.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut produced.bound, reachable) == reachable {
            return;
        }
        let (key, link) = (key.clone(), produced.link);
        self.outputs.push(match reachable {
            true => Output::Bind {
                key,
                connection,
                link,
            },
            false => Output::Unbind { key, link },
        });
    }

    /// The peer has detached a link of this router's: it is not asked again while the connection lasts.
    pub fn link_lost(&mut self, connection: u64, link: u64) {
        let Some(active) = self.active_on(connection) else {
            return;
        };
        let consumed = active.consumers.iter().find(|(_, known)| **known == link);
        if let Some(key) = consumed.map(|(key, _)| key.clone()) {
            active.consumers.remove(&key);
            active.refused.insert(key);
        }
        let mut producers = active.producers.iter();
        let produced = producers.find(|(_, known)| known.link == link);
        if let Some(key) = produced.map(|(key, _)| key.clone())
            && let Some(produced) = active.producers.remove(&key)
        {
            active.refused.insert(key.clone());
            if produced.bound {
                self.outputs.push(Output::Unbind { key, link });
            }
        }
    }

    /// A connection to the edge router `container` was opened.
    pub fn peer_opened(&mut self, connection: u64, container: &str) {
        let bids = self.attach(connection, Purpose::Bids);
        let mut peers = self.peers.iter();
        let is_first = !peers.any(|peer| peer.primary.is_some() && &*peer.container == container);
        let primary = is_first.then(|| self.use_peer(connection, container));
        self.outputs.push(Output::SendBid {
            connection,
            link: bids,
            bid: self.negotiation.own().clone(),
        });
        self.peers.push(Peer {
            connection,
            container: container.into(),
            bids,
            primary,
        });
    }

    fn use_peer(&mut self, connection: u64, container: &str) -> Primary {
        let direct = self.attach(connection, Purpose::Direct);
        self.outputs.push(Output::Bind {
            key: AddressKey::new(Class::Edge, container),
            connection,
            link: direct,
        });
        Primary {
            direct,
            consumers: HashMap::new(),
        }
    }

    fn peer_closed(&mut self, connection: u64) {
        let mut peers = self.peers.iter();
        let Some(at) = peers.position(|peer| peer.connection == connection) else {
            return;
        };
        let gone = self.peers.remove(at);
        if let Some(primary) = gone.primary {
            self.outputs.push(Output::Unbind {
                key: AddressKey::new(Class::Edge, &gone.container),
                link: primary.direct,
            });
            let mut peers = self.peers.iter();
            if let Some(next) = peers.position(|peer| peer.container == gone.container) {
                let primary = self.use_peer(self.peers[next].connection, &gone.container);
                self.peers[next].primary = Some(primary);
            }
        }
        let consequence = self.negotiation.lost(connection);
        self.follow(consequence);
    }

    /// Another edge router's bid for the name of the mesh came.
    pub fn on_bid(&mut self, connection: u64, bid: Bid) {
        if self.peers.iter().any(|peer| peer.connection == connection) {
            let draw = || self.source.bid();
            let consequence = self.negotiation.on_bid(connection, bid, draw);
            self.follow(consequence);
        }
    }

    fn follow(&mut self, consequence: Consequence) {
        if consequence.bid {
            for peer in &self.peers {
                self.outputs.push(Output::SendBid {
                    connection: peer.connection,
                    link: peer.bids,
                    bid: self.negotiation.own().clone(),
                });
            }
        }
        if consequence.renamed {
            let id = self.negotiation.id().clone();
            self.outputs.push(Output::Named(id));
            self.announce_mesh();
        }
    }

    fn announce_mesh(&mut self) {
        if let Some(active) = &self.active {
            self.outputs.push(Output::TellMesh {
                connection: active.uplink.connection,
                link: active.links[0],
                id: self.negotiation.id().clone(),
            });
        }
    }

    fn attach(&mut self, connection: u64, purpose: Purpose) -> u64 {
        let link = self.source.link();
        self.outputs.push(Output::Attach {
            connection,
            link,
            purpose,
        });
        link
    }

    fn detach(&mut self, connection: u64, link: u64) {
        self.outputs.push(Output::Detach { connection, link });
    }
}

/// In an order that does not depend on how a map keeps them: the same history has the same outputs.
fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items
}
