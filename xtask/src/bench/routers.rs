//! Routers as a pair: one that listens for clients and connects to the other, which connects to the servers.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context as _, Result};

use super::contender::{Service, spawn};
use super::material::Material;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client's side.
    Front,
    /// The server's side.
    Back,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            End::Front => "front",
            End::Back => "back",
        }
    }
}

/// Starts one router by the words of its command line.
pub(super) fn start(
    name: &str,
    end: End,
    words: &[OsString],
    services: &[Service],
    folder: &Path,
    material: &Material,
) -> Result<Child> {
    // The first service's port between the two is the routers' only one.
    let first = services.first().context("nothing to be served")?;
    let mut text = common(end, material);
    text += &match end {
        End::Front => connector(first.hop),
        End::Back => listener(first.back),
    };
    for service in services {
        let (kind, at) = match end {
            End::Front => ("tcpListener", service.entrance),
            End::Back => ("tcpConnector", service.server),
        };
        text += &tcp(kind, service.name, at);
    }
    run(name, end, words, &text, folder)
}

/// Starts a router with a configuration of its own.
pub(super) fn run(
    name: &str,
    end: End,
    words: &[OsString],
    text: &str,
    folder: &Path,
) -> Result<Child> {
    let end = end.name();
    let file = folder.join(format!("{name}-{end}.conf"));
    std::fs::write(&file, text)?;
    let (program, rest) = words.split_first().context("a router needs a program")?;
    spawn(
        Command::new(program).args(rest).arg("-c").arg(&file),
        &folder.join(format!("{name}-{end}.log")),
    )
}

/// What every router's configuration begins with.
pub(super) fn common(end: End, material: &Material) -> String {
    format!(
        "router {{\n  mode: interior\n  id: {}\n}}\nlog {{\n  module: DEFAULT\n  enable: warning+\n}}\n\
         sslProfile {{\n  name: peers\n  caCertFile: {}\n  certFile: {}\n  privateKeyFile: {}\n}}\n",
        end.name(),
        material.ca.display(),
        material.certificate.display(),
        material.key.display()
    )
}

/// The connector of the front.
pub(super) fn connector(to: SocketAddr) -> String {
    format!(
        "connector {{\n  name: back\n  role: inter-router\n  host: localhost\n  port: {}\n  saslMechanisms: EXTERNAL\n  sslProfile: peers\n}}\n",
        to.port()
    )
}

/// The listener of the back.
pub(super) fn listener(at: SocketAddr) -> String {
    format!(
        "listener {{\n  role: inter-router\n  host: 127.0.0.1\n  port: {}\n  saslMechanisms: EXTERNAL\n  authenticatePeer: yes\n  requireSsl: yes\n  sslProfile: peers\n}}\n",
        at.port()
    )
}

/// A `tcpListener` or `tcpConnector`.
pub(super) fn tcp(kind: &str, address: &str, at: SocketAddr) -> String {
    format!(
        "{kind} {{\n  name: {address}\n  host: 127.0.0.1\n  port: {}\n  address: {address}\n}}\n",
        at.port()
    )
}
