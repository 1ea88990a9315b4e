//! The cluster that is worked on, with the definitions and rights in place.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cargo::workspace;
use crate::cluster::{Cluster, Guard};
use crate::wait;

/// The cluster's name.
const NAME: &str = "skupper-bench";

/// How long to wait for what should take seconds.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// The cluster, taken down in the end, and what controllers need.
pub(super) struct Ground {
    pub(super) cluster: Guard,
    pub(super) program: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) folder: tempfile::TempDir,
}

impl Ground {
    /// A new cluster on which nothing runs yet.
    pub(super) fn prepare(program: &Path) -> Result<Self> {
        let cluster = Cluster::up(NAME)?.guarded();
        for node in cluster.kubectl(["get", "nodes", "-o", "name"])?.lines() {
            cluster.kubectl(["cordon", node])?;
        }
        let crds = workspace().join("deploy/crds").display().to_string();
        cluster.kubectl(["apply", "--server-side", "-f", &crds])?;
        cluster.kubectl(["wait", "--for=condition=Established", "-f", &crds])?;
        let manifest = workspace().join("deploy/manifests/cluster.yaml");
        let manifest = std::fs::read_to_string(&manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        cluster.apply(&manifest)?;
        // The controller that is measured runs beside the cluster, with the rights of this one.
        let (namespace, name) = ("skupper", "skupper-controller");
        cluster.kubectl(["-n", namespace, "delete", "deployment", name])?;
        let token = cluster.kubectl(["-n", namespace, "create", "token", name, "--duration=3h"])?;
        let admin = cluster.kubectl(["config", "view", "--raw", "--minify", "-o", "json"])?;
        let admin: Value = serde_json::from_str(&admin)?;
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": admin["clusters"],
            "users": [{"name": name, "user": {"token": token.trim()}}],
            "contexts": [{"name": "bench", "context": {
                "cluster": admin["clusters"][0]["name"], "user": name, "namespace": namespace,
            }}],
        });
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, serde_json::to_vec(&config)?)?;
        Ok(Self {
            cluster,
            program: program.to_owned(),
            kubeconfig,
            folder,
        })
    }

    /// Lets pods run.
    pub(super) fn uncordon(&self) -> Result<()> {
        for node in self
            .cluster
            .kubectl(["get", "nodes", "-o", "name"])?
            .lines()
        {
            self.cluster.kubectl(["uncordon", node])?;
        }
        Ok(())
    }

    pub(super) fn namespace(&self, name: &str) -> Result<()> {
        self.cluster
            .kubectl(["create", "namespace", name])
            .map(drop)
    }

    /// Applies documents; when it began, and how long kubectl took, in seconds.
    pub(super) fn apply(&self, documents: &str) -> Result<(Instant, f64)> {
        let began = Instant::now();
        self.cluster.apply(documents)?;
        Ok((began, began.elapsed().as_secs_f64()))
    }

    pub(super) fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Value> {
        let text = self
            .cluster
            .kubectl(["-n", namespace, "get", kind, name, "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Waits until a field of an object reads so (a JSON pointer), where no time is measured.
    pub(super) fn until(
        &self,
        (namespace, kind, name): (&str, &str, &str),
        field: &str,
        wanted: &str,
    ) -> Result<Value> {
        wait::until(
            &format!("{field} of {kind} {namespace}/{name} to be {wanted}"),
            LIMIT,
            || {
                let object = self.get(namespace, kind, name)?;
                let found = object.pointer(field).and_then(Value::as_str);
                Ok((found == Some(wanted)).then(|| object.clone()))
            },
        )
    }
}

/// One resource of ours as JSON.
pub(super) fn resource(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "skupper.io/v2alpha1", "kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec})
}

/// Documents for one `kubectl apply`.
pub(super) fn documents(objects: impl IntoIterator<Item = Value>) -> String {
    let texts: Vec<String> = objects
        .into_iter()
        .map(|object| format!("---\n{object}\n"))
        .collect();
    texts.concat()
}
