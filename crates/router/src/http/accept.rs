//! Clients of an HTTP port, behind TLS where the listener has a profile. None may take for ever over anything, and no number of
//! them keeps others out: for one more than there is room for, the oldest goes.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use skupper_management::entity::Listener;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::connection::listener::{AmqpListener, Secured};
use crate::context::Context;
use crate::crowd::{Crowd, Member};
use crate::listen::Listening;
use crate::net::has_left;
use crate::spell::Spell;
use crate::tls::HANDSHAKE;

/// What clients of a port may take.
const LIMITS: Limits = Limits {
    handshakes: 256,
    connections: 1024,
    handshake: HANDSHAKE,
    head: Duration::from_secs(10),
};
/// How long a connection is kept, whatever the client does with it. Who asks regularly connects anew.
const LIFE: Duration = Duration::from_secs(120);
/// The first octet of a TLS connection.
const TLS_RECORD: u8 = 22;

/// Accepts clients.
pub(super) struct Acceptor {
    port: Listening,
    listener: Arc<AmqpListener>,
    context: Arc<Context>,
    handshakes: JoinSet<io::Result<Option<(Stream, Secured)>>>,
    /// Whose handshakes those are: who never ends his takes no place among the others.
    shaking: Arc<Crowd>,
    /// Clients whose requests are served.
    served: Arc<Crowd>,
    limits: Limits,
    /// Clients that ask for nothing that could be understood.
    failing: Arc<Mutex<Spell>>,
}

/// What clients of a port may take.
#[derive(Clone, Copy)]
struct Limits {
    /// Clients in their handshakes at the same time.
    handshakes: usize,
    /// Clients after that, at the same time. Whoever has a WebSocket counts as one of the listener's AMQP connections instead.
    connections: usize,
    /// How long a client may take to shake hands.
    handshake: Duration,
    /// How long a client may take to say what it wants, from its connection or its last request on.
    head: Duration,
}

/// A client's connection, clear or by TLS.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

impl Acceptor {
    pub(super) fn new(port: Listening, listener: Arc<AmqpListener>, context: Arc<Context>) -> Self {
        Self::with_limits(port, listener, context, LIMITS)
    }

    fn with_limits(
        port: Listening,
        listener: Arc<AmqpListener>,
        context: Arc<Context>,
        limits: Limits,
    ) -> Self {
        Acceptor {
            port,
            listener,
            context,
            handshakes: JoinSet::new(),
            shaking: Crowd::new(limits.handshakes),
            served: Crowd::new(limits.connections),
            limits,
            failing: Arc::default(),
        }
    }

    /// Serves clients for ever.
    pub(super) async fn serve(mut self, pages: Router) {
        let mut server = http1::Builder::new();
        let head = self.limits.head;
        server.timer(TokioTimer::new()).header_read_timeout(head);
        loop {
            let (stream, secured) = self.next().await;
            let peer = secured.peer();
            // Who wants AMQP there brings it along.
            let pages = pages.clone().layer(Extension(secured));
            let service = TowerToHyperService::new(pages);
            let asked = Arc::<AtomicBool>::default();
            let asks = asked.clone();
            let service = service_fn(move |request| {
                asks.store(true, Ordering::Relaxed);
                service.call(request)
            });
            let connection = server.serve_connection(TokioIo::new(stream), service);
            let connection = connection.with_upgrades();
            let member = self.enter(&self.served, "clients");
            let (listener, failing) = (self.listener.clone(), self.failing.clone());
            tokio::spawn(async move {
                let ended = tokio::select! {
                    ended = tokio::time::timeout(LIFE, connection) => ended,
                    () = member.must_go() => return,
                };
                match ended {
                    Ok(Ok(())) => {}
                    // A check whether the port is open, or a client that has connected before it needs it, may go without a word.
                    Ok(Err(error)) if !asked.load(Ordering::Relaxed) && !is_of_socket(&error) => {
                        let mut failing = failing.lock().unwrap_or_else(PoisonError::into_inner);
                        if failing.begins(Instant::now()) {
                            tracing::warn!(
                                target: "HTTP",
                                "Connection from {peer} (to {}) failed: a request of HTTP/1 was expected: {error}",
                                listener.settings.host_port()
                            );
                        }
                    }
                    // Who has asked before rests, and is closed in the end.
                    Ok(Err(error)) => {
                        tracing::debug!(target: "HTTP", "a client's connection ended: {error}")
                    }
                    Err(_) => {
                        tracing::debug!(target: "HTTP", "a client's connection was closed after {LIFE:?}")
                    }
                }
            });
        }
    }

