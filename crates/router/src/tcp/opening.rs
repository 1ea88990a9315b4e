//! Finding the server's end for a client: the client's stream is offered to the network and the answer awaited (router protocol
//! reference §7.3).
//!
//! Upstream reads nothing of a client before the server's end has answered, which costs whoever speaks first a way there and back
//! between the routers. Its own router may lose octets that come sooner, so they are sent only from router to router where the
//! next one offers to take them; the stream says so in its annotations. A router whose next one does not gives the stream back
//! with the condition `skupper:too-early`, and it is offered again without them.
//!
//! Where routers have not all heard of a change yet, or a link on the way is lost, a stream comes back RELEASED: nobody has taken
//! octets of the client that were with it, though a server may have been connected to for one without. It is offered again while the
//! routers come to agree. Upstream's router resets the client then.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use skupper_amqp::performative::DeliveryState;
use skupper_routing::AddressKey;
use tokio::time::Instant;

use super::early::Early;
use super::ending::{By, Ending, Fault};
use super::head::StreamHead;
use super::pump::{FlowCommand, FlowInbox, FlowOctets};
use super::socket::Socket;
use crate::core::dispatch::{Dispatch, TOO_EARLY, Undeliverable};
use crate::core::forwarding::Sink;
use crate::core::replies::Reply;
use crate::transit::inbox::{Bell, Taken};
use crate::transit::message::Message;
use crate::transit::pipe::{Consumer, Producer, pipe};

/// Token of the client's stream while it is offered.
const OWN: u32 = 0;
/// How long no octets go early to an address where a router on the way has not taken them.
const LATE: Duration = Duration::from_secs(60);
/// How long a stream rests that came back unused before it is offered again. Routers agree in less than these are together.
const RESTS: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];

/// Whether clients' octets to an address wait until the server's end has answered.
#[derive(Default)]
pub(crate) struct Late(Mutex<Option<Instant>>);

impl Late {
    fn lasts(&self, now: Instant) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| now.saturating_duration_since(since) < LATE)
    }

    fn begins(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

/// One client's stream that looks for its server.
pub(crate) struct Opening<'a> {
    pub(crate) dispatch: &'a Dispatch,
    /// The address of the service.
    pub(crate) key: AddressKey,
    /// The head of the stream, but for where the answer goes.
    pub(crate) head: StreamHead,
    pub(crate) inbox: &'a Arc<FlowInbox>,
    pub(crate) socket: &'a mut Socket,
    pub(crate) octets: &'a FlowOctets,
    pub(crate) early: &'a mut Early,
}

/// A server's end that has answered.
pub(crate) struct Opened {
    /// The client's stream.
    pub(crate) stream: Producer,
    /// The server's.
    pub(crate) answer: Consumer,
    /// What was read early has gone with the client's stream.
    pub(crate) said: bool,
    /// Where the answer was sent, while it may be sent there.
    pub(crate) reply: Reply,
}

enum Failure {
    /// Without the client's octets it may go.
    TooEarly,
    /// Nobody has used octets of the client.
    Unused,
    /// The flow has ended.
    Ended(Ending),
}

