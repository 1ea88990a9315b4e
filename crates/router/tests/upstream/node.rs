//! A router of either make in a process of its own.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use skupper_client::{Client, Endpoint};
use skupper_management::protocol::Request;
use skupper_management::{Attributes, Kind};

use super::common::clients::run;
use super::common::{PATIENCE, free_port};
use super::process::{self, Process};

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

/// Data connections of each connector between interior routers, whatever its make would choose.
pub(crate) const DATA_CONNECTIONS: usize = 2;

/// Upstream's binary, if there is one.
fn skrouterd() -> Option<PathBuf> {
    std::env::var_os("SKROUTERD").map(PathBuf::from)
}

/// Whether routers of these makes can be started here. What wants upstream's is left out where it is not there, for tests that have
/// something to show without it.
pub(crate) fn are_here(makes: &[Make]) -> bool {
    let here = !makes.contains(&Make::Theirs) || skrouterd().is_some();
    if !here {
        println!("left out, since SKROUTERD names no binary of upstream's router: {makes:?}");
    }
    here
}

/// A running router.
pub(crate) struct Node {
    /// Where AMQP clients and management are served.
    pub(crate) clients: u16,
    process: Process,
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
            json!(["router", {"mode": mode, "id": id, "dataConnectionCount": DATA_CONNECTIONS.to_string()}]),
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
        let command = match make {
            Make::Ours => process::ours("", &config),
            Make::Theirs => {
                let binary = skrouterd();
                let mut command = Command::new(binary.unwrap_or_else(|| {
                    panic!("SKROUTERD has to name the binary of upstream's router")
                }));
                command.arg("-c").arg(&config);
                command
            }
        };
        Node {
            clients,
            process: Process::start(&format!("{id} ({make})"), command),
        }
    }

    /// As kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after its end.
    pub(crate) fn restart(&mut self) {
        self.process.restart();
    }

    /// An AMQP client of this router.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client::new(Endpoint::tcp("127.0.0.1", self.clients), name).with_timeout(PATIENCE)
    }

    /// What its management tells of all entities of a type.
    pub(crate) fn rows(&self, kind: Kind, attributes: &[&str]) -> Vec<Attributes> {
        run(async {
            let client = self.client("observer");
            client.query(kind, attributes).await.unwrap()
        })
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
