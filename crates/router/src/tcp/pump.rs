//! The two directions of one TCP connection, once both streams exist.
//!
//! *Outward* are the octets that the socket gives and a delivery carries away; *inward* those that the other end's
//! delivery brings and the socket takes. Each direction ends by itself (half-close), is held back by whoever takes its
//! octets, and is never ahead of the other end by more than the window (router protocol reference §7.5, §7.6).

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use skupper_amqp::performative::DeliveryState;
use skupper_observe::Side;
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::ending::{By, Ending, Fault};
use super::observation::Observed;
use super::outward::Outward;
use super::socket::Socket;
use super::window::ACKNOWLEDGE_EVERY;
use crate::clock::{Last, Moment};
use crate::transit::inbox::{Bell, Inbox, Taken};
use crate::transit::pipe::{Consumer, End};

/// Reads or writes in one turn before other tasks of the thread get theirs.
const TURNS: usize = 8;
/// Slices handed to one write.
const SLICES: usize = 64;

/// Token of the outward pipe in the flow's inbox.
const OUTWARD: u32 = 0;
/// Token of the inward pipe in the flow's inbox.
const INWARD: u32 = 1;

/// What is said to a flow from elsewhere.
pub(crate) enum FlowCommand {
    /// The other end's stream has arrived.
    Stream(Consumer),
    /// End.
    Close(By),
}

/// The inbox of a flow.
pub(crate) type FlowInbox = Inbox<FlowCommand>;

/// Octets of one flow so far, readable while it runs.
#[derive(Debug, Default)]
pub struct FlowOctets {
    /// Read from the socket.
    pub outward: AtomicU64,
    /// Written to the socket.
    pub inward: AtomicU64,
    /// Come for the socket, written or not.
    arrived: AtomicU64,
    /// Microseconds from the first octet of the client to the first of the server; 0 until known.
    pub latency_us: AtomicU64,
    /// When octets were last read.
    last_outward: Last,
    /// When octets were last written.
    last_inward: Last,
}

impl FlowOctets {
    /// The latency, once it is known.
    pub fn latency(&self) -> Option<Duration> {
        let micros = self.latency_us.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// The time since octets were last read, and since they were last written.
    pub(crate) fn idle(&self, now: Moment) -> [Option<Duration>; 2] {
        [&self.last_outward, &self.last_inward].map(|last| last.since(now))
    }

    /// Octets that wait for the socket.
    pub(crate) fn waiting(&self) -> u64 {
        let arrived = self.arrived.load(Ordering::Relaxed);
        arrived.saturating_sub(self.inward.load(Ordering::Relaxed))
    }

    /// Notes which way octets have just gone.
    pub(super) fn moved(&self, outward: bool, inward: bool) {
        if !outward && !inward {
            return;
        }
        let now = Moment::now();
        for (moved, last) in [(outward, &self.last_outward), (inward, &self.last_inward)] {
            if moved {
                last.note(now);
            }
        }
    }

    /// Notes the latency.
    pub(crate) fn answered_after(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_us.store(micros.max(1), Ordering::Relaxed);
    }
}

/// Which end of a flow a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowEnd {
    /// The client's: questions go outward.
    Client,
    /// The server's: questions come inward.
    Server,
}

/// The two ends of a flow, as the router at one of them sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// The socket here.
    pub(crate) socket: FlowEnd,
    /// Octets that the other end takes beyond what it has acknowledged, if it says so.
    pub(crate) window: Option<u64>,
}

/// Time from the first octet of the client to the first of the server.
enum Latency {
    /// The client has said nothing yet.
    Unknown(FlowEnd),
    /// The client has spoken.
    Asked(FlowEnd, Instant),
    /// It is known, or the server spoke first.
    Over,
}

impl Latency {
    /// Notes how many octets have gone each way.
    fn note(&mut self, outward: u64, inward: u64, octets: &FlowOctets) {
        let of_client = |end| {
            if end == FlowEnd::Client {
                outward
            } else {
                inward
            }
        };
        let of_server = |end| {
            if end == FlowEnd::Client {
                inward
            } else {
                outward
            }
        };
        *self = match *self {
            Latency::Unknown(end) if of_server(end) > 0 => Latency::Over,
            Latency::Unknown(end) if of_client(end) > 0 => Latency::Asked(end, Instant::now()),
            Latency::Asked(end, since) if of_server(end) > 0 => {
                octets.answered_after(since.elapsed());
                Latency::Over
            }
            _ => return,
        };
    }
}

/// One established flow.
pub(crate) struct Pump {
    socket: Socket,
    inbox: Arc<FlowInbox>,
    taken: Taken<FlowCommand>,
    octets: Arc<FlowOctets>,
    latency: Latency,
    outward: Outward,
    inward: Inward,
}

struct Inward {
    /// Gone once settled.
    consumer: Option<Consumer>,
    pending: VecDeque<Bytes>,
    /// Octets that have come so far.
    arrived: u64,
    written: u64,
    acknowledged: u64,
    end: Option<End>,
    done: bool,
}

impl Pump {
    /// `outward` may have sent of the socket's octets already; `pending` are octets of `consumer` that were taken with the stream's head and belong to the body.
    pub(crate) fn new(
        socket: Socket,
        ends: Ends,
        inbox: Arc<FlowInbox>,
        octets: Arc<FlowOctets>,
        mut outward: Outward,
        consumer: Consumer,
        pending: VecDeque<Bytes>,
    ) -> Self {
        outward.open(ends.window, &inbox, OUTWARD);
        consumer.bind(inbox.clone() as Arc<dyn Bell>, INWARD);
        // Whatever came before the binding (the end of the stream, too) is looked for at once.
        inbox.ring(OUTWARD);
        inbox.ring(INWARD);
        let mut arrived = 0;
        for chunk in &pending {
            outward.observed.feed(Side::Server, chunk);
            arrived += chunk.len() as u64;
        }
        Pump {
            socket,
            inbox,
            taken: Taken::default(),
            octets,
            latency: match outward.asked() {
                Some(at) => Latency::Asked(ends.socket, at),
                None => Latency::Unknown(ends.socket),
            },
            outward,
            inward: Inward {
                consumer: Some(consumer),
                pending,
                arrived,
                written: 0,
                acknowledged: 0,
                end: None,
                done: false,
            },
        }
    }

