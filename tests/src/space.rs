//! A namespace of the cluster, and what tests do in it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use xtask::cluster::Cluster;
use xtask::{process, wait};

/// How long to wait for what takes a moment: generous, because a machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A namespace; deleted (without waiting) when it goes out of scope.
pub struct Space {
    cluster: Cluster,
    skupper: std::path::PathBuf,
    /// Its name.
    pub name: String,
}

impl Space {
    /// Makes the namespace `name` and waits until pods can be made in it.
    pub fn new(
        cluster: &Cluster,
        skupper: impl Into<std::path::PathBuf>,
        name: &str,
    ) -> Result<Self> {
        let space = Space {
            cluster: cluster.clone(),
            skupper: skupper.into(),
            name: name.to_owned(),
        };
        space.cluster.kubectl(["create", "namespace", name])?;
        wait::until("the default service account", LIMIT, || {
            space
                .kubectl(&["get", "serviceaccount", "default"])
                .map(Some)
        })?;
        Ok(space)
    }

    /// kubectl in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster
            .kubectl(["-n", &self.name].iter().chain(arguments))
    }

    /// Types a line into a shell beside the cluster, as a user would: `kubectl` and `skupper` act on this namespace.
    pub fn shell(&self, line: &str) -> Result<String> {
        let folder = self.skupper.parent().context("the program has no folder")?;
        let prelude = format!(
            "set -euo pipefail; export PATH=\"{}:$PATH\"; kubectl() {{ command kubectl -n {n} \"$@\"; }}; \
             skupper() {{ command skupper -n {n} \"$@\"; }}; ",
            folder.display(),
            n = self.name
        );
        process::output(self.cluster.command("bash")?.arg("-c").arg(prelude + line))
    }

    /// kubectl in this namespace, not yet started.
    pub fn kubectl_command(&self) -> Result<Command> {
        let mut command = self.cluster.command("kubectl")?;
        command.args(["-n", &self.name]);
        Ok(command)
    }

    /// Creates or updates objects (one, or a list).
    pub fn apply(&self, object: &Value) -> Result<()> {
        self.apply_text(&object.to_string())
    }

    /// Applies YAML as it stands.
    pub fn apply_text(&self, documents: &str) -> Result<()> {
        self.feed(&["apply", "-f", "-"], documents).map(drop)
    }

    /// Runs kubectl with `input`.
    pub fn feed(&self, arguments: &[&str], input: &str) -> Result<String> {
        process::feed(self.kubectl_command()?.args(arguments), input)
    }

    /// Reads one object.
    pub fn get(&self, kind: &str, name: &str) -> Result<Value> {
        let text = self.kubectl(&["get", kind, name, "-o", "json"])?;
        serde_json::from_str(&text).with_context(|| format!("{kind} {name}"))
    }

    /// Waits until the object is there and `wanted` of it.
    pub fn await_object(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let mut last = Value::Null;
        let waited = wait::until(
            &format!("{kind} {name} in {}: {what}", self.name),
            LIMIT,
            || {
                last = self.get(kind, name)?;
                Ok(wanted(&last).then(|| last.clone()))
            },
        );
        waited.with_context(|| {
            format!(
                "last seen: {}",
                serde_json::to_string(&last["status"]).unwrap_or_default()
            )
        })
    }

    /// Waits until `status.status` of the object reads `Ready`.
    pub fn await_ready(&self, kind: &str, name: &str) -> Result<Value> {
        self.await_object(kind, name, "Ready", |o| o["status"]["status"] == "Ready")
    }

    /// The message of one condition of the object, empty while it is not there.
    pub fn message(&self, kind: &str, name: &str, condition: &str) -> Result<String> {
        Ok(condition_of(&self.get(kind, name)?, condition)["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Waits until the message of one condition holds every piece.
    pub fn await_message(
        &self,
        kind: &str,
        name: &str,
        condition: &str,
        pieces: &[&str],
    ) -> Result<String> {
        let what = format!("{kind} {name} to say {pieces:?} in {condition}");
        self.await_said(kind, name, condition, &what, |said| {
            pieces.iter().all(|piece| said.contains(piece))
        })
    }

    /// Waits until the message of a condition is this and no more.
    pub fn await_only_message(
        &self,
        kind: &str,
        name: &str,
        condition: &str,
        message: &str,
    ) -> Result<String> {
        let what = format!("{kind} {name} to say {message:?} alone in {condition}");
        self.await_said(kind, name, condition, &what, |said| said == message)
    }

    fn await_said(
        &self,
        kind: &str,
        name: &str,
        condition: &str,
        what: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let mut last = String::new();
        let waited = wait::until(what, LIMIT, || {
            last = self.message(kind, name, condition)?;
            Ok(wanted(&last).then(|| last.clone()))
        });
        waited.with_context(|| format!("it says: {last:?}"))
    }

    /// Waits until the message of some condition holds every piece.
    pub fn await_any_message(&self, kind: &str, name: &str, pieces: &[&str]) -> Result<String> {
        let mut last = Value::Null;
        let waited = wait::until(&format!("{kind} {name} to say {pieces:?}"), LIMIT, || {
            last = self.get(kind, name)?["status"]["conditions"].take();
            let messages = last
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|c| c["message"].as_str());
            Ok(messages
                .filter(|m| pieces.iter().all(|p| m.contains(p)))
                .map(str::to_owned)
                .next())
        });
        waited.with_context(|| format!("its conditions: {last}"))
    }

    /// Puts a Secret in the place of one that may be there, whatever its elements were.
    pub fn replace_secret(&self, secret: &Value) -> Result<()> {
        let mut secret = secret.clone();
        let name = secret["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        match self.get("secret", &name) {
            Ok(found) => {
                secret["type"] = found["type"].clone();
                // The API server wants both elements in a Secret of type kubernetes.io/tls; only then may one lack.
                self.feed(&["replace", "-f", "-"], &secret.to_string())
                    .map(drop)
            }
            Err(_) => self.apply(&secret),
        }
    }

    /// A Site.
    pub fn site(&self, name: &str, link_access: Option<&str>) -> Result<()> {
        let spec = link_access.map_or(json!({}), |access| json!({"linkAccess": access}));
        self.apply(&json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Site", "metadata": {"name": name}, "spec": spec}))
    }

    /// A Link to the endpoints of another site, with the credential `secret`.
    pub fn link(&self, name: &str, endpoints: &Value, secret: &str) -> Result<()> {
        self.apply(
            &json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Link", "metadata": {"name": name},
            "spec": {"endpoints": endpoints, "tlsCredentials": secret}}),
        )
    }

    /// The endpoints of the namespace's site, once it has them.
    pub fn endpoints(&self, site: &str) -> Result<Value> {
        let site = self.await_object("site", site, "endpoints", |s| {
            s["status"]["endpoints"]
                .as_array()
                .is_some_and(|e| !e.is_empty())
        })?;
        Ok(site["status"]["endpoints"].clone())
    }

    /// Waits until every pod of the namespace with this label is Ready.
    pub fn await_pods(&self, selector: &str) -> Result<()> {
        wait::until(&format!("pods {selector} in {}", self.name), LIMIT, || {
            let said = self.kubectl(&[
                "wait",
                "pod",
                "-l",
                selector,
                "--for=condition=Ready",
                "--timeout=2s",
            ])?;
            if said.trim().is_empty() {
                bail!("there is none");
            }
            Ok(Some(()))
        })
    }
}

/// One condition of an object.
pub fn condition_of<'a>(object: &'a Value, condition: &str) -> &'a Value {
    let conditions = object["status"]["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    conditions
        .iter()
        .find(|c| c["type"] == condition)
        .unwrap_or(&Value::Null)
}

impl Drop for Space {
    fn drop(&mut self) {
        // What cannot be deleted goes with the cluster.
        self.cluster
            .kubectl(["delete", "namespace", &self.name, "--wait=false"])
            .ok();
    }
}
