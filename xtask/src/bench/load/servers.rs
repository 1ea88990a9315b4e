//! The servers behind the pairs, in a process of their own: what they cost is the same for every contender, and their
//! descriptors are not the clients'.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use serde::{Deserialize, Serialize};

use super::BLOCK;
use crate::cargo::{self, Profile};

/// Threads that echo.
const ECHOES: usize = 2;
/// What the listening socket is known as among those that echo.
const LISTENER: u64 = u64::MAX;

/// Where the servers listen.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct Addresses {
    /// Throws away what comes.
    pub(in crate::bench) sink: SocketAddr,
    /// Sends as fast as it can.
    pub(in crate::bench) source: SocketAddr,
    /// Gives back what comes.
    pub(in crate::bench) echo: SocketAddr,
}

/// The process of the servers; it ends when its standard input does.
pub(in crate::bench) struct Servers {
    process: Child,
    held: Option<ChildStdin>,
    pub(in crate::bench) at: Addresses,
}

impl Servers {
    /// Starts them.
    pub(in crate::bench) fn start() -> Result<Self> {
        // Whose process this is may be anybody's who uses the library.
        let mut process = Command::new(cargo::build("xtask", "xtask", Profile::Dev)?)
            .args(["bench", "servers"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the servers")?;
        let output = process.stdout.take().context("the servers say nothing")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(Servers {
            held: process.stdin.take(),
            process,
            at: serde_json::from_str(&line).context("the servers did not say where they are")?,
        })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.held.take());
        self.process.wait().ok();
    }
}

/// Serves until standard input ends.
pub(in crate::bench) fn serve() -> Result<()> {
    let addresses = Addresses {
        sink: each(drain)?,
        source: each(pour)?,
        echo: echo()?,
    };
    println!("{}", serde_json::to_string(&addresses)?);
    std::io::stdout().flush()?;
    std::io::stdin().lock().lines().for_each(drop);
    Ok(())
}

/// A thread for each connection: they are few and busy.
fn each(handle: fn(TcpStream)) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a port for a server")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || handle(stream));
        }
    });
    Ok(address)
}

fn drain(mut stream: TcpStream) {
    let mut block = vec![0; BLOCK];
    while stream.read(&mut block).is_ok_and(|n| n > 0) {}
}

fn pour(mut stream: TcpStream) {
    let block = vec![7; BLOCK];
    while stream.write_all(&block).is_ok() {}
}

/// Few threads for many connections, which may be thousands and idle.
fn echo() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a port for a server")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    for _ in 0..ECHOES {
        let listener = listener.try_clone()?;
        thread::spawn(move || {
            if let Err(error) = echo_on(&listener) {
                eprintln!("xtask bench servers: the echo ended: {error:#}");
            }
        });
    }
    Ok(address)
}

fn echo_on(listener: &TcpListener) -> Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let shared = EventFlags::IN | EventFlags::EXCLUSIVE;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), shared)?;
    let mut streams = HashMap::new();
    let mut events = Vec::with_capacity(256);
    let mut block = [0; 4096];
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result.map(drop)?,
        }
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                // The other thread may have been faster.
                if let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let key = stream.as_raw_fd() as u64;
                    epoll::add(&epoll, &stream, EventData::new_u64(key), EventFlags::IN)?;
                    streams.insert(key, stream);
                }
                continue;
            }
            let over = streams.get_mut(&key).is_some_and(|stream: &mut TcpStream| {
                match stream.read(&mut block) {
                    Ok(0) => true,
                    Ok(n) => stream.write_all(&block[..n]).is_err(),
                    Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
                }
            });
            if over {
                streams.remove(&key);
            }
        }
    }
}
