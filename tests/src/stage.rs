//! A cluster with our definitions, images and controller on it.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use serde_json::Value;
use xtask::cluster::Cluster;
use xtask::install::{self, Images};
use xtask::{cargo, image, process, wait};

use crate::space::{LIMIT, Space};

/// The stage on which sites are tried.
pub struct Stage {
    /// The cluster.
    pub cluster: Cluster,
    /// The command.
    pub skupper: PathBuf,
    /// Our images.
    archive: PathBuf,
}

impl Stage {
    /// Brings up cluster, images and controller.
    pub fn up(name: &str) -> Result<Self> {
        let options = image::Options::default();
        Self::of(Cluster::for_tests, name, &options)
    }

    /// The same on a cluster of our own, with a program of one's choice.
    pub fn own(name: &str, options: &image::Options) -> Result<Self> {
        Self::of(Cluster::up, name, options)
    }

    fn of(
        cluster: fn(&str) -> Result<Cluster>,
        name: &str,
        options: &image::Options,
    ) -> Result<Self> {
        let skupper = match &options.program {
            Some(program) => program.clone(),
            None => cargo::build("skupper", "skupper", options.profile)?,
        };
        let archive = image::build(options)?;
        let cluster = cluster(name)?;
        let stage = Stage {
            cluster,
            skupper,
            archive,
        };
        if stage.cluster.is_own() {
            stage.cluster.load(&stage.archive)?;
        }
        stage.install(&Images::ours(options))?;
        Ok(stage)
    }

    /// Brings up another cluster of our own, with our images but nothing installed; it goes when it goes out of scope.
    pub fn another(&self, name: &str) -> Result<Other> {
        let other = Other(Stage {
            cluster: Cluster::up(name)?,
            skupper: self.skupper.clone(),
            archive: self.archive.clone(),
        });
        other.cluster.load(&other.archive)?;
        Ok(other)
    }

    /// Installs definitions and controller, or puts the controller in the place of the one that is there.
    pub fn install(&self, images: &Images) -> Result<()> {
        install::controller(&self.cluster, images)
    }

    /// A namespace.
    pub fn space(&self, name: &str) -> Result<Space> {
        Space::new(&self.cluster, &self.skupper, name)
    }

    /// Types a line into a shell beside the cluster, in `folder`, with `kubectl` and `skupper` in its path.
    pub fn shell(&self, folder: &Path, line: &str) -> Result<String> {
        let programs = self.skupper.parent().context("the program has no folder")?;
        let prelude = format!(
            "set -euo pipefail; export PATH=\"{}:$PATH\"; ",
            programs.display()
        );
        process::output(
            self.cluster
                .command("bash")?
                .current_dir(folder)
                .arg("-c")
                .arg(prelude + line),
        )
    }

    /// Waits until a handshake on the inter-router port of `host` presents the certificate in `secret`.
    pub fn await_presented(&self, space: &Space, host: &str, secret: &Value) -> Result<()> {
        let wanted = secret["data"]["tls.crt"]
            .as_str()
            .context("the Secret has no tls.crt")?;
        let wanted = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(wanted)?)?;
        wait::until(
            &format!("{host}:55671 to present the certificate"),
            LIMIT,
            || {
                let presented = space.shell(&format!(
                "openssl s_client -connect {host}:55671 -servername {host} </dev/null 2>/dev/null | openssl x509"
            ))?;
                Ok((presented.trim() == wanted.trim()).then_some(()))
            },
        )
    }

    /// What a failed run should show: pods, resources, the controller's log.
    pub fn diagnosis(&self) -> String {
        let ask = |arguments: &[&str]| {
            self.cluster
                .kubectl(arguments)
                .unwrap_or_else(|error| format!("{error:#}\n"))
        };
        [
            ask(&["get", "pods", "-A", "-o", "wide"]),
            ask(&[
                "get",
                "sites,links,routeraccesses,certificates,listeners,connectors",
                "-A",
            ]),
            ask(&[
                "-n",
                "skupper",
                "logs",
                "deployment/skupper-controller",
                "--tail=60",
            ]),
        ]
        .join("\n")
    }
}

/// A stage on a cluster of its own, taken down when it goes out of scope; made by [`Stage::another`].
pub struct Other(Stage);

impl Deref for Other {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.0
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if std::env::var_os("SKUPPER_TEST_KEEP").is_none()
            && let Err(error) = self.cluster.down()
        {
            eprintln!(
                "cluster {} was not taken down: {error:#}",
                self.cluster.name()
            );
        }
    }
}
