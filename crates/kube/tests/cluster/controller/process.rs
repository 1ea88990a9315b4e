//! A controller as a process, with the rights of a ServiceAccount.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail};
use xtask::wait;

use crate::stage::{LIMIT, Stage};

/// The environment variable that makes a test binary a controller.
pub const ROLE: &str = "SKUPPER_KUBE_TEST_CONTROLLER";

/// A controller under way. Killed when it goes out of scope.
pub struct Controller<'s> {
    stage: &'s Stage,
    child: Child,
    log: PathBuf,
    health: u16,
    metrics: u16,
}

/// How a controller is started.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// Its name among replicas; also that of its log.
    pub host: &'a str,
    /// Namespace and name of the ServiceAccount whose rights it has.
    pub account: (&'a str, &'a str),
    /// The namespace to watch; all if empty.
    pub watch: &'a str,
    /// Further flags.
    pub flags: &'a [&'a str],
    /// Ports for health and metrics: replicas share a network namespace. Below 32768: from there the kernel gives ports to who
    /// connects, and the cluster's own connections may hold one for as long as it runs.
    pub ports: (u16, u16),
}

impl Default for Start<'_> {
    fn default() -> Self {
        Start {
            host: "one",
            account: ("skupper", "skupper-controller"),
            watch: "",
            flags: &[],
            ports: (19191, 19000),
        }
    }
}

impl<'s> Controller<'s> {
    /// Starts a controller, and waits until it answers about its health.
    pub fn start(stage: &'s Stage, start: Start<'_>) -> Result<Self> {
        let kubeconfig = stage.kubeconfig(start.account.0, start.account.1)?;
        let log = stage
            .folder
            .path()
            .join(format!("{}-{}.log", start.host, start.ports.0));
        let program = std::env::current_exe()?;
        let mut command = stage.cluster.command(&program)?;
        command
            .args([
                "-enable-grants",
                "-grant-server-autoconfigure",
                &format!("-health-address=127.0.0.1:{}", start.ports.0),
                &format!("-metrics-address=127.0.0.1:{}", start.ports.1),
            ])
            .args(start.flags)
            .env(ROLE, "1")
            .env("KUBECONFIG", kubeconfig)
            .env("NAMESPACE", start.account.0)
            .env("WATCH_NAMESPACE", start.watch)
            .env("CONTROLLER_NAME", "skupper-controller")
            .env("HOSTNAME", start.host)
            .env(
                "SKUPPER_ENABLED_ACCESS_TYPES",
                "local,loadbalancer,nodeport,route",
            )
            .env("SKUPPER_CLUSTER_HOST", "node.example")
            .env(
                "SKUPPER_CONTROLLER_IMAGE",
                "localhost/skupper-controller:dev",
            )
            .env(
                "SKUPPER_KUBE_ADAPTOR_IMAGE",
                "localhost/skupper-kube-adaptor:dev",
            )
            .env("SKUPPER_ROUTER_IMAGE", "localhost/skupper-router:dev")
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let child = command.spawn().context("cannot start a controller")?;
        let mut controller = Controller {
            stage,
            child,
            log,
            health: start.ports.0,
            metrics: start.ports.1,
        };
        wait::until("the controller to answer", LIMIT, || {
            if let Some(status) = controller.child.try_wait()? {
                bail!("it ended with {status}: {}", controller.log());
            }
            Ok(controller.ask(controller.health, "/healthz").ok())
        })?;
        Ok(controller)
    }

    /// Starts a controller, and waits until it knows all it has to.
    pub fn ready(stage: &'s Stage, start: Start<'_>) -> Result<Self> {
        let controller = Self::start(stage, start)?;
        controller.await_ready()?;
        Ok(controller)
    }

    pub fn await_ready(&self) -> Result<()> {
        wait::until("the controller to be ready", LIMIT, || {
            let (status, said) = self.readiness()?;
            if status == 200 {
                Ok(Some(()))
            } else {
                bail!("{said}")
            }
        })
        .with_context(|| self.log())
    }

    /// Status and text of `/readyz`.
    pub fn readiness(&self) -> Result<(u16, String)> {
        self.ask(self.health, "/readyz")
    }

    /// Requests so far that change something, those about its lease left out.
    pub fn writes(&self) -> Result<f64> {
        let text = self.metrics()?;
        let counted = text
            .lines()
            .filter(|line| line.starts_with("skupper_kubernetes_client_http_requests_total{"));
        // Leases are written with PUT, and nothing else is.
        let changing = counted.filter(|line| {
            ["POST", "PATCH", "DELETE"]
                .iter()
                .any(|method| line.contains(method))
        });
        changing
            .map(|line| {
                line.rsplit(' ')
                    .next()
                    .unwrap_or_default()
                    .parse::<f64>()
                    .context("no number")
            })
            .sum()
    }

    /// All that it measures.
    pub fn metrics(&self) -> Result<String> {
        Ok(self.ask(self.metrics, "/metrics")?.1)
    }

    /// Whether it leads.
    pub fn leads(&self) -> Result<bool> {
        Ok(self
            .metrics()?
            .lines()
            .any(|line| line == "skupper_controller_leading 1"))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        xtask::process::run(
            Command::new("kill")
                .arg("-TERM")
                .arg(self.child.id().to_string()),
        )?;
        let status = wait::until("the controller to stop", LIMIT, || {
            Ok(self.child.try_wait()?)
        })?;
        if !status.success() {
            bail!("it ended with {status}: {}", self.log());
        }
        Ok(())
    }

    /// Kills it.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn ask(&self, port: u16, path: &str) -> Result<(u16, String)> {
        self.stage.ask(port, path)
    }
}

impl Drop for Controller<'_> {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
