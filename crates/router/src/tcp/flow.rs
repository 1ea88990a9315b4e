//! Setting a flow up at either end, until its [pump](super::pump) can run (router protocol reference §7.3).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};
use std::time::SystemTime;

use bytes::{Buf, Bytes, BytesMut};
use skupper_amqp::performative::{Condition, DeliveryState, names};

use super::connector::TcpConnector;
use super::early::Early;
use super::ending::{By, Ending};
use super::head::{MAX_HEAD, Parsed, StreamHead};
use super::listener::{Target, TcpListener};
use super::meanwhile::{Incoming, unless_over};
use super::observation::Observed;
use super::opening::{Opened, Opening};
use super::outward::Outward;
use super::pump::{Ends, FlowCommand, FlowEnd, FlowInbox, FlowOctets, Pump};
use super::set::Flow;
use super::socket::Socket;
use super::window;
use crate::clock::Moment;
use crate::context::Context;
use crate::core::dispatch::Undeliverable;
use crate::core::forwarding::Sink;
use crate::event::{FlowEvent, FlowRecord, FlowSide};
use crate::net::TcpStream;
use crate::transit::inbox::{Bell, Inbox, Taken};
use crate::transit::message::Message;
use crate::transit::pipe::{Consumer, End, pipe};

/// Token of the opposite stream while its head is read.
const PEER: u32 = 1;

impl Sink for FlowInbox {
    fn deliver(&self, delivery: Consumer) {
        // A flow that has ended gives the stream back; dropping it answers its sender.
        drop(self.send(FlowCommand::Stream(delivery)));
    }
}

/// Serves one client, from its first octet to its last.
pub(crate) async fn serve_client(
    context: &Arc<Context>,
    listener: &Arc<TcpListener>,
    target: &Target,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // Small requests must not wait for more.
    let _ = stream.set_nodelay(true);
    listener.opened.fetch_add(1, Ordering::Relaxed);
    let inbox = Arc::new(Inbox::new());
    let number = context.numbers.connection();
    let octets = Arc::<FlowOctets>::default();
    let address = target.address.as_str().into();
    let flow = Flow::new(inbox.clone(), Some(peer), address, octets.clone());
    let in_set = listener.flows.enter(number, flow);
    let record = context.events.wants_flows().then(|| {
        Arc::new(FlowRecord {
            side: FlowSide::Client(target.record.as_str().into()),
            identity: Some(context.records.next()),
            started: SystemTime::now(),
            address: Some(peer),
            octets: octets.clone(),
            trace: Vec::new(),
            requests: Mutex::default(),
            end: Mutex::new(None),
        })
    });
    if let Some(record) = &record {
        context.events.tell_flow(FlowEvent::Opened(record.clone()));
    }
    let observed = Observed::begin(context, listener.observer(), number, record.as_ref());
    // What it takes to open a flow is many times what an open one needs, and is given back.
    let opened = Box::pin(open_client(
        context,
        listener,
        target,
        (stream, peer),
        FlowParts { inbox, octets },
        record.as_ref(),
        observed,
    ))
    .await;
    let ending = run(opened).await;
    drop(in_set);
    listener.closed.fetch_add(1, Ordering::Relaxed);
    report(context, record, &ending, peer);
}

/// What a flow and the set that it is in both hold.
struct FlowParts {
    inbox: Arc<FlowInbox>,
    octets: Arc<FlowOctets>,
}

fn report(
    context: &Context,
    record: Option<Arc<FlowRecord>>,
    ending: &Ending,
    peer: impl std::fmt::Display,
) {
    if let Some(record) = record {
        record.ended(ending.text(peer));
        context.events.tell_flow(FlowEvent::Closed(record));
    }
}

/// Runs a flow to its end, if it has come to open.
async fn run(opened: Result<Box<Pump>, Ending>) -> Ending {
    match opened {
        Ok(pump) => pump.run().await,
        Err(ending) => ending,
    }
}

