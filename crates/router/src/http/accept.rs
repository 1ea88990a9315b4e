//! Clients of an HTTP port, behind TLS where the listener has a profile. None may take for ever over anything.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use skupper_management::entity::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::listener::{AmqpListener, Secured};
use crate::context::Context;
use crate::listen::{Listening, Spell};

/// Handshakes under way at the same time; further clients wait in the listen queue.
const HANDSHAKES: usize = 64;
/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take to say what it wants, from its connection or its last request on.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection is kept, whatever the client does with it. Who asks regularly connects anew.
const LIFE: Duration = Duration::from_secs(120);
/// The first octet of a TLS connection.
const TLS_RECORD: u8 = 22;
/// How long to wait when the system has no more file descriptors.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Accepts clients.
pub(super) struct Acceptor {
    port: Listening,
    listener: Arc<AmqpListener>,
    context: Arc<Context>,
    handshakes: JoinSet<io::Result<(Stream, Secured)>>,
    exhausted: Spell,
}

/// A client's connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Acceptor {
    pub(super) fn new(port: Listening, listener: Arc<AmqpListener>, context: Arc<Context>) -> Self {
        Acceptor {
            port,
            listener,
            context,
            handshakes: JoinSet::new(),
            exhausted: Spell::default(),
        }
    }

    /// Serves clients for ever.
    pub(super) async fn serve(mut self, pages: Router) {
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(HEAD);
        loop {
            let (stream, secured) = self.next().await;
            // Who wants AMQP there brings it along.
            let pages = pages.clone().layer(Extension(secured));
            let service = TowerToHyperService::new(pages);
            let connection = server.serve_connection(TokioIo::new(stream), service);
            let connection = connection.with_upgrades();
            tokio::spawn(async move {
                match tokio::time::timeout(LIFE, connection).await {
                    Ok(Ok(())) => {}
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

    /// The next client whose connection is as secure as the listener wants it.
    async fn next(&mut self) -> (Stream, Secured) {
        loop {
            tokio::select! {
                accepted = self.port.accept(), if self.handshakes.len() < HANDSHAKES => match accepted {
                    Ok((stream, peer)) if self.listener.settings.ssl_profile.is_empty() => {
                        return (Stream::Plain(stream), Secured::clear(peer));
                    }
                    Ok((stream, peer)) => {
                        let (listener, context) = (self.listener.clone(), self.context.clone());
                        self.handshakes.spawn(async move { shake_hands(stream, peer, &listener.settings, &context).await });
                    }
                    Err(error) => {
                        if self.exhausted.begins(Instant::now()) {
                            tracing::warn!(target: "HTTP", "Cannot accept on {}: {error}", self.listener.settings.host_port());
                        }
                        tokio::time::sleep(EXHAUSTED).await;
                    }
                },
                Some(finished) = self.handshakes.join_next() => match finished {
                    Ok(Ok(secured)) => return secured,
                    Ok(Err(error)) => {
                        tracing::warn!(target: "HTTP", "Connection to {} failed: {error}", self.listener.settings.host_port());
                    }
                    Err(error) => tracing::error!(target: "HTTP", "a handshake ended: {error}"),
                },
            }
        }
    }
}

/// Secures a client's connection with what the profile has now: a port follows rotations.
async fn shake_hands(
    stream: TcpStream,
    peer: SocketAddr,
    listener: &Listener,
    context: &Context,
) -> io::Result<(Stream, Secured)> {
    let failed = |text: String| io::Error::other(format!("from {peer}: {text}"));
    let handshake = async move {
        let mut first = [0];
        let must = listener.needs_tls();
        if stream.peek(&mut first).await? == 1 && first[0] != TLS_RECORD && !must {
            return Ok::<_, io::Error>((Stream::Plain(stream), Secured::clear(peer)));
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
        Ok((Stream::Tls(Box::new(stream)), secured))
    };
    match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(Ok(secured)) => Ok(secured),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no handshake within {HANDSHAKE:?}"))),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(task, buffer),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(task, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(task, octets),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(task, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(task),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(task),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(task),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(task),
        }
    }
}
