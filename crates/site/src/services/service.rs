//! The Services by which clients reach Listeners (reference §3.10).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ListenerView, is_label};
use crate::ObjectKind;
use crate::names::{CONTROLLED, LISTENER, ROUTER};
use crate::pass::{Pass, owner};
use crate::site::Active;

/// One port of one Service.
struct Port<'v> {
    listener: &'v str,
    port: i64,
    router_port: u16,
    protocol: &'static str,
}

/// Wants a Service for each host that a Listener names (and each remote pod that is exposed); deletes those that nobody
/// names any more.
pub(crate) fn want(pass: &mut Pass<'_>, active: &Active, views: &[ListenerView]) {
    let Some(owner) = owner(ObjectKind::Site, &active.site.metadata) else {
        return;
    };
    let wanted = ports_by_service(views);
    let observed = pass.observed;
    for (host, ports) in &wanted {
        let seen = observed.services.get(*host).map(|service| &**service);
        if seen.is_some_and(|service| label(&service.metadata).is_none()) {
            continue;
        }
        let body = json!({
            "metadata": {
                "name": host,
                "labels": {LISTENER: label_value(seen.and_then(|service| label(&service.metadata)), ports)},
                "annotations": {CONTROLLED: "true"},
                "ownerReferences": [owner],
            },
            "spec": {
                "ports": ports.iter().map(Port::body).collect::<Vec<_>>(),
                "selector": {"application": ROUTER, "skupper.io/component": "router"},
            },
        });
        pass.want(ObjectKind::Service, seen, body);
    }
    for (name, service) in &observed.services {
        let controlled = service
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key(CONTROLLED));
        if controlled && label(&service.metadata).is_some() && !wanted.contains_key(name.as_str()) {
            pass.delete(ObjectKind::Service, &service.metadata);
        }
    }
}

fn ports_by_service(views: &[ListenerView]) -> BTreeMap<&str, Vec<Port<'_>>> {
    let mut services: BTreeMap<&str, Vec<Port<'_>>> = BTreeMap::new();
    for view in views.iter().filter(|view| view.refusal.is_none()) {
        let spec = &view.object.spec;
        let protocol = if spec.type_ == "udp" { "UDP" } else { "TCP" };
        let port = |router_port| Port {
            listener: view.name(),
            port: spec.port,
            router_port,
            protocol,
        };
        if let Some(router_port) = view.router_port {
            services
                .entry(&spec.host)
                .or_default()
                .push(port(router_port));
        }
        for (target, router_port) in &view.targets {
            services.entry(target).or_default().push(port(*router_port));
        }
    }
    services
}

impl Port<'_> {
    fn body(&self) -> Value {
        json!({
            "name": port_name(self.listener),
            "port": self.port,
            "targetPort": self.router_port,
            "protocol": self.protocol,
        })
    }
}

/// The Listener's name, or a short name made of it where a port cannot have that.
fn port_name(listener: &str) -> String {
    if is_label(listener) {
        return listener.to_owned();
    }
    format!("l-{}", &crate::profiles::digest(&[listener])[..16])
}

fn label(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Option<&str> {
    meta.labels.as_ref()?.get(LISTENER).map(String::as_str)
}

/// The name of one of the Listeners: the one that stands there already, if it still is one of them.
fn label_value(seen: Option<&str>, ports: &[Port<'_>]) -> String {
    let fits = |name: &str| name.len() <= 63;
    let names = || {
        ports
            .iter()
            .map(|port| port.listener)
            .filter(|name| fits(name))
    };
    let kept = seen.filter(|seen| names().any(|name| name == *seen));
    kept.or_else(|| names().next())
        .unwrap_or("listener")
        .to_owned()
}