async fn open_client(
    context: &Arc<Context>,
    listener: &Arc<TcpListener>,
    target: &Target,
    (stream, peer): (TcpStream, SocketAddr),
    FlowParts { inbox, octets }: FlowParts,
    record: Option<&Arc<FlowRecord>>,
    observed: Observed,
) -> Result<Box<Pump>, Ending> {
    let mut alpn = None;
    let mut socket = if listener.settings.ssl_profile.is_empty() {
        Socket::clear(stream)
    } else {
        let secured = listener.secure(context, stream, peer);
        match unless_over(secured, &inbox, None).await {
            Ok(Some((socket, protocol))) => {
                alpn = protocol;
                socket
            }
            // It said nothing.
            Ok(None) => return Err(Ending::Done),
            Err(ending) => return Err(ending),
        }
    };
    let head = StreamHead {
        to: target.address.clone(),
        reply_to: None,
        correlation_id: record.and_then(|record| record.identity.clone()),
        alpn,
        window: Some(context.memory.window()),
    };
    let mut early = Early::new(observed);
    let opening = Opening {
        dispatch: &context.dispatch,
        key: context.dispatch.key(&target.address),
        head,
        inbox: &inbox,
        socket: &mut socket,
        octets: &octets,
        early: &mut early,
    };
    let Opened {
        stream,
        answer,
        said,
        reply,
    } = match opening.run(&target.late).await {
        Ok(opened) => opened,
        Err(ending) => return Err(ending.tell(&socket)),
    };
    let mut arrival = HeadReader::new(answer, inbox.clone());
    let (window, consumer, rest) = match arrival.read().await {
        HeadOutcome::Head(head, consumer, rest) => (taken(&head, &consumer), consumer, rest),
        // The other end sends something that is no stream.
        HeadOutcome::Wrong(consumer) | HeadOutcome::Malformed(consumer) => {
            consumer.settle(rejected());
            return Err(Ending::Refused.tell(&socket));
        }
        HeadOutcome::Lost => return Err(Ending::Refused.tell(&socket)),
        HeadOutcome::Closed(by) => return Err(Ending::Closed(by).tell(&socket)),
    };
    // Nobody can send a second stream once the name is gone.
    drop(reply);
    Ok(Box::new(Pump::new(
        socket,
        Ends {
            socket: FlowEnd::Client,
            window,
        },
        inbox,
        octets,
        Outward::of_client(stream, early, said),
        consumer,
        rest,
    )))
}

/// What the end takes whose stream has come: what it says, or what is known of its router.
fn taken(head: &StreamHead, stream: &Consumer) -> Option<u64> {
    head.window
        .or(stream.message().roomy.then_some(window::MOST))
}

fn rejected() -> DeliveryState {
    DeliveryState::rejected(Condition::new(
        names::DECODE_ERROR,
        "invalid message format: not a TCP stream",
    ))
}

/// Reads the head of a stream that came.
struct HeadReader {
    consumer: Option<Consumer>,
    inbox: Arc<FlowInbox>,
    taken: Taken<FlowCommand>,
    chunks: VecDeque<Bytes>,
}

enum HeadOutcome {
    /// The head, the stream, and the octets of the stream that came with the head.
    Head(StreamHead, Consumer, VecDeque<Bytes>),
    /// Another kind of message.
    Wrong(Consumer),
    /// No message.
    Malformed(Consumer),
    /// The stream ended before its head did.
    Lost,
    /// The flow is to end.
    Closed(By),
}

impl HeadReader {
    fn new(consumer: Consumer, inbox: Arc<FlowInbox>) -> Self {
        consumer.bind(inbox.clone() as Arc<dyn Bell>, PEER);
        HeadReader {
            consumer: Some(consumer),
            inbox,
            taken: Taken::default(),
            chunks: VecDeque::new(),
        }
    }

