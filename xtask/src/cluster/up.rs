//! Bringing a cluster up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::component::Component;
use super::home::{self, Home};
use super::plan::Name;
use super::{binaries, cgroup, config, down, images, network, pki};
use crate::cargo::{self, Profile};
use crate::host::{self, packages};
use crate::progress::Step;
use crate::{process, wait};

/// Longer than a laden machine takes; a start takes about 10 s on an idle one.
const PATIENCE: Duration = Duration::from_secs(240);

/// Brings the cluster `name` up, from whatever an earlier run left of it.
///
/// # Errors
/// When the machine lacks something that cannot be installed, or a daemon does not start: then the error holds the end
/// of its log, and nothing is left running.
pub(super) fn up(name: &Name) -> Result<Home> {
    let (bin, archives) = prepare()?;
    let balancer = own_program()?;

    let _lock = home::lock_name(name)?;
    down::clean(name)
        .with_context(|| format!("what an earlier run left of {name} cannot be removed"))?;
    let step = Step::start(format!("cluster {name}"));
    let home = Home::create(name, bin)?;
    if let Err(error) = start(&home, &archives, &balancer, &step) {
        let logs = last_words(&home);
        down::clean(name).ok();
        return Err(anyhow!("{error:#}{logs}"))
            .with_context(|| format!("cluster {name} did not come up"));
    }
    step.done();
    Ok(home)
}

/// Makes everything ready that outlives a cluster: Debian packages, the programs' folder, the node's images.
///
/// # Errors
/// When the process is not root, or something is missing that cannot be installed or built.
pub(super) fn prepare() -> Result<(PathBuf, Vec<PathBuf>)> {
    host::require_root("a cluster of its own")?;
    packages::ensure(packages::CLUSTER)?;
    let bin = binaries::ensure()?;
    let archives = images::ensure(&image_cache(&bin)?, &bin)?;
    Ok((bin, archives))
}

fn start(home: &Home, archives: &[PathBuf], balancer: &Path, step: &Step) -> Result<()> {
    step.detail("network, certificates, configuration");
    network::create(home)?;
    pki::create(home)?;
    cgroup::create(&home.name.prefixed())?;
    home.write("resolv.conf", &config::resolv_conf(home))?;
    home.write("cni/10-pods.conflist", &config::cni(home))?;
    home.write(
        "config/containerd.toml",
        &config::containerd(home, !may_lower_oom_score()),
    )?;
    home.write("config/kubelet.json", &config::kubelet(home))?;
    home.write("config/kube-proxy.json", &config::proxy(home))?;
    // A copy, so that building xtask anew does not disturb the one that runs.
    fs::copy(balancer, home.path("run/xtask"))
        .with_context(|| format!("cannot copy {}", balancer.display()))?;

    step.detail("etcd, API server, containerd");
    for component in [Component::Etcd, Component::ApiServer, Component::Containerd] {
        component.start(home)?;
    }
    let socket = home.dir.join("containerd.sock");
    alive_until(home, "containerd's socket", || Ok(socket.exists()))?;
    for archive in archives {
        // The socket is there a little before the service.
        alive_until(home, "the import of the node's images", || {
            load(home, archive).map(|()| true)
        })?;
    }
    alive_until(home, "the API server", || {
        Ok(process::succeeds(
            kubectl(home).args(["get", "--raw", "/readyz"]),
        ))
    })?;

    step.detail("controllers, scheduler, kubelet, kube-proxy");
    use Component::{ControllerManager, Kubelet, LoadBalancer, Proxy, Scheduler};
    for component in [ControllerManager, Scheduler, Kubelet, Proxy, LoadBalancer] {
        component.start(home)?;
    }
    process::feed(
        kubectl(home).args(["apply", "--server-side", "--filename=-"]),
        &config::coredns(home),
    )?;

    step.detail("the node and CoreDNS");
    let says = |words: &[&str], expected: &str| {
        let said = process::output(kubectl(home).args(words))?;
        if said.trim() == expected {
            Ok(true)
        } else {
            bail!("`kubectl {}` says {said:?}", words.join(" "))
        }
    };
    // Before it is there, every pod of the namespace is refused.
    let account = ["get", "serviceaccount", "default", "--output=name"];
    alive_until(home, "the default service account", || {
        says(&account, "serviceaccount/default")
    })?;
    let ready = r#"--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    alive_until(home, "the node", || {
        says(&["get", "node", home.name.as_str(), ready], "True")
    })?;
    let replicas = [
        "get",
        "deployment",
        "coredns",
        "--namespace=kube-system",
        "--output=jsonpath={.status.readyReplicas}",
    ];
    alive_until(home, "CoreDNS", || says(&replicas, "1"))
}

