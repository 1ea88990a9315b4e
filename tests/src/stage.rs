//! A cluster with our definitions, images and controller on it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use serde_json::Value;
use xtask::cluster::Cluster;
use xtask::{cargo, image, wait};

use crate::space::{LIMIT, Space};

/// The stage on which sites are tried.
pub struct Stage {
    /// The cluster.
    pub cluster: Cluster,
    /// The command.
    pub skupper: PathBuf,
}

impl Stage {
    /// Brings up cluster, images and controller.
    pub fn up(name: &str) -> Result<Self> {
        let options = image::Options::default();
        let skupper = cargo::build("skupper", "skupper", options.profile)?;
        let archive = image::build(&options)?;
        let cluster = Cluster::for_tests(name)?;
        if cluster.is_own() {
            cluster.load(archive)?;
        }
        xtask::install::controller(&cluster, &options)?;
        Ok(Stage { cluster, skupper })
    }

    /// A namespace.
    pub fn space(&self, name: &str) -> Result<Space> {
        Space::new(&self.cluster, &self.skupper, name)
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
