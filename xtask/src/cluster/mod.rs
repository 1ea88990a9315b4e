//! A real Kubernetes for demo and tests: one of our own on this machine, or one that the user has.
//!
//! One of our own is a single node with etcd, API server, controller manager, scheduler, kubelet, containerd, runc,
//! kube-proxy and CoreDNS, all inside one network namespace with no way out. `docs/cluster.md` tells what it can and
//! cannot do.

mod balancer;
mod binaries;
mod cgroup;
mod component;
mod config;
mod down;
mod home;
mod images;
mod network;
mod pki;
mod plan;
mod status;
mod up;

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

pub use binaries::VARIABLE as BINARIES_VARIABLE;
pub use component::{Component, Process};
pub use home::STATE_VARIABLE;
pub use images::BUSYBOX_IMAGE;
pub use plan::{Name, Plan};

use home::Home;

use crate::{host, process};

/// Names a kubeconfig: tests use the cluster behind it and make none ([`Cluster::for_tests`]).
pub const EXISTING_VARIABLE: &str = "SKUPPER_TEST_KUBECONFIG";

/// A running Kubernetes: ours, or the user's.
///
/// Dropping it leaves the cluster alone; [`Cluster::guarded`] takes it down when it goes out of scope.
#[derive(Clone, Debug)]
pub struct Cluster {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Own(Home),
    Existing { kubeconfig: PathBuf },
}

impl Cluster {
    /// Brings the cluster `name` up anew (about 10 s). Whatever ran or was left under that name is removed first. What
    /// the machine lacks is installed or built first, after saying so: Debian packages, Go, Kubernetes' programs (8 to
    /// 13 minutes, once). Several clusters run side by side; two `up` of one name wait for each other.
    ///
    /// # Errors
    /// When the process is not root, something is missing that cannot be installed, or a daemon does not start; the
    /// error names the remedy or holds the end of the daemon's log.
    pub fn up(name: &str) -> Result<Self> {
        up::up(&name.parse()?).map(Self::own)
    }

    /// Makes everything ready that outlives a cluster, so that [`Cluster::up`] takes seconds: Debian packages, Go and
    /// Kubernetes' programs, the node's images.
    ///
    /// # Errors
    /// When the process is not root, or something is missing that cannot be installed or built.
    pub fn prepare() -> Result<()> {
        up::prepare().map(drop)
    }

    /// The cluster `name` if it runs and answers, else as [`Cluster::up`]. For test runs that share one.
    ///
    /// # Errors
    /// As for [`Cluster::up`].
    pub fn ensure(name: &str) -> Result<Self> {
        match Self::open(name) {
            Ok(cluster) if cluster.is_healthy() => Ok(cluster),
            _ => Self::up(name),
        }
    }

    /// A cluster for tests: the user's where [`EXISTING_VARIABLE`] names a kubeconfig, else our own `name`, up anew.
    ///
    /// # Errors
    /// As for [`Cluster::up`] and [`Cluster::existing`].
    pub fn for_tests(name: &str) -> Result<Self> {
        match std::env::var_os(EXISTING_VARIABLE).filter(|value| !value.is_empty()) {
            Some(kubeconfig) => Self::existing(PathBuf::from(kubeconfig)),
            None => Self::up(name),
        }
    }

    /// The cluster that was brought up as `name`, whether or not it still answers.
    ///
    /// # Errors
    /// When there is none; the error says which are up.
    pub fn open(name: &str) -> Result<Self> {
        Home::open(&name.parse()?).map(Self::own)
    }

    /// The user's cluster behind `kubeconfig`; `kubectl` must be in the search path, and root is not needed.
    ///
    /// # Errors
    /// When the file or `kubectl` is not there, or the cluster does not answer.
    pub fn existing(kubeconfig: impl Into<PathBuf>) -> Result<Self> {
        let kubeconfig = kubeconfig.into();
        if !kubeconfig.is_file() {
            bail!("{} is no kubeconfig: no such file", kubeconfig.display());
        }
        if host::find_program("kubectl").is_none() {
            bail!(
                "an existing cluster is used with kubectl, which is not in PATH; install it from https://kubernetes.io/docs/tasks/tools/"
            );
        }
        let cluster = Self {
            place: Place::Existing { kubeconfig },
        };
        let answer = cluster.kubectl(["version", "--request-timeout=20s"]);
        answer.with_context(|| {
            format!(
                "the cluster of {} does not answer",
                cluster.kubeconfig().display()
            )
        })?;
        Ok(cluster)
    }

