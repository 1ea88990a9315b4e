//! Entities that exist because the router runs, as rows of attributes (management reference §6.8).

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use skupper_management::agent::Failure;
use skupper_management::entity::Mode;
use skupper_management::{Attributes, Kind, Value};
use skupper_routing::address::Class;
use skupper_routing::{AddressKey, Table};

use super::rows::{EGRESS, FlowEnd, TcpRow, connection_row, flow_row, link_row, row};
use super::{Entities, Entry, Running};
use crate::clock::Moment;
use crate::connection::describe::{LinkRow, Peer};
use crate::connection::handle::{Command, ConnectionHandle, Purpose};
use crate::core::addresses::Apart;
use crate::core::forwarding::Forwarding;
use crate::tcp::{By, Flow, FlowSet, OperStatus};

/// A connection that does not tell its links in this time is left out.
const PATIENCE: Duration = Duration::from_millis(200);

type Visit<'a> = &'a mut dyn FnMut(Attributes) -> ControlFlow<()>;

impl Entities {
    /// A configured entity with what is to be seen of it while it runs.
    pub(super) fn shown(&self, kind: Kind, entry: &Entry) -> Attributes {
        let mut shown = entry.attributes.clone();
        let mut set = |name: &str, value: Value| {
            shown.insert(name.to_owned(), value);
        };
        match &entry.running {
            Running::Profile(profile) => {
                set("credential", self.credential(entry.text("name"), profile));
            }
            Running::Listener(listener) => {
                listener.refusals.snapshot().write_to(&mut shown);
            }
            Running::Connector(connector) => {
                let (status, message) = connector.status();
                set("failoverUrls", connector.failover_urls().into());
                set("connectionStatus", status.as_str().into());
                set("connectionMsg", message.into());
                connector.refusals.snapshot().write_to(&mut shown);
            }
            Running::TcpListener(listener) => {
                let up = listener.oper_status() == OperStatus::Up;
                set("operStatus", if up { "up" } else { "down" }.into());
                set("connectionMsg", listener.message().into());
                set(
                    "connectionsOpened",
                    listener.opened.load(Ordering::Relaxed).into(),
                );
                set(
                    "connectionsClosed",
                    listener.closed.load(Ordering::Relaxed).into(),
                );
                let carried = listener.flows.carried();
                set("bytesIn", carried.outward.into());
                set("bytesOut", carried.inward.into());
                listener.refusals.snapshot().write_to(&mut shown);
            }
            Running::TcpConnector(connector) => {
                // Upstream counts the connector's own place in the network as a connection.
                set(
                    "connectionsOpened",
                    (connector.opened.load(Ordering::Relaxed) + 1).into(),
                );
                set(
                    "connectionsClosed",
                    connector.closed.load(Ordering::Relaxed).into(),
                );
                let carried = connector.flows.carried();
                set("bytesIn", carried.outward.into());
                set("bytesOut", carried.inward.into());
                connector.refusals.snapshot().write_to(&mut shown);
            }
            Running::Target(listener) => {
                set(
                    "connectionsOpened",
                    listener.target_opened(entry.text("name")).into(),
                );
            }
            Running::Nothing if kind == Kind::Router => {
                set("id", self.context.dispatch.me.as_str().into());
                set("version", env!("CARGO_PKG_VERSION").into());
                set(
                    "hostName",
                    std::env::var("HOSTNAME").unwrap_or_default().into(),
                );
            }
            Running::Rule(_) => {
                for (name, value) in [
                    ("prefix", Value::Null),
                    ("pattern", Value::Null),
                    ("priority", (-1).into()),
                ] {
                    shown.entry(name).or_insert(value);
                }
            }
            Running::AutoLink(auto) => {
                let state = auto.shown();
                set("operStatus", state.status.into());
                if let Some(link) = state.link {
                    set("linkRef", link.to_string().into());
                }
                if !state.last_error.is_empty() {
                    set("lastError", state.last_error.into());
                }
            }
            Running::Nothing => {}
        }
        shown
    }

