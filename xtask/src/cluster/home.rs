//! Where a cluster's state lies on disk, and which clusters there are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::plan::{Name, Plan};

/// Names another folder for the state of all clusters.
pub const STATE_VARIABLE: &str = "SKUPPER_CLUSTER_STATE";

const RECORD: &str = "cluster.json";

/// One cluster's place: its name, addresses, binaries and folder. Written down as `cluster.json` in that folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Home {
    /// The cluster's name.
    pub name: Name,
    /// Its addresses.
    pub plan: Plan,
    /// The folder with Kubernetes' programs.
    pub bin: PathBuf,
    /// The folder with all of its state.
    pub dir: PathBuf,
}

impl Home {
    /// The cluster that was brought up as `name`.
    ///
    /// # Errors
    /// When there is none, or its record is damaged; the error says what to type.
    pub(super) fn open(name: &Name) -> Result<Self> {
        let file = root().join(name.as_str()).join(RECORD);
        if !file.exists() {
            let others: Vec<_> = all()
                .into_iter()
                .map(|home| home.name.to_string())
                .collect();
            let there = if others.is_empty() {
                "none is up".to_owned()
            } else {
                format!("up: {}", others.join(", "))
            };
            bail!("there is no cluster {name} ({there}); `cargo xtask cluster up {name}` makes it");
        }
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is damaged; `cargo xtask cluster up {name}` starts the cluster anew",
                file.display()
            )
        })
    }

    /// Makes the folder of a new cluster, with addresses that no other cluster has.
    ///
    /// # Errors
    /// When the folder cannot be written, or all addresses are taken.
    pub(super) fn create(name: &Name, bin: PathBuf) -> Result<Self> {
        let root = root();
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        // Two clusters that start at the same time must not choose the same octet.
        let _lock = lock(&root.join(".octets.lock"))?;
        let taken: Vec<_> = all().iter().map(|home| home.plan).collect();
        let plan =
            Plan::free(&taken).context("all address plans are in use; take some cluster down")?;
        let dir = root.join(name.as_str());
        let home = Self {
            name: name.clone(),
            plan,
            bin,
            dir,
        };
        for folder in ["pki", "log", "run", "cni", "config"] {
            fs::create_dir_all(home.dir.join(folder))
                .with_context(|| format!("cannot make {}", home.dir.display()))?;
        }
        let record = serde_json::to_string_pretty(&home).context("cannot write the record")?;
        home.write(RECORD, &record)?;
        Ok(home)
    }

    /// Writes `text` to `file` below the cluster's folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.dir.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// A path below the cluster's folder, as text for command lines and configuration.
    #[must_use]
    pub(super) fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    /// One of the cluster's programs.
    #[must_use]
    pub(super) fn program(&self, name: &str) -> String {
        self.bin.join(name).display().to_string()
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// The network namespace, as a file that `nsenter --net=` takes.
    #[must_use]
    pub(super) fn netns(&self) -> PathBuf {
        netns(&self.name)
    }
}

/// The network namespace of the cluster `name`, whether it is up or not.
#[must_use]
pub(super) fn netns(name: &Name) -> PathBuf {
    Path::new("/run/netns").join(name.prefixed())
}

/// The folder of all clusters: `$SKUPPER_CLUSTER_STATE`, else `/var/tmp/skupper-cluster`.
#[must_use]
pub(super) fn root() -> PathBuf {
    std::env::var_os(STATE_VARIABLE)
        .filter(|value| !value.is_empty())
        .map_or_else(|| PathBuf::from("/var/tmp/skupper-cluster"), PathBuf::from)
}

/// Every cluster that has a readable record, by name.
#[must_use]
pub(super) fn all() -> Vec<Home> {
    let Ok(entries) = fs::read_dir(root()) else {
        return Vec::new();
    };
    let mut homes: Vec<Home> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| fs::read_to_string(entry.path().join(RECORD)).ok())
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect();
    homes.sort_by(|a, b| a.name.cmp(&b.name));
    homes
}

/// Keeps others from starting or stopping the cluster `name` as long as the returned file is open.
///
/// # Errors
/// When the lock's file cannot be made.
pub(super) fn lock_name(name: &Name) -> Result<File> {
    let root = root();
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    lock(&root.join(format!(".{name}.lock")))
}

/// Waits for the exclusive lock on `file`; it ends with the returned handle, and with a killed process.
///
/// # Errors
/// When the file cannot be made or locked.
pub(super) fn lock(file: &Path) -> Result<File> {
    let handle = File::create(file).with_context(|| format!("cannot make {}", file.display()))?;
    handle
        .lock()
        .with_context(|| format!("cannot lock {}", file.display()))?;
    Ok(handle)
}