impl Opening<'_> {
    /// Offers the stream until a server's end answers or the flow is over.
    pub(crate) async fn run(mut self, late: &Late) -> Result<Opened, Ending> {
        let mut rests = RESTS.into_iter();
        let mut counted = false;
        if !late.lasts(Instant::now()) {
            let looked = self.look().await;
            looked.map_err(|error| Ending::Socket(Fault::read(error)))?;
        }
        loop {
            let early = !late.lasts(Instant::now());
            let head = match early {
                true => Message::early_tcp_stream(),
                false => Message::tcp_stream(),
            };
            let message = Message { counted, ..head };
            match self.attempt(message, &mut counted).await {
                Ok(opened) => return Ok(opened),
                Err(Failure::Ended(ending)) => return Err(ending),
                Err(Failure::TooEarly) if early => late.begins(Instant::now()),
                // Nothing was early.
                Err(Failure::TooEarly) => return Err(Ending::Refused),
                Err(Failure::Unused) => match rests.next() {
                    Some(rest) => self.rest(rest).await?,
                    None => return Err(Ending::Refused),
                },
            }
        }
    }

    /// Takes what the client has said with its connection, so that it leaves with the head of its stream.
    async fn look(&mut self) -> io::Result<()> {
        let keep = |_| {};
        std::future::poll_fn(|cx| Poll::Ready(self.early.read(self.socket, self.octets, cx, keep)))
            .await
    }

    /// Offers the stream once; `counted`: it has gone out, and so was counted.
    async fn attempt(&mut self, message: Message, counted: &mut bool) -> Result<Opened, Failure> {
        let early = message.is_early();
        // One of its own: what an attempt before this may still be answered is for nobody.
        let sink = self.inbox.clone() as Arc<dyn Sink>;
        let reply = self.dispatch.replies.bind(sink);
        self.head.reply_to = Some(self.dispatch.reply_address(reply.name()));
        let (stream, consumer) = pipe(message);
        stream.push(self.head.encode());
        if early {
            for chunk in &self.early.said {
                stream.push(chunk.clone());
            }
        }
        stream.bind(self.inbox.clone() as Arc<dyn Bell>, OWN);
        match self.dispatch.send(&self.key, consumer) {
            Ok(_) => *counted = true,
            Err((Undeliverable::TooEarly, _)) => return Err(Failure::TooEarly),
            Err((Undeliverable::NoRoute, _)) => return Err(Failure::Unused),
            Err((Undeliverable::Unavailable, _)) => return Err(Failure::Ended(Ending::Refused)),
        }
        let answer = self.answer(&stream, early).await?;
        Ok(Opened {
            stream,
            answer,
            said: early,
            reply,
        })
    }

    /// Waits until the stream is offered again; the flow may be over before that.
    async fn rest(&mut self, span: Duration) -> Result<(), Ending> {
        let mut over = pin!(tokio::time::sleep(span));
        let mut taken = Taken::default();
        std::future::poll_fn(|cx| {
            loop {
                self.inbox.take(&mut taken, cx);
                if taken.is_empty() {
                    let keep = |_| {};
                    return match self.early.read(self.socket, self.octets, cx, keep) {
                        Ok(()) => over.as_mut().poll(cx).map(Ok),
                        Err(error) => Poll::Ready(Err(Ending::Socket(Fault::read(error)))),
                    };
                }
                taken.ready.clear();
                // An answer that comes now is to a stream that was given back: dropping it says so.
                if let Some(by) = taken
                    .commands
                    .drain(..)
                    .find_map(|command| closes(&command))
                {
                    return Poll::Ready(Err(Ending::Closed(by)));
                }
            }
        })
        .await
    }

    /// Waits for the opposite stream, or for the news that there will be none; what the client says meanwhile goes out if `early`,
    /// else it waits.
    async fn answer(&mut self, stream: &Producer, early: bool) -> Result<Consumer, Failure> {
        let mut taken = Taken::default();
        std::future::poll_fn(|cx| {
            loop {
                self.inbox.take(&mut taken, cx);
                if taken.is_empty() {
                    // What does not go now is kept: who reads notices a client that leaves.
                    let give = |chunk| {
                        if early {
                            stream.push(chunk);
                        }
                    };
                    let read = self.early.read(self.socket, self.octets, cx, give);
                    return match read {
                        Ok(()) => Poll::Pending,
                        Err(error) => {
                            let ending = Ending::Socket(Fault::read(error));
                            Poll::Ready(Err(Failure::Ended(ending)))
                        }
                    };
                }
                if let Some(by) = taken.commands.iter().find_map(closes) {
                    return Poll::Ready(Err(Failure::Ended(Ending::Closed(by))));
                }
                if !taken.ready.is_empty() {
                    taken.ready.clear();
                    let update = stream.take_update();
                    match update.state {
                        Some(DeliveryState::Accepted | DeliveryState::Received { .. }) => {}
                        None if !update.settled => {}
                        // Nothing is said of it, and nothing will be.
                        None => return Poll::Ready(Err(Failure::Ended(Ending::Refused))),
                        Some(state) => return Poll::Ready(Err(given_back(&state))),
                    }
                }
                if let Some(FlowCommand::Stream(answer)) = taken.commands.drain(..).next() {
                    return Poll::Ready(Ok(answer));
                }
            }
        })
        .await
    }
}

/// Who wants the flow closed, if the command is that.
fn closes(command: &FlowCommand) -> Option<By> {
    match command {
        FlowCommand::Close(by) => Some(*by),
        FlowCommand::Stream(_) => None,
    }
}

