//! Taking a cluster down, whole or what a killed run left of it: everything is found by the cluster's name.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::component::{Component, Process};
use super::home::{self, Home};
use super::plan::Name;
use super::{cgroup, network};
use crate::{host, process, wait};

/// Stops everything of the cluster `name` and removes every trace; no error where there is none.
///
/// # Errors
/// When this process is not root, or something does not go away.
pub(super) fn down(name: &Name) -> Result<()> {
    host::require_root("taking a cluster down")?;
    let _lock = home::lock_name(name)?;
    clean(name)
}

/// As [`down`], for who holds the lock already.
pub(super) fn clean(name: &Name) -> Result<()> {
    let dir = home::root().join(name.as_str());
    if let Ok(home) = Home::open(name) {
        // kubelet first, that it starts no pod anew; the API server gets no time to drain.
        use Component::{Containerd, ControllerManager, Kubelet, LoadBalancer, Scheduler};
        for component in [
            Kubelet,
            ControllerManager,
            Scheduler,
            LoadBalancer,
            Containerd,
        ] {
            component.kill(&home)?;
        }
    }
    let containers = containers(&dir);
    cgroup::remove(&name.prefixed())?;
    end_namespace(name)?;
    unmount(&dir)?;
    network::remove(name)?;
    remove_traces(name, &dir, &containers);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    Ok(())
}

/// Ends every process in the cluster's network namespace (daemons, shims, and what was started in it by hand), but this
/// one and those that it came from.
fn end_namespace(name: &Name) -> Result<()> {
    let Ok(namespace) = home::netns(name).metadata() else {
        return Ok(());
    };
    let link = PathBuf::from(format!("net:[{}]", namespace.ino()));
    let spared = ancestors();
    wait::until(
        &format!("the end of every process of cluster {name}"),
        Duration::from_secs(30),
        || {
            let mut left = 0;
            for pid in all_processes().filter(|pid| !spared.contains(pid)) {
                let inside =
                    fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|its| its == link);
                let process = Process::of(pid);
                if inside && process.is_alive() {
                    process.kill();
                    left += 1;
                }
            }
            Ok((left == 0).then_some(()))
        },
    )
}

fn all_processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// This process, its parent, and so on.
fn ancestors() -> Vec<u32> {
    let parent = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))?
            .trim()
            .parse()
            .ok()
            .filter(|pid| *pid != 0)
    };
    std::iter::successors(Some(std::process::id()), parent).collect()
}

/// Unmounts whatever is mounted below `dir`: containers' file systems, pods' volumes and network namespaces.
fn unmount(dir: &Path) -> Result<()> {
    let mounts =
        fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    let below = mounts_below(&mounts, dir);
    if below.is_empty() {
        return Ok(());
    }
    // Lazily: a process that ends just now may still hold one.
    process::run(Command::new("umount").arg("--lazy").arg("--").args(&below))
}

/// Mount points below `dir`, the latest first.
fn mounts_below(mountinfo: &str, dir: &Path) -> Vec<PathBuf> {
    let places = mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape);
    let mut below: Vec<_> = places
        .filter(|place| place.starts_with(dir) && place != dir)
        .collect();
    below.reverse();
    below
}

/// mountinfo writes blanks and backslashes of a path as `\ooo` (proc(5)).
fn unescape(text: &str) -> PathBuf {
    let mut plain = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'\\').then(|| tail.get(..3)).flatten();
        let code =
            code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(plain))
}

/// A container or sandbox as containerd's folder tells of it.
struct Container {
    id: String,
    /// Its shim's socket, which lies outside the cluster's folder.
    socket: Option<PathBuf>,
}

fn containers(dir: &Path) -> Vec<Container> {
    let tasks = dir.join("containerd-run/io.containerd.runtime.v2.task/k8s.io");
    let entries = fs::read_dir(tasks)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let socket = |bootstrap: PathBuf| {
        let bootstrap: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(bootstrap).ok()?).ok()?;
        bootstrap["address"]
            .as_str()?
            .strip_prefix("unix://")
            .map(PathBuf::from)
    };
    entries
        .map(|entry| Container {
            id: entry.file_name().to_string_lossy().into_owned(),
            socket: socket(entry.path().join("bootstrap.json")),
        })
        .collect()
}

/// Removes what the daemons wrote outside the cluster's folder. Nothing of it would stop a later run.
fn remove_traces(name: &Name, dir: &Path, containers: &[Container]) {
    let remove_if = |folder: &str, ours: &dyn Fn(&fs::DirEntry) -> bool| {
        for entry in fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| ours(entry))
        {
            fs::remove_file(entry.path()).ok();
        }
    };
    for socket in containers
        .iter()
        .filter_map(|container| container.socket.as_ref())
    {
        fs::remove_file(socket).ok();
    }
    let prefix = format!("{}-", name.prefixed());
    remove_if("/var/lib/cni/results", &|entry| {
        let file = entry.file_name().to_string_lossy().into_owned();
        file.starts_with(&prefix)
            || containers
                .iter()
                .any(|container| file.contains(&container.id))
    });
    remove_if("/var/log/containers", &|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(dir))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_the_cluster_come_latest_first_and_no_others() {
        let mountinfo = "22 1 0:20 / /sys rw - sysfs sysfs rw\n\
            90 22 0:50 / /state/west/containerd-run/x/rootfs rw - overlay overlay rw\n\
            91 22 0:51 / /state/west-2/containerd-run/x/rootfs rw - overlay overlay rw\n\
            92 22 0:52 / /state/west/kubelet/pods/a\\040b/token rw - tmpfs tmpfs rw\n";
        assert_eq!(
            mounts_below(mountinfo, Path::new("/state/west")),
            [
                PathBuf::from("/state/west/kubelet/pods/a b/token"),
                PathBuf::from("/state/west/containerd-run/x/rootfs")
            ]
        );
    }

    #[test]
    fn escapes_are_undone_and_odd_ones_left() {
        assert_eq!(unescape(r"/a\134b\011c"), PathBuf::from("/a\\b\tc"));
        assert_eq!(unescape(r"/a\9"), PathBuf::from(r"/a\9"));
    }

    #[test]
    fn this_process_and_its_parents_are_spared() {
        let spared = ancestors();
        assert_eq!(spared[0], std::process::id());
        assert!(spared.len() >= 2);
    }
}
