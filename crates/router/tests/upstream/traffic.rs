//! What goes through a link, and what must come of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use skupper_amqp::message::Body;
use skupper_amqp::{Message, Properties};
use skupper_client::{ClientError, Incoming};

use super::common::clients::run;
use super::common::{PATIENCE, connect, exchange, wait_for};
use super::node::Node;

/// Flows at once.
const MANY: u8 = 50;

/// How long one attempt to reach an echo waits.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Octets of a long flow: a gibioctet where that was asked for.
pub(crate) fn long() -> u64 {
    if std::env::var_os("SKUPPER_HEAVY").is_some() {
        1 << 30
    } else {
        8 << 20
    }
}

/// The address at which a listener serves; returns when its far end answers.
pub(crate) fn reach(port: u16) -> SocketAddr {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for("answer of an echo", || {
        let mut stream = TcpStream::connect(address).ok()?;
        // A stream that was on its way to a router that died gets no answer.
        stream.set_read_timeout(Some(ATTEMPT)).ok()?;
        stream.write_all(b"x").ok()?;
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
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}

/// Messages from a producer at one router to a consumer at another. Who is told that a message may not have arrived sends it
/// again, so it may come twice.
pub(crate) fn pass_messages(from: &Node, to: &Node) {
    run(async {
        let (producer, consumer) = (from.client("producer"), to.client("consumer"));
        let address = format!("queue-{}-{}", from.clients, to.clients);
        let mut queue = consumer.subscribe(&address);
        for n in 0..50_i32 {
            let message = || Message::with_value(Properties::to(&address), n);
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
                    Incoming::Message(message) if message.body == Body::Value(n.into()) => break,
                    Incoming::Message(message) => {
                        assert_eq!(message.body, Body::Value((n - 1).into()), "before {n}");
                    }
                    Incoming::Attached => {}
                }
            }
        }
    });
}
