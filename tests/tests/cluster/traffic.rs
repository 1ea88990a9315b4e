//! Application traffic from a Listener in one namespace to a Connector in the other.

use anyhow::Result;
use skupper_tests::application::reached_across;
use skupper_tests::stage::Stage;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario::shared(
    "http_from_one_namespace_to_the_other",
    http,
)];

fn http(stage: &Stage) -> Result<()> {
    let (west, east) = (stage.space("http-west")?, stage.space("http-east")?);
    reached_across(&west, &east, "hello from west").map(drop)
}
