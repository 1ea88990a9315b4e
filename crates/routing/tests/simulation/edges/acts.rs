//! What a router does with what it hears and decides.

use std::rc::Rc;
use std::sync::Arc;

use skupper_routing::address::Class;
use skupper_routing::edge::{self, Asker, Edge, Output, Purpose, Side, announcement, is_reachable};
use skupper_routing::{AddressKey, Table};

use super::node::{Dest, Handle, Node, Theirs, number};
use super::ways::Hop;
use super::world::{Message, World};

impl World {
    pub(super) fn hear(&mut self, node: usize, number: u64, message: Message) {
        match message {
            Message::Attach(link, purpose) => self.attached(node, number, link, purpose),
            Message::Detach(link) => self.detached(node, number, link),
            Message::Track(key, reachable) => {
                if let Some(edge) = &mut self.nodes[node].edge {
                    edge.tracked(number, &key, reachable);
                }
            }
            Message::Mesh(id) => {
                let handle = self.nodes[node].ends[&number].handle.clone();
                *handle.mesh.borrow_mut() = Some(id);
                let locals = self.nodes[node].locals.iter();
                let behind = |dest: &Dest| {
                    let beyond = dest.beyond.as_ref();
                    beyond.is_some_and(|beyond| beyond.beyond.connection == number)
                };
                let keys = locals.filter(|(_, dests)| dests.iter().any(behind));
                let keys: Vec<AddressKey> = keys.map(|(key, _)| key.clone()).collect();
                keys.iter().for_each(|key| self.announce(node, key));
            }
            Message::Bid(bid) => {
                if let Some(edge) = &mut self.nodes[node].edge {
                    edge.on_bid(number, bid);
                }
            }
            Message::Flow(word) => self.on_word(node, Hop::Edge(number), word),
        }
    }

    pub(super) fn attached(&mut self, node: usize, number: u64, link: u64, purpose: Purpose) {
        let handle = self.nodes[node].ends[&number].handle.clone();
        let theirs = match purpose {
            Purpose::Consumer(key) => {
                let id = self.add(node, &key, Some(handle));
                Theirs::Destination(key, id)
            }
            Purpose::Downlink => {
                let ends = self.cables[self.conns[&number].cable].ends;
                let name = self.nodes[ends[0]].id.to_string();
                let key = AddressKey::new(Class::Edge, &name);
                let id = self.add(node, &key, Some(handle));
                Theirs::Destination(key, id)
            }
            Purpose::Producer(key) => {
                assert_eq!(handle.beyond.side, Side::Edge);
                Theirs::Producer {
                    key,
                    reachable: false,
                }
            }
            Purpose::Tracking => {
                let end = self.nodes[node].ends.get_mut(&number).unwrap();
                for (key, reachable) in end.tracking.begin() {
                    self.send(node, number, Message::Track(key, reachable));
                }
                Theirs::Tracking
            }
            Purpose::Uplink | Purpose::Mesh | Purpose::Direct | Purpose::Bids => Theirs::Other,
        };
        let end = self.nodes[node].ends.get_mut(&number).unwrap();
        end.theirs.insert(link, theirs);
    }

    pub(super) fn detached(&mut self, node: usize, number: u64, link: u64) {
        let end = self.nodes[node].ends.get_mut(&number).unwrap();
        let told = end.tracking.gone(link);
        match end.theirs.remove(&link) {
            Some(Theirs::Destination(key, id)) => self.remove(node, &key, id),
            Some(Theirs::Tracking) => end.tracking.end(),
            Some(Theirs::Producer { .. } | Theirs::Other) => {}
            None => panic!("a link is detached that was not attached"),
        }
        if let Some((key, reachable)) = told {
            self.send(node, number, Message::Track(key, reachable));
        }
    }

    pub(super) fn add(&mut self, node: usize, key: &AddressKey, beyond: Option<Rc<Handle>>) -> u64 {
        let id = number(&self.numbers);
        self.add_as(node, key, id, beyond);
        id
    }

    pub(super) fn add_as(
        &mut self,
        node: usize,
        key: &AddressKey,
        id: u64,
        beyond: Option<Rc<Handle>>,
    ) {
        let dests = self.nodes[node].locals.entry(key.clone()).or_default();
        dests.push(Dest { id, beyond });
        self.announce(node, key);
    }

    pub(super) fn remove(&mut self, node: usize, key: &AddressKey, id: u64) {
        if let Some(dests) = self.nodes[node].locals.get_mut(key) {
            dests.retain(|dest| dest.id != id);
            if dests.is_empty() {
                self.nodes[node].locals.remove(key);
            }
        }
        self.announce(node, key);
    }

