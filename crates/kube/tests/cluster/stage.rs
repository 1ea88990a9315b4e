//! The cluster, and what scenarios do on it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
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

    /// Waits until every namespace that was deleted is gone: until then things go one by one, and controllers act on it.
    pub fn until_tidy(&self) -> Result<()> {
        wait::until("deleted namespaces to be gone", LIMIT, || {
            let left = self.kubectl(&["get", "namespaces", "--no-headers"])?;
            Ok((!left.contains("Terminating")).then_some(()))
        })
    }

    /// A kubeconfig with the rights of a ServiceAccount.
    pub fn kubeconfig(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let admin = self.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"])?;
        let admin: Value = serde_json::from_str(&admin)?;
        let token =
            self.kubectl(&["-n", namespace, "create", "token", account, "--duration=3h"])?;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": admin["clusters"],
            "users": [{"name": account, "user": {"token": token.trim()}}],
            "contexts": [{"name": "c", "context": {
                "cluster": admin["clusters"][0]["name"], "user": account, "namespace": namespace,
            }}],
            "current-context": "c",
        });
        let path = self
            .folder
            .path()
            .join(format!("{namespace}-{account}.kubeconfig"));
        std::fs::write(&path, serde_json::to_vec(&config)?)?;
        Ok(path)
    }

    /// Status and text of an answer over HTTP from a process beside the cluster.
    pub fn ask(&self, port: u16, path: &str) -> Result<(u16, String)> {
        let mut stream = self.connect(port)?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .context("no HTTP status")?;
        Ok((status, body.to_owned()))
    }

    /// Sends what nobody who probes or scrapes sends. Whoever is asked may answer or hang up.
    pub fn annoy(&self, port: u16) -> Result<()> {
        let long = [b"GET /".as_slice(), &[b'a'; 200_000], b" HTTP/1.1\r\n\r\n"].concat();
        let many = [
            b"GET / HTTP/1.1\r\n".as_slice(),
            &b"x: y\r\n".repeat(20_000),
        ]
        .concat();
        for octets in [
            b"\0\xff\x16\x03\x01garbage\r\n\r\n".as_slice(),
            b"",
            &long,
            &many,
        ] {
            let mut stream = self.connect(port)?;
            // That it is not read to its end is as good as any answer: what counts is how others are served afterwards.
            let _ = stream.write_all(octets);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read(&mut [0; 1024]);
        }
        Ok(())
    }

    /// A connection to a process beside the cluster, which listens inside its network namespace.
    fn connect(&self, port: u16) -> Result<TcpStream> {
        self.cluster.enter()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        Ok(stream)
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

/// Waits until a log holds every one of these texts.
pub fn until_logged(log: impl Fn() -> String, wanted: &[&str]) -> Result<()> {
    wait::until(&format!("the log to say {wanted:?}"), LIMIT, || {
        let log = log();
        Ok(wanted.iter().all(|text| log.contains(text)).then_some(()))
    })
    .with_context(log)
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
