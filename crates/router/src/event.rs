//! What happens in the router, for whoever reports it (telemetry, logs, tests).
//!
//! Two streams: what must not be lost (links, listeners, connectors), without bound because it is rare; and flows, bounded,
//! because an overloaded router had better lose records of flows than flows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use crate::connection::handle::ConnectionHandle;
use crate::tcp::pump::FlowOctets;
use crate::tcp::{Target, TcpConnector, TcpListener};

/// Flows that may wait for a slow reporter.
const FLOWS: usize = 16 * 1024;
/// Requests of a flow that have ended and wait for who looks at what is open, because too much is told at once.
const WAITING: usize = skupper_observe::MAX_OPEN;

/// Something that must not go unreported.
#[derive(Clone)]
pub enum Event {
    /// An AMQP listener began.
    ListenerCreated(Arc<crate::connection::listener::AmqpListener>),
    /// An AMQP listener was deleted.
    ListenerDeleted(Arc<crate::connection::listener::AmqpListener>),
    /// An AMQP connector began.
    ConnectorCreated(Arc<crate::connection::connector::AmqpConnector>),
    /// An AMQP connector was deleted.
    ConnectorDeleted(Arc<crate::connection::connector::AmqpConnector>),
    /// Both ends have opened a connection.
    ConnectionOpened(Arc<ConnectionHandle>),
    /// A connection that was open ended.
    ConnectionClosed(Arc<ConnectionHandle>, Loss),
    /// A connector's attempt failed before the connection was open.
    ConnectorFailed(Arc<crate::connection::connector::AmqpConnector>, Loss),
    /// A TCP listener began.
    TcpListenerCreated(Arc<TcpListener>),
    /// A TCP listener was deleted.
    TcpListenerDeleted(Arc<TcpListener>),
    /// One of several addresses was added to a TCP listener.
    TargetCreated(Arc<TcpListener>, Arc<Target>),
    /// It was removed.
    TargetDeleted(Arc<Target>),
    /// A TCP connector began.
    TcpConnectorCreated(Arc<TcpConnector>),
    /// A TCP connector was deleted.
    TcpConnectorDeleted(Arc<TcpConnector>),
}

/// Why a connection ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// AMQP condition, if there was one.
    pub condition: Option<String>,
    /// Sentence.
    pub description: String,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(condition) = &self.condition {
            write!(f, "{condition} ")?;
        }
        f.write_str(&self.description)
    }
}

/// Something about a flow.
#[derive(Clone)]
pub enum FlowEvent {
    /// A client connected.
    Opened(Arc<FlowRecord>),
    /// A flow ended.
    Closed(Arc<FlowRecord>),
    /// A request within a flow ended, while somebody wants to know.
    Request(Arc<RequestRecord>),
}

/// At which end of a flow this router is.
#[derive(Clone)]
pub enum FlowSide {
    /// At the client: the telemetry record of the listener, or of the address that was chosen of several.
    Client(Arc<str>),
    /// At the server.
    Server(Arc<TcpConnector>),
}

/// One end of a TCP flow.
pub struct FlowRecord {
    /// Which end.
    pub side: FlowSide,
    /// Identity of the flow's record: made here at the client's end, told by it at the server's.
    pub identity: Option<String>,
    /// When it began.
    pub started: SystemTime,
    /// The client's address, or the router's own address towards the server.
    pub address: Option<SocketAddr>,
    /// Octets so far.
    pub octets: Arc<FlowOctets>,
    /// Routers that the client's stream passed, at the server's end.
    pub trace: Vec<String>,
    /// Requests within it that are open, by their number in it, where an observer sees any.
    pub requests: Mutex<BTreeMap<u64, Arc<RequestRecord>>>,
    /// When the flow ended and why, if not as it should.
    pub end: Mutex<Option<(SystemTime, Option<String>)>>,
}

impl FlowRecord {
    /// Notes that the flow has ended.
    pub(crate) fn ended(&self, error: Option<String>) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.get_or_insert((SystemTime::now(), error));
    }

    /// The latency, once both ends have sent something.
    pub fn latency(&self) -> Option<Duration> {
        self.octets.latency()
    }

    /// Its requests that are open.
    pub(crate) fn requests(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<RequestRecord>>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request and its answer, within a flow.
#[derive(Debug)]
pub struct RequestRecord {
    /// Identity of its record.
    pub identity: String,
    /// Identity of the flow's record.
    pub flow: String,
    /// When it began.
    pub started: SystemTime,
    /// The same, for the latency.
    pub began: Instant,
    /// The protocol, as telemetry names it.
    pub protocol: &'static str,
    /// The stream of HTTP/2.
    pub stream: Option<u64>,
    /// The method.
    pub method: String,
    /// Octets of its content, and of the answer's.
    pub octets: FlowOctets,
    /// What else has become known of it.
    pub answer: Mutex<Answer>,
}

/// What becomes known of a request in its course.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// For whom the request was forwarded.
    pub source_host: Option<String>,
    /// Code and reason phrase of the final answer.
    pub status: Option<(u16, String)>,
    /// When nothing more was to come.
    pub ended: Option<SystemTime>,
}

