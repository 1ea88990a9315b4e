//! What the machine must offer: root, Debian packages, Go. Whatever is missing is installed after saying so, or named
//! with its remedy.

pub mod go;
pub mod packages;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Where system tools lie that a user's `PATH` may lack.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Refuses to go on without root.
///
/// # Errors
/// When the process does not run as root; `what` says what needs it.
pub fn require_root(what: &str) -> Result<()> {
    if !is_root() {
        bail!(
            "{what} needs root (network namespaces, mounts, cgroups, containers), and this process runs as uid {}.\n\
             Either run it as root (`sudo -E env PATH=\"$PATH\" cargo xtask …`), or use a cluster that you have: \
             `--use-existing-cluster` with KUBECONFIG set",
            rustix::process::geteuid().as_raw()
        );
    }
    Ok(())
}

/// The search path of this process, with the folders of system tools appended.
#[must_use]
pub fn search_path() -> Vec<PathBuf> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let mut path: Vec<PathBuf> = std::env::split_paths(&own).collect();
    for folder in SYSTEM_FOLDERS.map(PathBuf::from) {
        if !path.contains(&folder) {
            path.push(folder);
        }
    }
    path
}

/// The file that `name` would run, looked for in [`search_path`].
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    search_path()
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

/// Whether `file` is there and somebody may execute it.
#[must_use]
pub fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0)
}

/// The folder for what is expensive to make again: `$XDG_CACHE_HOME/skupper-cluster`, or below `~/.cache`.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(
            std::env::var_os("HOME")
                .context("neither XDG_CACHE_HOME nor HOME is set: no place for the cache")?,
        )
        .join(".cache"),
    };
    Ok(base.join("skupper-cluster"))
}
