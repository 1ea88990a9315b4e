//! The direction of a flow that leaves its socket: what is read goes into a delivery.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use skupper_amqp::performative::DeliveryState;
use skupper_observe::Side;
use tokio::io::AsyncReadExt;

use super::observation::Observed;
use super::pump::{FlowInbox, FlowOctets};
use super::socket::Socket;
use super::window::Window;
use crate::transit::block;
use crate::transit::inbox::Bell;
use crate::transit::pipe::{HIGH_WATER, Producer, Update};

/// Octets of a client that go with its stream before the server's end has answered: a request, but not a whole upload, which
/// would lie at a router whose server cannot be reached.
const EARLY: u64 = 16 * 1024;
/// What is looked for in a socket before anything tells that octets have come.
const AT_ONCE: usize = 2048;

/// Octets on their way out of a socket.
pub(crate) struct Outward {
    /// Who reads along, in both directions.
    pub(crate) observed: Observed,
    producer: Producer,
    sent: u64,
    window: Window,
    /// The window is off: the peer settled or ended.
    unlimited: bool,
    /// The producer said to wait.
    held: bool,
    /// The socket came to its end before the flow was open.
    ended: bool,
    /// When the first of what was read before the flow was open was read.
    asked: Option<Instant>,
    done: bool,
}

impl Outward {
    pub(crate) fn new(producer: Producer, observed: Observed) -> Self {
        Outward {
            observed,
            producer,
            sent: 0,
            window: Window::new(None),
            unlimited: false,
            held: false,
            ended: false,
            asked: None,
            done: false,
        }
    }

    /// The other end has answered and takes so many octets beyond what it has acknowledged, if it says so.
    pub(crate) fn open(&mut self, window: Option<u64>, inbox: &Arc<FlowInbox>, token: u32) {
        self.producer.bind(inbox.clone() as Arc<dyn Bell>, token);
        self.window = Window::new(window);
        self.window.sent(self.sent, Instant::now);
    }

    /// When the socket's peer spoke, if it did so before the other end had answered.
    pub(crate) fn asked(&self) -> Option<Instant> {
        self.asked
    }

    /// Octets read so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// The socket has come to its end, and the delivery with it.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Breaks the delivery off.
    pub(crate) fn abort(&self) {
        self.producer.abort();
    }

    /// What came back for the delivery.
    pub(crate) fn take_update(&self) -> Update {
        self.producer.take_update()
    }

    /// Looks at what came back; whether it means that nobody takes the stream.
    pub(crate) fn hear(&mut self) -> bool {
        self.held = false;
        let update = self.producer.take_update();
        self.unlimited |= update.settled;
        match update.state {
            Some(DeliveryState::Received { section_offset, .. }) => {
                self.window.acknowledge(section_offset, Instant::now());
                false
            }
            Some(DeliveryState::Accepted) => {
                self.unlimited = true;
                false
            }
            other => other.is_some(),
        }
    }

    /// Takes what a client has said with its connection. The reactor knows nothing of a new socket yet; that the octets are
    /// there already is usual, and so they leave with the head of the stream.
    pub(crate) fn read_at_once(&mut self, socket: &Socket, octets: &FlowOctets) {
        let mut first = [0; AT_ONCE];
        // Whatever is wrong with the socket shows when it is read in order.
        if let Some(Ok(length)) = socket.read_now(&mut first)
            && length > 0
        {
            self.push_early(Bytes::copy_from_slice(&first[..length]), octets);
        }
    }

    /// Reads while the other end has not answered yet: a round trip is saved for whoever speaks first.
    pub(crate) fn read_early(
        &mut self,
        socket: &mut Socket,
        octets: &FlowOctets,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        while !self.ended && self.sent < EARLY {
            match next_chunk(socket, cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
                // What it means for the opposite direction is known when that exists.
                Poll::Ready(Ok(chunk)) if chunk.is_empty() => self.ended = true,
                Poll::Ready(Ok(chunk)) => self.push_early(chunk, octets),
            }
        }
        Ok(())
    }

    fn push_early(&mut self, chunk: Bytes, octets: &FlowOctets) {
        self.asked.get_or_insert_with(Instant::now);
        self.push(chunk, octets);
    }

    fn may_read(&mut self) -> bool {
        if self.done || self.held {
            return false;
        }
        if !self.unlimited && !self.window.is_open(self.sent) {
            return false;
        }
        self.held = self.producer.must_wait(HIGH_WATER);
        !self.held
    }

