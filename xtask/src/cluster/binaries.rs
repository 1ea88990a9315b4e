//! Kubernetes' programs, built once from Go modules into a cache outside the source tree.
//!
//! The modules' `go.mod` and `go.sum` lie in `modules/`: releases and checksums are fixed there, `docs/cluster.md` says
//! how to move to newer ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::home::lock;
use crate::host::{self, go, is_executable};
use crate::process;
use crate::progress::{Step, say};

/// Names a folder that holds every program of a cluster already; nothing is built then.
pub const VARIABLE: &str = "SKUPPER_CLUSTER_BIN";

/// Raised when the way of building changes while the modules stay.
const RECIPE: u32 = 1;

struct Module {
    name: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    /// The module whose release names this one in the cache's key.
    chief: &'static str,
    /// Build tags: what needs C libraries that nobody here uses.
    tags: &'static str,
    /// Packages of the programs, each with the program's name.
    programs: &'static [(&'static str, &'static str)],
}

macro_rules! module_file {
    ($name:literal, $file:literal) => {
        include_str!(concat!("modules/", $name, "/", $file))
    };
}

const MODULES: [Module; 3] = [
    Module {
        name: "k8s",
        go_mod: module_file!("k8s", "go.mod"),
        go_sum: module_file!("k8s", "go.sum"),
        chief: "k8s.io/kubernetes",
        tags: "",
        programs: &[
            ("go.etcd.io/etcd/server/v3", "etcd"),
            ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
            (
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                "kube-controller-manager",
            ),
            ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
            ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
            ("k8s.io/kubernetes/cmd/kube-proxy", "kube-proxy"),
            ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
        ],
    },
    Module {
        name: "containerd",
        go_mod: module_file!("containerd", "go.mod"),
        go_sum: module_file!("containerd", "go.sum"),
        chief: "github.com/containerd/containerd/v2",
        tags: "no_btrfs,no_devmapper,no_zfs",
        programs: &[
            (
                "github.com/containerd/containerd/v2/cmd/containerd",
                "containerd",
            ),
            (
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
                "containerd-shim-runc-v2",
            ),
            ("github.com/containerd/containerd/v2/cmd/ctr", "ctr"),
        ],
    },
    Module {
        name: "coredns",
        go_mod: module_file!("coredns", "go.mod"),
        go_sum: module_file!("coredns", "go.sum"),
        chief: "github.com/coredns/coredns",
        tags: "",
        programs: &[("github.com/coredns/coredns", "coredns")],
    },
];

/// Every program of a cluster.
#[must_use]
pub(super) fn names() -> Vec<&'static str> {
    MODULES
        .iter()
        .flat_map(|module| module.programs)
        .map(|(_, name)| *name)
        .collect()
}

/// The folder of the cache for exactly these releases: `<cache>/<releases>`; programs lie in its `bin`.
///
/// # Errors
/// When there is no place for a cache.
pub(super) fn cache() -> Result<PathBuf> {
    Ok(host::cache()?.join(key()?))
}

/// The releases as one word, such as `k8s-1.36.3_containerd-2.2.1_coredns-1.14.6_1`.
fn key() -> Result<String> {
    let mut key = String::new();
    for module in &MODULES {
        let version = chief_version(module)?;
        key += &format!("{}-{}_", module.name, version.trim_start_matches('v'));
    }
    Ok(key + &RECIPE.to_string())
}

/// The release of `module` that a `go.mod` requires.
fn version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod
        .lines()
        .map(|line| line.trim().trim_start_matches("require "))
        .find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(module))
                .then(|| words.next())
                .flatten()
                .filter(|word| word.starts_with('v'))
        })
}

/// A folder with every program: the one that [`VARIABLE`] names, or the cache's, where what is missing is built first.
///
/// # Errors
/// When the named folder lacks programs, there is no Go, or a build fails (the error holds what Go said).
pub(super) fn ensure() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let folder = PathBuf::from(folder);
        let missing = missing(&folder);
        if !missing.is_empty() {
            bail!(
                "{VARIABLE} names {}, which lacks {}; unset it, and they are built into the cache",
                folder.display(),
                missing.join(", ")
            );
        }
        return Ok(folder);
    }

    let cache = cache()?;
    let bin = cache.join("bin");
    if missing(&bin).is_empty() {
        return Ok(bin);
    }
    fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
    let _lock = lock(&cache.join(".build.lock"))?;
    let missing = missing(&bin);
    if missing.is_empty() {
        return Ok(bin); // Somebody else built them in the meantime.
    }
    build(&cache, &bin, &missing)?;
    Ok(bin)
}

fn missing(bin: &Path) -> Vec<&'static str> {
    names()
        .into_iter()
        .filter(|name| !is_executable(&bin.join(name)))
        .collect()
}

