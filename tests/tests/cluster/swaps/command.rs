//! Upstream's command line against our controller: what its users type, and what it prints of our statuses.

use anyhow::{Result, ensure};
use skupper_tests::application::WEB;
use skupper_tests::space::Space;
use skupper_tests::stage::Stage;

use super::{COMMAND, variable};

pub(super) fn scenario(stage: &Stage) -> Result<()> {
    let program = variable(COMMAND)?;
    let upstreams = |space: &Space, line: &str, wanted: &[&str]| -> Result<String> {
        let said = space.shell(&format!("{program} -n {} {line}", space.name))?;
        println!("$ skupper {line}\n{said}");
        for piece in wanted {
            ensure!(
                said.contains(piece),
                "`skupper {line}` says no {piece:?}:\n{said}"
            );
        }
        Ok(said)
    };
    let (west, east) = (stage.space("cli-west")?, stage.space("cli-east")?);
    upstreams(&west, "site create west --enable-link-access", &["west"])?;
    upstreams(&east, "site create east", &["east"])?;
    upstreams(&west, "site status", &["west", "Ready", "OK"])?;
    west.web_server("backend", "hello from west")?;
    upstreams(
        &west,
        "connector create backend 8080 --selector app=backend",
        &["backend"],
    )?;
    let document = upstreams(&west, "link generate", &["kind: Link", "tls.crt"])?;
    east.apply_text(&document)?;
    east.await_ready("link", "link-west-skupper-router")?;
    upstreams(&east, "listener create backend 8080", &["backend"])?;
    east.await_ready("listener", "backend")?;
    west.await_ready("connector", "backend")?;
    upstreams(
        &east,
        "link status",
        &["link-west-skupper-router", "Ready", "west", "OK"],
    )?;
    upstreams(
        &east,
        "listener status",
        &["backend", "Ready", "8080", "OK"],
    )?;
    upstreams(
        &west,
        "connector status",
        &["backend", "Ready", "8080", "OK"],
    )?;
    upstreams(&west, "version", &[])?;
    east.shows(east.service_address("backend", WEB)?, "hello from west")?;

    // A credential that was brought, and one that is wrong: its words are ours, and it prints them.
    upstreams(
        &west,
        "link generate --generate-credential=false --tls-credentials=nobody",
        &["kind: Link", "nobody"],
    )?;
    east.link("without", &west.endpoints("west")?, "nobody")?;
    east.await_message("link", "without", "Configured", &["not found"])?;
    upstreams(
        &east,
        "link status",
        &[r#"TLS credentials secret "nobody" not found"#],
    )?;

    upstreams(&east, "listener delete backend", &[])?;
    upstreams(&west, "connector delete backend", &[])?;
    upstreams(&east, "link delete link-west-skupper-router", &[])?;
    upstreams(&east, "site delete", &[])?;
    ensure!(
        east.kubectl(&["get", "sites", "-o", "name"])?.is_empty(),
        "the Site is still there"
    );
    Ok(())
}
