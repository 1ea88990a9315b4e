//! A connection between two sockets in memory: in order, with delay, a rate and little room, and it may stall or be cut.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::dice::Dice;

/// What a connection is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// From one end to the other.
    pub(super) delay: Duration,
    /// Octets that are under way or wait for the reader, each way.
    pub(super) room: usize,
    /// Octets that one write or read takes at most.
    pub(super) piece: usize,
    /// Octets a second; 0 for any number.
    pub(super) rate: usize,
}

/// Octets on their way to one end.
struct Way {
    queue: VecDeque<(Instant, Bytes)>,
    octets: usize,
    /// When the last of them arrives.
    last: Instant,
    /// When the last of them has left.
    free: Instant,
    /// When the end of the stream arrives.
    end: Option<Instant>,
    /// The reader has been reset.
    broken: bool,
    /// Nothing more gets in: the writer's machine is gone.
    sealed: bool,
    /// The reader has closed its socket.
    closed: bool,
    reader: Option<Waker>,
    /// Who waits for room.
    writer: Option<Waker>,
}

impl Way {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }

    /// What has not arrived does not.
    fn lose(&mut self, now: Instant) {
        self.queue.retain(|(at, _)| *at <= now);
        self.octets = self.queue.iter().map(|(_, octets)| octets.len()).sum();
    }
}

/// A connection, as the history holds it.
pub(super) struct Shared {
    /// By the end that reads.
    ways: [Way; 2],
    terms: Terms,
    stalled: bool,
    /// Ends that are reset as soon as the connection does not stall any more.
    owed: [bool; 2],
    dice: Dice,
}

pub(super) type Connection = Arc<Mutex<Shared>>;

fn lock(connection: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn break_end(&mut self, end: usize) {
        if self.stalled {
            self.owed[end] = true;
            return;
        }
        let now = Instant::now();
        self.ways[end].lose(now);
        self.ways[end].broken = true;
        self.ways.iter_mut().for_each(Way::wake);
    }
}

/// Resets an end at a time.
fn break_later(connection: &Connection, end: usize, at: Instant) {
    let connection = connection.clone();
    tokio::spawn(async move {
        sleep_until(at).await;
        lock(&connection).break_end(end);
    });
}

/// Resets both ends now; what is under way is lost.
pub(super) fn cut(connection: &Connection) {
    let mut shared = lock(connection);
    shared.stalled = false;
    shared.break_end(0);
    shared.break_end(1);
}

/// Nothing arrives any more, or all again.
pub(super) fn stall(connection: &Connection, stalled: bool) {
    let mut shared = lock(connection);
    shared.stalled = stalled;
    if !stalled {
        for end in [0, 1] {
            if std::mem::take(&mut shared.owed[end]) {
                shared.break_end(end);
            }
        }
        shared.ways.iter_mut().for_each(Way::wake);
    }
}

/// The machine at one end is gone. The other end is reset, or finds its stream ended, or is told nothing.
pub(super) fn die(connection: &Connection, end: usize, told: Told) {
    let mut shared = lock(connection);
    let now = Instant::now();
    let at = now + shared.terms.delay;
    shared.ways[1 - end].sealed = true;
    shared.ways[end].closed = true;
    let at = at.max(shared.ways[1 - end].last);
    match told {
        Told::Nothing => shared.stalled = true,
        Told::Reset => {
            drop(shared);
            break_later(connection, 1 - end, at);
        }
        Told::End => {
            shared.ways[1 - end].end.get_or_insert(at);
            shared.ways[1 - end].wake();
        }
    }
}

/// What a machine's death looks like from the other end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Nothing,
    Reset,
    End,
}

/// One end.
pub(crate) struct Stream {
    end: usize,
    connection: Connection,
    timer: Pin<Box<Sleep>>,
    reset: Arc<std::sync::atomic::AtomicBool>,
}

/// Two ends of a new connection.
pub(super) fn connect(terms: Terms, dice: Dice) -> (Stream, Stream, Connection) {
    let now = Instant::now();
    let way = || Way {
        queue: VecDeque::new(),
        octets: 0,
        last: now,
        free: now,
        end: None,
        broken: false,
        sealed: false,
        closed: false,
        reader: None,
        writer: None,
    };
    let connection = Arc::new(Mutex::new(Shared {
        ways: [way(), way()],
        terms,
        stalled: false,
        owed: [false; 2],
        dice,
    }));
    let stream = |end| Stream {
        end,
        connection: connection.clone(),
        timer: Box::pin(sleep_until(now)),
        reset: Arc::default(),
    };
    (stream(0), stream(1), connection.clone())
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "end {} of a simulated connection", self.end)
    }
}

