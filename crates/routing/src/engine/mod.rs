//! The engine: one router's part in the protocol, as a state machine.

mod config;
mod local;
mod mobile;
mod neighbours;
mod node;
mod topology;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::id::{LinkId, RouterId};
use crate::message::ControlMessage;
use crate::path::Paths;
use crate::table::{AddressMap, Route, RouterIndex, Routes, Table};

pub use config::{Config, Destination, Event, Link, Output};
use local::Local;
use neighbours::Wire;
use node::{Node, Nodes};
use topology::Own;

/// One router's routing engine.
///
/// After each call that takes a time, [`Engine::poll_output`] is to be called until it gives `None`; then
/// [`Engine::next_timeout`] says when [`Engine::handle_timeout`] is to be called, if nothing else happens before.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    now: Duration,
    wires: BTreeMap<LinkId, Wire>,
    nodes: Nodes,
    own: Own,
    local: Local,
    paths: Paths,
    radius: u32,
    last_change: Duration,
    /// Last change of topology, or of this router's addresses: advertisements are frequent for a while.
    flux: Duration,
    /// Routers of whom something was heard, or not heard for too long.
    restless: BTreeSet<RouterId>,
    /// Routers that the last computation brought into reach.
    arrived: Vec<RouterIndex>,
    addresses: AddressMap,
    table: Arc<Table>,
    topology_changed: bool,
    routes_changed: bool,
    addresses_changed: bool,
    ra_wanted: bool,
    full_reported: bool,
    hello_at: Duration,
    tick_at: Duration,
    compute_at: Duration,
    ra_sent: Option<Duration>,
    ra_repeat: Option<Duration>,
    out: VecDeque<Output>,
}

impl Engine {
    /// An engine that knows nobody.
    pub fn new(config: Config, now: Duration) -> Self {
        let table = Arc::new(Table::empty(config.id.clone()));
        Self {
            now,
            wires: BTreeMap::new(),
            nodes: Nodes::new(),
            own: Own::default(),
            local: Local::default(),
            paths: Paths::new(Nodes::ME, config.id.clone()),
            radius: 0,
            last_change: now,
            flux: now,
            restless: BTreeSet::new(),
            arrived: Vec::new(),
            addresses: AddressMap::default(),
            table,
            topology_changed: false,
            routes_changed: false,
            addresses_changed: false,
            ra_wanted: false,
            full_reported: false,
            hello_at: now + config.hello_interval,
            tick_at: now + topology::TICK,
            compute_at: now,
            ra_sent: None,
            ra_repeat: None,
            out: VecDeque::new(),
            config,
        }
    }

    /// The table as last published.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// A control message that was for this router, and the connection it came by.
    pub fn handle_message(&mut self, link: LinkId, message: ControlMessage, now: Duration) {
        self.advance(now);
        if *message.sender() == self.config.id && !matches!(message, ControlMessage::Hello(_)) {
            return;
        }
        match message {
            ControlMessage::Hello(hello) => self.on_hello(link, hello),
            ControlMessage::RouterAdvertisement(ra) => self.on_advertisement(&ra),
            ControlMessage::LinkStateRequest(request) => self.on_link_state_request(&request),
            ControlMessage::LinkStateUpdate(update) => self.on_link_state_update(update),
            ControlMessage::MobileRequest(request) => self.on_mobile_request(&request),
            ControlMessage::MobileUpdate(update) => self.on_mobile_update(update),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance(now);
    }

    /// When something is due next.
    pub fn next_timeout(&self) -> Duration {
        let mut next = self.hello_at.min(self.tick_at).min(self.next_ra());
        if self.own.changed || self.topology_changed {
            next = next.min(self.compute_at);
        }
        let holdoff = self.config.unreachable_holdoff;
        let nodes = self.nodes.iter().flat_map(|(_, node)| {
            let asked = node.way.is_some() || node.neighbour.is_some();
            let requests = [node.link_state.request, node.mobile.request];
            requests
                .into_iter()
                .flatten()
                .filter(move |_| asked)
                .map(|r| r.due)
                .chain(node.hidden_at(holdoff))
        });
        nodes
            .chain(self.next_expiry())
            .chain(self.local.due())
            .fold(next, Duration::min)
    }

    /// The next thing to do; `None` when there is nothing left to do before [`Engine::next_timeout`].
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.out.is_empty() {
            self.settle();
        }
        self.out.pop_front()
    }

    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Draws the consequences of what was handled since the last time.
    fn settle(&mut self) {
        self.expire_hellos();
        self.want_hellos();
        self.calm();
        self.tick();
        self.compute();
        self.hide_unreachable();
        self.publish();
        self.send_hellos();
        self.send_link_states();
        self.announce();
        self.send_mobile();
        self.advertise();
    }

    /// Sends to one router by its next hop.
    fn send_to(&mut self, index: RouterIndex, to: Destination, message: ControlMessage) {
        let Some(node) = self.nodes.get(index) else {
            return;
        };
        // A neighbour whose paths are yet to be computed is reached directly.
        let hop = node
            .way
            .as_ref()
            .and_then(|way| self.nodes.get(way.next_hop)?.neighbour);
        if let Some(link) = hop.or(node.neighbour) {
            self.out.push_back(Output::Send {
                to,
                message,
                links: vec![link],
            });
        }
    }

    /// Sends to all routers on the connections to those neighbours, of all, that are chosen.
    fn flood(
        &mut self,
        to: Destination,
        message: ControlMessage,
        chosen: impl Fn(RouterIndex, &Node) -> bool,
    ) {
        let neighbours = self.nodes.iter();
        let links: Vec<LinkId> = neighbours
            .filter(|(index, node)| chosen(*index, node))
            .filter_map(|(_, node)| node.neighbour)
            .collect();
        if !links.is_empty() {
            self.out.push_back(Output::Send { to, message, links });
        }
    }

    fn publish(&mut self) {
        let (routes, addresses) = (
            std::mem::take(&mut self.routes_changed),
            std::mem::take(&mut self.addresses_changed),
        );
        if !routes && !addresses {
            return;
        }
        let routes = if routes {
            Arc::new(self.routes())
        } else {
            Arc::clone(&self.table.routes)
        };
        self.table = Arc::new(Table {
            me: self.config.id.clone(),
            version: self.table.version + 1,
            routes,
            addresses: self.addresses.clone(),
        });
        self.out
            .push_back(Output::TableChanged(Arc::clone(&self.table)));
    }

    fn routes(&self) -> Routes {
        let mut routers = Vec::new();
        routers.resize_with(self.nodes.size(), || None);
        let mut neighbours = Vec::new();
        for (index, node) in self.nodes.iter() {
            let hop = node
                .way
                .as_ref()
                .and_then(|way| self.nodes.get(way.next_hop));
            let link = hop.and_then(|hop| hop.neighbour);
            neighbours.extend(node.neighbour.map(|link| (index, link)));
            let way = node.way.clone().filter(|_| link.is_some());
            routers[index.0 as usize] = Some(Route {
                id: node.id.clone(),
                instance: node.instance,
                link,
                next_hop: hop.filter(|_| link.is_some()).map(|hop| hop.id.clone()),
                cost: way.as_ref().map_or(0, |way| way.cost),
                valid_origins: way.map(|way| way.valid_origins).unwrap_or_default(),
                peers: Arc::clone(&node.link_state.state),
            });
        }
        Routes {
            routers,
            by_id: self.nodes.by_id().clone(),
            neighbours,
            radius: self.radius,
            last_change: self.last_change,
            peers: Arc::clone(&self.own.peers),
        }
    }
}