    /// Runs the flow to its end and tells the network, and the socket's peer, how it ended.
    pub(crate) async fn run(mut self: Box<Self>) -> Ending {
        let ending = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.inbox.close();
        let ending = ending.tell(&self.socket);
        if !matches!(ending, Ending::Done) {
            self.outward.abort();
            if let Some(consumer) = self.inward.consumer.take() {
                consumer.settle(DeliveryState::failed());
            }
        }
        ending
    }

    /// Works while there is something to do; the clock is looked at once, however much that was.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        let (outward, inward) = (self.outward.sent(), self.inward.written);
        let polled = self.work(cx);
        self.octets
            .moved(self.outward.sent() > outward, self.inward.written > inward);
        polled
    }

    fn work(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        for _ in 0..TURNS {
            self.inbox.take(&mut self.taken, cx);
            let mut moved = !self.taken.is_empty();
            for command in self.taken.commands.drain(..) {
                match command {
                    FlowCommand::Close(by) => return Poll::Ready(Ending::Closed(by)),
                    // The other end has one stream; a second one is given back by dropping it.
                    FlowCommand::Stream(extra) => drop(extra),
                }
            }
            let mut ready = std::mem::take(&mut self.taken.ready);
            for token in ready.drain(..) {
                match token {
                    OUTWARD => {
                        if self.outward.hear() {
                            return Poll::Ready(Ending::Refused);
                        }
                    }
                    _ => {
                        let lost = self.inward.hear(&mut self.outward.observed);
                        let arrived = self.inward.arrived;
                        self.octets.arrived.store(arrived, Ordering::Relaxed);
                        if lost {
                            return Poll::Ready(Ending::Lost);
                        }
                    }
                }
            }
            self.taken.ready = ready;
            match self.inward.write(&mut self.socket, &self.octets, cx) {
                Ok(wrote) => moved |= wrote,
                Err(error) => return Poll::Ready(Ending::Socket(Fault::write(error))),
            }
            let read = self
                .outward
                .read(&mut self.socket, &self.octets, self.inward.done, cx);
            match read {
                Ok(read) => moved |= read,
                Err(error) => return Poll::Ready(Ending::Socket(Fault::read(error))),
            }
            self.latency
                .note(self.outward.sent(), self.inward.written, &self.octets);
            if self.outward.is_done() && self.inward.done {
                return Poll::Ready(Ending::Done);
            }
            if !moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Inward {
    /// Takes what came; whether it breaks off.
    fn hear(&mut self, observed: &mut Observed) -> bool {
        if let Some(consumer) = &self.consumer {
            let (pending, arrived) = (&mut self.pending, &mut self.arrived);
            let arrival = consumer.take(|chunk| {
                observed.feed(Side::Server, &chunk);
                *arrived += chunk.len() as u64;
                pending.push_back(chunk);
            });
            self.end = arrival.end;
        }
        self.end == Some(End::Aborted)
    }

    fn write(
        &mut self,
        socket: &mut Socket,
        octets: &FlowOctets,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        let mut moved = false;
        let mut written = 0;
        while !self.pending.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, chunk) in slices.iter_mut().zip(&self.pending) {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            match Pin::new(&mut *socket).poll_write_vectored(cx, &slices[..count])? {
                Poll::Pending => break,
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(n) => {
                    consume(&mut self.pending, n);
                    written += n;
                    moved = true;
                }
            }
        }
        if written > 0 {
            self.written += written as u64;
            octets.inward.store(self.written, Ordering::Relaxed);
            self.acknowledge(written);
        }
        // A TLS layer may hold octets back until it is flushed; for a clear socket this is nothing.
        if moved || (self.end.is_some() && !self.done) {
            let flushed = Pin::new(&mut *socket).poll_flush(cx)?.is_ready();
            if flushed && self.pending.is_empty() && self.end.is_some() && !self.done {
                moved |= self.close(socket, cx)?;
            }
        }
        Ok(moved)
    }

    fn acknowledge(&mut self, written: usize) {
        let Some(consumer) = &self.consumer else {
            return;
        };
        consumer.release(written);
        if self.written - self.acknowledged >= ACKNOWLEDGE_EVERY {
            self.acknowledged = self.written;
            let state = DeliveryState::Received {
                section_number: 0,
                section_offset: self.written,
            };
            consumer.update(Some(state), false);
        }
    }

    /// Everything is written: closes the write side and accepts the stream.
    fn close(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> io::Result<bool> {
        match Pin::new(socket).poll_shutdown(cx) {
            Poll::Pending => return Ok(false),
            // The peer may be gone already: for this direction it makes no difference.
            Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::NotConnected => {
                return Err(error);
            }
            Poll::Ready(_) => {}
        }
        self.done = true;
        if let Some(consumer) = self.consumer.take() {
            consumer.settle(DeliveryState::Accepted);
        }
        Ok(true)
    }
}

/// Drops the first `octets` of a queue of slices.
pub(crate) fn consume(queue: &mut VecDeque<Bytes>, mut octets: usize) {
    while let Some(front) = queue.front_mut() {
        if octets < front.len() {
            front.advance(octets);
            return;
        }
        octets -= front.len();
        queue.pop_front();
    }
}