fn given_back(state: &DeliveryState) -> Failure {
    match state {
        DeliveryState::Released => Failure::Unused,
        DeliveryState::Rejected(Some(error)) if error.condition == TOO_EARLY => Failure::TooEarly,
        _ => Failure::Ended(Ending::Refused),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::Ordering;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::core::testing::{Taker, dispatch, serve};
    use crate::tcp::head::Parsed;
    use crate::tcp::observation::Observed;
    use crate::transit::inbox::Inbox;

    /// A client that has said hello, and a service that somebody has.
    struct Flow {
        dispatch: Dispatch,
        key: AddressKey,
        inbox: Arc<FlowInbox>,
        taker: Arc<Taker>,
        socket: Socket,
        client: Option<TcpStream>,
        /// What a server goes on with.
        kept: Vec<Consumer>,
        octets: FlowOctets,
        early: Early,
        late: Late,
    }

    impl Flow {
        async fn to(taker: Taker) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"hello").await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            accepted.readable().await.unwrap();
            let dispatch = dispatch();
            let key = dispatch.key("service");
            let taker = Arc::new(taker);
            serve(&dispatch, &key, taker.clone());
            Flow {
                dispatch,
                key,
                inbox: Arc::new(Inbox::new()),
                taker,
                socket: Socket::clear(accepted.into()),
                client: Some(client),
                kept: Vec::new(),
                octets: FlowOctets::default(),
                early: Early::new(Observed::default()),
                late: Late::default(),
            }
        }

        /// Looks for the server, and has `server` do something with each stream that it gets; one that comes back is kept.
        async fn open(
            &mut self,
            mut server: impl FnMut(Consumer, &FlowInbox) -> Option<Consumer>,
        ) -> Result<Opened, Ending> {
            let opening = Opening {
                dispatch: &self.dispatch,
                key: self.key.clone(),
                head: StreamHead::default(),
                inbox: &self.inbox,
                socket: &mut self.socket,
                octets: &self.octets,
                early: &mut self.early,
            };
            let mut opened = pin!(opening.run(&self.late));
            loop {
                tokio::select! {
                    biased;
                    opened = &mut opened => return opened,
                    () = tokio::task::yield_now() => {}
                }
                if let Some(stream) = self.taker.take() {
                    self.kept.extend(server(stream, &self.inbox));
                }
            }
        }
    }

    /// Where the answer is to be sent, and the client's octets that came with that.
    fn heard(stream: &Consumer) -> (String, Vec<u8>) {
        let mut octets = Vec::new();
        stream.take(|chunk| octets.extend_from_slice(&chunk));
        match StreamHead::parse(&octets) {
            Parsed::Head { head, length } => (head.reply_to.unwrap(), octets.split_off(length)),
            other => panic!("{other:?}"),
        }
    }

    fn said(stream: &Consumer) -> Vec<u8> {
        heard(stream).1
    }

    fn answer(stream: Consumer, inbox: &FlowInbox) -> Option<Consumer> {
        let (_, consumer) = pipe(Message::tcp_stream());
        assert!(inbox.send(FlowCommand::Stream(consumer)).is_ok());
        Some(stream)
    }

    #[tokio::test]
    async fn what_a_client_says_goes_with_its_stream_to_who_takes_it() {
        let mut flow = Flow::to(Taker::early()).await;
        let mut came = Vec::new();
        let server = |stream: Consumer, inbox: &FlowInbox| {
            came.push((said(&stream), stream.message().is_early()));
            answer(stream, inbox)
        };
        assert!(flow.open(server).await.unwrap().said);
        assert_eq!(came, [(b"hello".to_vec(), true)]);
    }

    #[tokio::test]
    async fn who_takes_nothing_early_gets_the_head_alone() {
        let mut flow = Flow::to(Taker::default()).await;
        let mut came = Vec::new();
        let server = |stream: Consumer, inbox: &FlowInbox| {
            came.push((said(&stream), stream.message().is_early()));
            answer(stream, inbox)
        };
        // What was read stays, for when the answer has come.
        assert!(!flow.open(server).await.unwrap().said);
        assert_eq!(came, [(Vec::new(), false)]);
        assert_eq!(flow.early.said, ["hello"]);
    }

    #[tokio::test]
    async fn a_stream_that_comes_back_as_too_early_goes_again_without_and_so_do_the_next() {
        let mut flow = Flow::to(Taker::early()).await;
        let mut came = Vec::new();
        for _ in 0..2 {
            let server = |stream: Consumer, inbox: &FlowInbox| {
                came.push(said(&stream));
                match stream.message().is_early() {
                    true => {
                        stream.settle(Undeliverable::TooEarly.state());
                        None
                    }
                    false => answer(stream, inbox),
                }
            };
            assert!(!flow.open(server).await.unwrap().said);
        }
        assert_eq!(came, [&b"hello"[..], b"", b""]);
        let usage = flow.dispatch.uses.of(&flow.key);
        assert_eq!(
            usage.ingress.load(Ordering::Relaxed),
            2,
            "flows, not streams"
        );
    }

    #[tokio::test]
    async fn a_stream_that_comes_back_unused_is_offered_again_as_another() {
        for taker in [Taker::early(), Taker::default()] {
            let mut flow = Flow::to(taker).await;
            let early = flow.taker.takes_early();
            let mut came = Vec::new();
            let server = |stream: Consumer, inbox: &FlowInbox| {
                came.push(heard(&stream));
                match came.len() {
                    1 => stream.settle(DeliveryState::Released),
                    // Nobody tells: the link to him is lost.
                    2 if !early => drop(stream),
                    2 => stream.settle(DeliveryState::Released),
                    // What an attempt before is answered is none of this one.
                    _ => return answer(stream, inbox),
                }
                None
            };
            assert_eq!(flow.open(server).await.unwrap().said, early);
            let (places, said): (Vec<_>, Vec<_>) = came.into_iter().unzip();
            let expected: &[u8] = if early { b"hello" } else { b"" };
            assert_eq!(said, [expected; 3]);
            assert!(places[0] != places[1] && places[1] != places[2]);
        }
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_is_not_looked_for_for_ever() {
        let mut flow = Flow::to(Taker::early()).await;
        let mut streams = 0;
        let server = |stream: Consumer, _: &FlowInbox| {
            streams += 1;
            stream.settle(DeliveryState::Released);
            None
        };
        let opened = flow.open(server).await;
        assert!(matches!(opened, Err(Ending::Refused)));
        assert_eq!(streams, 1 + RESTS.len());
        let usage = flow.dispatch.uses.of(&flow.key);
        assert_eq!(
            usage.ingress.load(Ordering::Relaxed),
            1,
            "a flow, not its streams"
        );
    }

    #[tokio::test]
    async fn a_stream_that_may_have_been_used_is_refused() {
        for state in [DeliveryState::failed(), Undeliverable::Unavailable.state()] {
            let mut flow = Flow::to(Taker::early()).await;
            let mut streams = 0;
            let server = |stream: Consumer, _: &FlowInbox| {
                streams += 1;
                stream.settle(state.clone());
                None
            };
            let opened = flow.open(server).await;
            assert!(matches!(opened, Err(Ending::Refused)));
            assert_eq!(streams, 1);
        }
        // Octets that came early were taken, and it is not known what became of them.
        let mut flow = Flow::to(Taker::early()).await;
        let server = |stream: Consumer, _: &FlowInbox| {
            assert_eq!(said(&stream), b"hello");
            None
        };
        let opened = flow.open(server).await;
        assert!(matches!(opened, Err(Ending::Refused)));
    }

    #[tokio::test]
    async fn who_leaves_or_is_closed_does_not_wait_for_another_attempt() {
        for leaves in [true, false] {
            let mut flow = Flow::to(Taker::early()).await;
            let mut client = flow.client.take();
            let mut streams = 0;
            let server = |stream: Consumer, inbox: &FlowInbox| {
                streams += 1;
                stream.settle(DeliveryState::Released);
                if !leaves {
                    assert!(inbox.send(FlowCommand::Close(By::Parent)).is_ok());
                } else if let Some(client) = client.take() {
                    let socket = socket2::SockRef::from(&client);
                    socket.set_linger(Some(Duration::ZERO)).unwrap();
                }
                None
            };
            let ending = flow.open(server).await.err().unwrap();
            match leaves {
                true => assert!(matches!(ending, Ending::Socket(_)), "{ending:?}"),
                false => assert!(matches!(ending, Ending::Closed(By::Parent))),
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_noticed() {
        for late in [false, true] {
            let mut flow = Flow::to(Taker::early()).await;
            if late {
                flow.late.begins(Instant::now());
            }
            let mut client = flow.client.take();
            let server = |stream: Consumer, _: &FlowInbox| {
                assert_eq!(stream.message().is_early(), !late);
                let client = client.take().unwrap();
                let socket = socket2::SockRef::from(&client);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                Some(stream)
            };
            let opened = flow.open(server).await;
            assert!(matches!(opened, Err(Ending::Socket(_))), "late: {late}");
        }
    }

    #[tokio::test]
    async fn a_flow_that_is_closed_meanwhile_does_not_go_again() {
        let mut flow = Flow::to(Taker::early()).await;
        let mut streams = 0;
        let server = |stream: Consumer, inbox: &FlowInbox| {
            streams += 1;
            stream.settle(Undeliverable::TooEarly.state());
            assert!(inbox.send(FlowCommand::Close(By::Parent)).is_ok());
            None
        };
        let opened = flow.open(server).await;
        assert!(matches!(opened, Err(Ending::Closed(By::Parent))) && streams == 1);
    }

    #[test]
    fn after_a_while_octets_go_early_again() {
        let late = Late::default();
        let now = Instant::now();
        assert!(!late.lasts(now));
        late.begins(now);
        assert!(late.lasts(now) && late.lasts(now + LATE - Duration::from_nanos(1)));
        assert!(!late.lasts(now + LATE));
    }
}