    async fn read(&mut self) -> HeadOutcome {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<HeadOutcome> {
        loop {
            let Some(consumer) = self.consumer.take() else {
                return Poll::Ready(HeadOutcome::Lost);
            };
            let chunks = &mut self.chunks;
            let arrival = consumer.take(|chunk| chunks.push_back(chunk));
            match self.parse() {
                Parsed::Head { head, length } => {
                    super::pump::consume(&mut self.chunks, length);
                    consumer.release(length);
                    let rest = std::mem::take(&mut self.chunks);
                    return Poll::Ready(HeadOutcome::Head(head, consumer, rest));
                }
                Parsed::WrongEncapsulation => return Poll::Ready(HeadOutcome::Wrong(consumer)),
                Parsed::Malformed(_) => return Poll::Ready(HeadOutcome::Malformed(consumer)),
                Parsed::Incomplete => match arrival.end {
                    Some(End::Complete) => return Poll::Ready(HeadOutcome::Malformed(consumer)),
                    Some(End::Aborted) => return Poll::Ready(HeadOutcome::Lost),
                    None => self.consumer = Some(consumer),
                },
            }
            self.inbox.take(&mut self.taken, cx);
            if self.taken.is_empty() {
                return Poll::Pending;
            }
            self.taken.ready.clear();
            for command in self.taken.commands.drain(..) {
                if let FlowCommand::Close(by) = command {
                    return Poll::Ready(HeadOutcome::Closed(by));
                }
            }
        }
    }

    fn parse(&mut self) -> Parsed {
        if self.chunks.len() > 1 {
            // A head in several slices is rare: put together what may belong to it.
            let mut whole = BytesMut::new();
            let mut rest = VecDeque::new();
            for chunk in self.chunks.drain(..) {
                if whole.len() < MAX_HEAD {
                    whole.extend_from_slice(chunk.chunk());
                } else {
                    rest.push_back(chunk);
                }
            }
            rest.push_front(whole.freeze());
            self.chunks = rest;
        }
        self.chunks
            .front()
            .map_or(Parsed::Incomplete, |chunk| StreamHead::parse(chunk))
    }
}

/// Serves a client's stream at the router that has the server.
pub(crate) async fn serve_stream(
    context: &Arc<Context>,
    connector: &Arc<TcpConnector>,
    stream: Consumer,
) {
    let inbox = Arc::new(Inbox::new());
    let number = context.numbers.connection();
    let octets = Arc::<FlowOctets>::default();
    let address = connector.address.clone();
    let flow = Flow::new(inbox.clone(), None, address, octets.clone());
    let in_set = connector.flows.enter(number, flow);
    connector.opened.fetch_add(1, Ordering::Relaxed);
    connector.last.note(Moment::now());
    let parts = FlowParts { inbox, octets };
    if let Some((record, opened)) = Box::pin(open_server(context, connector, stream, parts)).await {
        let ending = run(opened).await;
        report(context, record, &ending, connector.server());
    }
    drop(in_set);
    connector.closed.fetch_add(1, Ordering::Relaxed);
}

/// Connects to the server and answers the client, with what is told of the flow; nothing where the stream is none of a flow.
async fn open_server(
    context: &Arc<Context>,
    connector: &Arc<TcpConnector>,
    stream: Consumer,
    FlowParts { inbox, octets }: FlowParts,
) -> Option<(Option<Arc<FlowRecord>>, Result<Box<Pump>, Ending>)> {
    let trace = stream.message().annotations.trace.clone();
    let (head, mut incoming) = match HeadReader::new(stream, inbox.clone()).read().await {
        HeadOutcome::Head(head, consumer, octets) => (head, Incoming { consumer, octets }),
        HeadOutcome::Wrong(consumer) => {
            tracing::error!(
                target: "TCP_ADAPTOR",
                "{}: Misconfigured TCP adaptor (wrong encapsulation)", connector.settings.name
            );
            consumer.settle(DeliveryState::Released);
            return None;
        }
        HeadOutcome::Malformed(consumer) => {
            consumer.settle(rejected());
            return None;
        }
        HeadOutcome::Lost | HeadOutcome::Closed(_) => return None,
    };
    let window = taken(&head, &incoming.consumer);
    let Some(reply_to) = head.reply_to else {
        incoming.consumer.settle(rejected());
        return None;
    };
    let socket = connector.connect(context, head.alpn.as_deref());
    let socket = unless_over(socket, &inbox, Some(&mut incoming)).await;
    let Incoming {
        consumer,
        octets: rest,
    } = incoming;
    let tcp = socket.as_ref().ok().map(Socket::tcp);
    let record = context.events.wants_flows().then(|| {
        Arc::new(FlowRecord {
            side: FlowSide::Server(connector.clone()),
            identity: head.correlation_id.clone(),
            started: SystemTime::now(),
            address: tcp.and_then(|socket| socket.local_addr().ok()),
            octets: octets.clone(),
            trace,
            requests: Mutex::default(),
            end: Mutex::new(None),
        })
    });
    if let Some(record) = &record {
        context.events.tell_flow(FlowEvent::Opened(record.clone()));
    }
    let socket = match socket {
        Ok(socket) => socket,
        Err(ending) => {
            consumer.settle(DeliveryState::failed());
            return Some((record, Err(ending)));
        }
    };
    let (producer, answer) = pipe(Message::tcp_stream());
    let reply = StreamHead {
        to: reply_to,
        window: Some(context.memory.window()),
        ..StreamHead::default()
    };
    producer.push(reply.encode());
    let key = context.dispatch.key(&reply.to);
    // What has been said early is done by the server as soon as it hears it: not while the answer may find no way.
    let early = consumer.message().is_early();
    let sent = match early {
        true => context.dispatch.send_at_once(&key, answer),
        false => context.dispatch.send(&key, answer),
    };
    let opened = match sent {
        Ok(_) => Ok(Box::new(Pump::new(
            socket,
            Ends {
                socket: FlowEnd::Server,
                window,
            },
            inbox,
            octets,
            Outward::of_server(producer),
            consumer,
            rest,
        ))),
        Err(_) => {
            consumer.settle(match early {
                true => Undeliverable::TooEarly.state(),
                false => DeliveryState::failed(),
            });
            Err(Ending::Refused)
        }
    };
    Some((record, opened))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets that a flow's task may take while the flow is open, beside its pump.
    const MOST: usize = 768;

    fn of_server<A, B, C, F>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    fn of_client<A, B, C, D, E, F>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_open_flow_does_not_keep_what_its_opening_took() {
        let sizes = [of_client(serve_client), of_server(serve_stream)];
        assert!(sizes.iter().all(|size| *size <= MOST), "{sizes:?}");
        let pump = size_of::<Pump>();
        assert!(pump <= 384, "{pump}");
    }
}
