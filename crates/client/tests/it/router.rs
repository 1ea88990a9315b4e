//! As much of a router as a client needs, for tests: anonymous senders, dynamic addresses, an agent with prepared answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, BytesMut};
use skupper_amqp::{
    DeliveryState, Message, Open, Role, Symbol,
    connection::{Config, Connection, Event, LinkId, Outgoing, Payload},
    sasl,
};
use skupper_management::protocol::{MANAGEMENT, Reply, Request};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

type Answer = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

/// What the tests turn and read.
pub(crate) struct Router {
    pub(crate) port: u16,
    /// Cuts all connections.
    pub(crate) cut: Arc<Notify>,
    /// Deliveries passed on to subscribers.
    pub(crate) forwarded: Arc<AtomicUsize>,
    /// Mechanisms that clients used.
    pub(crate) mechanisms: Arc<Mutex<Vec<Symbol>>>,
    /// Refuses connections from now on.
    pub(crate) deaf: Arc<AtomicBool>,
}

impl Router {
    /// A router whose agent answers so; `None` is no answer.
    pub(crate) async fn start(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let router = Self {
            port: listener.local_addr().unwrap().port(),
            cut: Arc::default(),
            forwarded: Arc::default(),
            mechanisms: Arc::default(),
            deaf: Arc::default(),
        };
        let (cut, forwarded, mechanisms, deaf) = (
            router.cut.clone(),
            router.forwarded.clone(),
            router.mechanisms.clone(),
            router.deaf.clone(),
        );
        let answer: Arc<Answer> = Arc::new(answer);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                if deaf.load(Ordering::SeqCst) {
                    continue;
                }
                let (cut, forwarded, mechanisms, answer, tls) = (
                    cut.clone(),
                    forwarded.clone(),
                    mechanisms.clone(),
                    answer.clone(),
                    tls.clone(),
                );
                tokio::spawn(async move {
                    let serve = async {
                        match tls {
                            Some(tls) => {
                                let Ok(stream) = tls.accept(socket).await else {
                                    return;
                                };
                                serve(stream, &*answer, &forwarded, &mechanisms, true).await;
                            }
                            None => serve(socket, &*answer, &forwarded, &mechanisms, false).await,
                        }
                    };
                    tokio::select! { () = serve => {}, () = cut.notified() => {} }
                });
            }
        });
        router
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Answer,
    forwarded: &AtomicUsize,
    mechanisms: &Mutex<Vec<Symbol>>,
    external: bool,
) {
    let start = Instant::now();
    let offered = if external {
        vec![sasl::EXTERNAL]
    } else {
        vec![sasl::ANONYMOUS]
    };
    let mut connection = Connection::new(
        Config::listener(Open::new("test-router"), offered, true),
        Duration::ZERO,
    );
    let mut input = BytesMut::new();
    let mut room = Room {
        links: HashMap::new(),
        waiting: Vec::new(),
        parts: HashMap::new(),
    };
    while !connection.is_closed() {
        while let Some(event) = connection.poll_event() {
            if let Event::Opened(_) = event {
                mechanisms
                    .lock()
                    .unwrap()
                    .extend(connection.mechanism().cloned());
            }
            room.event(&mut connection, event, answer);
        }
        forwarded.fetch_add(room.pump(&mut connection), Ordering::SeqCst);
        while connection.output().has_remaining() {
            if stream.write_buf(connection.output()).await.is_err() {
                return;
            }
        }
        let _ = stream.flush().await;
        let due = connection
            .next_timeout()
            .map(|at| start + at)
            .unwrap_or(start);
        tokio::select! {
            read = stream.read_buf(&mut input) => match read {
                Ok(1..) => connection.handle_input(&mut input, start.elapsed()),
                _ => connection.handle_eof(),
            },
            () = tokio::time::sleep_until(due) => connection.handle_timeout(start.elapsed()),
        }
    }
}

/// What a connection's links are, and what waits for them.
struct Room {
    /// Address of each receiving client.
    links: HashMap<LinkId, String>,
    waiting: Vec<(LinkId, Message, u64)>,
    parts: HashMap<LinkId, BytesMut>,
}

impl Room {
    fn event(&mut self, connection: &mut Connection, event: Event, answer: &Answer) {
        match event {
            Event::Attached {
                link, mut attach, ..
            } => {
                if connection.role(link) == Some(Role::Receiver) {
                    connection
                        .accept(link, attach.source, attach.target, 0)
                        .unwrap();
                    connection.grant(link, 50).unwrap();
                    return;
                }
                let source = attach.source.as_mut().unwrap();
                if source.dynamic {
                    source.address =
                        Some(format!("amqp:/_topo/0/test-router/temp.{}", link.index()));
                }
                self.links.insert(link, source.address.clone().unwrap());
                connection
                    .accept(link, attach.source, attach.target, 0)
                    .unwrap();
            }
            Event::Detached { link, .. } => {
                self.links.remove(&link);
            }
            Event::Transfer(transfer) => {
                let part = self.parts.entry(transfer.link).or_default();
                part.extend_from_slice(&transfer.payload);
                if transfer.more {
                    return;
                }
                let message = Message::decode(&part.split()).unwrap();
                connection.grant(transfer.link, 1).unwrap();
                let state = self.route(message, answer);
                connection
                    .dispose(transfer.link, transfer.delivery, Some(state), true)
                    .unwrap();
            }
            _ => {}
        }
    }

    fn route(&mut self, message: Message, answer: &Answer) -> DeliveryState {
        let to = message.properties.as_ref().unwrap().to.clone().unwrap();
        let (to, message) = if to == MANAGEMENT {
            let request = Request::decode(&message);
            match answer(&request) {
                Some(reply) => (request.reply_to.clone().unwrap(), reply.encode(&request)),
                None => return DeliveryState::Accepted,
            }
        } else {
            (to, message)
        };
        match self.links.iter().find(|(_, address)| **address == to) {
            Some((link, _)) => {
                self.waiting.push((*link, message, 0));
                DeliveryState::Accepted
            }
            None => DeliveryState::Released,
        }
    }

    /// Sends what credit there is for; deliveries begun and ended.
    fn pump(&mut self, connection: &mut Connection) -> usize {
        let before = self.waiting.len();
        let links = &self.links;
        self.waiting.retain(|(link, message, tag)| {
            if !links.contains_key(link) {
                return false;
            }
            if connection.credit(*link) == 0 {
                return true;
            }
            let mut payload = Payload::from(message.to_bytes());
            let outgoing = Outgoing {
                tag: (*tag).into(),
                settled: true,
                ..Outgoing::default()
            };
            let _ = connection.transfer(*link, &outgoing, &mut payload).unwrap();
            assert!(payload.is_empty(), "tests stay within the session's window");
            false
        });
        before - self.waiting.len()
    }
}
