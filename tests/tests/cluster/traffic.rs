//! Application traffic from a Listener in one namespace to a Connector in the other.

use anyhow::{Result, ensure};
use skupper_tests::application::WEB;
use skupper_tests::stage::Stage;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario::shared(
    "http_from_one_namespace_to_the_other",
    http,
)];

fn http(stage: &Stage) -> Result<()> {
    let (west, east) = (stage.space("http-west")?, stage.space("http-east")?);
    west.site("west", Some("default"))?;
    east.site("east", None)?;
    west.web_server("backend", "hello from west")?;
    west.connector("backend", WEB)?;
    east.listener("backend", WEB)?;
    west.await_ready("site", "west")?;
    east.apply_text(&west.shell("skupper link generate")?)?;
    east.await_ready("link", "link-west-skupper-router")?;
    east.await_ready("listener", "backend")?;
    west.await_ready("connector", "backend")?;
    let page = east.fetch(east.service_address("backend", WEB)?)?;
    ensure!(page.trim() == "hello from west", "got: {page}");
    Ok(())
}
