//! AMQP listeners.

mod accepted;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::server::UnbufferedServerConnection;
use skupper_amqp::sniff::{Sniff, TLS_HEADER};
use skupper_management::entity::Listener as Settings;
use skupper_management::report::{Refusal, Refuser};
use skupper_pki::verify::Side;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::handle::Command;
pub(crate) use accepted::Secured;

use accepted::Came;

use super::handshake::Library;
use super::open;
use super::transport::{Transport, TransportError};
use crate::context::Context;
use crate::crowd::{Crowd, Member};
use crate::event::Event;
use crate::listen::{Listening, Port, Whose};
use crate::net::{self, TcpStream};
use crate::policy::{Admitted, Denied as Full};
use crate::stop::Stop;
use crate::tls::{Attempt, LoadError, Loaded, RefusalLog};

/// How long a port that could not be opened is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// How often a profile that does not exist is looked for.
const LOOK_FOR_PROFILE: Duration = Duration::from_secs(5);
/// Connections of one listener that have not been opened.
const STRANGERS: usize = 1024;

/// An AMQP listener.
pub struct AmqpListener {
    /// Its configuration.
    pub settings: Settings,
    /// Identity of its telemetry record.
    pub record: String,
    /// Whom it refused, and who refused it.
    pub refusals: RefusalLog,
    bound: Mutex<Option<SocketAddr>>,
    message: Mutex<String>,
    /// Connections that nobody has opened yet.
    strangers: Arc<Crowd>,
    stop: Stop,
    closing: Stop,
    shut: Arc<Stop>,
}

/// What the first octets on a socket are.
enum First {
    Clear(Vec<u8>),
    Tls(Vec<u8>),
    /// A sentence.
    Wrong(String),
}

impl AmqpListener {
    /// Binds the port and starts accepting. A port that cannot be bound now is tried again if `patient`, else an error.
    pub(crate) fn start(
        settings: Settings,
        context: &Arc<Context>,
        patient: bool,
    ) -> io::Result<Arc<Self>> {
        let listener = Self::new(settings, context);
        let port = match listener.bind(context) {
            Ok(port) => Some(port),
            Err(error) if patient => {
                listener.failed(&error);
                None
            }
            Err(error) => return Err(error),
        };
        let worker = context.workers.in_turn();
        context
            .workers
            .spawn(worker, listener.clone().run(port, context.clone()));
        context
            .workers
            .spawn(worker, listener.clone().watch_credential(context.clone()));
        context
            .events
            .tell(Event::ListenerCreated(listener.clone()));
        Ok(listener)
    }

    /// One that has no port of its own: peers come to it by an HTTP port.
    pub(crate) fn without_port(settings: Settings, context: &Arc<Context>) -> Arc<Self> {
        let listener = Self::new(settings, context);
        listener.shut.stop();
        context.workers.spawn(
            context.workers.in_turn(),
            listener.clone().watch_credential(context.clone()),
        );
        context
            .events
            .tell(Event::ListenerCreated(listener.clone()));
        listener
    }

    fn new(settings: Settings, context: &Context) -> Arc<Self> {
        Arc::new(AmqpListener {
            record: context.records.next(),
            refusals: RefusalLog::default(),
            bound: Mutex::default(),
            message: Mutex::default(),
            strangers: Crowd::new(STRANGERS),
            stop: Stop::new(),
            closing: Stop::new(),
            shut: Arc::default(),
            settings,
        })
    }

    /// Stops accepting. Connections live on.
    pub(crate) fn stop(&self) {
        self.stop.stop();
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Closes the port after whoever has come to it was taken; what tells that this is done.
    pub(crate) fn close(&self) -> Arc<Stop> {
        self.closing.stop();
        self.shut.clone()
    }

    /// Whether the listener accepts nobody any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.stop.is_stopped() || self.closing.is_stopped()
    }

    /// Waits until the listener accepts nobody any more.
    async fn is_over(&self) {
        tokio::select! {
            () = self.stop.stopped() => {}
            () = self.closing.stopped() => {}
        }
    }

    /// The address that is listened on.
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

    fn bind(&self, context: &Context) -> io::Result<Port> {
        let (host, service) = (&self.settings.host, &self.settings.port);
        let port = context
            .ports
            .bind(host, service, self.settings.family, None, 0)?;
        let bound = port.address();
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = Some(bound);
        self.message
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        tracing::info!(
            target: "SERVER",
            "Listening on {bound} ({})", self.settings.name
        );
        Ok(port)
    }

    fn failed(&self, error: &io::Error) {
        let text = format!("Listener error on {}: {error}", self.settings.host_port());
        let mut message = self.message.lock().unwrap_or_else(PoisonError::into_inner);
        if *message != text {
            tracing::error!(target: "SERVER", "{text} ({})", self.settings.name);
            *message = text;
        }
    }

