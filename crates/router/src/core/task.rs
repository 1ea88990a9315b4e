//! The core's task and its state.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use bytes::Bytes;
use skupper_amqp::message::{Message as AmqpMessage, RouterAnnotations};
use skupper_management::entity::Role;
use skupper_routing::address::Class;
use skupper_routing::{
    AddressKey, ControlMessage, Engine, Event, Link, LinkId, Output, RouterId, control,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::dispatch::Dispatch;
use super::doubts::Doubts;
use super::edge::{Change, Edge};
use super::forwarding::{Destination, Forwarding, Local, Locals};
use super::neighbours::Connections;
use super::{CoreCommand, CoreHandle};
use crate::connection::handle::{Command, ConnectionHandle, Outlet, Purpose};
use crate::context::Numbers;
use crate::tcp::WatchSet;
use crate::transit::message::Message;
use crate::transit::pipe::pipe;

/// Commands handled before what they lead to is published.
const BATCH: usize = 512;

/// Everything there is one of.
pub(crate) struct Core {
    dispatch: Arc<Dispatch>,
    engine: Engine,
    started: Instant,
    locals: Locals,
    connections: Connections,
    /// Connections that may be dead.
    doubts: Doubts,
    /// Destinations behind those, by their ids.
    parked: HashMap<u64, (AddressKey, Arc<Destination>)>,
    watches: Arc<WatchSet>,
    /// Of an edge router: its connections to others.
    edge: Option<Edge>,
    /// Octets received from each neighbour when the engine was last told of them.
    heard: HashMap<LinkId, u64>,
    /// Who is to be told when the table is what it is to be.
    told_in_force: Vec<SyncSender<()>>,
    dirty: bool,
    /// Nobody is told of destinations any more; what comes for them all the same is taken.
    withdrawn: bool,
}

impl Core {
    pub(crate) fn new(
        handle: &CoreHandle,
        dispatch: Arc<Dispatch>,
        config: skupper_routing::Config,
        numbers: Arc<Numbers>,
    ) -> Self {
        let edge = dispatch.edge;
        Core {
            edge: edge.then(|| Edge::new(dispatch.clone(), numbers)),
            dispatch,
            engine: Engine::new(config, Duration::ZERO),
            started: Instant::now(),
            locals: Locals::default(),
            connections: Connections::default(),
            doubts: Doubts::default(),
            parked: HashMap::new(),
            watches: handle.watches.clone(),
            heard: HashMap::new(),
            told_in_force: Vec::new(),
            dirty: false,
            withdrawn: false,
        }
    }

    /// Time since the router's start, on the engine's clock.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn handle(&mut self, command: CoreCommand) {
        match command {
            CoreCommand::Watch(watch) => {
                watch.look(&self.dispatch.forwarding.load());
                self.watches.add(&watch);
                self.dirty |= self.edge.is_some();
            }
            CoreCommand::AddDestination {
                key,
                destination,
                in_process,
            } => {
                self.add_destination(key, destination, in_process);
            }
            CoreCommand::RemoveDestination { key, id } => self.remove_destination(&key, id),
            CoreCommand::Opened(connection) => self.opened(connection),
            CoreCommand::ControlUp(number) => self.control_up(number),
            CoreCommand::ControlDown(number) => {
                self.connections.set_control(number, false);
                let now = self.now();
                self.engine.link_down(LinkId(number), now);
                self.dirty = true;
            }
            CoreCommand::Closed(number) => {
                self.doubts.closed(number);
                self.believe();
                if self.connections.closed(number) {
                    let now = self.now();
                    self.engine.link_down(LinkId(number), now);
                }
                self.with_edge(|edge| edge.closed(number));
                self.dirty = true;
            }
            CoreCommand::Tracked {
                connection,
                key,
                reachable,
            } => self.with_edge(|edge| edge.tracked(connection, &key, reachable)),
            CoreCommand::Bid { connection, bid } => {
                self.with_edge(|edge| edge.on_bid(connection, bid));
            }
            CoreCommand::MeshTold(number) => self.mesh_told(number),
            CoreCommand::EdgeLinkLost { connection, link } => {
                self.with_edge(|edge| edge.link_lost(connection, link));
            }
            CoreCommand::Control {
                connection,
                payload,
            } => {
                self.control(connection, &payload);
                if let Some(connection) = self.connections.get(connection) {
                    connection.control_handled(payload.len());
                }
            }
            CoreCommand::Withdraw => self.withdraw(),
            CoreCommand::InForce(told) => self.told_in_force.push(told),
            CoreCommand::Look(look) => look(self),
        }
    }

    fn opened(&mut self, connection: Arc<ConnectionHandle>) {
        match connection.purpose() {
            Purpose::Router | Purpose::RouterData => {
                let now = self.now();
                if connection.purpose() == Purpose::Router {
                    // What was there before may be as dead as the control connection that this one replaces.
                    for data in self.connections.data_before(&connection) {
                        self.doubts.add(data, None, now);
                    }
                }
                self.connections.opened(connection);
            }
            Purpose::Edge => self.with_edge(|edge| edge.opened(connection)),
            Purpose::InterEdge => self.with_edge(|edge| edge.peer_opened(connection)),
            Purpose::Client => {}
        }
        self.dirty = true;
    }

    /// Does something with an edge router's connections, and with this router's destinations what follows.
    fn with_edge(&mut self, act: impl FnOnce(&mut Edge)) {
        let Some(edge) = &mut self.edge else { return };
        act(edge);
        for change in edge.take_changes() {
            match change {
                Change::Bind(key, destination) => self.add_destination(key, destination, false),
                Change::Unbind(key, id) => self.remove_destination(&key, id),
            }
        }
    }

    /// An edge router is in another mesh now: so are its consumers.
    fn mesh_told(&mut self, number: u64) {
        let behind = |local: &Local| local.links.iter().any(|link| is_behind(link, number));
        let keys: Vec<AddressKey> = self
            .locals
            .iter()
            .filter(|(_, local)| behind(local))
            .map(|(key, _)| key.clone())
            .collect();
        keys.iter().for_each(|key| self.announce(key));
        self.dirty = true;
    }

    fn withdraw(&mut self) {
        self.withdrawn = true;
        let keys: Vec<AddressKey> = self.locals.iter().map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.announce(key));
        self.dirty = true;
    }

    /// Has other routers told of an address, or told that it is not consumed here any more.
    fn announce(&mut self, key: &AddressKey) {
        if self.edge.is_some() || !key.is_synchronised() {
            return;
        }
        let now = self.now();
        let local = self.locals.get(key).filter(|_| !self.withdrawn);
        let told = local.and_then(|local| Some((local.treatment, local.announcement(key)?)));
        match told {
            Some((treatment, mesh)) => {
                self.engine.address_up(key.clone(), treatment, mesh, now);
            }
            None => self.engine.address_down(key.clone(), now),
        }
    }

    fn control_up(&mut self, number: u64) {
        let Some(connection) = self.connections.set_control(number, true) else {
            return;
        };
        let Some(peer) = connection.peer.get() else {
            return;
        };
        let link = Link {
            id: LinkId(number),
            cost: peer.cost,
            ordinal: peer.group_ordinal,
            peer: RouterId::new(&peer.container),
        };
        let now = self.now();
        self.engine.link_up(link, now);
        self.dirty = true;
    }

    fn add_destination(&mut self, key: AddressKey, destination: Destination, in_process: bool) {
        if key.class() == Class::Edge {
            self.leave_older(&key, &destination);
        }
        self.put_destination(key, Arc::new(destination), in_process);
    }

    fn put_destination(
        &mut self,
        key: AddressKey,
        destination: Arc<Destination>,
        in_process: bool,
    ) {
        let mut local = match self.locals.get(&key) {
            Some(local) => Local::clone(local),
            None => {
                let remotes = self.engine.table().remotes(&key);
                let hint = remotes.and_then(|remotes| remotes.treatment);
                let (treatment, priority) = self.dispatch.treatments.load().of(&key, hint);
                Local {
                    treatment,
                    priority,
                    in_process: Vec::new(),
                    links: Vec::new(),
                }
            }
        };
        let list = if in_process {
            &mut local.in_process
        } else {
            &mut local.links
        };
        list.push(destination);
        self.locals.set(&key, Some(local));
        self.announce(&key);
        self.dirty = true;
    }

    /// An edge router uses one connection. Where another of them leads to it now, it has left the one before, or its machine has failed
    /// and the silence has not been noticed: nothing new goes there, unless something comes by it again. What is under way on it stays.
    fn leave_older(&mut self, edge: &AddressKey, destination: &Destination) {
        // Whatever else leads there is not the edge router itself.
        let is_its_own = |link: &ConnectionHandle| {
            link.role == Role::Edge
                && link.incoming
                && link
                    .peer
                    .get()
                    .is_some_and(|peer| peer.container == edge.text())
        };
        let Some(newest) = destination.beyond.as_ref().filter(|link| is_its_own(link)) else {
            return;
        };
        let links = self.locals.get(edge).map(|local| local.links.iter());
        let others = links.into_iter().flatten().filter_map(|link| {
            let beyond = link.beyond.clone()?;
            (beyond.number != newest.number && is_its_own(&beyond)).then_some(beyond)
        });
        for older in others.collect::<Vec<_>>() {
            tracing::info!(
                target: "ROUTER_CORE",
                "edge router {} is reached by [C{}] now; nothing new goes by [C{}] before something comes by it",
                edge.text(), newest.number, older.number
            );
            self.park(older.number);
            self.doubts.add(older, Some(newest.number), self.now());
        }
    }

    /// Takes the destinations behind a connection away until it is not doubted any more.
    fn park(&mut self, connection: u64) {
        let behind: Vec<(AddressKey, Arc<Destination>)> = self
            .locals
            .iter()
            .flat_map(|(key, local)| {
                let links = local
                    .links
                    .iter()
                    .filter(|link| is_behind(link, connection));
                links.map(|link| (key.clone(), link.clone()))
            })
            .collect();
        for (key, destination) in behind {
            self.take_away(&key, destination.id);
            self.parked.insert(destination.id, (key, destination));
        }
    }

    /// Looks which of the connections that are doubted live: what is behind them is there again.
    fn believe(&mut self) {
        let alive = self.doubts.take_alive(self.now());
        if alive.is_empty() {
            return;
        }
        let is_back = |_: &u64, (_, destination): &mut (AddressKey, Arc<Destination>)| {
            alive.iter().any(|number| is_behind(destination, *number))
        };
        let mut back: Vec<_> = self.parked.extract_if(is_back).collect();
        // In the order in which they came first.
        back.sort_by_key(|(id, _)| *id);
        for (_, (key, destination)) in back {
            self.put_destination(key, destination, false);
        }
        self.dirty = true;
    }

    fn remove_destination(&mut self, key: &AddressKey, id: u64) {
        self.parked.remove(&id);
        self.take_away(key, id);
    }

    fn take_away(&mut self, key: &AddressKey, id: u64) {
        let Some(local) = self.locals.get(key) else {
            return;
        };
        let mut local = Local::clone(local);
        local.in_process.retain(|destination| destination.id != id);
        local.links.retain(|destination| destination.id != id);
        self.locals.set(key, (!local.is_empty()).then_some(local));
        self.announce(key);
        self.dirty = true;
    }

    /// A control message came in: it is for this router's engine, for others, or both.
    fn control(&mut self, number: u64, payload: &Bytes) {
        let from = LinkId(number);
        let message = match AmqpMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(target: "ROUTER", "[C{number}] control message dropped: {error}");
                return;
            }
        };
        let annotations = message.router_annotations.unwrap_or_default();
        let to = message.properties.and_then(|properties| properties.to);
        let to = annotations
            .to_override
            .as_deref()
            .or(to.as_deref())
            .unwrap_or_default();
        let mut forward = control::forward(
            self.engine.table(),
            &self.dispatch.naming(),
            to,
            annotations.ingress.as_deref(),
            annotations.trace.iter().map(String::as_str),
        );
        if forward.here {
            match ControlMessage::from_payload(payload) {
                Ok(message) => {
                    let now = self.now();
                    if !self.engine.passes_on(&message, now) {
                        forward.links.clear();
                    }
                    self.engine.handle_message(from, message, now);
                }
                Err(error) => {
                    tracing::warn!(target: "ROUTER", "[C{number}] control message dropped: {error}");
                    forward.links.clear();
                }
            }
        }
        self.send_on(payload, &forward.links);
    }

    /// Sends a whole message on control links; this router is added to its trace there.
    fn send_on(&self, payload: &Bytes, links: &[LinkId]) {
        if links.is_empty() {
            return;
        }
        let (annotations, used) = match RouterAnnotations::parse(payload) {
            Ok(Some(found)) => found,
            _ => (RouterAnnotations::default(), 0),
        };
        for link in links {
            if let Some(connection) = self.connections.get(link.0) {
                self.send_control(connection, annotations.clone(), payload.slice(used..));
            }
        }
    }

    /// Does what the engine wants done.
    fn settle(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { to, message, links } => {
                    let payload = message.encode(&to.address());
                    let used = match RouterAnnotations::parse(&payload) {
                        Ok(Some((_, used))) => used,
                        _ => 0,
                    };
                    for link in links {
                        if let Some(connection) = self.connections.get(link.0) {
                            // The connection writes this router as ingress and trace.
                            let annotations = RouterAnnotations::default();
                            self.send_control(connection, annotations, payload.slice(used..));
                        }
                    }
                }
                Output::TableChanged(_) => self.dirty = true,
                Output::Event(event) => {
                    log(&event);
                    if let Event::NeighbourUp { link, .. } | Event::NeighbourMoved { link, .. } =
                        event
                        && let Some(used) = self.connections.get(link.0)
                    {
                        self.connections.retire_older(used);
                    }
                }
            }
        }
        if std::mem::take(&mut self.dirty) {
            if self.edge.is_some() {
                let watched = self.watches.keys();
                let locals = match self.withdrawn {
                    true => Locals::default(),
                    false => self.locals.clone(),
                };
                self.with_edge(|edge| edge.reconcile(&locals, &watched));
                self.dirty = false;
            }
            self.publish();
        }
        for told in self.told_in_force.drain(..) {
            // Who waited may have gone.
            let _ = told.try_send(());
        }
        self.dispatch.retry(Instant::now());
    }

    /// Tells the engine which neighbours have sent anything, on whichever connection: a HELLO may wait behind other traffic.
    fn notice_traffic(&mut self) {
        self.believe();
        let now = self.now();
        let mut heard = HashMap::new();
        for (link, neighbour) in self.connections.neighbours(&self.doubts) {
            let connections = neighbour.data.iter().chain([&neighbour.control]);
            let octets = connections
                .map(|connection| connection.octets_in.load(Ordering::Relaxed))
                .sum();
            if self
                .heard
                .get(&link)
                .is_some_and(|before| *before != octets)
            {
                self.engine.link_alive(link, now);
            }
            heard.insert(link, octets);
        }
        self.heard = heard;
    }

    fn publish(&mut self) {
        let forwarding = Forwarding {
            table: self.engine.table().clone(),
            locals: self.locals.clone(),
            neighbours: Arc::new(self.connections.neighbours(&self.doubts)),
            uplink: self.edge.as_ref().and_then(Edge::uplink),
        };
        let forwarding = Arc::new(forwarding);
        self.dispatch.forwarding.store(forwarding.clone());
        self.watches.update(&forwarding);
    }

    fn send_control(
        &self,
        connection: &ConnectionHandle,
        annotations: RouterAnnotations,
        body: Bytes,
    ) {
        let message = Message {
            annotations,
            presettled: true,
            ..Message::default()
        };
        let (producer, consumer) = pipe(message);
        producer.push(body);
        producer.complete(true);
        // A connection that is ending loses its control messages; the protocol repeats what matters.
        drop(connection.send(Command::Deliver(consumer, Outlet::Control)));
    }
}