    /// Takes one more in.
    fn enter(&self, crowd: &Arc<Crowd>, who: &str) -> Member {
        let (member, crowded) = crowd.enter();
        if crowded {
            tracing::warn!(
                target: "HTTP",
                "{} has {} {who}, and has no room for more: the oldest is sent away for each new one",
                self.listener.settings.host_port(), crowd.most()
            );
        }
        member
    }

    /// The next client whose connection is as secure as the listener wants it.
    async fn next(&mut self) -> (Stream, Secured) {
        let clear = self.listener.settings.ssl_profile.is_empty();
        // Where descriptors run short, the oldest gives its own: of those that shake hands, else of those that are served.
        let crowds = [self.shaking.clone(), self.served.clone()];
        let make_room = || _ = crowds.iter().any(|crowd| crowd.make_room());
        loop {
            tokio::select! {
                // Who has ended is let go before anybody else is let in.
                biased;
                Some(finished) = self.handshakes.join_next() => match finished {
                    Ok(Ok(Some(secured))) => return secured,
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(target: "HTTP", "Connection to {} failed: {error}", self.listener.settings.host_port());
                    }
                    Err(error) => tracing::error!(target: "HTTP", "a handshake ended: {error}"),
                },
                (stream, peer) = self.port.accept(make_room) => {
                    if clear {
                        return (Stream::Left(stream), Secured::clear(peer));
                    }
                    let member = self.enter(&self.shaking, "clients that have not ended their handshakes");
                    let (listener, context) = (self.listener.clone(), self.context.clone());
                    let patience = self.limits.handshake;
                    self.handshakes.spawn(async move {
                        tokio::select! {
                            secured = shake_hands(stream, peer, patience, &listener.settings, &context) => secured,
                            () = member.must_go() => Ok(None),
                        }
                    });
                }
            }
        }
    }
}

/// Secures a client's connection with what the profile has now: a port follows rotations. Nothing for a client that leaves
/// without a word.
async fn shake_hands(
    stream: TcpStream,
    peer: SocketAddr,
    patience: Duration,
    listener: &Listener,
    context: &Context,
) -> io::Result<Option<(Stream, Secured)>> {
    let failed = |text: String| io::Error::other(format!("from {peer}: {text}"));
    let handshake = async move {
        let mut first = [0];
        let must = listener.needs_tls();
        let seen = stream.peek(&mut first).await;
        if has_left(&seen) {
            return Ok(None);
        }
        seen?;
        if first[0] != TLS_RECORD && !must {
            return Ok::<_, io::Error>(Some((Stream::Left(stream), Secured::clear(peer))));
        }
        let loaded = context
            .profiles
            .get(&listener.ssl_profile)
            .and_then(|profile| profile.current());
        let loaded = loaded.map_err(io::Error::other)?;
        let config = loaded.amqp_server(listener.authenticate_peer);
        let config = config.map_err(io::Error::other)?;
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let secured = Secured::tls(peer, stream.get_ref().1, loaded);
        Ok(Some((Stream::Right(Box::new(stream)), secured)))
    };
    match tokio::time::timeout(patience, handshake).await {
        Ok(Ok(secured)) => Ok(secured),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no handshake within {patience:?}"))),
    }
}