    async fn run(self: Arc<Self>, port: Option<Port>, context: Arc<Context>) {
        let mut port = port;
        while !self.has_ended() {
            let listening = port.take().and_then(|port| {
                let whose = match self.settings.role.keeps_section() {
                    true => Whose::Routers,
                    false => Whose::Clients,
                };
                port.listen(whose, &self.settings.name, &context.descriptors)
                    .ok()
            });
            if let Some(listening) = listening {
                self.accept(&listening, &context).await;
                if self.closing.is_stopped() {
                    listening
                        .close(|stream, peer| self.begin(net::of_system(stream), peer, &context))
                        .await;
                }
                continue;
            }
            match self.bind(&context) {
                Ok(bound) => port = Some(bound),
                Err(error) => {
                    self.failed(&error);
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        () = self.is_over() => {}
                    }
                }
            }
        }
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shut.stop();
    }

    async fn accept(self: &Arc<Self>, listening: &Listening, context: &Arc<Context>) {
        loop {
            tokio::select! {
                (stream, peer) = listening.accept(|| _ = self.strangers.make_room()) => {
                    self.begin(net::of_system(stream), peer, context);
                }
                () = self.is_over() => return,
            }
        }
    }

    /// Serves a peer that has connected.
    pub(crate) fn begin(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        context: &Arc<Context>,
    ) {
        let Ok(stream) = stream.into_std() else {
            return;
        };
        let stranger = self.enter_stranger();
        let worker = context.workers.in_turn();
        let (listener, context) = (self.clone(), context.clone());
        let workers = context.workers.clone();
        workers.spawn(worker, async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                let place = Place { peer, worker };
                listener.serve(stream, place, stranger, &context).await;
            }
        });
    }

    /// Takes a connection in that nobody has opened yet.
    fn enter_stranger(&self) -> Member {
        let (stranger, crowded) = self.strangers.enter();
        if crowded {
            tracing::warn!(
                target: "SERVER",
                "{STRANGERS} connections to {} have not opened: the oldest is closed for each new one",
                self.settings.name
            );
        }
        stranger
    }

    /// Counts a connection; none where it is one too many for the router.
    fn admit<'a>(&self, peer: SocketAddr, context: &'a Context) -> Option<Admitted<'a>> {
        match context.policy.limit.admit() {
            Ok(admitted) => Some(admitted),
            Err(Full { most, first }) => {
                if first {
                    tracing::warn!(
                        target: "POLICY",
                        "connection from {peer} to {} denied: {most} connections are open, which is maxConnections of the policy: raise it, or end some",
                        self.settings.name
                    );
                }
                None
            }
        }
    }

    async fn serve(
        self: &Arc<Self>,
        stream: TcpStream,
        place: Place,
        stranger: Member,
        context: &Arc<Context>,
    ) {
        let Place { peer, worker } = place;
        let Some(_admitted) = self.admit(peer, context) else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let attempt = Attempt {
            peer: peer.to_string(),
            endpoint: self
                .bound()
                .map_or_else(|| self.settings.host_port(), |bound| bound.to_string()),
            ..Attempt::default()
        };
        let patience = open::patience(&self.settings);
        let secured = tokio::time::timeout(patience, self.secure(stream, context, &attempt));
        let secured = tokio::select! {
            biased;
            secured = secured => secured,
            () = stranger.must_go() => return,
        };
        let (transport, loaded) = match secured {
            Ok(Some(secured)) => secured,
            // What was wrong is noted already. A connection that says nothing at all is a probe.
            Ok(None) => return,
            Err(_) => return self.refuse(attempt.timeout(Side::Server, patience.as_secs())),
        };
        let came = Came {
            transport,
            loaded,
            attempt,
            worker,
        };
        self.run_accepted(came, stranger, context).await;
    }

    /// Notes a refusal, and says it.
    fn refuse(&self, refusal: Refusal) {
        tracing::warn!(
            target: "SERVER",
            "Connection from {} (to {}) failed: {}", refusal.peer, refusal.endpoint, refusal.message
        );
        self.refusals.add(refusal);
    }

    /// Looks at the first octets and puts TLS on the socket if that is what they ask for.
    async fn secure(
        &self,
        mut stream: TcpStream,
        context: &Arc<Context>,
        attempt: &Attempt,
    ) -> Option<(Transport, Option<Arc<Loaded>>)> {
        let first = match sniff(&mut stream).await {
            Ok(first) => first?,
            Err(error) => {
                self.refuse(attempt.cut(Side::Server, None, &error));
                return None;
            }
        };
        let early = match first {
            First::Clear(early) if self.settings.needs_tls() => {
                drop(early);
                let text = "Client connection unencrypted - forbidden: connect with TLS";
                self.refuse(attempt.protocol(Refuser::Us, "tls", text.to_owned()));
                return None;
            }
            First::Clear(early) => return Some((Transport::clear(stream, &early), None)),
            First::Wrong(sentence) => {
                self.refuse(attempt.protocol(Refuser::Us, "protocol", sentence));
                return None;
            }
            First::Tls(early) => early,
        };
        if self.settings.ssl_profile.is_empty() {
            let text = "the client speaks TLS and the listener has no sslProfile: connect without TLS, or configure one";
            self.refuse(attempt.protocol(Refuser::Us, "tls", text.to_owned()));
            return None;
        }
        let (loaded, connection) = match self.tls(context) {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(
                    target: "CONN_MGR",
                    "Failed to configure TLS for Listener {}: {error}", self.settings.name
                );
                self.refusals.add(attempt.no_credential(&error));
                return None;
            }
        };
        let attempt = Attempt {
            ordinal: loaded.ordinal,
            ..attempt.clone()
        };
        match Transport::secure(stream, connection, &early).await {
            Ok(transport) => Some((transport, Some(loaded))),
            Err((error, record)) => {
                let ours = loaded
                    .identity
                    .as_ref()
                    .map(|identity| identity.certificate());
                let refusal = match error {
                    TransportError::Tls(error) => {
                        attempt.handshake(&error, &record, Side::Server, ours)
                    }
                    TransportError::Socket(error) => attempt.cut(Side::Server, ours, &error),
                };
                tracing::warn!(
                    target: "SERVER",
                    "Connection from {} (to {}) failed: amqp:connection:framing-error {}",
                    attempt.peer, attempt.endpoint, refusal.message
                );
                self.refusals.add(refusal);
                None
            }
        }
    }

    fn tls(&self, context: &Context) -> Result<(Arc<Loaded>, Library), LoadError> {
        let loaded = context
            .profiles
            .get(&self.settings.ssl_profile)?
            .current()?;
        let config = loaded.amqp_server(self.settings.demands_certificate())?;
        match UnbufferedServerConnection::new(config) {
            Ok(connection) => Ok((loaded, Library::Server(connection))),
            Err(error) => Err(LoadError::library(&self.settings.ssl_profile, &error)),
        }
    }

    /// Closes connections whose credential is no longer valid.
    async fn watch_credential(self: Arc<Self>, context: Arc<Context>) {
        if self.settings.ssl_profile.is_empty() {
            return;
        }
        // A profile that is deleted and made again is another one.
        while !self.stop.is_stopped() {
            let Ok(profile) = context.profiles.get(&self.settings.ssl_profile) else {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_FOR_PROFILE) => {}
                    () = self.stop.stopped() => {}
                }
                continue;
            };
            let mut revisions = profile.revisions();
            // As long as it is held it does not end.
            drop(profile);
            loop {
                revisions.mark_unchanged();
                self.close_outdated(&context);
                tokio::select! {
                    changed = revisions.changed() => if changed.is_err() { break },
                    () = self.stop.stopped() => return,
                }
            }
        }
    }

    fn close_outdated(&self, context: &Context) {
        for connection in context.connections.all() {
            let own = connection.incoming && *connection.owner == *self.settings.name;
            let profile = &self.settings.ssl_profile;
            if own && context.profiles.is_past(profile, connection.ordinal) {
                // It may be closing by itself.
                drop(
                    connection.send(Command::Close {
                        condition: "amqp:connection:forced",
                        description:
                            "the credential that the connection was made with is no longer valid"
                                .to_owned(),
                    }),
                );
            }
        }
    }
}

