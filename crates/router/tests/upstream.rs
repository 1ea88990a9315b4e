//! Beside upstream's router: runs only where `SKROUTERD` names its binary, and says so where it does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::trust::{Ca, Files, Use};
use common::*;
use serde_json::{Value, json};
use skupper_amqp::message::Body;
use skupper_amqp::{Message, Properties};
use skupper_client::{Client, ClientError, Endpoint, Incoming};
use skupper_management::agent::Store;
use skupper_management::report::Refusal;
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
    /// Starts an interior one with these sections: name and attributes.
    fn start(binary: &Path, directory: &Path, id: &str, sections: &[Value]) -> Self {
        Self::start_in_mode("interior", binary, directory, id, sections)
    }

    fn start_in_mode(
        mode: &str,
        binary: &Path,
        directory: &Path,
        id: &str,
        sections: &[Value],
    ) -> Self {
        let mut text = format!("router {{\n    mode: {mode}\n    id: {id}\n}}\n");
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

/// What the two routers of a pair are, and the role of what links them.
#[derive(Clone, Copy)]
struct Pair {
    ours: &'static str,
    theirs: &'static str,
    role: &'static str,
}

const INTERIOR: Pair = Pair {
    ours: "interior",
    theirs: "interior",
    role: "inter-router",
};
const OUR_EDGE: Pair = Pair {
    ours: "edge",
    theirs: "interior",
    role: "edge",
};
const THEIR_EDGE: Pair = Pair {
    ours: "interior",
    theirs: "edge",
    role: "edge",
};
const MESH: Pair = Pair {
    ours: "edge",
    theirs: "edge",
    role: "inter-edge",
};

fn in_role(sections: &[Value], role: &str) -> Vec<Value> {
    let linking = |section: &Value| section[0] == "listener" || section[0] == "connector";
    let sections = sections.iter().cloned();
    sections
        .map(|section| match linking(&section) {
            true => with_role(section, role),
            false => section,
        })
        .collect()
}

fn our_router(mode: &str, sections: &[Value]) -> Router {
    match mode {
        "edge" => edge_router("OURS", sections),
        _ => router("OURS", sections),
    }
}

/// Ours and theirs, linked by sections for each side; then flows both ways, a kill and a restart.
fn linked(pair: Pair, ours: &[Value], theirs: impl FnOnce(&Router) -> Vec<Value>) {
    let Some(binary) = skrouterd() else { return };
    let directory = tempfile::tempdir().unwrap();
    let port = server(echo);
    let mut sections = in_role(ours, pair.role);
    sections.extend([tcp_listener("theirs"), tcp_connector("ours", port)]);
    let our = our_router(pair.ours, &sections);
    let to_ours = free_port();
    let mut sections = in_role(&theirs(&our), pair.role);
    sections.extend([
        with_port(tcp_listener("ours"), to_ours),
        tcp_connector("theirs", port),
    ]);
    let mut their =
        Upstream::start_in_mode(pair.theirs, &binary, directory.path(), "THEIRS", &sections);
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
}

/// Two edge routers in a mesh: messages both ways, a kill and a restart. Upstream's can open no streams in a mesh.
fn meshed(ours: &[Value], theirs: impl FnOnce(&Router) -> Vec<Value>) {
    let Some(binary) = skrouterd() else { return };
    let directory = tempfile::tempdir().unwrap();
    let clients = json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": "0"}]);
    let mut sections = in_role(ours, MESH.role);
    sections.push(clients.clone());
    let our = our_router(MESH.ours, &sections);
    let their_clients = free_port();
    let mut sections = in_role(&theirs(&our), MESH.role);
    sections.push(with_port(clients, their_clients));
    let mut their =
        Upstream::start_in_mode(MESH.theirs, &binary, directory.path(), "THEIRS", &sections);
    let our_clients = listener_port(&our, "clients");
    for _ in 0..2 {
        pass_messages(our_clients, their_clients);
        pass_messages(their_clients, our_clients);
        their.restart();
    }
}

/// Messages from a producer at one port to a consumer at another.
fn pass_messages(from: u16, to: u16) {
    reach(from);
    reach(to);
    let client =
        |port, name| Client::new(Endpoint::tcp("127.0.0.1", port), name).with_timeout(PATIENCE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let consumer = client(to, "consumer");
        let address = format!("queue-{from}-{to}");
        let mut queue = consumer.subscribe(&address);
        let producer = client(from, "producer");
        for n in 0..50_i32 {
            let message = || Message::with_value(Properties::to(&address), n);
            while let Err(error) = producer.send(message()).await {
                assert!(
                    matches!(error, ClientError::Undeliverable { .. }),
                    "{error}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            loop {
                let next = tokio::time::timeout(PATIENCE, queue.next());
                match next.await.unwrap().unwrap() {
                    Incoming::Attached => {}
                    Incoming::Message(message) => {
                        assert_eq!(message.body, Body::Value(n.into()));
                        break;
                    }
                }
            }
        }
    });
}

/// Each end connects, in the clear and by TLS.
fn each_way(run: impl Fn(&[Value], &dyn Fn(&Router) -> Vec<Value>), ours: bool, theirs: bool) {
    let credentials = Credentials::new();
    let server = credentials.server().profile("server");
    let client = credentials.client().profile("client");
    if theirs {
        run(&[inter_router_listener("link")], &|our| {
            vec![inter_router_connector("link", listener_port(our, "link"))]
        });
        run(
            &[server.clone(), secure_listener("link", "server")],
            &|our| {
                let port = listener_port(our, "link");
                vec![client.clone(), secure_connector("link", port, "client")]
            },
        );
    }
    if ours {
        let link = free_port();
        run(&[inter_router_connector("link", link)], &|_| {
            vec![with_port(inter_router_listener("link"), link)]
        });
        let link = free_port();
        run(
            &[client.clone(), secure_connector("link", link, "client")],
            &|_| {
                let listener = with_port(secure_listener("link", "server"), link);
                vec![server.clone(), listener]
            },
        );
    }
}

#[test]
fn between_interior_routers_they_connect() {
    each_way(|ours, theirs| linked(INTERIOR, ours, theirs), false, true);
}

#[test]
fn between_interior_routers_we_connect() {
    each_way(|ours, theirs| linked(INTERIOR, ours, theirs), true, false);
}

#[test]
fn our_edge_router_at_their_interior() {
    each_way(|ours, theirs| linked(OUR_EDGE, ours, theirs), true, false);
}

#[test]
fn their_edge_router_at_our_interior() {
    each_way(|ours, theirs| linked(THEIR_EDGE, ours, theirs), false, true);
}

#[test]
fn edge_routers_in_a_mesh() {
    each_way(|ours, theirs| meshed(ours, theirs), true, true);
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

/// Sends numbers through an echo, and holds each one that comes back against what it has to be.
fn count_through(address: SocketAddr, total: u64) {
    let mut reader = connect(address);
    let mut writer = reader.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let mut block = Vec::with_capacity(64 * 1024);
        for number in 0..total / 8 {
            block.extend_from_slice(&number.to_le_bytes());
            if block.len() == block.capacity() {
                writer.write_all(&block).unwrap();
                block.clear();
            }
        }
        writer.write_all(&block).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut block = vec![0; 256 * 1024];
    let (mut next, mut kept) = (0_u64, 0);
    loop {
        let count = reader.read(&mut block[kept..]).unwrap();
        if count == 0 {
            break;
        }
        let whole = (kept + count) / 8 * 8;
        for number in block[..whole].chunks_exact(8) {
            assert_eq!(number, next.to_le_bytes(), "number {next}");
            next += 1;
        }
        block.copy_within(whole..kept + count, 0);
        kept = kept + count - whole;
    }
    sender.join().unwrap();
    assert_eq!((next, kept), (total / 8, 0));
}

#[test]
#[ignore = "takes a minute: two gibibytes there and back, and 200 flows at once; run with SKROUTERD and --ignored"]
fn a_gibibyte_each_way_and_two_hundred_flows() {
    let binary = skrouterd().expect("SKROUTERD has to name upstream's router");
    let credentials = Credentials::new();
    let directory = tempfile::tempdir().unwrap();
    let (port, link, to_ours) = (server(echo), free_port(), free_port());
    let theirs = [
        credentials.server().profile("server"),
        with_port(secure_listener("link", "server"), link),
        with_port(tcp_listener("ours"), to_ours),
        tcp_connector("theirs", port),
    ];
    let _their = Upstream::start(&binary, directory.path(), "THEIRS", &theirs);
    let ours = [
        credentials.client().profile("client"),
        secure_connector("link", link, "client"),
        tcp_listener("theirs"),
        tcp_connector("ours", port),
    ];
    let our = router("OURS", &ours);
    let entrances = [open_port(&our, "theirs"), reach(to_ours)];
    for address in entrances {
        count_through(address, 1 << 30);
    }
    let all_open = std::sync::Arc::new(std::sync::Barrier::new(200));
    let flows: Vec<_> = (0..200)
        .map(|n| {
            let all_open = all_open.clone();
            thread::spawn(move || {
                let mut stream = connect(entrances[n % 2]);
                stream.write_all(b"open").unwrap();
                stream.read_exact(&mut [0; 4]).unwrap();
                all_open.wait();
                count_through(entrances[n % 2], 1 << 20);
                stream.write_all(b"live").unwrap();
                stream.read_exact(&mut [0; 4]).unwrap();
            })
        })
        .collect();
    for flow in flows {
        flow.join().unwrap();
    }
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
    // Every one of these connections was made at the first try, data connections too.
    let refused = our
        .entities()
        .connector("link")
        .unwrap()
        .refusals
        .snapshot();
    let alerts = |refusal: &&Refusal| refusal.message.contains("alert");
    assert_eq!(refused.entries().iter().find(alerts), None);
}
