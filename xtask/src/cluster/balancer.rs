//! A stand-in for the load balancers of a cloud: it writes an address of the cluster's range into the status of each
//! Service of type `LoadBalancer`, as a cloud's controller would. kube-proxy does the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::home::Home;
use super::up::kubectl;
use crate::process;

/// Namespace and name of a Service.
type Key = (String, String);

/// What matters of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Service {
    /// It asks for a load balancer, of no class: those with a class are for somebody else.
    wanted: bool,
    /// `spec.loadBalancerIP`.
    requested: Option<Ipv4Addr>,
    /// Addresses in its status.
    addresses: Vec<Ipv4Addr>,
}

/// Assigns addresses until it is killed. What happens is written to standard output.
///
/// # Errors
/// Never by itself: when the API server is away it tries again.
pub(super) fn run(home: &Home) -> Result<()> {
    println!(
        "This is a STAND-IN for a cloud's load balancers: it assigns addresses of 10.{}.80.0/24 to Services of type \
         LoadBalancer in the test cluster {}, and kube-proxy serves them on this machine only.",
        home.plan.octet(),
        home.name
    );
    loop {
        if let Err(error) = follow(home) {
            println!("{error:#}; trying again");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Lists all Services, then follows their changes until the watch ends.
fn follow(home: &Home) -> Result<()> {
    // All of them before the first decision: else an address could be given that a Service still unseen has.
    let list = process::output(kubectl(home).args([
        "get",
        "services",
        "--all-namespaces",
        "--output=json",
    ]))?;
    let list: Value = serde_json::from_str(&list).context("kubectl's list is no JSON")?;
    let mut services: BTreeMap<Key, Service> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(parse)
        .collect();
    act(home, &mut services)?;

    let mut watch = kubectl(home)
        .args([
            "get",
            "services",
            "--all-namespaces",
            "--watch",
            "--output-watch-events",
            "--output=json",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start kubectl")?;
    let stdout = watch.stdout.take().context("kubectl has no output")?;
    let result = events(BufReader::new(stdout), |event| {
        note(&mut services, &event);
        act(home, &mut services)
    });
    watch.kill().ok();
    watch.wait().ok();
    result.context("the watch of Services ended")
}

fn events(from: impl std::io::Read, mut handle: impl FnMut(Value) -> Result<()>) -> Result<()> {
    for event in serde_json::Deserializer::from_reader(from).into_iter() {
        handle(event.context("kubectl's watch is no JSON")?)?;
    }
    Ok(())
}

/// Brings one watch event into the picture.
fn note(services: &mut BTreeMap<Key, Service>, event: &Value) {
    let Some((key, service)) = parse(&event["object"]) else {
        return;
    };
    if event["type"] == "DELETED" {
        services.remove(&key);
    } else {
        services.insert(key, service);
    }
}

fn act(home: &Home, services: &mut BTreeMap<Key, Service>) -> Result<()> {
    for ((namespace, name), address) in assign(services, &home.plan.load_balancers()) {
        let patch = json!({"status": {"loadBalancer": {"ingress": [{"ip": address.to_string()}]}}})
            .to_string();
        let mut command = kubectl(home);
        command.args([
            "patch",
            "service",
            &name,
            "--namespace",
            &namespace,
            "--subresource=status",
            "--type=merge",
        ]);
        process::run(command.args(["--patch", &patch]))
            .with_context(|| format!("{namespace}/{name}"))?;
        println!("{namespace}/{name}: assigned {address}");
        // What was written is known before its event comes back.
        if let Some(service) = services.get_mut(&(namespace, name)) {
            service.addresses = vec![address];
        }
    }
    Ok(())
}

/// Who gets which address of `range`. A Service keeps what it has; what a deleted one had is free again. Where a
/// Service's type changes, the API server itself clears its status.
fn assign(services: &BTreeMap<Key, Service>, range: &[Ipv4Addr]) -> Vec<(Key, Ipv4Addr)> {
    let mut used: BTreeSet<Ipv4Addr> = services
        .values()
        .flat_map(|s| &s.addresses)
        .copied()
        .collect();
    let mut assigned = Vec::new();
    for (key, service) in services
        .iter()
        .filter(|(_, service)| service.wanted && service.addresses.is_empty())
    {
        let free = |address: &&Ipv4Addr| !used.contains(address);
        let requested = service
            .requested
            .as_ref()
            .filter(|address| range.contains(address))
            .filter(free);
        if let Some(&address) = requested.or_else(|| range.iter().find(free)) {
            used.insert(address);
            assigned.push((key.clone(), address));
        }
    }
    assigned
}

fn parse(object: &Value) -> Option<(Key, Service)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let key = (
        text(&object["metadata"]["namespace"])?,
        text(&object["metadata"]["name"])?,
    );
    let address = |value: &Value| value.as_str()?.parse().ok();
    let spec = &object["spec"];
    let leaving = object["metadata"]["deletionTimestamp"].is_string();
    let service = Service {
        wanted: spec["type"] == "LoadBalancer" && spec["loadBalancerClass"].is_null() && !leaving,
        requested: address(&spec["loadBalancerIP"]),
        addresses: object["status"]["loadBalancer"]["ingress"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|ingress| address(&ingress["ip"]))
            .collect(),
    };
    Some((key, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 33, 80, 1), Ipv4Addr::new(10, 33, 80, 2)];

    fn wanting(addresses: &[Ipv4Addr]) -> Service {
        Service {
            wanted: true,
            requested: None,
            addresses: addresses.to_vec(),
        }
    }

    fn named(services: &[(&str, Service)]) -> BTreeMap<Key, Service> {
        services
            .iter()
            .map(|(name, service)| (("ns".into(), (*name).into()), service.clone()))
            .collect()
    }

    fn assigned(services: &[(&str, Service)]) -> Vec<(String, Ipv4Addr)> {
        assign(&named(services), &RANGE)
            .into_iter()
            .map(|((_, name), address)| (name, address))
            .collect()
    }

    #[test]
    fn each_gets_an_address_that_nobody_has() {
        // `b` has the first already, though `a` comes before it.
        let all = [("a", wanting(&[])), ("b", wanting(&[RANGE[0]]))];
        assert_eq!(assigned(&all), [("a".into(), RANGE[1])]);
    }

    #[test]
    fn who_comes_too_late_waits_and_is_served_once_one_is_free() {
        let mut all = named(&[
            ("a", wanting(&[RANGE[0]])),
            ("b", wanting(&[RANGE[1]])),
            ("c", wanting(&[])),
        ]);
        assert_eq!(assign(&all, &RANGE), []);
        let gone = json!({"type": "DELETED", "object": {"metadata": {"namespace": "ns", "name": "a"}, "spec": {}}});
        note(&mut all, &gone);
        assert_eq!(
            assign(&all, &RANGE),
            [(("ns".into(), "c".into()), RANGE[0])]
        );
    }

    #[test]
    fn who_does_not_ask_gets_none() {
        assert_eq!(assigned(&[("a", Service::default())]), []);
    }

    #[test]
    fn a_request_is_met_where_it_can_be() {
        let asks = |address| Service {
            requested: Some(address),
            ..wanting(&[])
        };
        assert_eq!(assigned(&[("a", asks(RANGE[1]))]), [("a".into(), RANGE[1])]);
        let outside = asks(Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(assigned(&[("a", outside)]), [("a".into(), RANGE[0])]);
        let both = [("a", asks(RANGE[1])), ("b", asks(RANGE[1]))];
        assert_eq!(
            assigned(&both),
            [("a".into(), RANGE[1]), ("b".into(), RANGE[0])]
        );
    }

    #[test]
    fn services_are_read_as_the_api_server_writes_them() {
        let object = json!({
            "metadata": {"namespace": "west", "name": "skupper-router"},
            "spec": {"type": "LoadBalancer", "loadBalancerIP": "10.33.80.2"},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.33.80.1", "ipMode": "VIP"}, {"hostname": "x"}]}},
        });
        let (key, service) = parse(&object).unwrap();
        assert_eq!(key, ("west".into(), "skupper-router".into()));
        assert_eq!(
            service,
            Service {
                wanted: true,
                requested: Some(RANGE[1]),
                addresses: vec![RANGE[0]]
            }
        );

        let mut classed = object;
        classed["spec"]["loadBalancerClass"] = "example.com/theirs".into();
        assert!(!parse(&classed).unwrap().1.wanted);
        assert!(parse(&json!({"kind": "Status"})).is_none());
    }

    #[test]
    fn a_stream_of_documents_is_read_one_by_one() {
        let stream = "{\"type\":\"ADDED\"}\n{\n \"type\": \"DELETED\"\n}";
        let mut seen = Vec::new();
        events(stream.as_bytes(), |event| {
            seen.push(event["type"].as_str().unwrap().to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, ["ADDED", "DELETED"]);
        assert!(events(&b"{]"[..], |_| Ok(())).is_err());
    }
}
