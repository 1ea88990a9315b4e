//! AMQP connectors: connections that this router makes and keeps.
//!
//! A connector between routers keeps a *set*: one control connection and some data connections for streams, tied by a
//! correlator. A renewed credential makes a new set beside the old one; the old one is not renewed any more and ends when its
//! streams have, or when its credential is no longer valid (router protocol reference §2.3, management reference §8.5).

mod attempt;
mod control;
mod members;
mod reach;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::distr::{Alphanumeric, SampleString};
use skupper_management::entity::{Connector as Settings, Role};

use super::failover::Places;
use super::handle::{Command, ConnectionHandle};
use crate::context::Context;
use crate::event::Event;
use crate::random;
use crate::stop::Stop;
use crate::tls::RefusalLog;

/// Length of a correlator.
const CORRELATOR: usize = 15;

/// What a connector is doing, in the words of management.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// Not tried yet.
    #[default]
    Initializing,
    /// Waiting for the next attempt, or in one.
    Connecting,
    /// The control connection is open.
    Success,
    /// The last attempt failed.
    Failed,
}

impl Status {
    /// The word of management.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Initializing => "INITIALIZING",
            Status::Connecting => "CONNECTING",
            Status::Success => "SUCCESS",
            Status::Failed => "FAILED",
        }
    }
}

/// An AMQP connector.
pub struct AmqpConnector {
    /// Its configuration.
    pub settings: Settings,
    /// Identity of its telemetry record.
    pub record: String,
    /// Who refused it, and whom it refused.
    pub refusals: RefusalLog,
    correlator: Arc<str>,
    data_connections: usize,
    state: Mutex<(Status, String)>,
    /// Where the peer may be.
    places: Mutex<Places>,
    open: AtomicUsize,
    /// Sets that were begun so far.
    sets: AtomicU64,
    /// Whether the control connection is open, and of which set.
    control: control::Control,
    stop: Stop,
}

impl AmqpConnector {
    /// Starts connecting.
    pub(crate) fn start(settings: Settings, context: &Arc<Context>) -> Arc<Self> {
        let data_connections = match settings.role {
            Role::InterRouter => context.settings.data_connections() as usize,
            _ => 0,
        };
        let connector = Arc::new(AmqpConnector {
            record: context.records.next(),
            refusals: RefusalLog::default(),
            correlator: Alphanumeric
                .sample_string(&mut random::rng(), CORRELATOR)
                .into(),
            data_connections,
            state: Mutex::default(),
            places: Mutex::new(Places::new(&settings.host, &settings.port)),
            open: AtomicUsize::new(0),
            sets: AtomicU64::new(0),
            control: control::Control::default(),
            stop: Stop::new(),
            settings,
        });
        context
            .events
            .tell(Event::ConnectorCreated(connector.clone()));
        let worker = context.workers.in_turn();
        context
            .workers
            .spawn(worker, connector.clone().run(worker, context.clone()));
        connector
    }

    /// Stops connecting and closes the connections.
    pub(crate) fn stop(&self, context: &Context) {
        self.stop.stop();
        self.close_connections(context, |_| true, "the connector was deleted");
    }

    fn close_connections(
        &self,
        context: &Context,
        which: impl Fn(&ConnectionHandle) -> bool,
        why: &str,
    ) {
        for connection in context.connections.all() {
            let own = !connection.incoming && *connection.owner == *self.settings.name;
            if own && which(&connection) {
                // It may be closing by itself.
                drop(connection.send(Command::Close {
                    condition: "amqp:connection:forced",
                    description: why.to_owned(),
                }));
            }
        }
    }

    /// What it is doing, and the last message.
    pub fn status(&self) -> (Status, String) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Connections of it that are open.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Where the peer is looked for: the place in use first, the others in the order in which they are tried.
    pub fn failover_urls(&self) -> String {
        self.places().shown()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_status(&self, status: Status, message: Option<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = status;
        if let Some(message) = message {
            state.1 = message;
        }
    }
}
