//! A TCP connector: a destination of its service's address that opens a connection to a server for each stream.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use skupper_management::entity::TcpConnector as Settings;
use skupper_management::report::Refusal;
use skupper_routing::AddressKey;

use super::ending::Fault;
use super::flow::serve_stream;
use super::secure;
use super::set::FlowSet;
use super::socket::Socket;
use crate::clock::Last;
use crate::context::Context;
use crate::core::forwarding::{Destination, Sink};
use crate::descriptors::Short;
use crate::dial::{self, For};
use crate::tls::{Attempt, RefusalLog, With};
use crate::transit::load::Outstanding;
use crate::transit::pipe::Consumer;
use crate::worker;

/// From how many flows under way on other destinations are preferred.
const CAPACITY: u64 = 5;

/// A TCP connector.
pub struct TcpConnector {
    /// Its configuration.
    pub settings: Settings,
    /// The service's address, for what is told of each flow.
    pub(crate) address: Arc<str>,
    /// Its number among connections: management shows the connector as one.
    pub number: u64,
    /// Identity of its telemetry record.
    pub record: String,
    /// Flows that began.
    pub opened: AtomicU64,
    /// Flows that ended.
    pub closed: AtomicU64,
    /// When the last one began.
    pub(crate) last: Last,
    /// Why the server was not reached, the last times.
    pub refusals: RefusalLog,
    /// What was said last of that; empty after a success.
    message: Mutex<String>,
    pub(crate) flows: FlowSet,
    destination: u64,
    /// The key of its address, as it was read when the connector was made.
    key: AddressKey,
}

impl TcpConnector {
    /// Makes the connector a destination of its address.
    pub(crate) fn start(settings: Settings, context: &Arc<Context>) -> Arc<Self> {
        let connector = Arc::new(TcpConnector {
            number: context.numbers.connection(),
            record: context.records.next(),
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            last: Last::default(),
            refusals: RefusalLog::default(),
            message: Mutex::default(),
            flows: FlowSet::default(),
            destination: context.numbers.link(),
            address: settings.address.as_str().into(),
            key: context.dispatch.key(&settings.address),
            settings,
        });
        let sink = ConnectorSink {
            connector: connector.clone(),
            // The context holds the destinations: a strong reference would be a circle.
            context: Arc::downgrade(context),
        };
        let destination = Destination {
            id: connector.destination,
            sink: Arc::new(sink),
            outstanding: Outstanding::default(),
            capacity: CAPACITY,
            beyond: None,
            apart: None,
        };
        let key = connector.key.clone();
        context.core.add_destination(key, destination, false);
        connector
    }

    /// Withdraws the connector; its flows end too if `close_flows`.
    pub(crate) fn stop(&self, context: &Context, close_flows: bool) {
        let key = self.key.clone();
        context.core.remove_destination(key, self.destination);
        if close_flows {
            self.flows.close();
        }
    }

    /// Where the server is: its host and port.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    /// Opens a connection to the server, with the protocol that the client negotiated. What keeps it from that is noted.
    pub(super) async fn connect(
        &self,
        context: &Context,
        alpn: Option<&str>,
    ) -> Result<Socket, Fault> {
        let Settings {
            host,
            port,
            ssl_profile,
            ..
        } = &self.settings;
        let whom = For::Workload(&context.descriptors);
        let stream = dial::connect(host, port, None, whom).await.map_err(|why| {
            let refusal = self.attempt().unreachable(why.check, &why.error);
            match Short::is_why(&why.error) {
                // It concerns the whole process, and may come and go with each flow.
                true => {
                    context.descriptors.tell(format_args!(
                        "a client of {} is not connected with its server {}",
                        self.address, refusal.endpoint
                    ));
                    self.refusals.add(refusal);
                }
                false => self.refused(refusal),
            }
            Fault::connect(why.error)
        })?;
        let socket = if ssl_profile.is_empty() {
            Socket::clear(stream)
        } else {
            let mut attempt = self.attempt();
            if let Ok(address) = stream.peer_addr() {
                attempt.peer = address.to_string();
            }
            let secured = secure::server(&self.settings, context, stream, alpn, attempt).await;
            secured.map_err(|refusal| {
                let error = io::Error::other(refusal.message.clone());
                self.refused(*refusal);
                Fault::handshake(error)
            })?
        };
        self.lock_message().clear();
        Ok(socket)
    }

    fn attempt(&self) -> Attempt {
        let place = self.server();
        Attempt {
            peer: place.clone(),
            endpoint: place,
            with: With::Workload,
            ..Attempt::default()
        }
    }

    /// Notes that the server could not be reached, and says so unless that was the last that was said.
    fn refused(&self, refusal: Refusal) {
        let text = refusal.message.clone();
        self.refusals.add(refusal);
        let mut message = self.lock_message();
        if *message != text {
            tracing::warn!(target: "TCP_ADAPTOR", "{}: {text}", self.settings.name);
            *message = text;
        }
    }

    fn lock_message(&self) -> MutexGuard<'_, String> {
        self.message.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct ConnectorSink {
    connector: Arc<TcpConnector>,
    context: Weak<Context>,
}

impl Sink for ConnectorSink {
    fn deliver(&self, stream: Consumer) {
        let Some(context) = self.context.upgrade() else {
            return;
        };
        let connector = self.connector.clone();
        // Where the stream comes in, its socket is: nothing of the flow crosses threads.
        let worker = worker::current().unwrap_or_else(|| context.workers.for_flow());
        let counted = context.workers.count_flow(worker);
        let workers = context.workers.clone();
        workers.spawn(worker, async move {
            serve_stream(&context, &connector, stream).await;
            drop(counted);
        });
    }

    fn takes_early(&self) -> bool {
        true
    }
}
