//! Which port of the router each Listener has: the lowest that is free, and then always the same (reference §3.8).

use std::collections::{BTreeMap, BTreeSet};

use skupper_management::RouterConfig;

use crate::router_config::Current;

/// The first port that is given to a service.
const FIRST: u16 = 1024;

/// Ports by the name of the router's `tcpListener`.
#[derive(Debug, Default)]
pub(super) struct Ports {
    taken: BTreeSet<u16>,
    known: BTreeMap<String, u16>,
}

impl Ports {
    /// Recovers the ports from the configuration as it stands. Those of listeners that are gone become free.
    pub(super) fn recover<'n>(config: &RouterConfig, names: impl Iterator<Item = &'n str>) -> Self {
        let mut ports = Ports {
            taken: Current::reserved_ports(config).collect(),
            known: BTreeMap::new(),
        };
        for name in names {
            let known = config
                .tcp_listeners
                .get(name)
                .and_then(|listener| listener.port.parse().ok());
            if let Some(port) = known.filter(|port| *port >= FIRST)
                && ports.taken.insert(port)
            {
                ports.known.insert(name.to_owned(), port);
            }
        }
        ports
    }

    /// The port of a listener: its own, or a new one. `None` when all are taken.
    pub(super) fn of(&mut self, name: &str) -> Option<u16> {
        if let Some(port) = self.known.get(name) {
            return Some(*port);
        }
        let port = (FIRST..=u16::MAX).find(|port| !self.taken.contains(port))?;
        self.taken.insert(port);
        self.known.insert(name.to_owned(), port);
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use skupper_management::config::{Listener, TcpListener};

    use super::*;

    #[test]
    fn ports_are_kept_and_the_lowest_free_one_is_next() {
        let mut config = RouterConfig::default();
        let listener = |name: &str, port: &str| TcpListener {
            name: name.to_owned(),
            port: port.to_owned(),
            ..Default::default()
        };
        for listener in [
            listener("a", "1024"),
            listener("b", "1026"),
            listener("gone", "1025"),
        ] {
            config.tcp_listeners.insert(listener.name.clone(), listener);
        }
        let plain = Listener {
            name: "amqp".to_owned(),
            port: 1027,
            ..Default::default()
        };
        config.listeners.insert("amqp".to_owned(), plain);
        let mut ports = Ports::recover(&config, ["a", "b", "new", "newer"].into_iter());
        assert_eq!(
            ["b", "a", "new", "newer", "new"].map(|name| ports.of(name)),
            [Some(1026), Some(1024), Some(1025), Some(1028), Some(1025)]
        );
    }

    #[test]
    fn ports_run_out() {
        let mut ports = Ports {
            taken: (FIRST..=u16::MAX).collect(),
            known: BTreeMap::new(),
        };
        assert_eq!(ports.of("a"), None);
    }
}