impl RequestRecord {
    /// What has become known of it.
    pub fn answer(&self) -> MutexGuard<'_, Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where events go.
#[derive(Default)]
pub struct Events {
    rare: Mutex<Vec<mpsc::UnboundedSender<Event>>>,
    flows: std::sync::OnceLock<mpsc::Sender<FlowEvent>>,
    requests: AtomicBool,
    lost: AtomicU64,
    lost_requests: AtomicU64,
}

impl Events {
    /// Subscribes to what must not be lost, from now on.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Event> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.rare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        receiver
    }

    /// Subscribes to flows; there is one subscriber.
    pub fn subscribe_flows(&self) -> Option<mpsc::Receiver<FlowEvent>> {
        let (sender, receiver) = mpsc::channel(FLOWS);
        self.flows.set(sender).ok().map(|()| receiver)
    }

    /// Flow events that were dropped because nobody took them in time.
    pub fn lost_flows(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Requests of which nobody is told, or not of their end: more of a flow ended than anybody took in time.
    pub fn lost_requests(&self) -> u64 {
        self.lost_requests.load(Ordering::Relaxed)
    }

    pub(crate) fn tell(&self, event: Event) {
        let mut subscribers = self.rare.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
    }

    /// Whether anybody wants flows; if not, they need not be recorded.
    pub(crate) fn wants_flows(&self) -> bool {
        self.flows.get().is_some_and(|sender| !sender.is_closed())
    }

    /// Whether anybody wants to know of each request that ends; there may be many thousands a second.
    pub(crate) fn wants_requests(&self) -> bool {
        self.requests.load(Ordering::Acquire)
    }

    /// Says whether anybody does.
    pub(crate) fn want_requests(&self, wanted: bool) {
        self.requests.store(wanted, Ordering::Release);
    }

    /// Tells of a request that has ended, while anybody wants to know. What cannot be told now waits among those of its flow that
    /// are `open`: it may have been told of before, and whoever looks at these finds its end there.
    pub(crate) fn tell_request(
        &self,
        number: u64,
        request: Arc<RequestRecord>,
        open: &mut BTreeMap<u64, Arc<RequestRecord>>,
    ) {
        if !self.wants_requests() || self.tell_flow(FlowEvent::Request(request.clone())) {
            return;
        }
        if open.len() < WAITING {
            open.insert(number, request);
        } else {
            self.lost_requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells of a flow; false if that is lost.
    pub(crate) fn tell_flow(&self, event: FlowEvent) -> bool {
        let lost = self
            .flows
            .get()
            .is_some_and(|sender| sender.try_send(event).is_err());
        if lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        !lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_cannot_be_told_waits_with_its_flow_and_one_too_many_is_counted() {
        let events = Events::default();
        let mut taken = events.subscribe_flows().unwrap();
        let request = Arc::new(RequestRecord {
            identity: "r:2".to_owned(),
            flow: "r:1".to_owned(),
            started: SystemTime::now(),
            began: Instant::now(),
            protocol: "HTTP/1.1",
            stream: None,
            method: "GET".to_owned(),
            octets: Default::default(),
            answer: Default::default(),
        });
        let mut open = BTreeMap::new();
        let mut tell = |number: usize| {
            events.tell_request(number as u64, request.clone(), &mut open);
            open.len()
        };
        assert_eq!(tell(0), 0, "nobody wants to know");
        events.want_requests(true);
        for number in 0..FLOWS {
            assert_eq!(tell(number), 0);
        }
        for number in 0..WAITING {
            assert_eq!(tell(number), number + 1);
        }
        assert_eq!(events.lost_requests(), 0);
        assert_eq!(tell(WAITING), WAITING);
        assert_eq!(events.lost_requests(), 1);
        assert!(taken.try_recv().is_ok());
        assert_eq!(tell(WAITING), WAITING);
        assert_eq!(events.lost_requests(), 1);
    }
}