/// Waits for `condition`, but not past the end of a daemon that was started.
fn alive_until(home: &Home, what: &str, condition: impl Fn() -> Result<bool>) -> Result<()> {
    wait::until(what, PATIENCE, || {
        if let Some(dead) = dead(home).first() {
            return Ok(Some(Err(anyhow!(
                "{} ended while {what} was waited for",
                dead.name()
            ))));
        }
        Ok(condition()?.then_some(Ok(())))
    })?
}

/// Daemons that were started and run no more.
fn dead(home: &Home) -> Vec<Component> {
    let started = |c: &Component| home.dir.join(format!("run/{}.pid", c.name())).exists();
    Component::ALL
        .into_iter()
        .filter(started)
        .filter(|component| component.process(home).is_none())
        .collect()
}

/// The end of the logs that may tell why: of what died, or else of kubelet.
fn last_words(home: &Home) -> String {
    let mut told = dead(home);
    if told.is_empty() {
        told.push(Component::Kubelet);
    }
    let tell = |component: &Component| {
        let log = fs::read_to_string(component.log_file(home)).unwrap_or_default();
        format!(
            "\n--- the end of {}'s log\n{}",
            component.name(),
            process::tail(&log, 12)
        )
    };
    told.iter().map(tell).collect()
}

/// kubectl inside the cluster's network namespace, as its administrator.
pub(super) fn kubectl(home: &Home) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", home.netns().display()));
    command
        .arg(home.program("kubectl"))
        .arg("--kubeconfig")
        .arg(home.kubeconfig());
    command
}

/// Imports an image archive (OCI or docker) into the node.
pub(super) fn load(home: &Home, archive: &Path) -> Result<()> {
    let mut ctr = Command::new(home.program("ctr"));
    ctr.arg("--address")
        .arg(home.path("containerd.sock"))
        .args(["--namespace=k8s.io", "images", "import"]);
    process::run(ctr.arg(archive))
}

/// Where the node's images are kept: beside the cached programs, or for programs from elsewhere in a place of their own.
fn image_cache(bin: &Path) -> Result<PathBuf> {
    let cached = binaries::cache()?;
    if bin.starts_with(&cached) {
        return Ok(cached);
    }
    let word = bin
        .display()
        .to_string()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    Ok(host::cache()?.join(format!("other{word}")))
}

/// This workspace's `xtask`: this very program, or, in a test, the one that cargo builds.
fn own_program() -> Result<PathBuf> {
    let current = std::env::current_exe().context("cannot tell this program's path")?;
    if current.file_name().is_some_and(|name| name == "xtask") {
        return Ok(current);
    }
    cargo::build("xtask", "xtask", Profile::Dev)
}

/// Whether this process may lower a process's OOM score (`CAP_SYS_RESOURCE`, bit 24). In many sandboxes root may not,
/// and every pod would die with "can't get final child's PID from pipe: EOF".
fn may_lower_oom_score() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective_capabilities(&status).is_some_and(|set| set & (1 << 24) != 0)
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_as_the_kernel_writes_them() {
        assert_eq!(
            effective_capabilities("Name:\tx\nCapEff:\t000001fffeffffff\nCapBnd:\t0\n"),
            Some(0x1ff_feff_ffff)
        );
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
    }
}
