//! AMQP connectors: connections that this router makes and keeps.
//!
//! A connector between routers keeps a *set*: one control connection and some data connections for streams, tied by a
//! correlator. A renewed credential makes a new set beside the old one; the old one is not renewed any more and ends when its
//! streams have, or when its credential is no longer valid (router protocol reference §2.3, management reference §8.5).

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;
use rand::distr::{Alphanumeric, SampleString};
use rustls::client::UnbufferedClientConnection;
use skupper_management::entity::{
    Connector as Settings, FailoverItem, MessageComponents, Role, StripAnnotations,
};
use skupper_management::report::{Refusal, Refuser};
use skupper_pki::verify::Side;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::ending::{loss, unopened};
use super::failover::{self, Places};
use super::handle::{Command, ConnectionHandle};
use super::handshake::Library;
use super::open::{self, Group, HANDSHAKE};
use super::proxy;
use super::task::{Settings as TaskSettings, Task};
use super::transport::{Transport, TransportError};
use crate::context::Context;
use crate::event::{Event, Loss};
use crate::listen;
use crate::stop::Stop;
use crate::tls::{Attempt, LoadError, Loaded, Profile, RefusalLog, Revision, server_name};

/// Length of a correlator.
const CORRELATOR: usize = 15;
/// A host that does not answer is given up after this.
const CONNECT: Duration = Duration::from_secs(10);
/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait while nobody answers at all, which disturbs nobody: a peer that comes back is reached within a second.
const LONGEST_WAIT_UNHEARD: Duration = Duration::from_millis(500);

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
    /// Whether the control connection is open, and with which revision.
    control: watch::Sender<Option<u64>>,
    stop: Stop,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The connection had been open.
    Opened,
    /// One side refused the other.
    Refused,
    /// Nobody was there.
    Unheard,
}

/// One of the connections that are in use, until it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(open: &'a AtomicUsize) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Counted(open)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection of a connector's set.
#[derive(Clone)]
struct Member {
    /// 0 is the control connection.
    index: usize,
    worker: usize,
    revision: Option<Revision>,
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
                .sample_string(&mut rand::rng(), CORRELATOR)
                .into(),
            data_connections,
            state: Mutex::default(),
            places: Mutex::new(Places::new(&settings.host, &settings.port)),
            open: AtomicUsize::new(0),
            control: watch::Sender::new(None),
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

    /// The settings for the place in use.
    fn in_place(&self) -> Settings {
        let FailoverItem { host, port, .. } = self.places().current();
        Settings {
            host,
            port,
            ..self.settings.clone()
        }
    }

    fn set_status(&self, status: Status, message: Option<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = status;
        if let Some(message) = message {
            state.1 = message;
        }
    }

    /// Makes a set of connections for each revision of the credential.
    async fn run(self: Arc<Self>, worker: usize, context: Arc<Context>) {
        if self.settings.ssl_profile.is_empty() {
            return self.start_set(worker, None, &context);
        }
        let Some(profile) = self.profile(&context).await else {
            return;
        };
        let mut revisions = profile.revisions();
        let mut current = *revisions.borrow_and_update();
        self.start_set(worker, Some(current), &context);
        loop {
            tokio::select! {
                changed = revisions.changed() => if changed.is_err() { return },
                () = self.stop.stopped() => return,
            }
            let next = *revisions.borrow_and_update();
            if next.ordinal > current.ordinal {
                self.start_set(worker, Some(next), &context);
            }
            if next.oldest > current.oldest {
                let outdated = |handle: &ConnectionHandle| {
                    handle.ordinal.is_some_and(|ordinal| ordinal < next.oldest)
                };
                let why = "the credential that the connection was made with is no longer valid";
                self.close_connections(&context, outdated, why);
            }
            current = next;
        }
    }

