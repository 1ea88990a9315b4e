//! Says why: planted faults, each applied with kubectl to two Sites with running pods, each sentence read back with kubectl.

mod client;
mod ground;
mod server;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "says_why_of_faults_at_the_connecting_site",
        client::scenario,
    ),
    ("says_why_of_faults_at_the_accepting_site", server::scenario),
];
