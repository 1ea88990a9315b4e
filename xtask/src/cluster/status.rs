//! What a person sees of a cluster: its daemons, addresses and pods.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use super::cgroup;
use super::component::Component;
use super::home::Home;
use super::up::kubectl;
use crate::process;

/// The whole report, as text.
///
/// # Errors
/// Never for a cluster that is broken: what cannot be learnt is said in its place.
pub(super) fn report(home: &Home) -> Result<String> {
    let daemons: Vec<_> = Component::ALL
        .into_iter()
        .map(|component| {
            (
                component.name(),
                component
                    .process(home)
                    .map(|p| (p.pid, p.resident().unwrap_or(0))),
            )
        })
        .collect();
    let mut text = String::new();
    writeln!(
        text,
        "cluster {} in the network namespace {} (cgroup {:?})",
        home.name,
        home.name.prefixed(),
        cgroup::version()
    )?;
    writeln!(text, "kubeconfig       {}", home.kubeconfig().display())?;
    writeln!(
        text,
        "node             {}, API https://{}:6443",
        home.plan.node(),
        home.plan.node()
    )?;
    writeln!(text, "pods             {}", home.plan.pods())?;
    writeln!(
        text,
        "services         {}, DNS {}",
        home.plan.services(),
        home.plan.dns()
    )?;
    writeln!(
        text,
        "load balancers   10.{}.80.0/24, assigned by a stand-in for a cloud",
        home.plan.octet()
    )?;
    text += &daemon_table(&daemons);

    let pods = process::output(kubectl(home).args([
        "get",
        "pods",
        "--all-namespaces",
        "--output=json",
        "--request-timeout=5s",
    ]));
    match pods.and_then(|json| Ok(serde_json::from_str::<Value>(&json)?)) {
        Ok(pods) => text += &pod_table(&pods),
        Err(error) => writeln!(text, "pods cannot be listed: {error:#}")?,
    }
    Ok(text)
}

fn daemon_table(daemons: &[(&str, Option<(u32, u64)>)]) -> String {
    let mut text = format!("\n{:<26}{:>8}{:>10}\n", "DAEMON", "PID", "MEMORY");
    for (name, running) in daemons {
        text += &match running {
            Some((pid, bytes)) => format!("{name:<26}{pid:>8}{:>7} MB\n", bytes / 1_000_000),
            None => format!("{name:<26}{:>8}\n", "not running"),
        };
    }
    let total: u64 = daemons
        .iter()
        .filter_map(|(_, running)| running.map(|(_, bytes)| bytes))
        .sum();
    text + &format!("{:<26}{:>8}{:>7} MB\n", "together", "", total / 1_000_000)
}

fn pod_table(list: &Value) -> String {
    let mut text = format!(
        "\n{:<20}{:<42}{:<12}{}\n",
        "NAMESPACE", "POD", "READY", "STATE"
    );
    for pod in list["items"].as_array().into_iter().flatten() {
        let field = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let containers = pod["status"]["containerStatuses"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let ready = containers
            .iter()
            .filter(|container| container["ready"] == true)
            .count();
        let count = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
        // Why a container waits tells more than the pod's phase.
        let reason = containers
            .iter()
            .find_map(|container| container["state"]["waiting"]["reason"].as_str());
        text += &format!(
            "{:<20}{:<42}{:<12}{}\n",
            field(&pod["metadata"]["namespace"]),
            field(&pod["metadata"]["name"]),
            format!("{ready}/{count}"),
            reason.map_or_else(|| field(&pod["status"]["phase"]), str::to_owned),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_daemon_that_is_gone_is_said_to_be() {
        let table = daemon_table(&[("etcd", Some((12, 34_000_000))), ("kubelet", None)]);
        assert!(
            table.contains("etcd                            12     34 MB"),
            "{table}"
        );
        assert!(
            table.contains("kubelet                   not running"),
            "{table}"
        );
        assert!(table.contains("together"), "{table}");
    }

    #[test]
    fn a_pod_shows_why_it_waits() {
        let pods = json!({"items": [{
            "metadata": {"namespace": "west", "name": "router"},
            "spec": {"containers": [{}, {}]},
            "status": {"phase": "Running", "containerStatuses": [
                {"ready": true, "state": {"running": {}}},
                {"ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            ]},
        }]});
        let table = pod_table(&pods);
        let row = table.lines().last().unwrap();
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            ["west", "router", "1/2", "CrashLoopBackOff"]
        );
    }
}