    /// The profile, as soon as there is one.
    async fn profile(self: &Arc<Self>, context: &Context) -> Option<Arc<Profile>> {
        loop {
            let error = match context.profiles.get(&self.settings.ssl_profile) {
                Ok(profile) => return Some(profile),
                Err(error) => error,
            };
            let place = self.settings.host_port();
            let attempt = Attempt {
                peer: place.clone(),
                endpoint: place,
                ordinal: 0,
            };
            let member = Member {
                index: 0,
                worker: 0,
                revision: None,
            };
            self.refused(&member, attempt.no_credential(&error), context);
            tokio::select! {
                () = tokio::time::sleep(LONGEST_WAIT) => {}
                () = self.stop.stopped() => return None,
            }
        }
    }

    fn start_set(
        self: &Arc<Self>,
        first: usize,
        revision: Option<Revision>,
        context: &Arc<Context>,
    ) {
        for index in 0..=self.data_connections {
            // Data connections lie on the workers in turn, so that each worker has one of its own.
            let worker = (first + index.saturating_sub(1)) % context.workers.len();
            let member = Member {
                index,
                worker,
                revision,
            };
            context
                .workers
                .spawn(worker, self.clone().keep(member, context.clone()));
        }
    }

    /// Whether a newer set has taken the place of a member's.
    fn is_outdated(&self, member: &Member, context: &Context) -> bool {
        let Some(revision) = member.revision else {
            return false;
        };
        let profile = context.profiles.get(&self.settings.ssl_profile);
        profile.is_ok_and(|profile| profile.revisions().borrow().ordinal > revision.ordinal)
    }

    /// Keeps one connection of a set open.
    async fn keep(self: Arc<Self>, member: Member, context: Arc<Context>) {
        let ordinal = member.revision.map_or(0, |revision| revision.ordinal);
        let mut wait = Duration::ZERO;
        loop {
            if member.index > 0 && !self.control_open(ordinal, &member, &context).await {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(jitter(wait)) => {}
                () = self.stop.stopped() => return,
            }
            if self.stop.is_stopped() || self.is_outdated(&member, &context) {
                return;
            }
            let outcome = self.attempt(&member, &context).await;
            if member.index == 0 {
                // Data connections go where the control connection is.
                if outcome != Outcome::Opened {
                    self.places().failed();
                }
                self.control.send_if_modified(|open| {
                    let was = *open == Some(ordinal);
                    if was {
                        *open = None;
                    }
                    was
                });
            }
            // Only an open connection shows that all is well: one that is refused after TLS must not be tried as fast
            // as one that was lost.
            wait = match outcome {
                Outcome::Opened => FIRST_WAIT,
                Outcome::Refused => (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT),
                Outcome::Unheard => (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT_UNHEARD),
            };
        }
    }

    /// Waits until the control connection of the set is open; false if there will be none.
    async fn control_open(&self, ordinal: u64, member: &Member, context: &Context) -> bool {
        let mut control = self.control.subscribe();
        loop {
            if self.stop.is_stopped() || self.is_outdated(member, context) {
                return false;
            }
            if *control.borrow_and_update() == Some(ordinal) {
                return true;
            }
            tokio::select! {
                changed = control.changed() => if changed.is_err() { return false },
                () = self.stop.stopped() => return false,
            }
        }
    }

    /// Makes one connection and runs it to its end.
    async fn attempt(self: &Arc<Self>, member: &Member, context: &Arc<Context>) -> Outcome {
        if member.index == 0 {
            self.set_status(Status::Connecting, None);
        }
        let place = self.in_place();
        let mut attempt = Attempt {
            peer: place.host_port(),
            endpoint: place.host_port(),
            ordinal: member.revision.map_or(0, |revision| revision.ordinal),
        };
        let stream = match connect(&place, &attempt, context).await {
            Ok(stream) => stream,
            Err(refusal) => return self.refused(member, *refusal, context),
        };
        if let Ok(address) = stream.peer_addr() {
            attempt.peer = address.to_string();
        }
        let secured =
            tokio::time::timeout(HANDSHAKE, secure(&place, stream, context, &mut attempt)).await;
        let (transport, loaded) = match secured {
            Ok(Ok(secured)) => secured,
            Ok(Err(refusal)) => return self.refused(member, *refusal, context),
            Err(_) => {
                let refusal = attempt.timeout(HANDSHAKE.as_secs());
                return self.refused(member, refusal, context);
            }
        };
        self.run_connection(member, context, transport, loaded, &place, &attempt)
            .await
    }

