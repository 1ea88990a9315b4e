//! The cluster, and what scenarios do on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::cluster::Cluster;
use xtask::{process, wait};

/// How long to wait for what takes a moment: generous, because a machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(90);

/// The cluster.
pub struct Stage {
    pub cluster: Cluster,
    pub folder: tempfile::TempDir,
}

impl Stage {
    pub fn up() -> Result<Self> {
        let stage = Stage {
            cluster: Cluster::for_tests("skupper-kube")?,
            folder: tempfile::tempdir()?,
        };
        if stage.cluster.is_own() {
            // Router pods are not what is tried here, and their images are not there.
            for node in stage.kubectl(&["get", "nodes", "-o", "name"])?.lines() {
                stage.kubectl(&["cordon", node])?;
            }
        }
        Ok(stage)
    }

    pub fn down(&self) -> Result<()> {
        if self.cluster.is_own() {
            self.cluster.down()
        } else {
            Ok(())
        }
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.kubectl(arguments)
    }

    pub fn apply(&self, documents: &str) -> Result<()> {
        self.cluster.apply(documents).map(drop)
    }

    /// kubectl with something on its standard input.
    pub fn feed(&self, arguments: &[&str], input: &str) -> Result<String> {
        process::feed(self.cluster.command("kubectl")?.args(arguments), input)
    }

    /// Applies the CRDs, and waits until they are served.
    pub fn crds(&self) -> Result<()> {
        let crds = workspace().join("deploy/crds");
        self.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            &crds.to_string_lossy(),
        ])?;
        self.kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=90s",
            "-f",
            &crds.to_string_lossy(),
        ])?;
        // Established does not yet mean listed: discovery is put together a moment later.
        wait::until(
            "the twelve kinds in the API server's discovery",
            LIMIT,
            || {
                let listed =
                    self.kubectl(&["api-resources", "--api-group=skupper.io", "--no-headers"])?;
                Ok((listed.lines().count() == 12).then_some(()))
            },
        )
    }

    /// An empty namespace.
    pub fn namespace(&self, name: &str) -> Result<()> {
        self.kubectl(&["create", "namespace", name]).map(drop)
    }

    /// One object.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Value> {
        let text = self.kubectl(&["-n", namespace, "get", kind, name, "-o", "json"])?;
        serde_json::from_str(&text).with_context(|| format!("{kind} {name}"))
    }

    /// Waits until an object is there and as wanted.
    pub fn until(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let mut last = Value::Null;
        wait::until(&format!("{kind} {namespace}/{name} {what}"), LIMIT, || {
            last = self.get(namespace, kind, name)?;
            Ok(wanted(&last).then(|| last.clone()))
        })
        .with_context(|| format!("last seen: {last}"))
    }

    /// Waits until a condition of an object reads as wanted.
    pub fn until_said(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        condition: &str,
        wanted: &str,
    ) -> Result<Value> {
        self.until(
            namespace,
            kind,
            name,
            &format!("says {wanted:?}"),
            |object| said(object, condition) == wanted,
        )
    }
}

/// The message of a condition; empty where there is none.
pub fn said<'o>(object: &'o Value, condition: &str) -> &'o str {
    let conditions = object["status"]["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let found = conditions.iter().find(|found| found["type"] == condition);
    found
        .and_then(|found| found["message"].as_str())
        .unwrap_or_default()
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
