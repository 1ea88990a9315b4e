//! The router's entities, as the management agent sees and changes them: each configured one with what runs of it, and the
//! live ones, read when they are asked for.

mod credential;
mod entries;
mod live;
mod make;
mod rows;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use skupper_management::agent::{Failure, LogLine, Store};
use skupper_management::entity::Mode;
use skupper_management::{Attributes, Kind, Value};

use crate::connection::connector::AmqpConnector;
use crate::connection::listener::AmqpListener;
use crate::context::Context;
use crate::stop::Stop;
use crate::tcp::{TcpConnector, TcpListener};
use entries::{Entries, Entry, Running};
use make::may_delete;

/// All entities of a router.
pub struct Entities {
    context: Arc<Context>,
    entries: HashMap<Kind, Entries>,
    numbers: HashMap<Kind, u64>,
    /// The configuration document is being applied: a port that cannot be opened is an error.
    starting: bool,
    /// It took long to look up names, the last time that this was waited for.
    resolver_is_slow: AtomicBool,
}

impl Entities {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Entities {
            context,
            entries: HashMap::new(),
            numbers: HashMap::new(),
            starting: false,
            resolver_is_slow: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_starting(&mut self, starting: bool) {
        self.starting = starting;
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.get(&kind).into_iter().flat_map(Entries::iter)
    }

    fn named(&self, kind: Kind, name: &str) -> Option<&Entry> {
        self.entries.get(&kind)?.find("name", name)
    }

    /// The configured attributes of the entities of a type.
    pub fn configured(&self, kind: Kind) -> impl Iterator<Item = &Attributes> {
        self.of(kind).map(|entry| &entry.attributes)
    }

    /// A TCP listener by its name.
    pub fn tcp_listener(&self, name: &str) -> Option<Arc<TcpListener>> {
        match &self.named(Kind::TcpListener, name)?.running {
            Running::TcpListener(listener) => Some(listener.clone()),
            _ => None,
        }
    }

    /// A TCP connector by its name.
    pub fn tcp_connector(&self, name: &str) -> Option<Arc<TcpConnector>> {
        match &self.named(Kind::TcpConnector, name)?.running {
            Running::TcpConnector(connector) => Some(connector.clone()),
            _ => None,
        }
    }

    /// An AMQP listener by its name.
    pub fn listener(&self, name: &str) -> Option<Arc<AmqpListener>> {
        match &self.named(Kind::Listener, name)?.running {
            Running::Listener(listener) => Some(listener.clone()),
            _ => None,
        }
    }

    /// The listeners at HTTP ports.
    pub(crate) fn web_listeners(&self) -> Vec<Arc<AmqpListener>> {
        let running = self.of(Kind::Listener).map(|entry| &entry.running);
        let listeners = running.filter_map(|running| match running {
            Running::Listener(listener) => Some(listener),
            _ => None,
        });
        let web = listeners.filter(|listener| listener.settings.serves_http());
        web.cloned().collect()
    }

    /// An AMQP connector by its name.
    pub fn connector(&self, name: &str) -> Option<Arc<AmqpConnector>> {
        match &self.named(Kind::Connector, name)?.running {
            Running::Connector(connector) => Some(connector.clone()),
            _ => None,
        }
    }

    /// Accepts nobody new. What is there goes on. What tells of each port that it is closed.
    pub(crate) fn close_ports(&self) -> Vec<Arc<Stop>> {
        let entries = self.entries.values().flat_map(Entries::iter);
        let running = entries.map(|entry| &entry.running);
        running
            .filter_map(|running| match running {
                Running::Listener(listener) => Some(listener.close()),
                Running::TcpListener(listener) => Some(listener.close()),
                _ => None,
            })
            .collect()
    }

    /// Ends everything that runs.
    pub(crate) fn stop(&mut self) {
        for (_, entries) in self.entries.drain() {
            for entry in entries.into_entries() {
                entry.running.stop(&self.context, true);
            }
        }
    }
}

impl Running {
    fn stop(&self, context: &Arc<Context>, close_flows: bool) {
        match self {
            Running::Listener(listener) => listener.stop(),
            Running::Connector(connector) => connector.stop(context),
            Running::TcpListener(listener) => listener.stop(close_flows),
            Running::TcpConnector(connector) => connector.stop(context, close_flows),
            Running::Nothing
            | Running::Profile(_)
            | Running::Target(_)
            | Running::Rule(_)
            | Running::AutoLink(_) => {}
        }
    }
}

fn forbidden() -> Failure {
    Failure::Forbidden("Forbidden".to_owned())
}

impl Store for Entities {
    fn mode(&self) -> Mode {
        self.context.settings.mode
    }

    fn visit(&self, kind: Kind, visit: &mut dyn FnMut(Attributes) -> ControlFlow<()>) {
        for entry in self.of(kind) {
            if visit(self.shown(kind, entry)).is_break() {
                return;
            }
        }
        self.visit_live(kind, visit);
    }

    fn find(&self, kind: Kind, attribute: &str, value: &str) -> Vec<Attributes> {
        let own = self
            .entries
            .get(&kind)
            .and_then(|all| all.find(attribute, value));
        let mut found: Vec<Attributes> = own
            .map(|entry| self.shown(kind, entry))
            .into_iter()
            .collect();
        self.visit_live(kind, &mut |row| {
            let own = row
                .get(attribute)
                .or_else(|| row.get("identity"))
                .and_then(Value::as_str);
            if own == Some(value) {
                found.push(row);
            }
            ControlFlow::Continue(())
        });
        found
    }

    fn next_number(&mut self, kind: Kind) -> u64 {
        // Upstream's core numbers these from 1, all in one row.
        let (row, first) = match kind {
            Kind::ConfigAddress | Kind::AutoLink => (Kind::ConfigAddress, 1),
            kind => (kind, 0),
        };
        let next = self.numbers.entry(row).or_insert(first);
        let number = *next;
        *next += 1;
        number
    }

    fn create(&mut self, kind: Kind, attributes: Attributes) -> Result<Attributes, Failure> {
        let running = self.make(kind, &attributes)?;
        let entry = Entry {
            attributes,
            running,
        };
        let shown = self.shown(kind, &entry);
        self.entries.entry(kind).or_default().add(entry);
        Ok(shown)
    }

    fn update(
        &mut self,
        kind: Kind,
        current: &Attributes,
        wanted: Attributes,
    ) -> Result<Attributes, Failure> {
        self.change(kind, &wanted)?;
        let identity = current
            .get("identity")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let stored = self.stored(kind, wanted);
        let own = self.entries.get_mut(&kind);
        match own.and_then(|all| all.get_mut(identity)) {
            Some(entry) => entry.attributes = stored,
            None => return self.change_live(kind, identity, stored),
        }
        let entry = self.find(kind, "identity", identity).into_iter().next();
        Ok(entry.unwrap_or_default())
    }

    fn delete(&mut self, kind: Kind, current: &Attributes) -> Result<(), Failure> {
        let identity = current
            .get("identity")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(own) = self.entries.get_mut(&kind) else {
            return Err(forbidden());
        };
        may_delete(own.find("identity", identity))?;
        let entry = own.remove(identity).ok_or_else(forbidden)?;
        self.unmake(kind, &entry);
        Ok(())
    }

    fn log(&self, limit: Option<usize>) -> Vec<LogLine> {
        crate::agent::logging::recent(limit)
    }
}
