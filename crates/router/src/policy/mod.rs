//! Policy (management reference §9): how many connections may be accepted at once, and, where virtual hosts are obeyed, what the users
//! of each may do.
//!
//! [`Rules`] and [`Grant`] decide, with neither clock nor socket. The shell is here: the rules in force are published as a whole, and a
//! connection keeps what it was granted when it opened. Where virtual hosts are not obeyed a connection has no grant, and nothing
//! of this is looked at.

mod denial;
mod denials;
pub(crate) mod directory;
mod grant;
mod hosts;
mod limit;
mod lookup;
mod names;
mod rules;
mod seats;
mod stats;

pub(crate) use denial::Denial;
pub(crate) use grant::{Asked, Grant, Way};
pub(crate) use limit::{Admitted, ConnectionLimit, Denied};
pub(crate) use lookup::keep_looking;
pub(crate) use rules::{Ruled, Visitor};
pub(crate) use stats::Seat;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use skupper_management::Attributes;
use skupper_management::entity::{Policy as Settings, Vhost};

use denials::DenialLog;
use rules::{Rules, TurnedAway};
use stats::VhostStats;

/// The policy of a router.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// How many connections may be accepted.
    pub(crate) limit: ConnectionLimit,
    rules: ArcSwap<Rules>,
    /// Of all virtual hosts that there are, and of those that are gone and have connections.
    stats: Mutex<Vec<Arc<VhostStats>>>,
    /// What was denied.
    pub(crate) counts: Counts,
    /// What the log says of it.
    pub(crate) denials: DenialLog,
}

/// What was denied since the router started, connections beyond the limit left out.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Connections, by virtual hosts.
    pub(crate) connections: AtomicU64,
    /// Sessions.
    pub(crate) sessions: AtomicU64,
    /// Links.
    pub(crate) links: AtomicU64,
    /// Messages, for their length.
    pub(crate) sizes: AtomicU64,
}

impl Counts {
    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        let all = [&self.connections, &self.sessions, &self.links, &self.sizes];
        all.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl Policy {
    /// Whether virtual hosts are obeyed.
    pub(crate) fn is_on(&self) -> bool {
        self.rules.load().are_on()
    }

    /// Sets what holds for the whole router.
    pub(crate) fn configure(&self, settings: Settings) {
        tracing::info!(
            target: "POLICY",
            "Policy configured maxConnections: {}, policyDir: '{}',access rules enabled: '{}', use hostname patterns: '{}'",
            settings.max_connections, settings.policy_dir, settings.enable_vhost_policy, settings.enable_vhost_name_patterns
        );
        if settings.enable_vhost_policy {
            tracing::info!(
                target: "POLICY",
                "Policy fallback defaultVhost is defined: '{}'", settings.default_vhost
            );
        } else if settings.max_message_size > 0 {
            tracing::warn!(
                target: "POLICY",
                "maxMessageSize of the policy is {} and messages of any length are taken, because enableVhostPolicy is false: set it, and create a vhost with the name of defaultVhost",
                settings.max_message_size
            );
        }
        self.limit.set(settings.max_connections);
        self.rules.store(Arc::new(
            Rules::clone(&self.rules.load()).with_settings(settings),
        ));
    }

    /// Puts a virtual host in force for connections that open from now on. Only the owner of the entities does so, and has the
    /// names of its remote hosts [looked up](keep_looking).
    ///
    /// # Errors
    /// What cannot be, in a sentence.
    pub(crate) fn put(&self, vhost: Vhost, warnings: &[String]) -> Result<Arc<Ruled>, String> {
        for warning in warnings {
            tracing::warn!(target: "POLICY", "{warning}");
        }
        let mut rules = Rules::clone(&self.rules.load());
        let name = vhost.hostname.clone();
        let known = rules.get(&name).map(|ruled| ruled.stats.clone());
        let news = if known.is_some() {
            "Updated"
        } else {
            "Created"
        };
        // One that was deleted and comes again may still have connections.
        let stats = known
            .or_else(|| self.kept(&name))
            .unwrap_or_else(|| VhostStats::new(&name));
        let ruled = Arc::new(Ruled::new(vhost, stats.clone())?);
        rules.put(ruled.clone())?;
        self.rules.store(Arc::new(rules));
        self.keep(Some(stats));
        tracing::info!(target: "POLICY", "{news} policy rules for vhost {name}");
        Ok(ruled)
    }

    /// Takes a virtual host out of force. Its connections stay.
    pub(crate) fn remove(&self, hostname: &str) {
        let mut rules = Rules::clone(&self.rules.load());
        rules.remove(hostname);
        self.rules.store(Arc::new(rules));
        self.keep(None);
        tracing::info!(target: "POLICY", "Deleted policy rules for vhost {hostname}");
    }

    /// The counters that are kept of a virtual host.
    fn kept(&self, hostname: &str) -> Option<Arc<VhostStats>> {
        let all = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|stats| stats.is_of(hostname)).cloned()
    }

    /// Keeps the counters of virtual hosts that are in force or have connections.
    fn keep(&self, new: Option<Arc<VhostStats>>) {
        let rules = self.rules.load();
        let mut all = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(new) = new.filter(|new| !all.iter().any(|known| Arc::ptr_eq(known, new))) {
            all.push(new);
        }
        all.retain(|stats| rules.has(stats) || stats.is_used());
    }

    /// The counters of the virtual hosts, as management shows them.
    pub(crate) fn stats(&self) -> Vec<Attributes> {
        self.keep(None);
        let all = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|stats| stats.row()).collect()
    }

    /// Whether a user may connect from a peer's address; nothing is granted where virtual hosts are not obeyed.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(
        &self,
        visitor: Visitor<'_>,
        peer: &str,
    ) -> Result<Option<(Grant, Seat)>, Denial> {
        let rules = self.rules.load();
        if !rules.are_on() {
            return Ok(None);
        }
        let denied = |denial| {
            self.counts.connections.fetch_add(1, Ordering::Relaxed);
            Err(denial)
        };
        let (grant, limits) = match rules.admit(visitor) {
            Ok(granted) => granted,
            Err(TurnedAway { denial, by }) => {
                if let Some(ruled) = by {
                    ruled.stats.deny();
                }
                return denied(denial);
            }
        };
        let host = visitor.host.to_string();
        match grant.vhost.stats.sit(visitor.user, host, peer, limits) {
            Ok(seat) => Ok(Some((grant, seat))),
            Err(full) => {
                let vhost = grant.vhost.vhost.hostname.clone();
                denied(Denial::Seats { full, vhost })
            }
        }
    }

    /// What the peer of a connector may do; nothing is granted where virtual hosts are not obeyed.
    ///
    /// # Errors
    /// There is no such virtual host.
    pub(crate) fn connector(&self, vhost: &str, user: &str) -> Result<Option<Grant>, Denial> {
        let rules = self.rules.load();
        if !rules.are_on() {
            return Ok(None);
        }
        rules.connector(vhost, user).map(Some).inspect_err(|_| {
            self.counts.connections.fetch_add(1, Ordering::Relaxed);
        })
    }
}