fn build(cache: &Path, bin: &Path, missing: &[&str]) -> Result<()> {
    let go = go::ensure()?;
    say(&format!(
        "building Kubernetes' programs into {} (once; 8 to 13 minutes on 2 cores with nothing cached): {}",
        bin.display(),
        missing.join(", ")
    ));
    for entry in fs::read_dir(bin)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
    {
        if entry.file_name().to_string_lossy().ends_with(".half") {
            fs::remove_file(entry.path()).ok(); // Of a run that was killed.
        }
    }
    let mut number = 0;
    for module in &MODULES {
        let source = cache.join("modules").join(module.name);
        fs::create_dir_all(&source).with_context(|| format!("cannot make {}", source.display()))?;
        fs::write(source.join("go.mod"), module.go_mod).context("cannot write go.mod")?;
        fs::write(source.join("go.sum"), module.go_sum).context("cannot write go.sum")?;
        for (package, name) in module
            .programs
            .iter()
            .filter(|(_, name)| missing.contains(name))
        {
            number += 1;
            let step = Step::start(format!("[{number}/{}] {name}", missing.len()));
            // Half-written programs never count: built beside, then renamed. Under a name of this process: a `go`
            // that a killed run left behind may still be writing its own.
            let half = bin.join(format!(".{name}.{}.half", std::process::id()));
            let mut command = Command::new(&go);
            command
                .current_dir(&source)
                .args([
                    "build",
                    "-v",
                    "-trimpath",
                    "-buildvcs=false",
                    "-mod=readonly",
                ])
                .arg(format!("-ldflags={}", link_flags(module)?))
                .arg(format!("-tags={}", module.tags))
                .arg("-o")
                .arg(&half)
                .arg(package)
                .envs([
                    ("CGO_ENABLED", "0"),
                    ("GOFLAGS", ""),
                    ("GOWORK", "off"),
                    ("GOTOOLCHAIN", "local"),
                ]);
            go_build(&mut command, &step).with_context(|| format!("{name} could not be built"))?;
            fs::rename(&half, bin.join(name))
                .with_context(|| format!("cannot move {} into place", half.display()))?;
            step.done();
        }
    }
    Ok(())
}

/// What the linker is told: no debugging symbols, and for Kubernetes its release, which clients parse.
fn link_flags(module: &Module) -> Result<String> {
    let mut flags = "-s -w".to_owned();
    if module.chief == "k8s.io/kubernetes" {
        let version = chief_version(module)?;
        for package in [
            "k8s.io/component-base/version",
            "k8s.io/client-go/pkg/version",
        ] {
            flags += &format!(" -X {package}.gitVersion={version}");
        }
    }
    Ok(flags)
}

fn chief_version(module: &Module) -> Result<&'static str> {
    version(module.go_mod, module.chief).with_context(|| {
        format!(
            "modules/{}/go.mod does not require {}",
            module.name, module.chief
        )
    })
}

fn go_build(command: &mut Command, step: &Step) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", process::line(command)))?;
    let said = child
        .stderr
        .take()
        .map(|stderr| step.follow(stderr))
        .unwrap_or_default();
    let status = child.wait().context("cannot wait for go")?;
    if !status.success() {
        bail!(
            "`{}` ended with {status}: {}",
            process::line(command),
            process::tail(&said, 15)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_from_go_mod() {
        let text = "module m\n\ngo 1.26.0\n\nrequire one.org/a v1.2.3\n\nrequire (\n\ttwo.org/b v0.1.0 // indirect\n)\n\
                    \nreplace two.org/c => two.org/c v9.9.9\n";
        assert_eq!(version(text, "one.org/a"), Some("v1.2.3"));
        assert_eq!(version(text, "two.org/b"), Some("v0.1.0"));
        assert_eq!(version(text, "two.org/c"), None);
        assert_eq!(version(text, "one.org"), None);
    }

    #[test]
    fn the_key_names_every_release() {
        let key = key().unwrap();
        for part in ["k8s-1.", "_containerd-2.", "_coredns-1."] {
            assert!(key.contains(part), "{key}");
        }
        assert!(
            key.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
            "{key}"
        );
    }

    #[test]
    fn every_program_is_a_tool_of_its_module() {
        for module in &MODULES {
            for (package, _) in module.programs {
                assert!(
                    module.go_mod.contains(package),
                    "{package} is no tool in modules/{}/go.mod",
                    module.name
                );
            }
        }
    }

    #[test]
    fn a_folder_counts_only_when_all_programs_are_there_and_executable() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for name in names() {
            let file = folder.path().join(name);
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert!(missing(folder.path()).is_empty());
        fs::set_permissions(folder.path().join("ctr"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(folder.path().join("etcd"), folder.path().join(".etcd.half")).unwrap();
        assert_eq!(missing(folder.path()), ["etcd", "ctr"]);
    }
}
