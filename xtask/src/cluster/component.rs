//! The processes that make up a cluster: what each is called with, and starting and stopping one of them.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::home::Home;
use crate::{host, wait};

/// One daemon of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The store behind the API server.
    Etcd,
    /// The API server, on the node's address, port 6443.
    ApiServer,
    /// Deployments, ReplicaSets, service accounts' tokens, garbage collection, …
    ControllerManager,
    /// Puts pods on the node.
    Scheduler,
    /// Runs containers.
    Containerd,
    /// Runs pods.
    Kubelet,
    /// Serves addresses of Services.
    Proxy,
    /// The stand-in for a cloud's load balancers: gives Services their addresses.
    LoadBalancer,
}

impl Component {
    /// All of them, in the order in which they are started.
    pub const ALL: [Self; 8] = [
        Self::Etcd,
        Self::ApiServer,
        Self::Containerd,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kubelet,
        Self::Proxy,
        Self::LoadBalancer,
    ];

    /// The name of its program, log and pid file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
            Self::LoadBalancer => "load-balancer-stand-in",
        }
    }

    /// Its command line, program first.
    #[must_use]
    pub(super) fn command_line(self, home: &Home) -> Vec<String> {
        let plan = home.plan;
        let kubeconfig = format!("--kubeconfig={}", home.path("kubeconfig"));
        let pki = |file: &str| home.path(&format!("pki/{file}"));
        let arguments = match self {
            Self::Etcd => vec![
                format!("--data-dir={}", home.path("etcd")),
                "--listen-client-urls=http://127.0.0.1:2379".into(),
                "--advertise-client-urls=http://127.0.0.1:2379".into(),
                "--listen-peer-urls=http://127.0.0.1:2380".into(),
                // The cluster's life ends with the machine's anyway.
                "--unsafe-no-fsync".into(),
            ],
            Self::ApiServer => vec![
                "--etcd-servers=http://127.0.0.1:2379".into(),
                "--bind-address=0.0.0.0".into(),
                format!("--advertise-address={}", plan.node()),
                "--secure-port=6443".into(),
                format!("--service-cluster-ip-range={}", plan.services()),
                format!("--tls-cert-file={}", pki("apiserver.crt")),
                format!("--tls-private-key-file={}", pki("apiserver.key")),
                format!("--client-ca-file={}", pki("ca.crt")),
                format!("--service-account-key-file={}", pki("service-accounts.pub")),
                format!(
                    "--service-account-signing-key-file={}",
                    pki("service-accounts.key")
                ),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                "--authorization-mode=Node,RBAC".into(),
                "--allow-privileged=true".into(),
                format!("--kubelet-client-certificate={}", pki("admin.crt")),
                format!("--kubelet-client-key={}", pki("admin.key")),
                // Else logs and exec look up the node's name, which nobody resolves.
                "--kubelet-preferred-address-types=InternalIP".into(),
            ],
            Self::ControllerManager => vec![
                kubeconfig,
                format!(
                    "--service-account-private-key-file={}",
                    pki("service-accounts.key")
                ),
                format!("--root-ca-file={}", pki("ca.crt")),
                format!("--cluster-signing-cert-file={}", pki("ca.crt")),
                format!("--cluster-signing-key-file={}", pki("ca.key")),
                "--use-service-account-credentials=true".into(),
                "--leader-elect=false".into(),
                "--bind-address=127.0.0.1".into(),
            ],
            Self::Scheduler => vec![
                kubeconfig,
                "--leader-elect=false".into(),
                "--bind-address=127.0.0.1".into(),
            ],
            Self::Containerd => vec!["--config".into(), home.path("config/containerd.toml")],
            Self::Kubelet => vec![
                kubeconfig,
                format!("--config={}", home.path("config/kubelet.json")),
                format!("--root-dir={}", home.path("kubelet")),
                format!("--hostname-override={}", home.name),
                format!("--node-ip={}", plan.node()),
                "--v=2".into(),
            ],
            Self::Proxy => vec![format!("--config={}", home.path("config/kube-proxy.json"))],
            Self::LoadBalancer => vec!["cluster".into(), "balance".into(), home.name.to_string()],
        };
        let program = match self {
            // A copy of this very program: see `up`.
            Self::LoadBalancer => home.path("run/xtask"),
            _ => home.program(self.name()),
        };
        std::iter::once(program).chain(arguments).collect()
    }

    fn pid_file(self, home: &Home) -> std::path::PathBuf {
        home.dir.join("run").join(format!("{}.pid", self.name()))
    }

    /// Its log.
    #[must_use]
    pub(super) fn log_file(self, home: &Home) -> std::path::PathBuf {
        home.dir.join("log").join(format!("{}.log", self.name()))
    }

    /// Starts it inside the cluster's network namespace, detached from this process and its terminal.
    ///
    /// # Errors
    /// When it cannot be started, or its log or pid file cannot be written.
    pub(super) fn start(self, home: &Home) -> Result<()> {
        let log = self.log_file(home);
        let open = || File::options().create(true).append(true).open(&log);
        let (stdout, stderr) = (open(), open());
        let path =
            std::env::join_paths(std::iter::once(home.bin.clone()).chain(host::search_path()))?;
        // `ip netns exec` would mount /sys anew and so hide the cgroups from kubelet; nsenter leaves it alone.
        let child = Command::new("setsid")
            .arg("nsenter")
            .arg(format!("--net={}", home.netns().display()))
            .args(self.command_line(home))
            .env("PATH", path)
            .env_remove("KUBECONFIG")
            .current_dir(&home.dir)
            .stdin(Stdio::null())
            .stdout(stdout.with_context(|| format!("cannot write {}", log.display()))?)
            .stderr(stderr.with_context(|| format!("cannot write {}", log.display()))?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name()))?;
        // setsid and nsenter give way to the daemon: the pid stays.
        let process = Process::of(child.id());
        let file = self.pid_file(home);
        fs::write(&file, process.to_text())
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// The running process, if it does run.
    #[must_use]
    pub(super) fn process(self, home: &Home) -> Option<Process> {
        let text = fs::read_to_string(self.pid_file(home)).ok()?;
        Process::from_text(&text).filter(|process| process.is_alive())
    }

    /// Ends it at once (SIGKILL: the API server would drain for a minute on SIGTERM), and waits until it is gone.
    ///
    /// # Errors
    /// When it does not go away.
    pub(super) fn kill(self, home: &Home) -> Result<()> {
        let Some(process) = self.process(home) else {
            return Ok(());
        };
        process.kill();
        wait::until(
            &format!("the end of {}", self.name()),
            Duration::from_secs(20),
            || Ok((!process.is_alive()).then_some(())),
        )
    }
}

