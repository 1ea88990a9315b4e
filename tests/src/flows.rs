//! Connections of clients of an application, opened on the cluster's node and held while something happens.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use xtask::cluster::Cluster;
use xtask::wait;

use crate::application::{LARGE, LARGE_PATTERN};
use crate::space::LIMIT;

/// Runs `work` on a thread of its own inside the cluster's network namespace. Sockets that it opens stay there and may be used
/// by any thread.
pub fn inside<T: Send>(cluster: &Cluster, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let run = || {
        cluster.enter()?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .map_err(|_| anyhow!("the thread inside the cluster panicked"))?
}

/// Connects, with time limits on reading and writing, so that a lost flow fails and does not hang.
pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LIMIT)
        .with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// Open connections to an echo server.
pub struct Flows {
    streams: Vec<TcpStream>,
}

impl Flows {
    /// Opens `count` of them, and sees that each answers.
    pub fn open(cluster: &Cluster, address: SocketAddr, count: usize) -> Result<Self> {
        // The first one waits until there is a way at all: a listener without one closes at once.
        wait::until(&format!("an echo of {address}"), LIMIT, || {
            let mut first = Flows {
                streams: vec![inside(cluster, || connect(address))?],
            };
            first.all_answer("anybody there?").map(Some)
        })?;
        let streams = inside(cluster, || {
            (0..count).map(|_| connect(address)).collect::<Result<_>>()
        })?;
        let mut flows = Flows { streams };
        flows.all_answer("first words")?;
        Ok(flows)
    }

    /// Says something on each, then listens to each: every one must send back what was said on it.
    pub fn all_answer(&mut self, words: &str) -> Result<()> {
        let said = |number: usize| format!("flow {number}: {words}\n");
        for (number, stream) in self.streams.iter_mut().enumerate() {
            stream
                .write_all(said(number).as_bytes())
                .with_context(|| format!("flow {number} cannot be written to"))?;
        }
        for (number, stream) in self.streams.iter_mut().enumerate() {
            let mut heard = vec![0; said(number).len()];
            stream
                .read_exact(&mut heard)
                .with_context(|| format!("flow {number} does not answer"))?;
            ensure!(
                heard == said(number).as_bytes(),
                "flow {number} answers {:?}",
                String::from_utf8_lossy(&heard)
            );
        }
        Ok(())
    }
}

/// A download of `/large` from the web server, slow until it is told to hurry.
pub struct Download {
    thread: JoinHandle<Result<()>>,
    read: Arc<AtomicU64>,
    hurry: Arc<AtomicBool>,
}

impl Download {
    /// Starts it, and waits until the first octets have come.
    pub fn start(cluster: &Cluster, address: SocketAddr) -> Result<Self> {
        let stream = inside(cluster, || connect(address))?;
        let (read, hurry) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let thread = {
            let (read, hurry) = (Arc::clone(&read), Arc::clone(&hurry));
            std::thread::spawn(move || download(stream, &read, &hurry))
        };
        let download = Download {
            thread,
            read,
            hurry,
        };
        wait::until("the first octets of the download", LIMIT, || {
            Ok((download.read() > 0).then_some(()))
        })?;
        Ok(download)
    }

    /// Octets read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Reads the rest as fast as it comes. Every octet must be as it was sent, and none may lack.
    pub fn finish(self) -> Result<()> {
        ensure!(
            !self.thread.is_finished() || self.read() == LARGE,
            "the download broke off after {} octets",
            self.read()
        );
        self.hurry.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the download panicked"))?
    }
}

fn download(stream: TcpStream, read: &AtomicU64, hurry: &AtomicBool) -> Result<()> {
    let mut writer = stream.try_clone()?;
    writer.write_all(b"GET /large HTTP/1.0\r\n\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        ensure!(
            reader.read_line(&mut line)? > 0,
            "the web server closed before the end of its header"
        );
    }
    let mut buffer = [0; 16 * 1024];
    let mut at: u64 = 0;
    while at < LARGE {
        if !hurry.load(Ordering::Relaxed) {
            // Slow, and half of it is left for later in any case: whatever happens meanwhile happens to a running download.
            std::thread::sleep(Duration::from_millis(20));
            if at >= LARGE / 2 {
                continue;
            }
        }
        let count = reader
            .read(&mut buffer)
            .with_context(|| format!("the download broke off after {at} octets"))?;
        ensure!(count > 0, "the download ended after {at} of {LARGE} octets");
        for (octet, position) in buffer.iter().take(count).zip(at..) {
            let expected = LARGE_PATTERN[(position % LARGE_PATTERN.len() as u64) as usize];
            ensure!(
                *octet == expected,
                "octet {position} of the download is {octet}"
            );
        }
        at += count as u64;
        read.store(at, Ordering::Relaxed);
    }
    Ok(())
}