/// Whether a connection failed beneath what is said on it.
fn is_of_socket(error: &hyper::Error) -> bool {
    let beneath = std::error::Error::source(error);
    beneath.is_some_and(|why| why.is::<io::Error>())
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use serde_json::{Value, json};
    use skupper_management::document::{Dialect, Document};
    use skupper_management::entity::Record;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::listen::Whose;
    use crate::router::{Options, Router as Process};

    /// Far longer than anything takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);
    /// Nobody is sent away in the end for his silence.
    const LITTLE_ROOM: Limits = Limits {
        handshakes: 2,
        connections: 2,
        handshake: Duration::from_secs(600),
        head: Duration::from_secs(600),
    };

    fn process() -> Process {
        let text = json!([["router", {"id": "A", "mode": "interior", "workerThreads": 1}]]);
        let document = Document::parse(&text.to_string(), Dialect::Json).unwrap();
        Process::start_with(&document, Options::default()).unwrap()
    }

    fn settings(more: Value) -> Listener {
        let mut attributes = json!({"name": "web", "host": "127.0.0.1", "port": "0", "http": true});
        let attributes = attributes.as_object_mut().unwrap();
        attributes.extend(more.as_object().cloned().unwrap());
        Listener::from_attributes(attributes).unwrap()
    }

    fn port(process: &Process, more: Value, limits: Limits) -> SocketAddr {
        let context = process.context();
        let settings = settings(more);
        let port = context.ports.bind("127.0.0.1", "0", None, None, 0);
        let descriptors = &context.descriptors;
        let port = port.unwrap().listen(Whose::Operators, "web", descriptors);
        let port = port.unwrap();
        let address = port.address();
        let listener = AmqpListener::without_port(settings, context);
        let acceptor = Acceptor::with_limits(port, listener, context.clone(), limits);
        tokio::spawn(acceptor.serve(Router::new().route("/", get(async || "here"))));
        address
    }

    async fn connect(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.unwrap()
    }

    /// Asks for the page.
    async fn is_served(client: &mut TcpStream) -> bool {
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let whole = async {
            while !answer.ends_with(b"here") && client.read_buf(&mut answer).await.unwrap() > 0 {}
        };
        tokio::time::timeout(PATIENCE, whole).await.unwrap();
        answer.starts_with(b"HTTP/1.1 200")
    }

    /// Waits for the end of a client's connection, to which nothing was said.
    async fn is_sent_away(mut client: TcpStream) -> bool {
        let mut nothing = Vec::new();
        let end = tokio::time::timeout(PATIENCE, client.read_to_end(&mut nothing));
        // In order, or with a reset where not all was read that it sent.
        let _ = end.await.unwrap();
        nothing.is_empty()
    }

    #[tokio::test]
    async fn for_one_more_client_than_there_is_room_for_the_oldest_goes() {
        let process = process();
        let address = port(&process, json!({}), LITTLE_ROOM);
        let (first, mut second) = (connect(address).await, connect(address).await);
        let mut third = connect(address).await;
        assert!(is_served(&mut third).await);
        assert!(is_sent_away(first).await);
        assert!(is_served(&mut second).await && is_served(&mut third).await);
    }

    #[tokio::test]
    async fn who_never_shakes_hands_keeps_nobody_out() {
        let process = process();
        let address = port(&process, json!({"sslProfile": "any"}), LITTLE_ROOM);
        let mut old = connect(address).await;
        assert!(is_served(&mut old).await);
        let mut silent = Vec::new();
        for _ in 0..10 {
            silent.push(connect(address).await);
        }
        let mut new = connect(address).await;
        assert!(is_served(&mut new).await);
        // They were as many as there is room for clients of all kinds, five times.
        assert!(is_served(&mut old).await);
        let mut last = silent.pop().unwrap();
        for client in silent {
            assert!(is_sent_away(client).await);
        }
        assert!(is_served(&mut last).await);
    }

    #[tokio::test]
    async fn who_leaves_without_a_word_has_not_failed() {
        let process = process();
        let settings = settings(json!({"sslProfile": "any"}));
        let port = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = port.local_addr().unwrap();
        for (says, resets, fails) in [
            (&b""[..], false, false),
            (b"", true, false),
            (&[TLS_RECORD], false, true),
        ] {
            let mut client = connect(address).await;
            let (stream, peer) = port.accept().await.unwrap();
            client.write_all(says).await.unwrap();
            if resets {
                client.set_zero_linger().unwrap();
            }
            drop(client);
            let context = process.context();
            match shake_hands(stream, peer, PATIENCE, &settings, context).await {
                Ok(secured) => assert!(secured.is_none() && !fails, "{says:?}"),
                Err(error) => assert!(fails, "{says:?}: {error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_handshake_has_an_end() {
        let process = process();
        let limits = Limits {
            handshake: Duration::from_millis(10),
            ..LITTLE_ROOM
        };
        let address = port(&process, json!({"sslProfile": "any"}), limits);
        let (silent, mut beginning) = (connect(address).await, connect(address).await);
        beginning.write_all(&[TLS_RECORD]).await.unwrap();
        assert!(is_sent_away(silent).await);
        // There is no such profile to go on with.
        assert!(is_sent_away(beginning).await);
    }
}