    /// Every cluster of ours that is up, by name.
    #[must_use]
    pub fn all() -> Vec<Self> {
        home::all().into_iter().map(Self::own).collect()
    }

    /// Takes the cluster `name` down, or removes what a killed run left of it; no error where there is nothing.
    ///
    /// # Errors
    /// When the process is not root, or something does not go away.
    pub fn down_by_name(name: &str) -> Result<()> {
        down::down(&name.parse()?)
    }

    /// Takes it down, about 2 s. A user's cluster is left alone.
    ///
    /// # Errors
    /// As for [`Cluster::down_by_name`].
    pub fn down(&self) -> Result<()> {
        match &self.place {
            Place::Own(home) => down::down(&home.name),
            Place::Existing { .. } => Ok(()),
        }
    }

    /// Takes the cluster down when the returned guard goes out of scope, also when a test fails. A user's cluster is
    /// left alone.
    #[must_use]
    pub fn guarded(self) -> Guard {
        Guard(self)
    }

    fn own(home: Home) -> Self {
        Self {
            place: Place::Own(home),
        }
    }

    fn home(&self, what: &str) -> Result<&Home> {
        match &self.place {
            Place::Own(home) => Ok(home),
            Place::Existing { kubeconfig } => {
                bail!(
                    "{what} is possible only with a cluster of our own, not with that of {}",
                    kubeconfig.display()
                )
            }
        }
    }

