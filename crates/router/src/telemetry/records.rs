//! From what happens in the router to its records (observability reference §2.3).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use skupper_management::{Attributes, Value};
use skupper_vanflow::{Attribute, Record, RecordType};

use super::micros;
use crate::connection::connector::AmqpConnector;
use crate::connection::handle::{ConnectionHandle, Purpose};
use crate::connection::listener::AmqpListener;
use crate::context::Context;
use crate::event::{Event, Loss};
use crate::tcp::{Target, TcpConnector, TcpListener};
use skupper_management::entity::Role;

/// Something to tell.
#[derive(Clone)]
pub(super) enum Change {
    /// Attributes of a record.
    Set(Record),
    /// A record's subject is gone, just now.
    End(String),
    /// It went at that time, microseconds since the epoch.
    EndAt(String, u64),
}

/// What there is to tell of.
pub(super) struct Records {
    context: Arc<Context>,
    /// Identity of the site's record, empty if nobody said.
    site: String,
    site_record: Option<Record>,
    links: HashMap<String, Link>,
    accesses: HashMap<String, Access>,
    tcp_listeners: HashMap<String, Arc<TcpListener>>,
    tcp_connectors: HashMap<String, Arc<TcpConnector>>,
    /// Addresses of listeners that have several.
    targets: HashMap<String, Arc<Target>>,
}

struct Link {
    connector: Arc<AmqpConnector>,
    /// Those that are open, data connections among them.
    connections: Vec<Arc<ConnectionHandle>>,
    /// Octets that connections which are gone have sent and received.
    past: (u64, u64),
    downs: u64,
    /// It went down or could not be made, and has not been up since: result and reason tell why.
    failed: bool,
}

struct Access {
    listener: Arc<AmqpListener>,
    connections: Vec<u64>,
}

/// Reads an environment variable, empty if it is not set.
fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

impl Records {
    pub(super) fn new(context: Arc<Context>, site: Option<&Attributes>) -> Self {
        let mut id = environment("SKUPPER_SITE_ID");
        let site_record = site.map(|site| {
            if id.is_empty() {
                id = context.records.next();
            }
            let text = |name: &str| site.get(name).and_then(Value::as_str).unwrap_or_default();
            began(Record::new(RecordType::Site, id.as_str()), context.started)
                .with_text(Attribute::NAME, text("name"))
                .with_text(Attribute::BUILD_VERSION, text("version"))
                .with_text(Attribute::LOCATION, text("location"))
                .with_text(Attribute::PROVIDER, text("provider"))
                .with_text(Attribute::PLATFORM, text("platform"))
                .with_text(Attribute::NAMESPACE, text("namespace"))
        });
        Records {
            context,
            site: id,
            site_record,
            links: HashMap::new(),
            accesses: HashMap::new(),
            tcp_listeners: HashMap::new(),
            tcp_connectors: HashMap::new(),
            targets: HashMap::new(),
        }
    }

    /// The router itself, and the site where nobody else tells of it.
    pub(super) fn start(&mut self) -> Vec<Change> {
        let router = Record::new(RecordType::Router, self.context.records.router());
        let router = began(router, self.context.started)
            .with_text(Attribute::PARENT, &self.site)
            .with(Attribute::NAME, format!("0/{}", self.context.dispatch.me))
            .with(Attribute::MODE, self.context.settings.mode.as_str())
            .with(Attribute::BUILD_VERSION, env!("CARGO_PKG_VERSION"))
            .with_text(Attribute::HOSTNAME, &environment("HOSTNAME"))
            .with_text(Attribute::NAMESPACE, &environment("POD_NAMESPACE"))
            .with_text(Attribute::IMAGE_NAME, &environment("APPLICATION_NAME"))
            .with_text(Attribute::IMAGE_VERSION, &environment("VERSION"));
        self.site_record
            .take()
            .into_iter()
            .chain([router])
            .map(Change::Set)
            .collect()
    }

    fn child(&self, kind: RecordType, id: &str) -> Record {
        began(Record::new(kind, id), SystemTime::now())
            .with(Attribute::PARENT, self.context.records.router())
    }