    /// Reads once; whether there was something. `inward_done`: the opposite direction is over.
    pub(crate) fn read(
        &mut self,
        socket: &mut Socket,
        octets: &FlowOctets,
        inward_done: bool,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        if !self.may_read() {
            return Ok(false);
        }
        let read = match self.ended {
            true => Poll::Ready(Ok(Bytes::new())),
            false => next_chunk(socket, cx),
        };
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(chunk)) if chunk.is_empty() => {
                // Nobody needs to acknowledge a direction whose opposite is over already.
                self.producer.complete(inward_done);
                self.done = true;
                Ok(true)
            }
            Poll::Ready(Ok(chunk)) => {
                self.push(chunk, octets);
                Ok(true)
            }
        }
    }

    fn push(&mut self, chunk: Bytes, octets: &FlowOctets) {
        self.sent += chunk.len() as u64;
        octets.outward.store(self.sent, Ordering::Relaxed);
        self.window.sent(self.sent, Instant::now);
        self.observed.feed(Side::Client, &chunk);
        self.producer.push(chunk);
    }
}

/// What the socket gives next; nothing at its end.
fn next_chunk(socket: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    block::with_block(|block| match pin!(socket.read_buf(block)).poll(cx) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Ready(Ok(_)) => Poll::Ready(Ok(block::take_all(block))),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::transit::inbox::Inbox;
    use crate::transit::message::Message;
    use crate::transit::pipe::{Consumer, End, pipe};

    async fn sockets() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        (client, Socket::Clear(accepted))
    }

    fn outward() -> (Outward, Consumer) {
        let (producer, consumer) = pipe(Message::tcp_stream());
        (Outward::new(producer, Observed::default()), consumer)
    }

    fn taken(consumer: &Consumer) -> (Vec<u8>, Option<End>) {
        let mut octets = Vec::new();
        let arrival = consumer.take(|chunk| octets.extend_from_slice(&chunk));
        (octets, arrival.end)
    }

    /// Reads early until `enough`.
    async fn read_until(
        outward: &mut Outward,
        socket: &mut Socket,
        enough: impl Fn(&Outward) -> bool,
    ) {
        let octets = FlowOctets::default();
        poll_fn(|cx| {
            outward.read_early(socket, &octets, cx).unwrap();
            match enough(outward) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    #[tokio::test]
    async fn what_a_client_says_at_once_goes_before_the_reactor_knows_of_it() {
        let (mut client, socket) = sockets().await;
        client.write_all(b"hello").await.unwrap();
        socket.tcp().readable().await.unwrap();
        let (mut outward, consumer) = outward();
        let octets = FlowOctets::default();
        outward.read_at_once(&socket, &octets);
        assert_eq!(taken(&consumer), (b"hello".to_vec(), None));
        assert_eq!(octets.outward.load(Ordering::Relaxed), 5);
        assert!(outward.asked().is_some());
        // There is nothing more, which is no end.
        outward.read_at_once(&socket, &octets);
        assert_eq!(taken(&consumer), (Vec::new(), None));
    }

    #[tokio::test]
    async fn a_request_goes_early_and_its_end_when_the_flow_is_open() {
        let (mut client, mut socket) = sockets().await;
        client.write_all(b"request").await.unwrap();
        client.shutdown().await.unwrap();
        let (mut outward, consumer) = outward();
        read_until(&mut outward, &mut socket, |outward| outward.ended).await;
        assert_eq!(taken(&consumer), (b"request".to_vec(), None));
        outward.open(None, &Arc::new(Inbox::new()), 0);
        let octets = FlowOctets::default();
        let read = poll_fn(|cx| Poll::Ready(outward.read(&mut socket, &octets, false, cx))).await;
        assert!(read.unwrap() && outward.is_done());
        assert_eq!(taken(&consumer).1, Some(End::Complete));
    }

    #[tokio::test]
    async fn an_upload_waits_for_the_server() {
        let (mut client, mut socket) = sockets().await;
        let upload = tokio::spawn(async move { client.write_all(&[7; 4 << 20]).await });
        let (mut outward, _consumer) = outward();
        read_until(&mut outward, &mut socket, |outward| outward.sent >= EARLY).await;
        let sent = outward.sent;
        assert!(sent < EARLY + block::BLOCK as u64, "{sent}");
        let octets = FlowOctets::default();
        socket.tcp().readable().await.unwrap();
        poll_fn(|cx| Poll::Ready(outward.read_early(&mut socket, &octets, cx)))
            .await
            .unwrap();
        assert_eq!(outward.sent, sent);
        upload.abort();
    }
}