impl Stream {
    /// Has closing be a reset.
    pub(super) fn set_zero_linger(&self) {
        self.reset.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// The same, for one who has given the stream away.
    pub(super) fn resets(&self) -> Arc<std::sync::atomic::AtomicBool> {
        self.reset.clone()
    }

    /// Whether the connection has been reset.
    fn check(shared: &Shared, end: usize) -> io::Result<()> {
        match shared.ways[end].broken {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let mut shared = lock(&stream.connection);
        let shared = &mut *shared;
        let way = &mut shared.ways[stream.end];
        way.reader = Some(cx.waker().clone());
        if shared.stalled {
            return Poll::Pending;
        }
        let now = Instant::now();
        let next = match way.queue.front_mut() {
            Some((at, octets)) if *at <= now => {
                let count = octets.len().min(room.remaining()).min(shared.terms.piece);
                room.put_slice(&octets[..count]);
                octets.advance(count);
                if octets.is_empty() {
                    way.queue.pop_front();
                }
                way.octets -= count;
                if let Some(writer) = way.writer.take() {
                    writer.wake();
                }
                return Poll::Ready(Ok(()));
            }
            Some((at, _)) => *at,
            None if way.broken => return Poll::Ready(Self::check(shared, stream.end)),
            None => match way.end {
                Some(at) if at <= now => return Poll::Ready(Ok(())),
                Some(at) => at,
                None => return Poll::Pending,
            },
        };
        stream.timer.as_mut().reset(next);
        if stream.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        let mut guard = lock(&stream.connection);
        let shared = &mut *guard;
        Self::check(shared, stream.end)?;
        let now = Instant::now();
        let Terms {
            delay,
            room,
            piece,
            rate,
        } = shared.terms;
        let way = &mut shared.ways[1 - stream.end];
        if way.end.is_some() && !way.sealed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut left = (room - way.octets).min(shared.dice.between(1, piece));
        if way.octets >= room {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = left;
        let closed = way.closed;
        for slice in slices {
            let count = slice.len().min(left);
            if count == 0 {
                continue;
            }
            left -= count;
            if way.sealed || closed {
                continue;
            }
            way.octets += count;
            if let Some(seconds) = count
                .checked_mul(1_000_000)
                .and_then(|n| n.checked_div(rate))
            {
                way.free = way.free.max(now) + Duration::from_micros(seconds as u64);
            }
            way.last = way.last.max(way.free.max(now) + delay);
            let octets = Bytes::copy_from_slice(&slice[..count]);
            way.queue.push_back((way.last, octets));
        }
        if let Some(reader) = way.reader.take() {
            reader.wake();
        }
        let sealed = way.sealed;
        drop(guard);
        if closed && !sealed {
            // Nobody is there who would take it, and that is told.
            break_later(&stream.connection, stream.end, now + 2 * delay);
        }
        Poll::Ready(Ok(most - left))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.connection);
        if shared.ways[self.end].broken {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        let at = Instant::now() + shared.terms.delay;
        let way = &mut shared.ways[1 - self.end];
        if !way.sealed {
            let at = at.max(way.last);
            way.end.get_or_insert(at);
        }
        way.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut guard = lock(&self.connection);
        let shared = &mut *guard;
        let now = Instant::now();
        let own = &mut shared.ways[self.end];
        let unread = !own.queue.is_empty();
        let broken = own.broken;
        own.closed = true;
        own.queue.clear();
        own.octets = 0;
        own.wake();
        let way = &mut shared.ways[1 - self.end];
        if way.sealed || broken {
            return;
        }
        let at = way.last.max(now + shared.terms.delay);
        // As the system does: who closes with octets that he has not read resets.
        if unread || self.reset.load(std::sync::atomic::Ordering::Relaxed) {
            drop(guard);
            return break_later(&self.connection, 1 - self.end, at);
        }
        way.end.get_or_insert(at);
        way.wake();
    }
}
