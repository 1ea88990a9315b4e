//! The management agent of a running router: it answers at `$management`, and runs what is not traffic but configured, that
//! is the HTTP ports and the log.
//!
//! The protocol is [`skupper_management::agent`]; here are the address, the entities that only the agent knows, and the log.

mod counters;
pub mod logging;
mod node;
pub(crate) mod system;
mod totals;
mod view;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::context::Context;
use crate::entities::Entities;
use crate::http::{BindError, Servers};
use crate::router::Router;
use logging::TimeFormat;
pub use totals::PastLinks;
pub(crate) use view::View;

/// The agent of a router. It ends when it is dropped, which must be before the router is.
pub struct Agent {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the agent and the HTTP ports see of the router.
pub(crate) struct Shared {
    pub(crate) context: Arc<Context>,
    pub(crate) runtime: Handle,
    entities: Arc<Mutex<Entities>>,
    servers: Servers,
}

impl Agent {
    /// Starts the agent of a router whose configuration has been applied: opens its HTTP ports, sets the format of the log's
    /// times, and answers at `$management`.
    ///
    /// # Errors
    /// A configured HTTP port that cannot be opened.
    pub fn start(router: &Router) -> Result<Self, BindError> {
        let context = router.context().clone();
        let settings = &context.settings;
        logging::logs().set_time_format(TimeFormat::new(
            &settings.timestamp_format,
            settings.timestamps_in_utc,
        ));
        let shared = Arc::new(Shared {
            context,
            runtime: router.runtime().clone(),
            entities: router.shared_entities(),
            servers: Servers::default(),
        });
        let listeners = shared.entities().web_listeners();
        for listener in listeners {
            shared.servers.start(listener, &shared)?;
        }
        let tasks = node::answer_at_management(&shared);
        // A client that comes now finds the agent.
        shared.context.core.until_in_force();
        Ok(Agent { shared, tasks })
    }

    /// Where an HTTP listener's port is open; the system chose it if the listener's is 0.
    pub fn http_address(&self, listener: &str) -> Option<SocketAddr> {
        self.shared.servers.address(listener)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.shared.servers.stop_all();
    }
}

impl Shared {
    fn entities(&self) -> MutexGuard<'_, Entities> {
        self.entities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The router's entities as the agent shows them. While it is held nobody else changes them.
    pub(crate) fn view(self: &Arc<Self>) -> View<'_> {
        View::new(self.entities(), self)
    }
}
