//! Who is measured: each a pair of processes with mutual TLS between them.

use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::load::Servers;
use super::material::Material;
use crate::wait;

/// One of those that are compared.
#[derive(Clone, Debug)]
pub(super) enum Contender {
    /// The client connects to the server itself.
    Direct,
    /// HAProxy, by its program.
    Haproxy(PathBuf),
    /// A router called as `skrouterd` is, by its name here and its words.
    Router(&'static str, Vec<OsString>),
}

impl Contender {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Haproxy(_) => "haproxy",
            Self::Router(name, _) => name,
        }
    }
}

/// Two running processes, and where the client connects to.
pub(super) struct Pair {
    processes: Vec<Child>,
    /// Leads to the server that throws everything away.
    pub(super) sink: SocketAddr,
    /// Leads to the server that sends as fast as it can.
    pub(super) source: SocketAddr,
    /// Leads to the server that echoes.
    pub(super) echo: SocketAddr,
}

/// The ports of one pair: entrances, and the port between the two.
struct Ports {
    sink: SocketAddr,
    source: SocketAddr,
    echo: SocketAddr,
    between: Vec<u16>,
}

impl Ports {
    fn pick() -> Result<Self> {
        // All are held at once, so that no two are the same.
        let held: Vec<_> = (0..6)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<Result<_, _>>()?;
        let addresses: Vec<_> = held
            .iter()
            .map(TcpListener::local_addr)
            .collect::<Result<_, _>>()?;
        let [sink, source, echo, between @ ..] = addresses.as_slice() else {
            anyhow::bail!("no ports");
        };
        Ok(Ports {
            sink: *sink,
            source: *source,
            echo: *echo,
            between: between.iter().map(SocketAddr::port).collect(),
        })
    }
}

impl Pair {
    pub(super) fn start(
        contender: &Contender,
        folder: &Path,
        material: &Material,
        servers: &Servers,
    ) -> Result<Self> {
        let ports = Ports::pick()?;
        let (sink, source, echo) = (ports.sink, ports.source, ports.echo);
        let processes = match contender {
            Contender::Direct => {
                return Ok(Pair {
                    processes: Vec::new(),
                    sink: servers.sink,
                    source: servers.source,
                    echo: servers.echo,
                });
            }
            Contender::Haproxy(program) => haproxy(program, &ports, folder, material, servers)?,
            Contender::Router(name, words) => {
                routers(name, words, &ports, folder, material, servers)?
            }
        };
        let pair = Pair {
            processes,
            sink,
            source,
            echo,
        };
        for entrance in [sink, source, echo] {
            wait::until(
                &format!("{} to answer on {entrance}", contender.name()),
                Duration::from_secs(30),
                || Ok(TcpStream::connect(entrance).ok().map(drop)),
            )?;
        }
        Ok(pair)
    }

    /// Processor time that the processes have used so far, in seconds.
    pub(super) fn cpu_seconds(&self) -> f64 {
        self.processes
            .iter()
            .map(|process| cpu_of(process.id()))
            .sum()
    }

    /// Memory that the processes hold now, in octets (resident set).
    pub(super) fn memory(&self) -> u64 {
        self.processes
            .iter()
            .map(|process| resident(process.id()))
            .sum()
    }

    /// How many processes there are.
    pub(super) fn size(&self) -> usize {
        self.processes.len()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

fn cpu_of(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name in parentheses: state is field 3, user time 14, system time 15, in ticks of 1/100 s.
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|kb| kb.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))
}

fn haproxy(
    program: &Path,
    ports: &Ports,
    folder: &Path,
    material: &Material,
    servers: &Servers,
) -> Result<Vec<Child>> {
    let head = "global\n  nbthread 2\n  maxconn 20000\n  tune.bufsize 65536\n  ssl-default-bind-options ssl-min-ver TLSv1.3\n  \
        ssl-default-server-options ssl-min-ver TLSv1.3\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  \
        option splice-auto\n";
    let (ca, both) = (material.ca.display(), material.both.display());
    let lines = [
        ("sink", ports.sink, servers.sink),
        ("source", ports.source, servers.source),
        ("echo", ports.echo, servers.echo),
    ];
    let (mut front, mut back) = (head.to_owned(), head.to_owned());
    for ((name, entrance, server), between) in lines.into_iter().zip(&ports.between) {
        front += &format!(
            "listen {name}\n  bind {entrance}\n  server peer 127.0.0.1:{between} ssl crt {both} ca-file {ca} verify required verifyhost localhost sni str(localhost)\n"
        );
        back += &format!(
            "listen {name}\n  bind 127.0.0.1:{between} ssl crt {both} ca-file {ca} verify required\n  server app {server}\n"
        );
    }
    let mut processes = Vec::new();
    for (name, text) in [("back", back), ("front", front)] {
        let file = folder.join(format!("haproxy-{name}.cfg"));
        std::fs::write(&file, text)?;
        processes.push(spawn(
            Command::new(program).arg("-db").arg("-f").arg(&file),
            &folder.join(format!("haproxy-{name}.log")),
        )?);
    }
    Ok(processes)
}

fn routers(
    name: &str,
    words: &[OsString],
    ports: &Ports,
    folder: &Path,
    material: &Material,
    servers: &Servers,
) -> Result<Vec<Child>> {
    let [between, ..] = ports.between.as_slice() else {
        anyhow::bail!("no port between the two");
    };
    let profile = format!(
        "sslProfile {{\n  name: peers\n  caCertFile: {}\n  certFile: {}\n  privateKeyFile: {}\n}}\n",
        material.ca.display(),
        material.certificate.display(),
        material.key.display()
    );
    let router = |id: &str| {
        format!(
            "router {{\n  mode: interior\n  id: {id}\n}}\nlog {{\n  module: DEFAULT\n  enable: warning+\n}}\n{profile}"
        )
    };
    let mut front = router("front");
    front += &format!(
        "connector {{\n  name: back\n  role: inter-router\n  host: localhost\n  port: {between}\n  saslMechanisms: EXTERNAL\n  sslProfile: peers\n}}\n"
    );
    let mut back = router("back");
    back += &format!(
        "listener {{\n  role: inter-router\n  host: 127.0.0.1\n  port: {between}\n  saslMechanisms: EXTERNAL\n  authenticatePeer: yes\n  requireSsl: yes\n  sslProfile: peers\n}}\n"
    );
    for (address, entrance, server) in [
        ("sink", ports.sink, servers.sink),
        ("source", ports.source, servers.source),
        ("echo", ports.echo, servers.echo),
    ] {
        front += &format!(
            "tcpListener {{\n  name: {address}\n  host: 127.0.0.1\n  port: {}\n  address: {address}\n}}\n",
            entrance.port()
        );
        back += &format!(
            "tcpConnector {{\n  name: {address}\n  host: 127.0.0.1\n  port: {}\n  address: {address}\n}}\n",
            server.port()
        );
    }
    let mut processes = Vec::new();
    for (end, text) in [("back", back), ("front", front)] {
        let file = folder.join(format!("{name}-{end}.conf"));
        std::fs::write(&file, text)?;
        let (program, rest) = words.split_first().context("a router needs a program")?;
        processes.push(spawn(
            Command::new(program).args(rest).arg("-c").arg(&file),
            &folder.join(format!("{name}-{end}.log")),
        )?);
    }
    Ok(processes)
}
