//! What every part of a running router shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use skupper_management::entity::Router as Settings;

use crate::agent::PastLinks;
use crate::auto_link::AutoLinks;
use crate::connection::Registry;
use crate::connection::proxy::Proxies;
use crate::core::CoreHandle;
use crate::core::dispatch::Dispatch;
use crate::descriptors::Descriptors;
use crate::event::Events;
use crate::listen::Ports;
use crate::memory::Memory;
use crate::policy::Policy;
use crate::record::RecordIds;
use crate::stuck::StuckAfter;
use crate::tcp::ObservedFlows;
use crate::tls::Profiles;
use crate::worker::Workers;

/// Shared by all tasks of one router.
pub struct Context {
    /// When the router started.
    pub started: SystemTime,
    /// Tells this run from others.
    pub instance: i64,
    /// The `router` section of the configuration.
    pub settings: Settings,
    /// Decides where deliveries go.
    pub dispatch: Arc<Dispatch>,
    /// The threads.
    pub workers: Arc<Workers>,
    /// The task that owns the routing engine.
    pub core: CoreHandle,
    /// Connections that are open.
    pub connections: Registry,
    /// Who listens to what happens.
    pub events: Events,
    /// Identities of telemetry records.
    pub records: RecordIds,
    /// Flows in which a protocol is seen.
    pub(crate) observed: Arc<ObservedFlows>,
    /// Ports that are open.
    pub(crate) ports: Ports,
    /// TLS credentials by name.
    pub profiles: Profiles,
    /// HTTP proxies by name.
    pub proxies: Proxies,
    /// Who may connect, and what for.
    pub(crate) policy: Policy,
    /// Links that the configuration asks for.
    pub(crate) auto_links: AutoLinks,
    /// Numbers of connections, links and deliveries.
    pub numbers: Arc<Numbers>,
    /// What links that are gone have done.
    pub past_links: PastLinks,
    /// When a delivery counts as stuck.
    pub stuck_after: StuckAfter,
    /// How much memory the router may have.
    pub(crate) memory: Memory,
    /// How many files and sockets it may have open.
    pub(crate) descriptors: Arc<Descriptors>,
}

/// Counters that number things, unique in the router while it runs.
#[derive(Debug)]
pub struct Numbers {
    connections: AtomicU64,
    links: AtomicU64,
    deliveries: AtomicU64,
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers {
            connections: AtomicU64::new(1),
            links: AtomicU64::new(1),
            deliveries: AtomicU64::new(1),
        }
    }
}

impl Numbers {
    /// The next connection's number.
    pub fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// The next link's number.
    pub fn link(&self) -> u64 {
        self.links.fetch_add(1, Ordering::Relaxed)
    }

    /// The next delivery's tag.
    pub fn delivery(&self) -> u64 {
        self.deliveries.fetch_add(1, Ordering::Relaxed)
    }
}