/// Where a connection comes from and where it is run.
#[derive(Clone, Copy)]
struct Place {
    peer: SocketAddr,
    worker: usize,
}

/// Reads as many octets as tell what the peer speaks; nothing where it leaves without a word.
async fn sniff(stream: &mut TcpStream) -> io::Result<Option<First>> {
    let mut octets = Vec::with_capacity(8);
    loop {
        match Sniff::of(&octets) {
            Sniff::NeedMore => {
                let mut more = [0; 8];
                let room = 8 - octets.len();
                let read = stream.read(&mut more[..room]).await;
                if octets.is_empty() && net::has_left(&read) {
                    return Ok(None);
                }
                let count = read?;
                if count == 0 {
                    return Ok(Some(First::Wrong(
                        "the peer ended within its first octets".to_owned(),
                    )));
                }
                octets.extend_from_slice(&more[..count]);
            }
            Sniff::Tls => return Ok(Some(First::Tls(octets))),
            Sniff::AmqpTls => {
                stream.write_all(&TLS_HEADER).await?;
                return Ok(Some(First::Tls(Vec::new())));
            }
            Sniff::Amqp => return Ok(Some(First::Clear(octets))),
            Sniff::Http => {
                return Ok(Some(First::Wrong(
                    "the peer speaks HTTP on an AMQP port: correct the port".to_owned(),
                )));
            }
            Sniff::Unknown => {
                return Ok(Some(First::Wrong(
                    "the peer speaks neither TLS nor AMQP".to_owned(),
                )));
            }
        }
    }
}
