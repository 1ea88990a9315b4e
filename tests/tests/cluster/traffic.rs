//! Application traffic from a Listener in one namespace to a Connector in the other.

use anyhow::{Result, ensure};
use serde_json::json;
use skupper_tests::space::Space;
use skupper_tests::stage::Stage;
use xtask::wait;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[("http_from_one_namespace_to_the_other", http)];

fn http(stage: &Stage) -> Result<()> {
    let (west, east) = (stage.space("http-west")?, stage.space("http-east")?);
    west.site("west", Some("default"))?;
    east.site("east", None)?;
    west.web_server("backend", "hello from west")?;
    west.apply(&json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Connector", "metadata": {"name": "backend"},
        "spec": {"routingKey": "backend", "selector": "app=backend", "port": 8080}}))?;
    east.apply(&json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Listener", "metadata": {"name": "backend"},
        "spec": {"routingKey": "backend", "host": "backend", "port": 8080}}))?;
    west.await_ready("site", "west")?;
    east.apply_text(&west.shell("skupper link generate")?)?;
    east.await_ready("link", "link-west-skupper-router")?;
    east.await_ready("listener", "backend")?;
    west.await_ready("connector", "backend")?;
    let page = fetch(&east, "backend", 8080)?;
    ensure!(page.trim() == "hello from west", "got: {page}");
    Ok(())
}

/// Fetches `/` of a Service of the namespace by its cluster address, from the cluster's node.
fn fetch(space: &Space, service: &str, port: u16) -> Result<String> {
    wait::until(
        &format!("an answer of {service}"),
        skupper_tests::space::LIMIT,
        || {
            let address = space.get("service", service)?["spec"]["clusterIP"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            space
                .shell(&format!(
                    "curl -sS --fail --max-time 10 http://{address}:{port}/"
                ))
                .map(Some)
        },
    )
}
