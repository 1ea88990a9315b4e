//! The controller as a process, and what it costs.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::ground::{Ground, LIMIT};
use crate::{process, wait};

/// Where it serves its metrics and its health: below the ports that the kernel gives to who connects.
const HEALTH: u16 = 19191;
const METRICS: u16 = 19000;
/// Units of processor time in `/proc`, a second: the same on every Linux that there is (`USER_HZ`).
const CLOCK_TICKS: f64 = 100.0;

/// A controller under way. Killed when it goes out of scope.
pub(super) struct Controller<'g> {
    ground: &'g Ground,
    child: Child,
    began: Instant,
}

impl<'g> Controller<'g> {
    /// Starts one.
    pub(super) fn start(ground: &'g Ground) -> Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(ground.folder.path().join("controller.log"))?;
        let host = ground.cluster.plan().map(|plan| plan.node().to_string());
        let child = ground
            .cluster
            .command(&ground.program)?
            .arg("controller")
            .arg(format!("-health-address=127.0.0.1:{HEALTH}"))
            .arg(format!("-metrics-address=127.0.0.1:{METRICS}"))
            .env("KUBECONFIG", &ground.kubeconfig)
            .env("NAMESPACE", "skupper")
            .env("CONTROLLER_NAME", "skupper-controller")
            .env(
                "SKUPPER_ENABLED_ACCESS_TYPES",
                "local,loadbalancer,nodeport",
            )
            .env("SKUPPER_CLUSTER_HOST", host.unwrap_or_default())
            .env(
                "SKUPPER_CONTROLLER_IMAGE",
                "localhost/skupper-controller:dev",
            )
            .env(
                "SKUPPER_KUBE_ADAPTOR_IMAGE",
                "localhost/skupper-kube-adaptor:dev",
            )
            .env("SKUPPER_KUBE_ADAPTOR_IMAGE_PULL_POLICY", "Never")
            .env("SKUPPER_ROUTER_IMAGE", "localhost/skupper-router:dev")
            .env("SKUPPER_ROUTER_IMAGE_PULL_POLICY", "Never")
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the controller")?;
        Ok(Self {
            ground,
            child,
            began: Instant::now(),
        })
    }

    /// Starts one, and waits until it leads and has nothing to do.
    pub(super) fn ready(ground: &'g Ground) -> Result<Self> {
        let mut controller = Self::start(ground)?;
        controller.until_quiet()?;
        Ok(controller)
    }

    /// Waits until it leads, knows everything and its queue is and stays empty; how long after its start that was, in
    /// seconds.
    pub(super) fn until_quiet(&mut self) -> Result<f64> {
        let mut quiet: Option<(Instant, f64)> = None;
        wait::until("the controller's queue to be empty", LIMIT, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("the controller ended with {status}: {}", self.log());
            }
            let metrics = self.ask(METRICS, "/metrics")?;
            let idle = metric(&metrics, "skupper_controller_leading") == 1.0
                && metric(&metrics, "skupper_workqueue_depth") == 0.0
                && self.ask(HEALTH, "/readyz")? == "ok";
            let added = metric(&metrics, "skupper_workqueue_adds_total");
            match quiet {
                Some((since, before)) if idle && before == added => {
                    // Long enough for whatever is under way to end, and to come up again.
                    let stays = since.elapsed() > Duration::from_secs(2);
                    Ok(stays.then(|| (since - self.began).as_secs_f64()))
                }
                _ => {
                    quiet = idle.then(|| (Instant::now(), added));
                    Ok(None)
                }
            }
        })
        .with_context(|| self.log())
    }

    /// Requests so far that change something, its lease left out: leases are written with PUT, and nothing else is.
    pub(super) fn writes(&self) -> Result<f64> {
        let metrics = self.ask(METRICS, "/metrics")?;
        let changing = ["POST", "PATCH", "DELETE"];
        Ok(metrics
            .lines()
            .filter(|line| line.starts_with("skupper_kubernetes_client_http_requests_total{"))
            .filter(|line| changing.iter().any(|method| line.contains(method)))
            .map(number)
            // Not `sum`, which begins with -0.
            .fold(0.0, |sum, number| sum + number))
    }

    /// Seconds of processor time so far.
    pub(super) fn cpu(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, rest) = stat.rsplit_once(')').context("no stat")?;
        // utime and stime are fields 14 and 15; the name, which is field 2, is cut off.
        let ticks: f64 = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        Ok(ticks / CLOCK_TICKS)
    }

    /// The most memory that it ever had (VmHWM), in MB.
    pub(super) fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|peak| peak.trim().strip_suffix(" kB"))
            .context("no VmHWM")?;
        Ok(peak.trim().parse::<f64>()? * 1024.0 / 1e6)
    }

    /// Tells it to stop, and waits until it has.
    pub(super) fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        process::run(Command::new("kill").args(["-TERM", &id]))?;
        let status = wait::until("the controller to stop", LIMIT, || {
            Ok(self.child.try_wait()?)
        })?;
        if !status.success() {
            bail!("the controller ended with {status}: {}", self.log());
        }
        Ok(())
    }

    /// The end of its log.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.ground.folder.path().join("controller.log"));
        let log = log.unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn ask(&self, port: u16, path: &str) -> Result<String> {
        // It listens inside the cluster's network, where a thread of its own goes.
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| -> Result<String> {
                self.ground.cluster.enter()?;
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                let (_, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
                Ok(body.to_owned())
            });
            asking
                .join()
                .unwrap_or_else(|_| bail!("the thread that asks panicked"))
        })
    }
}

impl Drop for Controller<'_> {
    fn drop(&mut self) {
        // It may have ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The first number of a metric; 0 if there is none.
fn metric(metrics: &str, name: &str) -> f64 {
    metrics
        .lines()
        .find(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        })
        .map_or(0.0, number)
}

/// The number at the end of a line of metrics.
fn number(line: &str) -> f64 {
    let last = line.rsplit(' ').next().unwrap_or_default();
    last.parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_their_whole_name() {
        let metrics = "# HELP a_b x\na_b_c{k=\"v\"} 3\na_b{k=\"v\"} 4\nd 5.5\n";
        assert_eq!(metric(metrics, "a_b"), 4.0);
        assert_eq!(metric(metrics, "d"), 5.5);
        assert_eq!(metric(metrics, "e"), 0.0);
    }
}