    async fn run_connection(
        self: &Arc<Self>,
        member: &Member,
        context: &Arc<Context>,
        transport: Transport,
        loaded: Option<Arc<Loaded>>,
        place: &Settings,
        attempt: &Attempt,
    ) -> Outcome {
        let Settings {
            name,
            role,
            strip_annotations: strip,
            ..
        } = &self.settings;
        let number = context.numbers.connection();
        let ordinal = loaded.as_ref().map(|loaded| loaded.ordinal);
        let data = member.index > 0;
        let is_router = *role == Role::InterRouter;
        let keeps = role.keeps_section();
        let correlator = self.correlator.clone();
        let group = is_router.then_some(Group {
            correlator,
            ordinal,
            data,
        });
        let external = loaded
            .as_ref()
            .is_some_and(|loaded| loaded.identity.is_some());
        let router = context.dispatch.me.as_str();
        let config = open::connect(router, place, number, group.as_ref(), external);
        let settings = TaskSettings {
            role: *role,
            data,
            capacity: self.settings.credit(),
            strip_in: !keeps && matches!(strip, StripAnnotations::In | StripAnnotations::Both),
            strip_out: !keeps && matches!(strip, StripAnnotations::Out | StripAnnotations::Both),
            cost: self.settings.cost,
            address: place.host_port(),
            user: None,
            group: group.map(|group| (group.correlator, ordinal.unwrap_or(0))),
            policy_vhost: self.settings.policy_vhost.clone(),
            frame_size: self.settings.frame_size(),
            components: MessageComponents::parse(&self.settings.message_logging),
        };
        let handle = ConnectionHandle::new(
            number,
            member.worker,
            *role,
            false,
            name.as_str().into(),
            ordinal,
        );
        let registered = context.connections.enter(&handle);
        if context
            .profiles
            .is_past(&self.settings.ssl_profile, ordinal)
        {
            // What closes outdated connections did not see this one yet.
            return Outcome::Refused;
        }
        let task = Task::new(context.clone(), handle.clone(), settings, transport, config);
        let opened = self.clone().follow(handle.clone(), member.clone());
        let run = Box::pin(task.run());
        let finish = tokio::select! {
            finish = run => finish,
            // Never ends before the connection does.
            never = opened => match never {},
        };
        drop(registered);
        let loss = loss(&finish.reason);
        if finish.established {
            tracing::info!(
                target: "SERVER",
                "[C{number}] Connection to {} lost: {}", attempt.endpoint, loss.description
            );
            if member.index == 0 {
                self.set_status(Status::Failed, Some(loss.description.clone()));
            }
            context.events.tell(Event::ConnectionClosed(handle, loss));
            return Outcome::Opened;
        }
        let ours = loaded.as_ref().and_then(|loaded| loaded.identity.as_ref());
        let ours = ours.map(|identity| identity.certificate());
        match unopened(attempt, &finish, Side::Client, ours) {
            Some(refusal) => self.refused(member, refusal, context),
            None => Outcome::Refused,
        }
    }

    /// Notes when the connection is in use, and counts it while it is.
    async fn follow(
        self: Arc<Self>,
        handle: Arc<ConnectionHandle>,
        member: Member,
    ) -> std::convert::Infallible {
        handle.established().await;
        let _counted = Counted::new(&self.open);
        if member.index == 0 {
            let peer = handle.peer.get();
            let container = peer.map_or("", |peer| peer.container.as_str());
            self.places()
                .opened(peer.and_then(|peer| failover::read(&peer.properties)));
            self.set_status(
                Status::Success,
                Some(format!("Connection Opened: container_id={container}")),
            );
            self.control
                .send_replace(Some(member.revision.map_or(0, |revision| revision.ordinal)));
        }
        std::future::pending().await
    }