    pub(super) fn announce(&mut self, node: usize, key: &AddressKey) {
        if !self.is_edge(node) && self.is_alive(node) {
            let told = announcement(key, false, self.nodes[node].dests(key));
            if self.net.routers[node].addresses.get(key) != told.as_ref() {
                self.net.announce(node, key, told);
            }
        }
    }

    /// Carries out what an edge router has decided, and looks through the watches of a router.
    pub(super) fn settle(&mut self, node: usize) {
        loop {
            let outputs = self.nodes[node]
                .edge
                .as_mut()
                .map_or_else(Vec::new, Edge::take_outputs);
            if outputs.is_empty() && !self.reconcile(node) {
                break;
            }
            for output in outputs {
                self.act(node, output);
            }
        }
        self.look(node);
    }

    /// Whether anything follows.
    pub(super) fn reconcile(&mut self, node: usize) -> bool {
        let Node {
            edge: Some(edge),
            locals,
            listeners,
            ..
        } = &mut self.nodes[node]
        else {
            return false;
        };
        let before = edge.take_outputs();
        assert!(before.is_empty());
        let standing = locals
            .iter()
            .map(|(key, dests)| (key, edge::is_told(key, false, dests), false));
        edge.reconcile(standing, listeners);
        let outputs = edge.take_outputs();
        let any = !outputs.is_empty();
        for output in outputs {
            self.act(node, output);
        }
        any
    }

    pub(super) fn act(&mut self, node: usize, output: Output) {
        match output {
            Output::Attach {
                connection,
                link,
                purpose,
            } => self.send(node, connection, Message::Attach(link, purpose)),
            Output::Detach { connection, link } => {
                self.send(node, connection, Message::Detach(link));
            }
            Output::Bind {
                key,
                connection,
                link,
            } => {
                let handle = self.nodes[node].ends[&connection].handle.clone();
                self.add_as(node, &key, link, Some(handle));
            }
            Output::Unbind { key, link } => self.remove(node, &key, link),
            Output::Uplink(uplink) => self.nodes[node].uplink = uplink,
            Output::TellMesh { connection, id, .. } => {
                self.send(node, connection, Message::Mesh(id));
            }
            Output::SendBid {
                connection, bid, ..
            } => self.send(node, connection, Message::Bid(bid)),
            Output::Named(id) => {
                self.tell(node, format_args!("is in the mesh {id}"));
                self.nodes[node].mesh = Some(id);
            }
        }
    }

    /// The table that a router forwards by; an edge router's is empty.
    pub(super) fn table(&self, node: usize) -> Arc<Table> {
        match self.is_edge(node) {
            true => Arc::new(Table::empty(self.nodes[node].id.clone())),
            false => self.net.table(node).clone(),
        }
    }

    pub(super) fn is_reachable(
        &self,
        node: usize,
        table: &Table,
        key: &AddressKey,
        asker: Option<Asker<'_>>,
    ) -> bool {
        let n = &self.nodes[node];
        let usable = |link| self.net.across(node, link).is_some();
        let local = (false, n.dests(key));
        is_reachable(key, local, n.uplink.is_some(), table, usable, asker)
    }

    pub(super) fn look(&mut self, node: usize) {
        if !self.is_alive(node) {
            return;
        }
        let table = self.table(node);
        let keys = self.nodes[node].listeners.iter();
        let open = keys.filter(|key| self.is_reachable(node, &table, key, None));
        self.nodes[node].reachable = open.cloned().collect();
        let mut said = Vec::new();
        for (number, end) in &self.nodes[node].ends {
            let mesh = end.handle.mesh.borrow().clone();
            for (link, theirs) in &end.theirs {
                if let Theirs::Producer { key, reachable } = theirs {
                    let asker = Asker {
                        connection: *number,
                        mesh: mesh.as_deref(),
                    };
                    let now = self.is_reachable(node, &table, key, Some(asker));
                    if now != *reachable {
                        said.push((*number, *link, key.clone(), now));
                    }
                }
            }
        }
        for (number, link, key, now) in said {
            let end = self.nodes[node].ends.get_mut(&number).unwrap();
            let reachable = now;
            end.theirs.insert(
                link,
                Theirs::Producer {
                    key: key.clone(),
                    reachable,
                },
            );
            if let Some((key, reachable)) = end.tracking.changed(link, &key, now) {
                self.send(node, number, Message::Track(key, reachable));
            }
        }
        self.nodes[node].seen = (!self.is_edge(node)).then_some(table);
    }
}
