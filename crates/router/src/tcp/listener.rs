//! A TCP listener: its port is open exactly while its address has a destination.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rand::RngExt;
use skupper_management::entity::{Observer, TcpListener as Settings};
use skupper_management::report::Refusal;
use tokio::sync::Notify;

use super::choice::{Candidate, choose};
use super::ending::Fault;
use super::flow::serve_client;
use super::opening::Late;
use super::secure;
use super::set::FlowSet;
use super::socket::Socket;
use super::watch::Watch;
use crate::context::Context;
use crate::crowd::Crowd;
use crate::listen::{Listening, Whose};
use crate::net::{self, TcpStream};
use crate::random;
use crate::stop::Stop;
use crate::tls::{Attempt, RefusalLog, With};

/// How long a port that could not be opened is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// Clients of one listener that have not ended their TLS handshakes.
const SHAKING: usize = 1024;

/// Whether a listener's port is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperStatus {
    /// Clients may connect.
    Up,
    /// Nobody could serve them.
    Down,
}

/// One address of a listener.
pub struct Target {
    /// The address.
    pub address: String,
    /// Identity of its telemetry record.
    pub record: String,
    /// Name of the `listenerAddress` entity, if it is from one.
    name: Option<String>,
    value: i64,
    watch: Arc<Watch>,
    pub(crate) late: Late,
    /// Flows that began to it.
    pub opened: AtomicU64,
}

/// A TCP listener.
pub struct TcpListener {
    /// Its configuration.
    pub settings: Settings,
    /// Identity of its telemetry record.
    pub record: String,
    /// Flows that began.
    pub opened: AtomicU64,
    /// Flows that ended.
    pub closed: AtomicU64,
    /// Clients with which no TLS came about.
    pub refusals: RefusalLog,
    /// Those that have not ended their handshakes: who never does takes no place among the others.
    shaking: Arc<Crowd>,
    up: AtomicBool,
    bound: Mutex<Option<SocketAddr>>,
    message: Mutex<String>,
    observer: RwLock<Observer>,
    targets: RwLock<Vec<Arc<Target>>>,
    changed: Arc<Notify>,
    pub(crate) flows: FlowSet,
    stop: Stop,
    closing: Stop,
    shut: Arc<Stop>,
}

impl TcpListener {
    /// Starts the listener on a worker.
    pub(crate) fn start(settings: Settings, context: &Arc<Context>) -> Arc<Self> {
        let listener = Self::new(settings, context);
        let worker = context.workers.in_turn();
        context
            .workers
            .spawn(worker, listener.clone().run(context.clone()));
        listener
    }

    /// One whose port nobody opens.
    pub(crate) fn new(settings: Settings, context: &Arc<Context>) -> Arc<Self> {
        let listener = Arc::new(TcpListener {
            record: context.records.next(),
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            refusals: RefusalLog::default(),
            shaking: Crowd::new(SHAKING),
            up: AtomicBool::new(false),
            bound: Mutex::new(None),
            message: Mutex::new(String::new()),
            observer: RwLock::new(settings.observer),
            targets: RwLock::default(),
            changed: Arc::new(Notify::new()),
            flows: FlowSet::default(),
            stop: Stop::new(),
            closing: Stop::new(),
            shut: Arc::default(),
            settings,
        });
        if !listener.settings.address.is_empty() {
            let address = listener.settings.address.clone();
            listener.add_target(None, address, 0, context);
        }
        listener
    }

    /// Adds one of several addresses; `name` is that of its entity.
    pub(crate) fn add_target(
        &self,
        name: Option<String>,
        address: String,
        value: i64,
        context: &Arc<Context>,
    ) -> Arc<Target> {
        let changed = self.changed.clone();
        let key = context.dispatch.key(&address);
        let watch = Watch::new(key, move |_| changed.notify_one());
        context.core.watch(watch.clone());
        let target = Arc::new(Target {
            address,
            record: match name {
                Some(_) => context.records.next(),
                None => self.record.clone(),
            },
            name,
            value,
            watch,
            late: Late::default(),
            opened: AtomicU64::new(0),
        });
        self.write_targets().push(target.clone());
        self.changed.notify_one();
        target
    }