    /// Whether this is a cluster of our own.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self.place, Place::Own(_))
    }

    /// The cluster's name; for a user's cluster, its kubeconfig.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.place {
            Place::Own(home) => home.name.to_string(),
            Place::Existing { kubeconfig } => kubeconfig.display().to_string(),
        }
    }

    /// An administrator's kubeconfig. For a cluster of our own its address means something only inside [`Cluster::netns`].
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        match &self.place {
            Place::Own(home) => home.kubeconfig(),
            Place::Existing { kubeconfig } => kubeconfig.clone(),
        }
    }

    /// The network namespace of a cluster of our own, for `nsenter --net=…`.
    #[must_use]
    pub fn netns(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Own(home) => Some(home.netns()),
            Place::Existing { .. } => None,
        }
    }

    /// Addresses of a cluster of our own.
    #[must_use]
    pub fn plan(&self) -> Option<Plan> {
        match &self.place {
            Place::Own(home) => Some(home.plan),
            Place::Existing { .. } => None,
        }
    }

    /// The folder with a cluster of our own's state and logs.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Own(home) => Some(&home.dir),
            Place::Existing { .. } => None,
        }
    }

    /// Moves the calling thread into the cluster's network namespace, so that a client in this process (kube-rs, a
    /// socket) reaches API server, Services and pods. With tokio, call it on every worker:
    ///
    /// ```no_run
    /// # fn main() -> anyhow::Result<()> {
    /// # let cluster = xtask::cluster::Cluster::open("x")?;
    /// let home = cluster.clone();
    /// // tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_start(move || home.enter().unwrap())
    /// # home.enter()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Nothing happens for a user's cluster.
    ///
    /// # Errors
    /// When the namespace is gone or the process lacks the right.
    pub fn enter(&self) -> Result<()> {
        match &self.place {
            Place::Own(home) => network::enter(home),
            Place::Existing { .. } => Ok(()),
        }
    }

    /// `program` as it would be started beside the cluster: inside its network namespace, with `KUBECONFIG` set and
    /// `kubectl` in `PATH`.
    ///
    /// # Errors
    /// When `PATH` cannot be composed.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = match &self.place {
            Place::Own(home) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--net={}", home.netns().display()))
                    .arg("--")
                    .arg(program);
                let path = std::iter::once(home.bin.clone()).chain(host::search_path());
                command.env(
                    "PATH",
                    std::env::join_paths(path).context("PATH cannot be composed")?,
                );
                command
            }
            Place::Existing { .. } => Command::new(program),
        };
        command.env("KUBECONFIG", self.kubeconfig());
        Ok(command)
    }

    /// Runs kubectl as administrator and returns what it prints.
    ///
    /// # Errors
    /// When kubectl fails; the error holds the command line and what it said.
    pub fn kubectl<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        process::output(self.command("kubectl")?.args(arguments))
    }

    /// Applies manifests (YAML or JSON, one or many documents) and returns what kubectl prints.
    ///
    /// # Errors
    /// As for [`Cluster::kubectl`].
    pub fn apply(&self, manifests: &str) -> Result<String> {
        process::feed(
            self.command("kubectl")?.args(["apply", "--filename=-"]),
            manifests,
        )
    }

    /// Whether the API server says that it is ready.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.kubectl(["get", "--raw", "/readyz", "--request-timeout=5s"])
            .is_ok()
    }

    /// Imports an image archive (OCI or docker) into the node. Pods take it with `imagePullPolicy: Never`, or
    /// `IfNotPresent` with a tag that is not `latest`.
    ///
    /// # Errors
    /// When the import fails, or the cluster is the user's: there the image must come from a registry.
    pub fn load(&self, archive: impl AsRef<Path>) -> Result<()> {
        let archive = archive.as_ref();
        if !archive.is_file() {
            bail!(
                "there is no image archive {}; `cargo xtask image` makes it",
                archive.display()
            );
        }
        up::load(self.home("loading an image archive")?, archive)
    }

    /// Lays a wire to another cluster: each reaches the other's node, pods and load balancers' addresses (not its
    /// Services' cluster addresses, nor its names). Again is no error.
    ///
    /// # Errors
    /// When one of them is a user's cluster, both are the same, or the wire cannot be laid.
    pub fn join(&self, other: &Self) -> Result<()> {
        let (a, b) = (self.home("a wire")?, other.home("a wire")?);
        if a.name == b.name {
            bail!("a wire needs two clusters; both ends are {}", a.name);
        }
        network::join(a, b)
    }

    /// Cuts the wire to another cluster; no error where there is none.
    ///
    /// # Errors
    /// When one of them is a user's cluster, or the wire cannot be removed.
    pub fn part(&self, other: &Self) -> Result<()> {
        network::part(self.home("a wire")?, other.home("a wire")?)
    }

    /// Ends one daemon at once, as a crash would (SIGKILL).
    ///
    /// # Errors
    /// When the cluster is a user's, or the daemon does not go away.
    pub fn kill(&self, component: Component) -> Result<()> {
        component.kill(self.home("ending a daemon")?)
    }

    /// Starts one daemon that was ended, with the same command line and data.
    ///
    /// # Errors
    /// When the cluster is a user's, or the daemon cannot be started.
    pub fn start(&self, component: Component) -> Result<()> {
        let home = self.home("starting a daemon")?;
        match component.process(home) {
            Some(process) => bail!(
                "{} of cluster {} runs already (pid {})",
                component.name(),
                home.name,
                process.pid
            ),
            None => component.start(home),
        }
    }

    /// The running process of one daemon.
    #[must_use]
    pub fn process(&self, component: Component) -> Option<Process> {
        match &self.place {
            Place::Own(home) => component.process(home),
            Place::Existing { .. } => None,
        }
    }

    /// A report for a person: daemons with their memory, addresses, pods.
    ///
    /// # Errors
    /// When kubectl fails against a user's cluster.
    pub fn status(&self) -> Result<String> {
        match &self.place {
            Place::Own(home) => status::report(home),
            Place::Existing { .. } => self.kubectl(["get", "nodes,pods", "--all-namespaces"]),
        }
    }

    /// Assigns addresses to Services of type `LoadBalancer`, as a cloud would, until the process is killed: what the
    /// daemon [`Component::LoadBalancer`] does.
    ///
    /// # Errors
    /// When the cluster is a user's, which has its own.
    pub fn balance(&self) -> Result<()> {
        balancer::run(self.home("the stand-in for load balancers")?)
    }
}

/// Takes its cluster down when it goes out of scope; made by [`Cluster::guarded`].
#[derive(Debug)]
pub struct Guard(Cluster);

impl Deref for Guard {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.0.down() {
            crate::progress::say(&format!(
                "cluster {} could not be taken down: {error:#}",
                self.0.name()
            ));
        }
    }
}