    pub(super) fn visit_live(&self, kind: Kind, visit: Visit<'_>) {
        // An early stop is for the caller, who stops by not asking any more.
        let _ = match kind {
            Kind::Connection => self.connections(visit),
            Kind::TcpConnection => self.flows(visit),
            Kind::Link => self.links(visit),
            Kind::Address => self.addresses(visit),
            Kind::Node => self.nodes(visit),
            Kind::RouterMetrics => visit(self.metrics()),
            Kind::VhostStats => self.context.policy.stats().into_iter().try_for_each(visit),
            _ => ControlFlow::Continue(()),
        };
    }

    /// A change to a live entity.
    pub(super) fn change_live(
        &self,
        kind: Kind,
        identity: &str,
        wanted: Attributes,
    ) -> Result<Attributes, Failure> {
        if kind != Kind::Connection {
            return Err(Failure::NotFound("Not Found".to_owned()));
        }
        // It has been found, and may have gone since.
        let gone = || Failure::BadRequest("Bad Request: the connection has ended".to_owned());
        let number = identity.parse().map_err(|_| gone())?;
        let delete = wanted.get("adminStatus").and_then(Value::as_str) == Some("deleted");
        let trace = wanted.get("enableProtocolTrace").and_then(Value::as_bool);
        let Some(connection) = self.context.connections.get(number) else {
            if delete
                && self
                    .flow_sets()
                    .any(|(flows, _)| flows.close_one(number, By::Management))
            {
                return Ok(wanted);
            }
            if delete && self.is_egress(number) {
                return Err(not_allowed());
            }
            return Err(gone());
        };
        if delete {
            if connection.purpose() != Purpose::Client {
                return Err(not_allowed());
            }
            connection.close_by_management();
        } else if let Some(trace) = trace.filter(|trace| *trace != connection.is_traced()) {
            // What an UPDATE leaves out comes as it is.
            connection.trace(trace);
        }
        Ok(wanted)
    }

    /// Whether it is the number of a TCP connector's own place in the network.
    fn is_egress(&self, number: u64) -> bool {
        let mut entries = self.of(Kind::TcpConnector);
        entries.any(|entry| {
            matches!(&entry.running, Running::TcpConnector(connector) if connector.number == number)
        })
    }

    fn connections(&self, visit: Visit<'_>) -> ControlFlow<()> {
        let now = Moment::now();
        let connections = self.context.connections.all();
        let forwarding = self.context.dispatch.forwarding.load();
        let uplink = forwarding.uplink.as_ref();
        let uplink = uplink.and_then(|uplink| Some(uplink.beyond.as_ref()?.number));
        for connection in &connections {
            if let Some(peer) = shown_peer(connection) {
                let edge = self.context.dispatch.edge;
                visit(connection_row(connection, peer, edge, uplink))?;
            }
        }
        for entry in self.of(Kind::TcpConnector) {
            if let Running::TcpConnector(connector) = &entry.running {
                let egress = TcpRow {
                    number: connector.number,
                    host: EGRESS,
                    local: None,
                    incoming: false,
                    encrypted: false,
                    uptime: self.uptime(),
                    // A stream is a delivery to it.
                    idle: connector.last.since(now).map(|idle| idle.as_secs()),
                };
                visit(egress.row())?;
            }
        }
        for (flows, end) in self.flow_sets() {
            for (number, flow) in flows.all() {
                let peer = flow.peer.map(|peer| peer.to_string());
                let uptime = flow.began.elapsed().as_secs();
                let row = TcpRow {
                    number,
                    host: peer.as_deref().unwrap_or(&end.server),
                    local: end.local,
                    incoming: end.incoming,
                    encrypted: end.encrypted,
                    uptime,
                    // One delivery goes each way, from the beginning.
                    idle: Some(uptime),
                };
                visit(row.row())?;
            }
        }
        ControlFlow::Continue(())
    }