    /// Removes the address of an entity.
    pub(crate) fn remove_target(&self, name: &str) -> Option<Arc<Target>> {
        let mut targets = self.write_targets();
        let own = |target: &Arc<Target>| target.name.as_deref() == Some(name);
        let removed = targets.iter().position(own).map(|at| targets.remove(at));
        self.changed.notify_one();
        removed
    }

    /// Whether addresses from `listenerAddress` entities are left.
    pub(crate) fn has_targets(&self) -> bool {
        self.read_targets()
            .iter()
            .any(|target| target.name.is_some())
    }

    /// Flows that began to the address of an entity.
    pub fn target_opened(&self, name: &str) -> u64 {
        let targets = self.read_targets();
        let target = targets
            .iter()
            .find(|target| target.name.as_deref() == Some(name));
        target.map_or(0, |target| target.opened.load(Ordering::Relaxed))
    }

    /// Ends the listener; its flows too if `close_flows`.
    pub(crate) fn stop(&self, close_flows: bool) {
        self.stop.stop();
        if close_flows {
            self.flows.close();
        }
    }

    /// Closes the port after whoever has come to it was taken; what tells that this is done.
    pub(crate) fn close(&self) -> Arc<Stop> {
        self.closing.stop();
        self.shut.clone()
    }

    /// Waits until the listener has no business any more.
    async fn is_over(&self) {
        tokio::select! {
            () = self.stop.stopped() => {}
            () = self.closing.stopped() => {}
        }
    }

    /// Whether the port is open.
    pub fn oper_status(&self) -> OperStatus {
        if self.up.load(Ordering::Acquire) {
            OperStatus::Up
        } else {
            OperStatus::Down
        }
    }