    pub(super) fn event(&mut self, event: &Event) -> Vec<Change> {
        match event {
            Event::ConnectorCreated(connector) => self.link(connector).into_iter().collect(),
            Event::ConnectorDeleted(connector) => {
                self.links.remove(&connector.settings.name);
                vec![Change::End(connector.record.clone())]
            }
            Event::ListenerCreated(listener) => self.access(listener).into_iter().collect(),
            Event::ListenerDeleted(listener) => {
                self.accesses.remove(&listener.settings.name);
                vec![Change::End(listener.record.clone())]
            }
            Event::ConnectionOpened(connection) => self.opened(connection).into_iter().collect(),
            Event::ConnectionClosed(connection, loss) => {
                self.closed(connection, loss).into_iter().collect()
            }
            Event::ConnectorFailed(connector, loss) => {
                self.failed(connector, loss).into_iter().collect()
            }
            // Of several addresses, each is a listener of its own.
            Event::TcpListenerCreated(listener) if listener.settings.address.is_empty() => {
                Vec::new()
            }
            Event::TargetCreated(listener, target) => {
                self.targets.insert(target.record.clone(), target.clone());
                let record = self.listener(listener, &target.record, &target.address);
                vec![Change::Set(record)]
            }
            Event::TargetDeleted(target) => {
                self.targets.remove(&target.record);
                over(RecordType::Listener, &target.record, &target.opened)
            }
            Event::TcpListenerCreated(listener) => {
                self.tcp_listeners
                    .insert(listener.settings.name.clone(), listener.clone());
                let address = &listener.settings.address;
                let record = self.listener(listener, &listener.record, address);
                vec![Change::Set(record)]
            }
            Event::TcpListenerDeleted(listener) => {
                self.tcp_listeners.remove(&listener.settings.name);
                over(RecordType::Listener, &listener.record, &listener.opened)
            }
            Event::TcpConnectorCreated(connector) => {
                self.tcp_connectors
                    .insert(connector.settings.name.clone(), connector.clone());
                let settings = &connector.settings;
                let record = self
                    .child(RecordType::Connector, &connector.record)
                    .with(Attribute::PROTOCOL, "tcp")
                    .with_text(Attribute::NAME, &settings.name)
                    .with_text(Attribute::DEST_HOST, &settings.host)
                    .with_text(Attribute::DEST_PORT, &settings.port)
                    .with_text(Attribute::VAN_ADDRESS, &settings.address)
                    .with_text(Attribute::PROCESS, &settings.process_id)
                    .with(Attribute::FLOW_COUNT_L4, 0);
                vec![Change::Set(record)]
            }
            Event::TcpConnectorDeleted(connector) => {
                self.tcp_connectors.remove(&connector.settings.name);
                over(RecordType::Connector, &connector.record, &connector.opened)
            }
        }
    }

    fn listener(&self, listener: &TcpListener, id: &str, address: &str) -> Record {
        let settings = &listener.settings;
        self.child(RecordType::Listener, id)
            .with(Attribute::PROTOCOL, "tcp")
            .with_text(Attribute::NAME, &settings.name)
            .with_text(Attribute::DEST_HOST, &settings.host)
            .with_text(Attribute::DEST_PORT, &settings.port)
            .with_text(Attribute::VAN_ADDRESS, address)
            .with(Attribute::FLOW_COUNT_L4, 0)
    }

