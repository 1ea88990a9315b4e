//! A stand-in for OpenShift's router, as far as TLS pass-through goes: it reads the name that a client asks for (SNI) and joins
//! it, octet by octet, with whoever serves that name. It ends no TLS and holds no key.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustls::server::Acceptor;
use xtask::cluster::Cluster;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any first message of a client.
const LONGEST_HELLO: usize = 64 * 1024;

/// The stand-in, on a port of the cluster's node, until it goes out of scope.
pub struct PassThrough {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl PassThrough {
    /// Listens at `address` in the cluster's network, for clients of these names.
    pub fn start(
        cluster: &Cluster,
        address: SocketAddr,
        names: BTreeMap<String, SocketAddr>,
    ) -> Result<Self> {
        let (asked, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let listener = crate::flows::inside(cluster, || {
            TcpListener::bind(address).with_context(|| format!("cannot listen at {address}"))
        })?;
        let address = listener.local_addr()?;
        let (cluster, noted, stopped) = (cluster.clone(), Arc::clone(&asked), Arc::clone(&stop));
        std::thread::spawn(move || {
            // Servers are reached from inside, too; without the right to go there nobody is served, which tests see.
            if cluster.enter().is_err() {
                return;
            }
            for client in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (names, noted) = (names.clone(), Arc::clone(&noted));
                std::thread::spawn(move || {
                    // A client that goes away, or asks for nobody, is no trouble of others.
                    let _ = serve(&client, &names, &noted);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Self {
            address,
            asked,
            stop,
        })
    }

    /// The names that clients have asked for so far.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

impl Drop for PassThrough {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(
    client: &TcpStream,
    names: &BTreeMap<String, SocketAddr>,
    asked: &Mutex<Vec<String>>,
) -> Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let (name, hello) = hello(client)?;
    let known = names.get(&name).copied();
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(name.clone());
    let server = known.with_context(|| format!("nobody serves {name}"))?;
    let mut server = TcpStream::connect_timeout(&server, PATIENCE)?;
    server.write_all(&hello)?;
    client.set_read_timeout(None)?;
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client);
    });
    Ok(())
}

/// The name that a client asks for, and all that it has sent until then.
fn hello(mut client: &TcpStream) -> Result<(String, Vec<u8>)> {
    let (mut acceptor, mut read) = (Acceptor::default(), Vec::new());
    let mut buffer = [0; 4096];
    while read.len() < LONGEST_HELLO {
        let count = client.read(&mut buffer)?;
        let Some(octets) = buffer.get(..count).filter(|octets| !octets.is_empty()) else {
            bail!("the client said nothing");
        };
        read.extend_from_slice(octets);
        acceptor.read_tls(&mut Cursor::new(octets))?;
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(str::to_owned);
                return Ok((name.context("the client names no server")?, read));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
    bail!("the client's first message is too long")
}

/// Copies until the end, and passes the end on.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // How it ended does not matter: either way, the other side learns of it.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
