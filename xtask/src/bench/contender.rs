//! Who is measured: each a pair of processes with mutual TLS between them.

use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::load::http::Http;
use super::load::relay;
use super::load::servers::Servers;
use super::material::Material;
use super::{haproxy, routers, usage};
use crate::progress::say;
use crate::wait;

/// One of those that are compared.
#[derive(Clone, Debug)]
pub(super) enum Contender {
    /// The client connects to the server itself.
    Direct,
    /// HAProxy with mutual TLS between the two, by its program.
    Haproxy(PathBuf),
    /// HAProxy without TLS: what a proxy costs by itself.
    HaproxyPlain(PathBuf),
    /// Routers called as `skrouterd` is: name of the pair, words of the command line at the client's side and at the server's.
    Routers(&'static str, Vec<OsString>, Vec<OsString>),
}

impl Contender {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Haproxy(_) => "haproxy",
            Self::HaproxyPlain(_) => "haproxy-plain",
            Self::Routers(name, ..) => name,
        }
    }
}

/// What all measurements share.
pub(super) struct Setting {
    /// Configurations, logs and results.
    pub(super) folder: PathBuf,
    pub(super) material: Material,
    pub(super) servers: Servers,
    /// nginx, where it is installed.
    pub(super) http: Option<Http>,
    /// How long a measurement takes.
    pub(super) span: Duration,
}

impl Setting {
    /// Starts the servers.
    pub(super) fn make(folder: PathBuf, span: Duration) -> Result<Self> {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let http = Http::start(&folder)?;
        if http.is_none() {
            say("no nginx or no wrk here (apt-get install nginx-light wrk): HTTP is left out");
        }
        Ok(Setting {
            material: Material::make(&folder)?,
            servers: Servers::start()?,
            http,
            span,
            folder,
        })
    }
}

/// One address that is served through a pair.
pub(super) struct Service {
    pub(super) name: &'static str,
    /// Where the client connects to.
    pub(super) entrance: SocketAddr,
    /// Where the server is.
    pub(super) server: SocketAddr,
    /// Where the back listens for the front, if it has a port for each service.
    pub(super) back: SocketAddr,
    /// Where the front connects to: the back, or a relay in front of it.
    pub(super) hop: SocketAddr,
}

/// Two running processes, and where the client connects to.
pub(super) struct Pair {
    processes: Vec<Child>,
    services: Vec<(&'static str, SocketAddr)>,
}

impl Pair {
    /// Starts a pair; with a round trip between the two, if one is given.
    pub(super) fn start(
        contender: &Contender,
        setting: &Setting,
        trip: Option<Duration>,
    ) -> Result<Self> {
        let services = services(setting, trip)?;
        let folder = &setting.folder;
        let processes = match contender {
            Contender::Direct => {
                let servers = services.iter().map(|s| (s.name, s.server)).collect();
                return Ok(Pair {
                    processes: Vec::new(),
                    services: servers,
                });
            }
            Contender::Haproxy(program) => {
                haproxy::start(program, &services, folder, Some(&setting.material))?
            }
            Contender::HaproxyPlain(program) => haproxy::start(program, &services, folder, None)?,
            Contender::Routers(name, front, back) => {
                let start = |end, words: &[OsString]| {
                    routers::start(name, end, words, &services, folder, &setting.material)
                };
                vec![
                    start(routers::End::Back, back)?,
                    start(routers::End::Front, front)?,
                ]
            }
        };
        let pair = Pair {
            processes,
            services: services.iter().map(|s| (s.name, s.entrance)).collect(),
        };
        for (name, entrance) in &pair.services {
            wait::until(
                &format!(
                    "{} to answer for {name} (its logs are in {})",
                    contender.name(),
                    folder.display()
                ),
                Duration::from_secs(30),
                || Ok(TcpStream::connect(entrance).ok().map(drop)),
            )?;
        }
        Ok(pair)
    }

    /// Asks the processes to end, and waits until they have done so in order.
    pub(super) fn stop(mut self) -> Result<()> {
        for process in &self.processes {
            kill_process(Pid::from_child(process), Signal::TERM).context("cannot stop a router")?;
        }
        for process in &mut self.processes {
            let status = wait::until("a router to end", Duration::from_secs(60), || {
                Ok(process.try_wait()?)
            })?;
            anyhow::ensure!(status.success(), "a router ended with {status}");
        }
        Ok(())
    }

    /// Where a client reaches a service.
    pub(super) fn entrance(&self, service: &str) -> Result<SocketAddr> {
        let mut services = self.services.iter();
        let found = services.find(|(name, _)| *name == service);
        Ok(found.with_context(|| format!("no service {service}"))?.1)
    }

    /// Processor time that the processes have used so far, in seconds.
    pub(super) fn cpu_seconds(&self) -> f64 {
        self.processes.iter().map(|p| usage::cpu(p.id())).sum()
    }

    /// Memory that the processes hold now, in octets (resident set), each on average.
    pub(super) fn memory(&self) -> f64 {
        let all: u64 = self.processes.iter().map(|p| usage::resident(p.id())).sum();
        all as f64 / self.processes.len().max(1) as f64
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        end(&mut self.processes);
    }
}

/// Kills processes and waits for their end.
pub(super) fn end(processes: &mut [Child]) {
    for process in processes {
        process.kill().ok();
        process.wait().ok();
    }
}

/// Ports for every service, with a relay on the way between the two where it is to be long.
pub(super) fn services(setting: &Setting, trip: Option<Duration>) -> Result<Vec<Service>> {
    let servers = setting.servers.at;
    let mut names = vec![
        ("sink", servers.sink),
        ("source", servers.source),
        ("echo", servers.echo),
    ];
    names.extend(setting.http.as_ref().map(|http| ("http", http.at)));
    // All are held at once, so that no two are the same.
    let mut held = Vec::new();
    let mut port = || -> Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        held.push(listener);
        Ok(address)
    };
    let mut services = Vec::new();
    for (name, server) in names {
        let (entrance, back) = (port()?, port()?);
        let hop = match trip {
            None => back,
            Some(trip) => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let hop = listener.local_addr()?;
                relay::start(listener, back, trip)?;
                hop
            }
        };
        services.push(Service {
            name,
            entrance,
            server,
            back,
            hop,
        });
    }
    Ok(services)
}

/// Starts a process that writes to a log file.
pub(super) fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))
}
