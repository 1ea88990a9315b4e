//! Upstream's router as a process beside the cluster: it links to one of our sites with a credential of `link generate`, and
//! another of our sites links to it. A request goes through all three.

use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use skupper_tests::application::WEB;
use skupper_tests::ground::Ground;
use skupper_tests::material::{Credential, Leaf};
use skupper_tests::stage::Stage;
use xtask::process;

use super::{ROUTER, variable};

/// Where it listens for routers, on the node's address, which nobody else uses: below the ports that the kernel
/// gives to who connects.
const PORT: u16 = 25_871;

pub(super) fn scenario(stage: &Stage) -> Result<()> {
    let node = stage
        .cluster
        .plan()
        .context("a cluster of our own")?
        .node()
        .to_string();
    let ground = Ground::new(stage, "peer")?;
    let (west, east) = (&ground.west, &ground.east);
    // Only by way of upstream's router.
    east.kubectl(&["delete", "link", "good"])?;
    west.web_server("backend", "hello through all three")?;
    west.connector("backend", WEB)?;
    east.listener("backend", WEB)?;

    west.shell("skupper link generate > /dev/null")?;
    let folder = tempfile::tempdir()?;
    write_secret(folder.path(), "client", &west.get("secret", "link-west")?)?;
    let server = ground.ca.issue(&Leaf::server(&[&node]))?;
    write_secret(folder.path(), "server", &server.secret("server"))?;
    let _guest = Guest::start(stage, folder.path(), &node, &ground.host)?;
    through_it(&ground, &node).with_context(|| {
        let log = std::fs::read_to_string(folder.path().join("guest.log")).unwrap_or_default();
        format!("upstream's router says: {}", process::tail(&log, 30))
    })
}

fn through_it(ground: &Ground, node: &str) -> Result<()> {
    let east = &ground.east;
    east.link(
        "to-upstream",
        &json!([{"name": "inter-router", "host": node, "port": PORT.to_string()}]),
        "good",
    )?;
    // It is a router without a site: as with upstream's controller the Link is not Ready; unlike there it says why.
    east.await_message(
        "link",
        "to-upstream",
        "Operational",
        &["connected, but to a router of which no site is known"],
    )?;
    east.shows(
        east.service_address("backend", WEB)?,
        "hello through all three",
    )?;

    // It refuses whom it does not trust, and we say so as far as it lets us know.
    let stranger: Credential = ground
        .foreign
        .issue(&Leaf::client("stranger"))?
        .trusting(ground.ca.pem());
    east.apply(&stranger.secret("stranger"))?;
    east.link(
        "refused",
        &json!([{"name": "inter-router", "host": node, "port": PORT.to_string()}]),
        "stranger",
    )?;
    let said = east.await_message(
        "link",
        "refused",
        "Operational",
        &["stranger", "Foreign CA"],
    )?;
    println!("refused by upstream's router: {said}");
    Ok(())
}

/// Writes the elements of a Secret as files `<name>-<element>`.
fn write_secret(folder: &Path, name: &str, secret: &Value) -> Result<()> {
    use base64::Engine as _;
    for element in ["ca.crt", "tls.crt", "tls.key"] {
        let text = secret["data"][element]
            .as_str()
            .with_context(|| format!("the Secret for {name} has no {element}"))?;
        let octets = base64::engine::general_purpose::STANDARD.decode(text)?;
        std::fs::write(folder.join(format!("{name}-{element}")), octets)?;
    }
    Ok(())
}

/// The running router.
struct Guest(Child);

impl Guest {
    fn start(stage: &Stage, folder: &Path, node: &str, host: &str) -> Result<Self> {
        let profile = |name: &str| {
            let at = |element: &str| folder.join(format!("{name}-{element}"));
            json!(["sslProfile", {"name": name, "caCertFile": at("ca.crt"), "certFile": at("tls.crt"),
                "privateKeyFile": at("tls.key")}])
        };
        let configuration = json!([
            ["router", {"mode": "interior", "id": "guest"}],
            profile("client"),
            profile("server"),
            ["connector", {"name": "to-west", "role": "inter-router", "host": host, "port": "55671",
                "sslProfile": "client"}],
            ["listener", {"name": "for-east", "role": "inter-router", "host": node, "port": PORT.to_string(),
                "sslProfile": "server", "authenticatePeer": true, "saslMechanisms": "EXTERNAL"}],
        ]);
        let file = folder.join("guest.json");
        std::fs::write(&file, configuration.to_string())?;
        let log = std::fs::File::create(folder.join("guest.log"))?;
        let child = stage
            .cluster
            .command(variable(ROUTER)?)?
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start upstream's router")?;
        Ok(Guest(child))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
