//! Routers in processes of their own. Test programs that start such take this module beside [`super::common`]: each of them is
//! the program of our routers, too.
#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::common::wait_for;

/// Names the configuration of a process that is to be a router.
const CONFIG: &str = "SKUPPER_TEST_ROUTER";
/// Set where it is to look for what is stuck every few seconds.
pub(crate) const HASTY: &str = "SKUPPER_TEST_HASTY";
/// Lines of the log that are kept.
const KEPT: usize = 10_000;
/// Lines of it that a failed test shows.
const SHOWN: usize = 40;

/// No test, but the program of our routers: this one, told by its environment to be one.
#[test]
fn router_process() {
    if let Some(config) = std::env::var_os(CONFIG) {
        let mut arguments = vec!["-c".into(), config];
        if std::env::var_os(HASTY).is_some() {
            arguments.push("--test-hooks".into());
        }
        let code = skupper_router::command::run(arguments);
        assert_eq!(code, std::process::ExitCode::SUCCESS);
    }
}

/// How one of our routers is started with a configuration; `before` is what the shell does before it becomes the router.
pub(crate) fn ours(before: &str, config: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{before}exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "process::router_process",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(CONFIG, config);
    command
}

/// A running router.
pub(crate) struct Process {
    name: String,
    command: Command,
    child: Child,
    log: Arc<Mutex<Log>>,
}

/// What a process has said.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    /// It says nothing more, for it has ended.
    over: bool,
}

impl Process {
    /// Starts a router, by whatever name failed tests are to speak of it.
    pub(crate) fn begin(name: &str, mut command: Command) -> Self {
        let log = Arc::default();
        Process {
            name: name.to_owned(),
            child: spawn(&mut command, &log),
            command,
            log,
        }
    }

    /// The same; it runs when this returns.
    pub(crate) fn start(name: &str, command: Command) -> Self {
        let process = Self::begin(name, command);
        process.said("Router started");
        process
    }

    /// As kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after its end.
    pub(crate) fn restart(&mut self) {
        self.log = Arc::default();
        self.child = spawn(&mut self.command, &self.log);
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

    /// Waits until the log has said this. One that ends without it will not say it any more.
    pub(crate) fn said(&self, words: &str) {
        wait_for(words, || {
            let (said, over) = {
                let log = self.log.lock().unwrap();
                let mut lines = log.lines.iter();
                (lines.any(|line| line.contains(words)), log.over)
            };
            assert!(said || !over, "{} ended before it said: {words}", self.name);
            said.then_some(())
        });
    }

    /// How many lines of the log say this.
    pub(crate) fn times_said(&self, words: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.lines.iter().filter(|line| line.contains(words)).count()
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
            let last = &log.lines[log.lines.len().saturating_sub(SHOWN)..];
            println!("the log of {}:\n{}", self.name, last.join("\n"));
        }
    }
}

fn spawn(command: &mut Command, log: &Arc<Mutex<Log>>) -> Child {
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let log = log.clone();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            if log.lines.len() < KEPT {
                log.lines.push(line);
            }
        }
        log.lock().unwrap().over = true;
    });
    child
}