    fn link(&mut self, connector: &Arc<AmqpConnector>) -> Option<Change> {
        let settings = &connector.settings;
        if !between_routers(settings.role) {
            return None;
        }
        let link = Link {
            connector: connector.clone(),
            connections: Vec::new(),
            past: (0, 0),
            downs: 0,
            failed: false,
        };
        self.links.insert(settings.name.clone(), link);
        let protocol = if settings.ssl_profile.is_empty() {
            "amqp"
        } else {
            "amqps"
        };
        let record = self
            .child(RecordType::Link, &connector.record)
            .with_text(Attribute::NAME, &settings.name)
            .with(Attribute::ROLE, settings.role.as_str())
            .with(Attribute::LINK_COST, u64::from(settings.cost))
            .with(Attribute::OPER_STATUS, "down")
            .with(Attribute::DOWN_COUNT, 0)
            .with(Attribute::PROTOCOL, protocol)
            .with_text(Attribute::DEST_HOST, &settings.host)
            .with_text(Attribute::DEST_PORT, &settings.port)
            .with(
                Attribute::HTTP_PROXY,
                if settings.proxy_profile.is_empty() {
                    "no"
                } else {
                    "yes"
                },
            );
        Some(Change::Set(record))
    }

    fn access(&mut self, listener: &Arc<AmqpListener>) -> Option<Change> {
        let settings = &listener.settings;
        if !between_routers(settings.role) {
            return None;
        }
        let access = Access {
            listener: listener.clone(),
            connections: Vec::new(),
        };
        self.accesses.insert(settings.name.clone(), access);
        let record = self
            .child(RecordType::RouterAccess, &listener.record)
            .with_text(Attribute::NAME, &settings.name)
            .with(Attribute::ROLE, settings.role.as_str())
            .with(Attribute::LINK_COUNT, 0);
        Some(Change::Set(record))
    }

    fn opened(&mut self, connection: &Arc<ConnectionHandle>) -> Option<Change> {
        if connection.incoming {
            // Data connections belong to a link that is counted already.
            if !makes_link(connection) {
                return None;
            }
            let access = self.accesses.get_mut(&*connection.owner)?;
            access.connections.push(connection.number);
            let profile = &access.listener.settings.ssl_profile;
            // The one that the listener has now: a connection that opens late may have come with an earlier one.
            let ordinal = self.context.profiles.newest(profile);
            return Some(Change::Set(match ordinal {
                Some(ordinal) => access.count().with(Attribute::ACTIVE_TLS_ORDINAL, ordinal),
                None => access.count(),
            }));
        }
        let link = self.links.get_mut(&*connection.owner)?;
        let was_up = link.is_up();
        link.connections.push(connection.clone());
        if !makes_link(connection) {
            return None;
        }
        let mut record = Record::new(RecordType::Link, link.connector.record.as_str());
        // Those of a new credential do not make it go up again.
        if !was_up {
            record = record
                .with(Attribute::OPER_STATUS, "up")
                .with(Attribute::UP_TIMESTAMP, micros(SystemTime::now()));
        }
        if std::mem::take(&mut link.failed) {
            // What failed before is over.
            record = record
                .with(Attribute::RESULT, "")
                .with(Attribute::REASON, "");
        }
        if let Some(peer) = connection.peer.get() {
            record = record
                .with(Attribute::LINK_COST, u64::from(peer.cost))
                .with_text(
                    Attribute::PEER,
                    peer.access_id.as_deref().unwrap_or_default(),
                );
        }
        if let Some(ordinal) = connection.ordinal {
            record = record.with(Attribute::ACTIVE_TLS_ORDINAL, ordinal);
        }
        Some(Change::Set(record))
    }

    fn closed(&mut self, connection: &Arc<ConnectionHandle>, loss: &Loss) -> Option<Change> {
        if connection.incoming {
            let access = self.accesses.get_mut(&*connection.owner)?;
            let before = access.connections.len();
            access
                .connections
                .retain(|number| *number != connection.number);
            return (access.connections.len() != before).then(|| Change::Set(access.count()));
        }
        let link = self.links.get_mut(&*connection.owner)?;
        link.connections
            .retain(|open| open.number != connection.number);
        link.past.0 += connection.delivered_out.load(Ordering::Relaxed);
        link.past.1 += connection.delivered_in.load(Ordering::Relaxed);
        if !makes_link(connection) || link.is_up() {
            return None;
        }
        link.downs += 1;
        link.failed = true;
        let record = lost(&link.connector.record, loss)
            .with(Attribute::OPER_STATUS, "down")
            .with(Attribute::DOWN_COUNT, link.downs)
            .with(Attribute::DOWN_TIMESTAMP, micros(SystemTime::now()));
        Some(Change::Set(record))
    }