fn is_behind(destination: &Destination, connection: u64) -> bool {
    let beyond = destination.beyond.as_ref();
    beyond.is_some_and(|beyond| beyond.number == connection)
}

fn log(event: &Event) {
    match event {
        Event::NeighbourUp { id, link, cost } => {
            tracing::info!(target: "ROUTER_HELLO", "neighbor {id} is up on [C{}], cost {cost}", link.0);
        }
        Event::NeighbourMoved { id, link, .. } => {
            tracing::info!(target: "ROUTER_HELLO", "neighbor {id} is reached by [C{}] now", link.0);
        }
        Event::NeighbourDown { id } => {
            tracing::info!(target: "ROUTER_LS", "neighbor {id} is lost");
        }
        Event::RouterReachable { id, next_hop, cost } => {
            tracing::info!(target: "ROUTER_LS", "router {id} is reachable by {next_hop}, cost {cost}");
        }
        Event::RouterUnreachable { id } => {
            tracing::info!(target: "ROUTER_LS", "router {id} is out of reach");
        }
        Event::RouterRestarted { id } => {
            tracing::info!(target: "ROUTER_LS", "router {id} was restarted");
        }
        Event::DuplicateId { link } => {
            tracing::error!(
                target: "ROUTER_HELLO",
                "the neighbor on [C{}] has this router's id: rename one of the two", link.0
            );
        }
        Event::TooManyRouters { id } => {
            tracing::error!(target: "ROUTER_LS", "router {id} is not learned: too many routers are known");
        }
        Event::TooManyAddresses { id } => {
            tracing::error!(target: "ROUTER_MA", "addresses of router {id} are refused: there are too many");
        }
    }
}

/// Runs the core until nobody can tell it anything any more.
pub(crate) async fn run(mut core: Core, mut commands: mpsc::UnboundedReceiver<CoreCommand>) {
    let mut batch = Vec::with_capacity(BATCH);
    let dispatch = core.dispatch.clone();
    loop {
        core.settle();
        let due = core.started + core.engine.next_timeout();
        tokio::select! {
            biased;
            count = commands.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
                for command in batch.drain(..) {
                    core.handle(command);
                }
            }
            () = dispatch.waiting.due() => {}
            () = tokio::time::sleep_until(due) => {
                core.notice_traffic();
                let now = core.now();
                core.engine.handle_timeout(now);
                // Nobody says that a producer is gone: the links for its address are looked at now and then.
                core.dirty |= core.edge.is_some();
            }
        }
    }
}
