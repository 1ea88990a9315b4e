//! An application on both sides of a link: servers in pods, a Connector to them, a Listener for them, and clients.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use xtask::cluster::BUSYBOX_IMAGE;
use xtask::wait;

use crate::space::{LIMIT, Space};

/// Port of the web server.
pub const WEB: u16 = 8080;
/// Port of the echo server.
pub const ECHO: u16 = 7007;

/// What the web server has under `/large`: this, again and again.
pub const LARGE_PATTERN: &[u8; 16] = b"0123456789abcde\n";
/// Octets of `/large`.
pub const LARGE: u64 = 64 * 1024 * 1024;

impl Space {
    /// A pod that serves `page` under `/` and [`LARGE`] octets under `/large` by HTTP on port [`WEB`], labelled `app=<name>`.
    pub fn web_server(&self, name: &str, page: &str) -> Result<()> {
        let line = String::from_utf8_lossy(LARGE_PATTERN);
        let script = format!(
            "mkdir -p /tmp/www && echo '{page}' > /tmp/www/index.html && yes {} | head -c {LARGE} > /tmp/www/large \
             && exec httpd -f -p {WEB} -h /tmp/www",
            line.trim_end()
        );
        self.pod(name, &script)
    }

    /// A pod that sends back what it gets on port [`ECHO`], labelled `app=<name>`.
    pub fn echo_server(&self, name: &str) -> Result<()> {
        // Each further `l` is one more connection that may wait to be accepted.
        let listen = "l".repeat(200);
        self.pod(name, &format!("exec nc -{listen} -p {ECHO} -e cat"))
    }

    fn pod(&self, name: &str, script: &str) -> Result<()> {
        self.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "server", "image": BUSYBOX_IMAGE,
                "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}]}}))
    }

    /// A Connector of this name to the pods `app=<name>`, with the name as routing key.
    pub fn connector(&self, name: &str, port: u16) -> Result<()> {
        self.apply(&json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Connector", "metadata": {"name": name},
            "spec": {"routingKey": name, "selector": format!("app={name}"), "port": port}}))
    }

    /// A Listener of this name, which is host and routing key as well.
    pub fn listener(&self, name: &str, port: u16) -> Result<()> {
        self.apply(&json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Listener", "metadata": {"name": name},
            "spec": {"routingKey": name, "host": name, "port": port}}))
    }

    /// The cluster's address of a Service, once it has one.
    pub fn service_address(&self, service: &str, port: u16) -> Result<SocketAddr> {
        let service = self.await_object("service", service, "an address", |s| {
            s["spec"]["clusterIP"].is_string()
        })?;
        let ip = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        let ip = ip
            .parse()
            .with_context(|| format!("cluster address {ip}"))?;
        Ok(SocketAddr::new(ip, port))
    }

    /// Fetches `/` from `address`, from the cluster's node, once it answers.
    pub fn fetch(&self, address: SocketAddr) -> Result<String> {
        wait::until(&format!("an answer of {address}"), LIMIT, || {
            self.shell(&format!("curl -sS --fail --max-time 10 http://{address}/"))
                .map(Some)
        })
    }
}

/// Makes a site of each namespace, links `east` to `west` with what `skupper link generate` prints, and sees `page` come from a
/// web server in `west` through a Listener in `east`; the address of that Listener.
pub fn reached_across(west: &Space, east: &Space, page: &str) -> Result<SocketAddr> {
    west.site("west", Some("default"))?;
    east.site("east", None)?;
    west.web_server("backend", page)?;
    west.connector("backend", WEB)?;
    east.listener("backend", WEB)?;
    west.await_ready("site", "west")?;
    east.apply_text(&west.shell("skupper link generate")?)?;
    let link = east.await_ready("link", "link-west-skupper-router")?;
    ensure!(
        link["status"]["remoteSiteName"] == "west",
        "its status: {}",
        link["status"]
    );
    east.await_ready("listener", "backend")?;
    west.await_ready("connector", "backend")?;
    let address = east.service_address("backend", WEB)?;
    east.shows(address, page)?;
    Ok(address)
}

impl Space {
    /// Sees that `address` answers with `page`.
    pub fn shows(&self, address: SocketAddr, page: &str) -> Result<()> {
        let found = self.fetch(address)?;
        ensure!(found.trim() == page, "got: {found}");
        Ok(())
    }
}