    fn failed(&mut self, connector: &AmqpConnector, loss: &Loss) -> Option<Change> {
        let link = self.links.get_mut(&connector.settings.name)?;
        if link.is_up() {
            return None;
        }
        let mut record = lost(&connector.record, loss);
        // Of the attempts that fail one after another the first is when the link was not to be had; the rest say why it still is not.
        if !std::mem::replace(&mut link.failed, true) {
            link.downs += 1;
            record = record
                .with(Attribute::DOWN_COUNT, link.downs)
                .with(Attribute::DOWN_TIMESTAMP, micros(SystemTime::now()));
        }
        Some(Change::Set(record))
    }

    /// What is counted and not told at once.
    pub(super) fn counters(&mut self) -> Vec<Change> {
        let mut records = Vec::new();
        for link in self.links.values() {
            let (mut sent, mut received) = link.past;
            for connection in &link.connections {
                sent += connection.delivered_out.load(Ordering::Relaxed);
                received += connection.delivered_in.load(Ordering::Relaxed);
            }
            if sent + received > 0 {
                let record = Record::new(RecordType::Link, link.connector.record.as_str())
                    .with(Attribute::OCTETS, sent)
                    .with(Attribute::OCTETS_REVERSE, received);
                records.push(record);
            }
        }
        for listener in self.tcp_listeners.values() {
            let opened = &listener.opened;
            records.push(flows(RecordType::Listener, &listener.record, opened));
        }
        for target in self.targets.values() {
            let opened = &target.opened;
            records.push(flows(RecordType::Listener, &target.record, opened));
        }
        for connector in self.tcp_connectors.values() {
            let opened = &connector.opened;
            records.push(flows(RecordType::Connector, &connector.record, opened));
        }
        records.into_iter().map(Change::Set).collect()
    }
}

impl Link {
    /// Whether the other router is there. Data connections carry streams to it and do not say so: they may outlive the
    /// control connection.
    fn is_up(&self) -> bool {
        self.connections.iter().any(makes_link)
    }
}

impl Access {
    fn count(&self) -> Record {
        Record::new(RecordType::RouterAccess, self.listener.record.as_str())
            .with(Attribute::LINK_COUNT, self.connections.len() as u64)
    }
}

/// Whether a link is up by a connection, as it is by all that are not for streams alone.
fn makes_link(connection: &Arc<ConnectionHandle>) -> bool {
    connection.purpose() != Purpose::RouterData
}

/// How many flows an end of flows has had.
fn flows(kind: RecordType, id: &str, opened: &AtomicU64) -> Record {
    Record::new(kind, id).with(Attribute::FLOW_COUNT_L4, opened.load(Ordering::Relaxed))
}

/// An end of flows is gone: its last count was not told yet.
fn over(kind: RecordType, id: &str, opened: &AtomicU64) -> Vec<Change> {
    vec![
        Change::Set(flows(kind, id, opened)),
        Change::End(id.to_owned()),
    ]
}

fn between_routers(role: Role) -> bool {
    role.is_between_routers()
}

fn began(record: Record, when: SystemTime) -> Record {
    record.with(Attribute::START_TIME, micros(when))
}

fn lost(id: &str, loss: &Loss) -> Record {
    Record::new(RecordType::Link, id)
        .with(
            Attribute::RESULT,
            loss.condition.as_deref().unwrap_or("unknown"),
        )
        .with_text(Attribute::REASON, &loss.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flows_since_the_last_count_are_told_before_the_end() {
        let told = over(RecordType::Connector, "r:3", &AtomicU64::new(7));
        let [Change::Set(record), Change::End(id)] = &told[..] else {
            panic!("a count and an end are expected");
        };
        assert_eq!(record.number(Attribute::FLOW_COUNT_L4), 7);
        assert_eq!((record.id.as_str(), id.as_str()), ("r:3", "r:3"));
    }
}