/// A process, told from a later one with the same number by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did; 0 where it is unknown.
    started: u64,
}

impl Process {
    /// The process that has the number `pid` now.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self {
            pid,
            started: stat(pid).map_or(0, |stat| stat.started),
        }
    }

    fn to_text(self) -> String {
        format!("{} {}\n", self.pid, self.started)
    }

    fn from_text(text: &str) -> Option<Self> {
        let (pid, started) = text.trim().split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    }

    /// Whether it still runs; one that ended but was not waited for does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        stat(self.pid)
            .is_some_and(|stat| stat.started == self.started && !matches!(stat.state, 'Z' | 'X'))
    }

    /// Sends it SIGKILL; nothing happens where it is gone.
    pub fn kill(&self) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::KILL).ok();
        }
    }

    /// Its resident memory, in bytes.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim()
            .strip_suffix(" kB")?
            .trim()
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    }
}

struct Stat {
    state: char,
    started: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?)
}

/// `/proc/PID/stat`: the second field may hold spaces and brackets, so count from its last bracket (proc(5)).
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Stat {
        state,
        started: fields.nth(18)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan::Plan;

    fn home() -> Home {
        Home {
            name: "west".parse().unwrap(),
            plan: Plan::new(33).unwrap(),
            bin: "/cache/bin".into(),
            dir: "/state/west".into(),
        }
    }

    #[test]
    fn start_time_is_read_past_a_hostile_name() {
        let text = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1000 5 6";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.state, stat.started), ('S', 4242));
    }

    #[test]
    fn a_process_is_told_from_its_successor() {
        let own = Process::of(std::process::id());
        assert!(own.is_alive());
        let predecessor = Process {
            started: own.started - 1,
            ..own
        };
        assert!(!predecessor.is_alive());
        assert_eq!(Process::from_text(&own.to_text()), Some(own));
        assert!(own.resident().unwrap() > 0);
    }

    #[test]
    fn a_killed_child_that_nobody_waited_for_counts_as_gone() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::of(child.id());
        assert!(process.is_alive());
        process.kill();
        wait::until("its end", Duration::from_secs(60), || {
            Ok((!process.is_alive()).then_some(()))
        })
        .unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn every_component_runs_the_clusters_own_program_with_own_paths() {
        for component in Component::ALL {
            let line = component.command_line(&home());
            let expected = match component {
                Component::LoadBalancer => "/state/west/run/xtask".to_owned(),
                _ => format!("/cache/bin/{}", component.name()),
            };
            assert_eq!(line[0], expected);
            assert!(
                line.iter()
                    .any(|word| word.contains("/state/west/") || word == "west"),
                "{line:?}"
            );
        }
    }
}
