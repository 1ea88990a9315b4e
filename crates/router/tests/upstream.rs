//! Beside upstream's router: runs only where `SKROUTERD` names its binary, and says so where it does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use common::trust::{Ca, Files, Use};
use common::*;
use serde_json::{Value, json};
use skupper_management::agent::Store;
use skupper_management::{Attributes, Kind};
use skupper_router::Router;

/// Upstream's binary, if there is one.
fn skrouterd() -> Option<PathBuf> {
    let binary = std::env::var_os("SKROUTERD").map(PathBuf::from);
    if binary.is_none() {
        eprintln!("skipped: SKROUTERD names no binary of upstream's router");
    }
    binary
}

/// A running router of upstream's.
struct Upstream {
    binary: PathBuf,
    config: PathBuf,
    child: Child,
}

impl Upstream {
    /// Starts one with these sections: name and attributes.
    fn start(binary: &Path, directory: &Path, id: &str, sections: &[Value]) -> Self {
        let mut text = format!("router {{\n    mode: interior\n    id: {id}\n}}\n");
        for section in sections {
            writeln!(text, "{} {{", section[0].as_str().unwrap()).unwrap();
            for (name, value) in section[1].as_object().unwrap() {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                writeln!(text, "    {name}: {value}").unwrap();
            }
            text.push_str("}\n");
        }
        let config = directory.join(format!("{id}.conf"));
        std::fs::write(&config, text).unwrap();
        let child = Self::spawn(binary, &config);
        Upstream {
            binary: binary.to_owned(),
            config,
            child,
        }
    }

