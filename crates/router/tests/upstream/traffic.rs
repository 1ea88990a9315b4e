//! What goes through a link, and what must come of it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use skupper_amqp::message::Body;
use skupper_amqp::{Message, Properties};
use skupper_client::{ClientError, Incoming};

use super::common::clients::run;
use super::common::{PATIENCE, connect, exchange, server, wait_for};
use super::node::Node;

/// Flows at once.
const MANY: u8 = 50;

/// How long one attempt to reach an echo waits.
const ATTEMPT: Duration = Duration::from_secs(5);

/// What is sent to see whether somebody answers.
const PROBE: u8 = b'x';

/// Octets of a message, in several frames.
const MESSAGE: usize = 32 * 1024;

/// Octets of a long flow: a gibioctet where that was asked for.
pub(crate) fn long() -> u64 {
    if std::env::var_os("SKUPPER_HEAVY").is_some() {
        1 << 30
    } else {
        8 << 20
    }
}

/// The address at which a listener serves.
pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The same; returns when its far end answers.
pub(crate) fn reach(port: u16) -> SocketAddr {
    let address = address(port);
    wait_for("answer of an echo", || {
        let mut stream = TcpStream::connect(address).ok()?;
        // A stream that was on its way to a router that died gets no answer.
        stream.set_read_timeout(Some(ATTEMPT)).ok()?;
        stream.write_all(&[PROBE]).ok()?;
        stream.read_exact(&mut [0]).ok()
    });
    address
}

/// Flows of all kinds through an address that leads to an echo: short and long, many at once, each with a half-close.
pub(crate) fn exercise(address: SocketAddr, octets: u64) {
    assert_eq!(exchange(address, b"hello"), b"hello");
    count_through(address, octets);
    let flows: Vec<_> = (0..MANY)
        .map(|n| {
            thread::spawn(move || assert_eq!(exchange(address, &vec![n; 20_000]), vec![n; 20_000]))
        })
        .collect();
    for flow in flows {
        flow.join().unwrap();
    }
}

/// Sends numbers through an echo, and holds each one that comes back against what it has to be.
fn count_through(address: SocketAddr, total: u64) {
    let mut reader = connect(address);
    let writer = reader.try_clone().unwrap();
    let sender = thread::spawn(move || send_numbers(writer, total));
    assert_eq!(count(&mut reader, |_| ()), total, "through {address}");
    sender.join().unwrap();
}

/// Sends so many octets of numbers, and the end.
pub(crate) fn send_numbers(mut to: TcpStream, total: u64) {
    let mut block = Vec::with_capacity(64 * 1024);
    for number in 0..total / 8 {
        block.extend_from_slice(&number.to_le_bytes());
        if block.len() == block.capacity() {
            to.write_all(&block).unwrap();
            block.clear();
        }
    }
    to.write_all(&block).unwrap();
    to.shutdown(Shutdown::Write).unwrap();
}

/// Reads numbers to their end, and holds each against what it has to be; how many octets. `seen` is told how many so far.
pub(crate) fn count(from: &mut TcpStream, mut seen: impl FnMut(u64)) -> u64 {
    let mut block = vec![0; 256 * 1024];
    let (mut next, mut kept) = (0_u64, 0);
    loop {
        let count = from.read(&mut block[kept..]).unwrap();
        if count == 0 {
            return next * 8 + kept as u64;
        }
        let whole = (kept + count) / 8 * 8;
        for number in block[..whole].chunks_exact(8) {
            assert_eq!(number, next.to_le_bytes(), "number {next}");
            next += 1;
        }
        block.copy_within(whole..kept + count, 0);
        kept = kept + count - whole;
        seen(next * 8);
    }
}

/// A server that ends its direction of a flow before its client does.
pub(crate) struct EndsFirst {
    pub(crate) port: u16,
    /// How many octets have come from a client after that.
    counted: Receiver<u64>,
}

impl EndsFirst {
    /// Octets each way.
    const OCTETS: u64 = 1 << 20;

    pub(crate) fn start() -> Self {
        let (sender, counted) = channel();
        let port = server(move |stream| Self::serve(stream, &sender));
        EndsFirst { port, counted }
    }

    fn serve(mut stream: TcpStream, counted: &Sender<u64>) {
        let mut first = [0];
        // Who has only looked whether somebody is there may be gone.
        if stream.read_exact(&mut first).is_ok()
            && stream.write_all(&first).is_ok()
            && first != [PROBE]
        {
            send_numbers(stream.try_clone().unwrap(), Self::OCTETS);
            counted.send(count(&mut stream, |_| ())).unwrap();
        }
    }

    /// A flow through an address that leads to it: the client hears its end, and only then begins to send.
    pub(crate) fn exercise(&self, address: SocketAddr) {
        let mut stream = connect(address);
        stream.write_all(b"!").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        assert_eq!(count(&mut stream, |_| ()), Self::OCTETS, "{address}");
        send_numbers(stream, Self::OCTETS);
        let counted = self.counted.recv_timeout(PATIENCE).unwrap();
        assert_eq!(counted, Self::OCTETS, "to the server behind {address}");
    }
}

/// A flow that stays open.
pub(crate) struct Open(TcpStream);

impl Open {
    pub(crate) fn at(address: SocketAddr) -> Self {
        let mut open = Open(connect(address));
        open.ping();
        open
    }

    pub(crate) fn ping(&mut self) {
        self.0.write_all(b"ping").unwrap();
        self.0.read_exact(&mut [0; 4]).unwrap();
    }

    /// Waits for its end, in order or not.
    pub(crate) fn ends(mut self) {
        if let Err(error) = self.0.read_to_end(&mut Vec::new()) {
            let is_open = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!is_open, "it is open after {PATIENCE:?}");
        }
    }
}

/// Messages of so many octets in all, but not few, from a producer at one router to a consumer at another, each of which is held
/// against what it has to be. Who is told that a message may not have arrived sends it again, so it may come twice.
pub(crate) fn pass_messages(from: &Node, to: &Node, octets: u64) {
    let count = (octets / MESSAGE as u64).max(50);
    run(async {
        let (producer, consumer) = (from.client("producer"), to.client("consumer"));
        let address = format!("queue-{}-{}", from.clients, to.clients);
        let mut queue = consumer.subscribe(&address);
        for n in 0..count {
            let message = || Message {
                properties: Some(Properties::to(&address)),
                body: content(n),
                ..Message::default()
            };
            let began = Instant::now();
            while let Err(error) = producer.send(message()).await {
                assert!(began.elapsed() < PATIENCE, "{error}");
                // Nobody is there yet, or the router is not.
                assert!(
                    n == 0 || matches!(error, ClientError::Undeliverable { .. }),
                    "{error}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            loop {
                let next = tokio::time::timeout(PATIENCE, queue.next());
                match next.await.unwrap().unwrap() {
                    Incoming::Message(message) if message.body == content(n) => break,
                    Incoming::Message(message) => {
                        let again = n > 0 && message.body == content(n - 1);
                        assert!(again, "another message than {n}, or than what is before it");
                    }
                    Incoming::Attached => {}
                }
            }
        }
    });
}

/// What stands in a message.
fn content(n: u64) -> Body {
    let numbers = (0..MESSAGE as u64 / 8).map(|at| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at);
    let octets: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
    Body::Data(vec![Bytes::from(octets)])
}
