//! Routers as the tests here want them.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{self, Process};

/// A running router of ours, with its configuration.
pub(crate) struct Router {
    process: Process,
    _home: TempDir,
}

impl Router {
    /// Starts an interior router with these sections.
    pub(crate) fn start(id: &str, sections: &[Value]) -> Self {
        Self::after("", id, sections)
    }

    /// Starts one that may have so many descriptors.
    pub(crate) fn limited(id: &str, sections: &[Value], descriptors: u32) -> Self {
        Self::after(&format!("ulimit -n {descriptors}; "), id, sections)
    }

    /// Starts one that looks every few seconds for what takes nothing.
    pub(crate) fn hasty(id: &str, sections: &[Value]) -> Self {
        let hasty = process::HASTY;
        Self::after(&format!("{hasty}=1; export {hasty}; "), id, sections)
    }

    /// Starts one that shares its ports with others that do.
    pub(crate) fn sharing_ports(id: &str, sections: &[Value]) -> Self {
        let share = "SKUPPER_SHARE_PORTS=1; export SKUPPER_SHARE_PORTS; ";
        Self::after(share, id, sections)
    }

    /// Starts one that may have so much memory.
    pub(crate) fn with_ceiling(id: &str, sections: &[Value], octets: u64) -> Self {
        let ceiling = format!("SKUPPER_ROUTER_MEMORY_CEILING={octets}; ");
        let before = format!("{ceiling}export SKUPPER_ROUTER_MEMORY_CEILING; ");
        Self::after(&before, id, sections)
    }

    fn after(before: &str, id: &str, sections: &[Value]) -> Self {
        let router = Self::begin(before, id, sections);
        router.said("Router started");
        router
    }

    /// Starts one whose log cannot be read.
    pub(crate) fn silent(id: &str, sections: &[Value]) -> Self {
        Self::begin("", id, sections)
    }

    fn begin(before: &str, id: &str, sections: &[Value]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("router.json");
        let mut document =
            vec![json!(["router", {"id": id, "mode": "interior", "workerThreads": 2}])];
        document.extend_from_slice(sections);
        std::fs::write(&config, Value::Array(document).to_string()).unwrap();
        Router {
            process: Process::begin(id, process::ours(before, &config)),
            _home: home,
        }
    }
}

impl Deref for Router {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Router {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

#[test]
#[should_panic(expected = "nonsense ended before it said: Router started")]
fn one_that_ends_at_its_start_is_not_waited_for() {
    Router::start("nonsense", &[json!(["nonsense", {}])]);
}
