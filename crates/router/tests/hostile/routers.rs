//! A router in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::common::wait_for;

/// Names the configuration of a process that is to be a router.
pub(crate) const CONFIG: &str = "SKUPPER_TEST_ROUTER";
/// Lines of the log that are kept.
const KEPT: usize = 10_000;

/// A running router.
pub(crate) struct Process {
    /// What the shell does before it becomes the router.
    before: String,
    config: PathBuf,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    _home: TempDir,
}

impl Process {
    /// Starts an interior router with these sections.
    pub(crate) fn start(id: &str, sections: &[Value]) -> Self {
        Self::limited(id, sections, None)
    }

    /// Starts one that may have so many descriptors.
    pub(crate) fn limited(id: &str, sections: &[Value], descriptors: Option<u32>) -> Self {
        let limit = descriptors.map_or_else(String::new, |count| format!("ulimit -n {count}; "));
        let process = Self::begin(id, sections, &limit);
        process.said("Router started");
        process
    }

    /// Starts one that shares its ports with others that do.
    pub(crate) fn sharing_ports(id: &str, sections: &[Value]) -> Self {
        let process = Self::begin(
            id,
            sections,
            "SKUPPER_SHARE_PORTS=1; export SKUPPER_SHARE_PORTS; ",
        );
        process.said("Router started");
        process
    }

    /// Starts one whose log cannot be read.
    pub(crate) fn silent(id: &str, sections: &[Value]) -> Self {
        Self::begin(id, sections, "")
    }

    fn begin(id: &str, sections: &[Value], before: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("router.json");
        let mut document =
            vec![json!(["router", {"id": id, "mode": "interior", "workerThreads": 2}])];
        document.extend_from_slice(sections);
        std::fs::write(&config, Value::Array(document).to_string()).unwrap();
        let log = Arc::default();
        let child = spawn(&config, before, &log);
        Process {
            before: before.to_owned(),
            config,
            child,
            log,
            _home: home,
        }
    }

    /// As kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after its end.
    pub(crate) fn restart(&mut self) {
        self.log.lock().unwrap().clear();
        self.child = spawn(&self.config, &self.before, &self.log);
        self.said("Router started");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let status = kill
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits until the log has said this.
    pub(crate) fn said(&self, words: &str) {
        wait_for(words, || {
            let log = self.log.lock().unwrap();
            log.iter().any(|line| line.contains(words)).then_some(())
        });
    }

    /// How many lines of the log say this.
    pub(crate) fn times_said(&self, words: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.contains(words)).count()
    }

    /// Octets in memory now.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes * 1024
    }

    /// Whether it runs.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; whether it was in order.
    pub(crate) fn ended_in_order(&mut self) -> bool {
        wait_for("end of the process", || self.child.try_wait().unwrap()).success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            let log = self.log.lock().unwrap();
            let last = log.len().saturating_sub(40);
            println!(
                "the log of {}:\n{}",
                self.config.display(),
                log[last..].join("\n")
            );
        }
    }
}

fn spawn(config: &Path, before: &str, log: &Arc<Mutex<Vec<String>>>) -> Child {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("{before}exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "router_process",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(CONFIG, config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let log = log.clone();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            if log.len() < KEPT {
                log.push(line);
            }
        }
    });
    child
}