    fn spawn(binary: &Path, config: &Path) -> Child {
        let log = std::fs::File::create(config.with_extension("log")).unwrap();
        Command::new(binary)
            .arg("-c")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.kill();
        self.child = Self::spawn(&self.binary, &self.config);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn with_port(mut section: Value, port: u16) -> Value {
    section[1]["port"] = json!(port.to_string());
    section
}

/// An address that is reached some time: until then connections are refused.
fn reach(port: u16) -> SocketAddr {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for("open port of upstream's", || {
        std::net::TcpStream::connect(address).ok()
    });
    address
}

/// Flows of all kinds through an address that leads to an echo.
fn exercise(address: SocketAddr) {
    assert_eq!(exchange(address, b"hello"), b"hello");
    assert_eq!(stream_through(address, 32 << 20), 32 << 20);
    let flows: Vec<_> = (0..50_u8)
        .map(|n| {
            thread::spawn(move || assert_eq!(exchange(address, &vec![n; 20_000]), vec![n; 20_000]))
        })
        .collect();
    for flow in flows {
        flow.join().unwrap();
    }
}

/// Ours and theirs, linked by sections for each side; then flows both ways, a kill and a restart.
fn linked(name: &str, ours: &[Value], theirs: impl FnOnce(&Router) -> Vec<Value>) {
    let Some(binary) = skrouterd() else { return };
    let directory = tempfile::tempdir().unwrap();
    let port = server(echo);
    let mut sections = ours.to_vec();
    sections.extend([tcp_listener("theirs"), tcp_connector("ours", port)]);
    let our = router("OURS", &sections);
    let to_ours = free_port();
    let mut sections = theirs(&our);
    sections.extend([
        with_port(tcp_listener("ours"), to_ours),
        tcp_connector("theirs", port),
    ]);
    let mut their = Upstream::start(&binary, directory.path(), "THEIRS", &sections);
    exercise(open_port(&our, "theirs"));
    exercise(reach(to_ours));
    let mut open = connect(open_port(&our, "theirs"));
    open.write_all(b"x").unwrap();
    open.read_exact(&mut [0]).unwrap();
    their.restart();
    let _ = open.read_to_end(&mut Vec::new());
    closed_port(&our, "theirs");
    exercise(open_port(&our, "theirs"));
    exercise(reach(to_ours));
    eprintln!("{name}: flows both ways, before and after a kill");
}

#[test]
fn they_connect_in_the_clear() {
    linked(
        "they connect in the clear",
        &[inter_router_listener("link")],
        |our| vec![inter_router_connector("link", listener_port(our, "link"))],
    );
}

#[test]
fn we_connect_in_the_clear() {
    let link = free_port();
    linked(
        "we connect in the clear",
        &[inter_router_connector("link", link)],
        |_| vec![with_port(inter_router_listener("link"), link)],
    );
}

struct Credentials {
    directory: tempfile::TempDir,
    ca: Ca,
}

impl Credentials {
    fn new() -> Self {
        Credentials {
            directory: tempfile::tempdir().unwrap(),
            ca: Ca::new("CA"),
        }
    }

    fn server(&self) -> Files {
        let leaf = self.ca.leaf(Use::Server, "server", &["127.0.0.1"]);
        Files::write(self.directory.path(), "server", &leaf)
    }

    fn client(&self) -> Files {
        Files::write(
            self.directory.path(),
            "client",
            &self.ca.leaf(Use::Client, "client", &[]),
        )
    }
}

#[test]
fn they_connect_by_tls() {
    let credentials = Credentials::new();
    let ours = [
        credentials.server().profile("server"),
        secure_listener("link", "server"),
    ];
    linked("they connect by TLS", &ours, |our| {
        let port = listener_port(our, "link");
        vec![
            credentials.client().profile("client"),
            secure_connector("link", port, "client"),
        ]
    });
}

#[test]
fn we_connect_by_tls() {
    let credentials = Credentials::new();
    let link = free_port();
    let ours = [
        credentials.client().profile("client"),
        secure_connector("link", link, "client"),
    ];
    linked("we connect by TLS", &ours, |_| {
        let listener = with_port(secure_listener("link", "server"), link);
        vec![credentials.server().profile("server"), listener]
    });
}

#[test]
fn ours_between_two_of_theirs() {
    let Some(binary) = skrouterd() else { return };
    let directory = tempfile::tempdir().unwrap();
    let middle = router("MIDDLE", &[inter_router_listener("link")]);
    let link = inter_router_connector("link", listener_port(&middle, "link"));
    let port = server(echo);
    let entry = free_port();
    let listener = with_port(tcp_listener("echo"), entry);
    let west = Upstream::start(&binary, directory.path(), "WEST", &[link.clone(), listener]);
    let mut east = Upstream::start(
        &binary,
        directory.path(),
        "EAST",
        &[link, tcp_connector("echo", port)],
    );
    exercise(reach(entry));
    east.restart();
    // The port may still be open for a moment.
    wait_for("echo after the restart", || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", entry)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"x").ok()?;
        stream.read_exact(&mut [0]).ok()
    });
    exercise(reach(entry));
    drop(west);
}

#[test]
fn a_credential_renewed_on_our_side() {
    let Some(binary) = skrouterd() else { return };
    let credentials = Credentials::new();
    let link = free_port();
    let sections = [
        credentials.server().profile("server"),
        with_port(secure_listener("link", "server"), link),
        tcp_connector("echo", server(echo)),
    ];
    let _their = Upstream::start(&binary, credentials.directory.path(), "THEIRS", &sections);
    let files = credentials.client();
    let our = router(
        "OURS",
        &[
            files.profile("client"),
            secure_connector("link", link, "client"),
            tcp_listener("echo"),
        ],
    );
    let address = open_port(&our, "echo");
    let mut open = connect(address);
    let mut ping = || {
        open.write_all(b"ping").unwrap();
        open.read_exact(&mut [0; 4]).unwrap();
    };
    ping();
    files.replace(&credentials.ca.leaf(Use::Client, "renewed", &[]));
    let Value::Object(wanted) = files.attributes("client", 1, 0) else {
        panic!("a map")
    };
    let mut entities = our.entities();
    let current: Attributes = entities.find(Kind::SslProfile, "name", "client").remove(0);
    let mut merged = current.clone();
    merged.extend(wanted);
    entities.update(Kind::SslProfile, &current, merged).unwrap();
    drop(entities);
    wait_for("connections of the new credential", || {
        let connections = our.context().connections.all();
        let renewed = connections
            .iter()
            .filter(|connection| connection.ordinal == Some(1) && connection.peer.get().is_some());
        (renewed.count() >= 2).then_some(())
    });
    ping();
    for _ in 0..10 {
        assert_eq!(exchange(address, b"new flow"), b"new flow");
    }
    ping();
}
