//! The adaptor between a real API server and a real router, with the rights of the site's ServiceAccount.

mod credentials;
mod looks;
mod pod;
mod running;
mod telling;
mod trouble;

use std::ffi::OsString;

use anyhow::Result;
use serde_json::{Value, json};

use self::pod::Pod;
use crate::Run;
use crate::stage::Stage;

/// The environment variable that makes a test binary an adaptor.
pub const ADAPTOR: &str = "SKUPPER_KUBE_TEST_ADAPTOR";
/// The environment variable that makes a test binary a router.
pub const ROUTER: &str = "SKUPPER_KUBE_TEST_ROUTER";

/// Ports within the cluster's network namespace; scenarios run one after the other. All are below those that the kernel gives to
/// who connects (32768 and up): a connection of the cluster's own may hold one of those for as long as the cluster runs.
const MANAGEMENT: u16 = 15672;
const HEALTH: u16 = 19191;
const METRICS: u16 = 19000;
/// The router's listener for links.
const LINKS: u16 = 25671;
/// Where nobody listens.
const NOBODY: u16 = 25999;

/// What the adaptor tells of its router.
const REPORT: (&str, &str) = ("skupper-router-report", "report.json");

/// A scenario: its name, and what it does with a namespace of its own and a router (upstream's, where one is named).
type Scenario = (&'static str, fn(&Pod<'_>, Option<&OsString>) -> Result<()>);

/// Every scenario with our router, and with upstream's where `SKROUTERD` names it.
pub fn trials() -> Vec<(String, Run)> {
    let upstream = std::env::var_os("SKROUTERD").filter(|path| !path.is_empty());
    let mut routers = vec![("ours", None)];
    routers.extend(upstream.map(|program| ("upstream", Some(program))));
    let scenarios = [
        credentials::SCENARIOS,
        telling::SCENARIOS,
        trouble::SCENARIOS,
    ]
    .concat();
    let mut trials: Vec<(String, Run)> = Vec::new();
    for (whose, program) in routers {
        for (number, (name, run)) in scenarios.iter().copied().enumerate() {
            let (program, namespace) = (program.clone(), format!("adaptor-{whose}-{number}"));
            trials.push((
                format!("adaptor: {name} ({whose})"),
                Box::new(move |stage: &Stage| {
                    if stage.kubectl(&["get", "crd", "sites.skupper.io"]).is_err() {
                        stage.crds()?;
                    }
                    let pod = Pod::new(stage, &namespace)?;
                    run(&pod, program.as_ref())?;
                    stage
                        .kubectl(&["delete", "namespace", &namespace, "--wait=false"])
                        .map(drop)
                }),
            ));
        }
    }
    trials
}

fn tcp_listener(name: &str, port: u16) -> Value {
    json!(["tcpListener", {"name": name, "port": port.to_string(), "address": name}])
}

fn tls_listener() -> Value {
    json!(["listener", {"name": "links", "role": "inter-router", "host": "127.0.0.1", "port": LINKS, "sslProfile": "server",
        "saslMechanisms": "EXTERNAL", "authenticatePeer": true}])
}

fn link(port: u16) -> Value {
    json!(["connector", {"name": "link", "role": "inter-router", "host": "127.0.0.1", "port": port.to_string(),
        "sslProfile": "link-profile"}])
}