    /// Notes a failed attempt, and says what became of it.
    fn refused(self: &Arc<Self>, member: &Member, refusal: Refusal, context: &Context) -> Outcome {
        let outcome = match refusal.by {
            Refuser::Nobody => Outcome::Unheard,
            Refuser::Us | Refuser::Peer => Outcome::Refused,
        };
        let message = refusal.message.clone();
        let place = refusal.endpoint.clone();
        let data = member.index > 0;
        let news = self.places().is_news(data, &place, &message);
        if news {
            tracing::warn!(
                target: "SERVER",
                "Connection to {place} failed: {message}"
            );
        }
        self.refusals.add(refusal);
        if !data {
            self.set_status(Status::Failed, Some(message.clone()));
            if news {
                // As upstream's router calls them: who was not reached has not sent anything wrong.
                let condition = match outcome {
                    Outcome::Unheard => "proton:io",
                    _ => "amqp:connection:framing-error",
                };
                let condition = Some(condition.to_owned());
                let loss = Loss {
                    condition,
                    description: message,
                };
                context
                    .events
                    .tell(Event::ConnectorFailed(self.clone(), loss));
            }
        }
        outcome
    }
}

async fn connect_by_proxy(
    settings: &Settings,
    attempt: &Attempt,
    context: &Context,
) -> Result<TcpStream, Box<Refusal>> {
    let name = &settings.proxy_profile;
    let target = settings.host_port();
    let connected = match context.proxies.get(name) {
        Some(profile) => proxy::connect(&profile, &target).await,
        None => Err(format!(
            "Proxy connection negotiation failed trying to reach {target}, no proxy profile named {name}: create it, or correct the connector"
        )),
    };
    connected.map_err(|text| Box::new(attempt.protocol(Refuser::Us, "proxy", text)))
}

async fn connect(
    settings: &Settings,
    attempt: &Attempt,
    context: &Context,
) -> Result<TcpStream, Box<Refusal>> {
    let Settings {
        host,
        port,
        proxy_profile,
        family,
        ..
    } = settings;
    if !proxy_profile.is_empty() {
        return connect_by_proxy(settings, attempt, context).await;
    }
    let port = listen::service_port(port)
        .map_err(|error| Box::new(attempt.unreachable("resolve", &error)))?;
    let addresses = listen::resolve(host, port, *family)
        .await
        .map_err(|error| Box::new(attempt.unreachable("resolve", &error)))?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Box::new(attempt.unreachable("connect", &last)))
}

async fn secure(
    settings: &Settings,
    stream: TcpStream,
    context: &Context,
    attempt: &mut Attempt,
) -> Result<(Transport, Option<Arc<Loaded>>), Box<Refusal>> {
    if settings.ssl_profile.is_empty() {
        return Ok((Transport::clear(stream, &[]), None));
    }
    let (loaded, connection) =
        tls(settings, context).map_err(|error| Box::new(attempt.no_credential(&error)))?;
    attempt.ordinal = loaded.ordinal;
    match Transport::secure(stream, connection, &[]).await {
        Ok(transport) => Ok((transport, Some(loaded))),
        Err((error, record)) => {
            let ours = loaded
                .identity
                .as_ref()
                .map(|identity| identity.certificate());
            Err(Box::new(match error {
                TransportError::Tls(error) => {
                    attempt.handshake(&error, &record, Side::Client, ours)
                }
                TransportError::Socket(error) => attempt.cut(Side::Client, ours, &error),
            }))
        }
    }
}

fn tls(settings: &Settings, context: &Context) -> Result<(Arc<Loaded>, Library), LoadError> {
    let Settings {
        ssl_profile,
        verify_hostname,
        host,
        ..
    } = settings;
    let loaded = context.profiles.get(ssl_profile)?.current()?;
    let config = loaded.client(*verify_hostname, None)?;
    let content = |error| LoadError::Content {
        profile: ssl_profile.clone(),
        error,
    };
    let name = server_name(host).map_err(content)?;
    match UnbufferedClientConnection::new(config, name) {
        Ok(connection) => Ok((loaded, Library::Client(connection))),
        Err(error) => Err(LoadError::library(ssl_profile, &error)),
    }
}

/// A quarter less or more, so that routers that lost the same peer do not come back as one.
fn jitter(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.75..1.25))
}
