//! A cluster's own control group, under cgroup v1 and v2.
//!
//! Two kubelets under one root end each other's pods, so each cluster has a root of its own, which is also how `down`
//! finds every process of every pod.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::component::Process;
use crate::wait;

const ROOT: &str = "/sys/fs/cgroup";

/// Controllers that kubelet cannot do without under v2.
const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];
/// Controllers that it uses where the kernel has them.
const USED: [&str; 3] = ["cpuset", "hugetlb", "io"];

/// Which of the two the machine mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// One hierarchy for each controller.
    V1,
    /// One hierarchy for all.
    V2,
}

/// Which version this machine has, the hybrid form counting as v1, as it does for kubelet.
#[must_use]
pub(super) fn version() -> Version {
    if Path::new(ROOT).join("cgroup.controllers").exists() {
        Version::V2
    } else {
        Version::V1
    }
}

/// Makes the cluster's group, with every controller that kubelet needs.
///
/// # Errors
/// When a group cannot be made or lacks a controller; the error names it.
pub(super) fn create(name: &str) -> Result<()> {
    match version() {
        Version::V1 => create_v1(name),
        Version::V2 => create_v2(Path::new(ROOT), name),
    }
}

fn create_v1(name: &str) -> Result<()> {
    let hierarchies = hierarchies()?;
    if hierarchies.is_empty() {
        bail!("no control groups are mounted at {ROOT}: kubelet cannot run here");
    }
    for hierarchy in hierarchies {
        let group = hierarchy.join(name);
        fs::create_dir_all(&group).with_context(|| format!("cannot make {}", group.display()))?;
        // A new cpuset is empty, and takes no process before it has cpus and memory nodes.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(parent) = fs::read(hierarchy.join(file)) {
                fs::write(group.join(file), parent)
                    .with_context(|| format!("cannot write {file} of {}", group.display()))?;
            }
        }
    }
    Ok(())
}

/// `root` is the mounted hierarchy, or in a container the container's own group.
fn create_v2(root: &Path, name: &str) -> Result<()> {
    let wanted =
        controllers(&fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default())?;
    let control = root.join("cgroup.subtree_control");
    let mut handed_on = fs::write(&control, &wanted);
    if handed_on
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::ResourceBusy)
    {
        // Only the machine's real root may hold processes and hand controllers on. In a container ours is not the
        // real one: its processes move into a group beside the cluster's.
        let own = root.join("init");
        fs::create_dir_all(&own).with_context(|| format!("cannot make {}", own.display()))?;
        for pid in processes(root) {
            fs::write(own.join("cgroup.procs"), pid.to_string()).ok(); // One that just ended is no loss.
        }
        handed_on = fs::write(&control, &wanted);
    }
    handed_on.with_context(|| {
        format!(
            "cannot hand on the controllers {wanted} ({}): the cgroup must be writable",
            control.display()
        )
    })?;
    let group = root.join(name);
    fs::create_dir_all(&group).with_context(|| format!("cannot make {}", group.display()))
}

/// What to write to `cgroup.subtree_control` where `available` stands in `cgroup.controllers`.
fn controllers(available: &str) -> Result<String> {
    let available: Vec<_> = available.split_whitespace().collect();
    let lacking: Vec<_> = NEEDED
        .into_iter()
        .filter(|name| !available.contains(name))
        .collect();
    if !lacking.is_empty() {
        bail!(
            "the cgroup at {ROOT} lacks the controllers {}, which kubelet needs (there are: {}); in a container, delegate them to it",
            lacking.join(", "),
            available.join(", ")
        );
    }
    let all = NEEDED
        .into_iter()
        .chain(USED)
        .filter(|name| available.contains(name));
    Ok(all
        .map(|name| format!("+{name}"))
        .collect::<Vec<_>>()
        .join(" "))
}

/// Ends every process in the cluster's groups and removes them; nothing to do where there are none.
///
/// # Errors
/// When a group cannot be emptied within half a minute.
pub(super) fn remove(name: &str) -> Result<()> {
    let groups: Vec<PathBuf> = match version() {
        Version::V1 => hierarchies()?
            .into_iter()
            .map(|hierarchy| hierarchy.join(name))
            .collect(),
        Version::V2 => vec![Path::new(ROOT).join(name)],
    };
    wait::until(
        &format!("the end of every process in the cgroup {name}"),
        Duration::from_secs(30),
        || {
            let mut left = 0;
            for group in &groups {
                let mut inner = Vec::new();
                subgroups(group, &mut inner);
                for folder in &inner {
                    for pid in processes(folder) {
                        Process::of(pid).kill();
                        left += 1;
                    }
                }
                // Deepest last in `inner`; a group goes only when it is empty.
                left += inner
                    .iter()
                    .rev()
                    .filter(|folder| fs::remove_dir(folder).is_err() && folder.exists())
                    .count();
            }
            Ok((left == 0).then_some(()))
        },
    )
}

/// `group` and all below it, parents first.
fn subgroups(group: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(group) else {
        return;
    };
    into.push(group.to_owned());
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            subgroups(&entry.path(), into);
        }
    }
}

fn processes(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid != 0)
        .collect()
}

/// The mounted hierarchies of v1, and the one of v2 beside them, where runc makes groups as well.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts =
        fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    Ok(parse_hierarchies(&mounts))
}

fn parse_hierarchies(mounts: &str) -> Vec<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, kind) = (fields.next()?, fields.next()?);
            (matches!(kind, "cgroup" | "cgroup2") && place.starts_with(ROOT))
                .then(|| PathBuf::from(place))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_among_the_mounts() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
                      cgroup /elsewhere/pids cgroup rw,pids 0 0\n";
        assert_eq!(
            parse_hierarchies(mounts),
            [
                PathBuf::from("/sys/fs/cgroup/cpu,cpuacct"),
                PathBuf::from("/sys/fs/cgroup/memory"),
                PathBuf::from("/sys/fs/cgroup/unified")
            ]
        );
    }

    #[test]
    fn v2_hands_controllers_on_and_makes_the_group() {
        // Files stand in for the kernel's: what is seen is what we would write.
        let root = tempfile::tempdir().unwrap();
        fs::write(
            root.path().join("cgroup.controllers"),
            "cpuset cpu io memory rdma pids\n",
        )
        .unwrap();
        create_v2(root.path(), "skupper-west").unwrap();
        assert_eq!(
            fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap(),
            "+cpu +memory +pids +cpuset +io"
        );
        assert!(root.path().join("skupper-west").is_dir());
        assert!(!root.path().join("init").exists());
    }

    #[test]
    fn a_controller_that_kubelet_needs_is_asked_for_by_name() {
        let error = controllers("cpuset cpu io\n").unwrap_err().to_string();
        assert!(
            error.contains("lacks the controllers memory, pids"),
            "{error}"
        );
        assert_eq!(
            controllers("pids memory cpu").unwrap(),
            "+cpu +memory +pids"
        );
    }

    #[test]
    fn subgroups_come_parents_first() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        let mut all = Vec::new();
        subgroups(&root.path().join("a"), &mut all);
        assert_eq!(all, [root.path().join("a"), root.path().join("a/b")]);
    }
}