    fn flows(&self, visit: Visit<'_>) -> ControlFlow<()> {
        let now = Moment::now();
        for (flows, end) in self.flow_sets() {
            for (number, flow) in flows.all() {
                visit(flow_row(number, &flow, &end, now))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Looks at each flow.
    pub(crate) fn each_flow(&self, mut look: impl FnMut(&Flow)) {
        for (flows, _) in self.flow_sets() {
            flows.each(&mut look);
        }
    }

    /// The flows of all TCP listeners and connectors.
    fn flow_sets(&self) -> impl Iterator<Item = (&FlowSet, FlowEnd)> {
        let listeners = self.of(Kind::TcpListener);
        let connectors = self.of(Kind::TcpConnector);
        listeners
            .chain(connectors)
            .filter_map(|entry| match &entry.running {
                Running::TcpListener(listener) => {
                    let end = FlowEnd {
                        incoming: true,
                        encrypted: !listener.settings.ssl_profile.is_empty(),
                        server: String::new(),
                        local: listener.bound(),
                    };
                    Some((&listener.flows, end))
                }
                Running::TcpConnector(connector) => {
                    let end = FlowEnd {
                        incoming: false,
                        encrypted: !connector.settings.ssl_profile.is_empty(),
                        server: connector.server(),
                        local: None,
                    };
                    Some((&connector.flows, end))
                }
                _ => None,
            })
    }

    /// The links of all connections, each asked at the same time.
    fn link_rows(&self) -> Vec<LinkRow> {
        let asked: Vec<_> = self
            .context
            .connections
            .all()
            .into_iter()
            .filter_map(|connection| {
                let (answer, rows) = std::sync::mpsc::sync_channel(1);
                connection
                    .send(Command::Links(answer))
                    .is_ok()
                    .then_some(rows)
            })
            .collect();
        asked
            .into_iter()
            .filter_map(|rows| rows.recv_timeout(PATIENCE).ok())
            .flatten()
            .collect()
    }

    fn links(&self, visit: Visit<'_>) -> ControlFlow<()> {
        for link in self.link_rows() {
            visit(link_row(&link))?;
        }
        ControlFlow::Continue(())
    }

    fn addresses(&self, visit: Visit<'_>) -> ControlFlow<()> {
        let forwarding = self.context.dispatch.forwarding.load();
        let watched = self.context.core.watched();
        let keys: BTreeSet<&AddressKey> = forwarding
            .locals
            .iter()
            .map(|(key, _)| key)
            .chain(forwarding.table.addresses().map(|(key, _)| key))
            .chain(watched.iter())
            .collect();
        for key in keys {
            let mut shown = self.address_row(&forwarding, key);
            shown.insert("watch".to_owned(), watched.contains(key).into());
            visit(shown)?;
        }
        for (_, route) in forwarding.table.routers() {
            let key = AddressKey::new(Class::Router, route.id.as_str());
            // What is addressed to the router itself, as its agent's requests are, counts where it passes.
            let mut shown = self.address_row(&forwarding, &key);
            let hosts = vec![Value::from(route.id.as_str())];
            shown.extend(row([
                ("distribution", "closest".into()),
                ("remoteCount", 1.into()),
                ("remoteHostRouters", hosts.into()),
            ]));
            visit(shown)?;
        }
        ControlFlow::Continue(())
    }

    fn address_row(&self, forwarding: &Forwarding, key: &AddressKey) -> Attributes {
        let local = forwarding.locals.get(key);
        let hosts: Vec<Value> = forwarding
            .table
            .remotes(key)
            .into_iter()
            .flat_map(|remotes| remotes.routers.iter())
            .filter_map(|router| Some(forwarding.table.route(router)?.id.as_str().into()))
            .collect();
        let usage = self.context.dispatch.uses.of(key);
        let (treatment, priority) = self.context.dispatch.treated(forwarding, key);
        let [containers, networks] =
            [Apart::Container, Apart::Network].map(|apart| usage.apart.of(apart));
        let count =
            |counter: &std::sync::atomic::AtomicU64| Value::from(counter.load(Ordering::Relaxed));
        let mut shown = row([
            ("identity", key.as_str().into()),
            ("name", key.as_str().into()),
            ("key", key.as_str().into()),
            ("distribution", treatment.to_string().into()),
            (
                "inProcess",
                local.map_or(0, |local| local.in_process.len()).into(),
            ),
            (
                "subscriberCount",
                local.map_or(0, |local| local.links.len()).into(),
            ),
            ("remoteCount", hosts.len().into()),
            ("remoteHostRouters", hosts.into()),
            ("deliveriesIngress", count(&usage.ingress)),
            ("deliveriesEgress", count(&usage.egress)),
            ("deliveriesTransit", count(&usage.transit)),
            ("deliveriesToContainer", count(&usage.inner)),
            ("deliveriesFromContainer", count(&usage.from_inner)),
            (
                "deliveriesIngressRouteContainer",
                count(&containers.ingress),
            ),
            ("deliveriesEgressRouteContainer", count(&containers.egress)),
            ("deliveriesIngressInterNetwork", count(&networks.ingress)),
            ("deliveriesEgressInterNetwork", count(&networks.egress)),
            (
                "transitOutstanding",
                vec![Value::from(usage.transit_outstanding())].into(),
            ),
            ("trackedDeliveries", usage.transit_outstanding().into()),
            ("priority", priority.map_or((-1).into(), Value::from)),
        ]);
        uncounted(&mut shown);
        shown
    }

    fn nodes(&self, visit: Visit<'_>) -> ControlFlow<()> {
        if self.context.settings.mode != Mode::Interior {
            return ControlFlow::Continue(());
        }
        let forwarding = self.context.dispatch.forwarding.load();
        let table = &forwarding.table;
        let changed = self.context.started + table.last_topology_change();
        let changed = changed.duration_since(std::time::SystemTime::UNIX_EPOCH);
        let changed = changed.map_or(0, |since| since.as_secs());
        let peers: Vec<Value> = table.peers().keys().map(|id| id.as_str().into()).collect();
        visit(row([
            ("identity", format!("router.node/{}", table.me).into()),
            ("name", format!("router.node/{}", table.me).into()),
            ("id", table.me.as_str().into()),
            ("protocolVersion", 1.into()),
            ("instance", self.context.instance.into()),
            ("linkState", peers.into()),
            ("nextHop", "(self)".into()),
            ("validOrigins", Vec::<Value>::new().into()),
            ("address", format!("amqp:/_topo/0/{}", table.me).into()),
            ("lastTopoChange", changed.into()),
            ("index", 0.into()),
        ]))?;
        for (at, (_, route)) in table.routers().enumerate() {
            let mut node = row([
                ("identity", format!("router.node/{}", route.id).into()),
                ("name", format!("router.node/{}", route.id).into()),
                ("id", route.id.as_str().into()),
                ("protocolVersion", 1.into()),
                ("instance", route.instance.unwrap_or(0).into()),
                (
                    "linkState",
                    route
                        .peers
                        .keys()
                        .map(|id| Value::from(id.as_str()))
                        .collect::<Vec<_>>()
                        .into(),
                ),
                ("validOrigins", origins(table, route).into()),
                ("address", format!("amqp:/_topo/0/{}", route.id).into()),
                ("cost", route.cost.into()),
                ("lastTopoChange", changed.into()),
                ("index", (at + 1).into()),
            ]);
            if let Some(link) = route.link {
                node.insert("routerLink".to_owned(), link.0.into());
            }
            if let Some(next) = route.next_hop.as_ref().filter(|_| !route.is_neighbour()) {
                node.insert("nextHop".to_owned(), next.as_str().into());
            }
            visit(node)?;
        }
        ControlFlow::Continue(())
    }

    fn uptime(&self) -> u64 {
        self.context
            .started
            .elapsed()
            .map_or(0, |since| since.as_secs())
    }

    fn metrics(&self) -> Attributes {
        let forwarding = self.context.dispatch.forwarding.load();
        let links = self.link_rows();
        // A delivery is counted where it comes in.
        let sum = |count: fn(&LinkRow) -> u64| {
            let incoming = links.iter().filter(|link| link.incoming);
            Value::from(incoming.map(count).sum::<u64>())
        };
        let patience = self.context.stuck_after.age;
        let blocked = |link: &&LinkRow| link.without_credit > patience;
        // As many as there are rows of connections.
        let amqp = self.context.connections.all();
        let flows = self.flow_sets().map(|(flows, _)| flows.all().len());
        let connections = amqp.iter().filter_map(|each| shown_peer(each)).count()
            + self.of(Kind::TcpConnector).count()
            + flows.sum::<usize>();
        let addresses = forwarding.locals.iter().count();
        let mut metrics = row([
            ("identity", "1".into()),
            ("name", "1".into()),
            ("id", self.context.dispatch.me.as_str().into()),
            (
                "addrCount",
                (addresses + forwarding.table.addresses().count()).into(),
            ),
            ("linkCount", links.len().into()),
            ("nodeCount", forwarding.table.routers().count().into()),
            ("autoLinkCount", self.of(Kind::AutoLink).count().into()),
            ("connectionCount", connections.into()),
            ("presettledDeliveries", sum(LinkRow::presettled_of_user)),
            (
                "droppedPresettledDeliveries",
                // Of a producer's where there is no consumer, of a consumer's where it does not keep up.
                links
                    .iter()
                    .map(LinkRow::dropped_of_user)
                    .sum::<u64>()
                    .into(),
            ),
            ("acceptedDeliveries", sum(|link| link.accepted)),
            ("rejectedDeliveries", sum(|link| link.rejected)),
            ("releasedDeliveries", sum(|link| link.released)),
            ("modifiedDeliveries", sum(|link| link.modified)),
            ("deliveriesDelayed1Sec", sum(|link| link.delayed)),
            ("deliveriesDelayed10Sec", sum(|link| link.long_delayed)),
            (
                "deliveriesStuck",
                links.iter().map(|link| link.stuck).sum::<u64>().into(),
            ),
            ("linksBlocked", links.iter().filter(blocked).count().into()),
            ("uptimeSeconds", self.uptime().into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ]);
        self.context.past_links.add_to(&mut metrics);
        metrics
    }
}

/// The peer of a connection that there is as management sees it: both sides have opened it, and management has not closed it.
fn shown_peer(connection: &ConnectionHandle) -> Option<&Peer> {
    connection.peer.get().filter(|_| !connection.is_closing())
}

fn not_allowed() -> Failure {
    Failure::Forbidden("You are not allowed to perform this operation.".to_owned())
}

/// Columns of addresses that this router has nothing to count for; tools compute with them.
fn uncounted(shown: &mut Attributes) {
    let columns = [
        "inProcess",
        "subscriberCount",
        "remoteCount",
        "deliveriesIngress",
        "deliveriesEgress",
        "deliveriesTransit",
        "deliveriesToContainer",
        "deliveriesFromContainer",
        "deliveriesEgressRouteContainer",
        "deliveriesIngressRouteContainer",
        "deliveriesEgressInterNetwork",
        "deliveriesIngressInterNetwork",
        "trackedDeliveries",
        "deliveriesRedirectedToFallback",
    ];
    for column in columns {
        shown.entry(column).or_insert_with(|| 0.into());
    }
    shown.entry("priority").or_insert_with(|| (-1).into());
    shown.entry("watch").or_insert_with(|| false.into());
}

fn origins(table: &Table, route: &skupper_routing::Route) -> Vec<Value> {
    let ids = route
        .valid_origins
        .iter()
        .filter_map(|origin| table.route(origin));
    ids.map(|origin| origin.id.as_str().into()).collect()
}
