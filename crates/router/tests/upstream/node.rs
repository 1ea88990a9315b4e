//! A router of either make in a process of its own.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use skupper_client::{Client, Endpoint};
use skupper_management::protocol::Request;
use skupper_management::{Attributes, Kind};

use super::common::clients::run;
use super::common::{PATIENCE, free_port};

/// Names the configuration of a process of this program that is to be a router.
pub(crate) const CONFIG: &str = "SKUPPER_TEST_ROUTER";
/// Lines of its log that a failed test shows.
const SHOWN: usize = 40;

/// Whose router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Ours,
    Theirs,
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Make::Ours => "ours",
            Make::Theirs => "theirs",
        })
    }
}

/// Upstream's binary, if there is one.
fn skrouterd() -> Option<PathBuf> {
    std::env::var_os("SKROUTERD").map(PathBuf::from)
}

/// Whether routers of these makes can be started here.
pub(crate) fn are_here(makes: &[Make]) -> bool {
    let here = !makes.contains(&Make::Theirs) || skrouterd().is_some();
    if !here {
        eprintln!("skipped: SKROUTERD names no binary of upstream's router");
    }
    here
}

/// A running router.
pub(crate) struct Node {
    make: Make,
    config: PathBuf,
    /// Where AMQP clients and management are served.
    pub(crate) clients: u16,
    child: Child,
}

impl Node {
    /// Starts a router in a mode, with these sections: name and attributes.
    pub(crate) fn start(
        make: Make,
        directory: &Path,
        mode: &str,
        id: &str,
        sections: &[Value],
    ) -> Self {
        let clients = free_port();
        let own = [
            json!(["router", {"mode": mode, "id": id}]),
            json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": clients.to_string()}]),
        ];
        let mut text = String::new();
        for section in own.iter().chain(sections) {
            writeln!(text, "{} {{", section[0].as_str().unwrap()).unwrap();
            for (name, value) in section[1].as_object().unwrap() {
                let value = match value.as_str() {
                    Some(value) => value.to_owned(),
                    None => value.to_string(),
                };
                writeln!(text, "    {name}: {value}").unwrap();
            }
            text.push_str("}\n");
        }
        let config = directory.join(format!("{id}.conf"));
        std::fs::write(&config, text).unwrap();
        let child = spawn(make, &config);
        Node {
            make,
            config,
            clients,
            child,
        }
    }

    /// As kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after its end.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.make, &self.config);
    }

    /// An AMQP client of this router.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client::new(Endpoint::tcp("127.0.0.1", self.clients), name).with_timeout(PATIENCE)
    }

    /// Has the router load a profile anew.
    pub(crate) fn update_profile(&self, name: &str, attributes: Attributes) {
        run(async {
            let request = Request::update(Kind::SslProfile, name, attributes);
            self.client("control-plane")
                .request(&request)
                .await
                .unwrap();
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            let log = std::fs::read_to_string(self.config.with_extension("log"));
            let log = log.unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(SHOWN)..];
            println!(
                "the log of {} ({}):\n{}",
                self.config.display(),
                self.make,
                last.join("\n")
            );
        }
    }
}

fn spawn(make: Make, config: &Path) -> Child {
    let mut command = match make {
        Make::Ours => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let words = [
                "--exact",
                "router_process",
                "--nocapture",
                "--test-threads",
                "1",
            ];
            command.args(words).env(CONFIG, config);
            command
        }
        Make::Theirs => {
            let mut command = Command::new(skrouterd().unwrap());
            command.arg("-c").arg(config);
            command
        }
    };
    let log = std::fs::File::create(config.with_extension("log")).unwrap();
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}
