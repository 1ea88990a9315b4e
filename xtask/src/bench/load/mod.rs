//! What loads a pair: servers in a process of their own, and clients, threads with blocking sockets, so that the load costs
//! little itself.

pub(super) mod http;
pub(super) mod relay;
pub(super) mod servers;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Octets of one write or read of the throughput load.
const BLOCK: usize = 256 * 1024;
/// Octets of a request and of its answer.
const REQUEST: usize = 64;

/// Octets that `flows` clients move in `span`, after a warm-up.
pub(super) fn throughput(
    entrance: SocketAddr,
    flows: usize,
    reverse: bool,
    warm_up: Duration,
    span: Duration,
) -> Result<(u64, Duration)> {
    let (moved, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for _ in 0..flows {
            clients.push(scope.spawn(|| flow(entrance, reverse, &moved, &stop)));
        }
        thread::sleep(warm_up);
        let (before, start) = (moved.load(Ordering::Relaxed), Instant::now());
        thread::sleep(span);
        let (octets, took) = (moved.load(Ordering::Relaxed) - before, start.elapsed());
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client
                .join()
                .map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        anyhow::ensure!(octets > 0, "no octet moved");
        Ok((octets, took))
    })
}

fn flow(entrance: SocketAddr, reverse: bool, moved: &AtomicU64, stop: &AtomicBool) -> Result<()> {
    let mut stream = TcpStream::connect(entrance).context("connect")?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    let mut block = vec![3; BLOCK];
    while !stop.load(Ordering::Relaxed) {
        let done = if reverse {
            stream.read(&mut block)
        } else {
            stream.write(&block)
        };
        match done {
            Ok(0) => anyhow::bail!("the flow ended early"),
            Ok(n) => {
                moved.fetch_add(n as u64, Ordering::Relaxed);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("the flow broke"),
        }
    }
    Ok(())
}

/// Round trips of 64 octets by `clients` that each keep one connection: how many, and their times in ascending order.
pub(super) fn requests(
    entrance: SocketAddr,
    clients: usize,
    span: Duration,
) -> Result<Vec<Duration>> {
    collect(
        clients,
        |stop| {
            let mut stream = TcpStream::connect(entrance).context("connect")?;
            stream.set_nodelay(true)?;
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                exchange(&mut stream)?;
                times.push(start.elapsed());
            }
            Ok(times)
        },
        span,
    )
}

/// New connections with one round trip each, by `clients` one after another: their times in ascending order.
pub(super) fn connections(
    entrance: SocketAddr,
    clients: usize,
    span: Duration,
) -> Result<Vec<Duration>> {
    collect(
        clients,
        |stop| {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let mut stream = TcpStream::connect(entrance).context("connect")?;
                stream.set_nodelay(true)?;
                exchange(&mut stream)?;
                times.push(start.elapsed());
            }
            Ok(times)
        },
        span,
    )
}

pub(super) fn exchange(stream: &mut TcpStream) -> Result<()> {
    let mut answer = [0; REQUEST];
    stream.write_all(&[5; REQUEST]).context("request")?;
    stream.read_exact(&mut answer).context("answer")
}

fn collect(
    clients: usize,
    client: impl Fn(&AtomicBool) -> Result<Vec<Duration>> + Sync,
    span: Duration,
) -> Result<Vec<Duration>> {
    let stop = AtomicBool::new(false);
    let mut times = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| scope.spawn(|| client(&stop)))
            .collect();
        thread::sleep(span);
        stop.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        for client in clients {
            times.extend(
                client
                    .join()
                    .map_err(|_| anyhow::anyhow!("a client panicked"))??,
            );
        }
        anyhow::Ok(times)
    })?;
    times.sort_unstable();
    Ok(times)
}

/// Opens `count` connections that stay idle after one round trip.
pub(super) fn idle(entrance: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(entrance).context("connect")?;
        exchange(&mut stream)?;
        streams.push(stream);
    }
    Ok(streams)
}
