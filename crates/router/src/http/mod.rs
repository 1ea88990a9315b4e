//! The HTTP ports of a router, of listeners with `http: true` (reference §4): `/healthz`, `/metrics`, files, and AMQP over WebSocket.

mod accept;
mod files;
mod metrics;
mod pages;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use skupper_management::entity::Listener;
use tokio::task::JoinHandle;

use crate::agent::Shared;
use crate::connection::listener::AmqpListener;
use crate::listen::{Listening, Whose};
use accept::Acceptor;

/// An HTTP port that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "Error listening for HTTP on {place} ({name}): {error}: free the port, or give the listener another"
)]
pub struct BindError {
    /// The listener's host and port.
    place: String,
    /// The listener's name.
    name: String,
    error: io::Error,
}

/// How long the closing of a port may take: it waits for what the router's core is doing.
const PATIENCE: Duration = Duration::from_secs(2);

/// The ports that are open, by the name of their listener.
#[derive(Default)]
pub(crate) struct Servers {
    by_name: Mutex<HashMap<String, Server>>,
}

struct Server {
    place: String,
    address: SocketAddr,
    task: JoinHandle<()>,
    /// Ends when the port is closed.
    closed: mpsc::Receiver<Infallible>,
}

impl Servers {
    /// Opens a listener's port and serves it until it is stopped.
    pub(crate) fn start(
        &self,
        listener: Arc<AmqpListener>,
        shared: &Arc<Shared>,
    ) -> Result<(), BindError> {
        let place = listener.settings.host_port();
        let name = listener.settings.name.clone();
        let port = open(&listener.settings, shared).map_err(|error| BindError {
            place: place.clone(),
            name: name.clone(),
            error,
        })?;
        tracing::info!(target: "HTTP", "Listening for HTTP on {place}");
        let address = port.address();
        let pages = pages::pages(&listener, shared);
        let acceptor = Acceptor::new(port, listener, shared.context.clone());
        let (open, closed) = mpsc::channel();
        let task = shared.runtime.spawn(async move {
            // The first of the task's things, and so the last that it gives up: after the port.
            let _open = open;
            // Until its task is aborted.
            acceptor.serve(pages).await;
        });
        let mut servers = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let server = Server {
            place,
            address,
            task,
            closed,
        };
        servers.insert(name, server);
        Ok(())
    }

    /// Where a listener's port is open.
    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        let servers = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        Some(servers.get(name)?.address)
    }

    /// Closes a listener's port.
    pub(crate) fn stop(&self, name: &str) {
        let server = self
            .by_name
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        server.iter().for_each(Server::stop);
    }

    /// Closes all ports.
    pub(crate) fn stop_all(&self) {
        let servers =
            std::mem::take(&mut *self.by_name.lock().unwrap_or_else(PoisonError::into_inner));
        servers.values().for_each(Server::stop);
    }
}

/// Opens the port, to be served by the router's runtime.
fn open(listener: &Listener, shared: &Shared) -> io::Result<Listening> {
    let ports = &shared.context.ports;
    let port = ports.bind(&listener.host, &listener.port, listener.family, None, 0)?;
    let _entered = shared.runtime.enter();
    let descriptors = &shared.context.descriptors;
    port.listen(Whose::Operators, &listener.name, descriptors)
}

impl Server {
    fn stop(&self) {
        self.task.abort();
        // Who opens the port again at once shall not find it taken. A runtime that has ended has closed it too.
        let _ = self.closed.recv_timeout(PATIENCE);
        tracing::info!(target: "HTTP", "Stopped listening for HTTP on {}", self.place);
    }
}