    /// The address that is listened on, while the port is open.
    pub fn bound(&self) -> Option<SocketAddr> {
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the port cannot be opened; empty if that is not so.
    pub fn message(&self) -> String {
        self.message
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The application protocol that is looked for in new flows.
    pub(crate) fn observer(&self) -> Observer {
        *self.observer.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for another one, in flows that begin from now on.
    pub(crate) fn observe(&self, observer: Observer) {
        *self
            .observer
            .write()
            .unwrap_or_else(PoisonError::into_inner) = observer;
    }

    fn read_targets(&self) -> std::sync::RwLockReadGuard<'_, Vec<Arc<Target>>> {
        self.targets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_targets(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Arc<Target>>> {
        self.targets.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody would serve a client, so that the port is to be open.
    pub(crate) fn is_reachable(&self) -> bool {
        self.read_targets()
            .iter()
            .any(|target| target.watch.is_reachable())
    }

    /// The address for the next client.
    fn choose(&self) -> Option<Arc<Target>> {
        let targets = self.read_targets();
        let candidates: Vec<Candidate> = targets
            .iter()
            .map(|target| Candidate {
                value: target.value,
                reachable: target.watch.is_reachable(),
            })
            .collect();
        let draw = |below| random::rng().random_range(0..below);
        let chosen = choose(self.settings.strategy, &candidates, draw)?;
        targets.get(chosen).cloned()
    }

    /// Secures a client's socket, with the protocol that was negotiated with it; nothing for a client that leaves without a
    /// word. What keeps it from that is noted, and is the error.
    pub(super) async fn secure(
        &self,
        context: &Context,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<Option<(Socket, Option<String>)>, Fault> {
        let (client, crowded) = self.shaking.enter();
        if crowded {
            tracing::warn!(
                target: "TCP_ADAPTOR",
                "{SHAKING} clients of {} have not ended their TLS handshakes: the oldest is sent away for each new one",
                self.settings.name
            );
        }
        let attempt = Attempt {
            peer: peer.to_string(),
            endpoint: self.bound().map_or_else(
                || format!("{}:{}", self.settings.host, self.settings.port),
                |bound| bound.to_string(),
            ),
            with: With::Workload,
            ..Attempt::default()
        };
        tokio::select! {
            biased;
            secured = secure::client(&self.settings, context, stream, attempt) => {
                secured.map_err(|refusal| self.refused(*refusal))
            }
            () = client.must_go() => Err(Fault::handshake(io::Error::other(
                "the client had not ended its TLS handshake when there was no room for another",
            ))),
        }
    }

    fn refused(&self, refusal: Refusal) -> Fault {
        let text = refusal.message.clone();
        tracing::warn!(
            target: "TCP_ADAPTOR",
            "Connection from {} (to {}) failed: {text}", refusal.peer, self.settings.name
        );
        self.refusals.add(refusal);
        Fault::handshake(io::Error::other(text))
    }

    async fn run(self: Arc<Self>, context: Arc<Context>) {
        // After the first time an ephemeral port is a fixed one: clients have been told of it.
        let mut port: Option<u16> = None;
        while !self.stop.is_stopped() && !self.closing.is_stopped() {
            if !self.is_reachable() {
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = self.is_over() => {}
                }
                continue;
            }
            let (host, service) = (&self.settings.host, &self.settings.port);
            let bound = context
                .ports
                .bind(host, service, None, port, self.settings.backlog);
            let listening = bound.and_then(|port| {
                port.listen(Whose::Clients, &self.settings.name, &context.descriptors)
            });
            match listening.and_then(Listening::unless_short) {
                Ok(listening) => {
                    port = Some(listening.address().port());
                    self.set(Some(listening.address()), String::new());
                    self.accept(&listening, &context).await;
                    if self.closing.is_stopped() {
                        listening
                            .close(|stream, peer| {
                                self.begin(net::of_system(stream), peer, &context)
                            })
                            .await;
                    }
                    self.set(None, String::new());
                }
                Err(error) => {
                    let text = format!("cannot listen on {host}:{service}: {error}");
                    if self.message() != text {
                        tracing::error!(target: "TCP_ADAPTOR", "{} ({})", text, self.settings.name);
                    }
                    self.set(None, text);
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        () = self.is_over() => {}
                    }
                }
            }
        }
        self.shut.stop();
    }

    fn set(&self, bound: Option<SocketAddr>, message: String) {
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = bound;
        *self.message.lock().unwrap_or_else(PoisonError::into_inner) = message;
        self.up.store(bound.is_some(), Ordering::Release);
    }

    /// Accepts clients until the address has no destination or the listener ends.
    async fn accept(self: &Arc<Self>, listening: &Listening, context: &Arc<Context>) {
        loop {
            tokio::select! {
                biased;
                () = self.is_over() => return,
                () = self.changed.notified() => {
                    if !self.is_reachable() {
                        return;
                    }
                }
                (stream, peer) = listening.accept(|| _ = self.shaking.make_room()) => {
                    self.begin(net::of_system(stream), peer, context);
                }
            }
        }
    }

    /// Serves a client that has connected.
    pub(crate) fn begin(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        context: &Arc<Context>,
    ) {
        let Some(target) = self.choose() else { return };
        target.opened.fetch_add(1, Ordering::Relaxed);
        let worker = context.workers.for_flow();
        let counted = context.workers.count_flow(worker);
        let (listener, context) = (self.clone(), context.clone());
        if Some(worker) == crate::worker::current() {
            let workers = context.workers.clone();
            return workers.spawn(worker, async move {
                serve_client(&context, &listener, &target, stream, peer).await;
                drop(counted);
            });
        }
        // The socket moves to another thread's reactor.
        let Ok(stream) = stream.into_std() else {
            return;
        };
        let workers = context.workers.clone();
        workers.spawn(worker, async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                serve_client(&context, &listener, &target, stream, peer).await;
            }
            drop(counted);
        });
    }
}
