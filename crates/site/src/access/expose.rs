//! One function for each access type: from a SecuredAccess to its objects and endpoints (reference §5.2).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Value, json};
use skupper_api::{Endpoint, SecuredAccess, SecuredAccessPort, SecuredAccessSpec};

use super::{AccessType, Exposed, Route};
use crate::ObjectKind;
use crate::names::{CONTROLLED, SECURED_ACCESS};
use crate::pass::{Pass, owner};

/// Wants the objects of a SecuredAccess; returns the endpoints that they have so far, and what is wrong.
pub(super) fn expose(
    pass: &mut Pass<'_>,
    access: &SecuredAccess,
    spec: &SecuredAccessSpec,
) -> (Vec<Endpoint>, Vec<String>) {
    let name = access.metadata.name.as_deref().unwrap_or_default();
    let Some(owner) = owner(ObjectKind::SecuredAccess, &access.metadata) else {
        return Default::default();
    };
    let access_type = match access_type(pass, spec) {
        Ok(access_type) => access_type,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let seen = pass.observed.services.get(name).map(|service| &**service);
    if seen.is_some_and(|service| !has_label(&service.metadata)) {
        return (
            Vec::new(),
            vec![format!(
                "Service {name} already exists in namespace, and was not made by skupper: rename it"
            )],
        );
    }
    want_service(pass, name, seen, spec, access_type, &owner);
    let mut errors = Vec::new();
    errors.extend(pass.failure(ObjectKind::Service, name).map(str::to_owned));
    let endpoints = match access_type {
        AccessType::Local => {
            let host = format!("{name}.{}", pass.observed.namespace);
            spec.ports
                .iter()
                .map(|port| endpoint(&port.name, &host, port.port))
                .collect()
        }
        AccessType::LoadBalancer => seen
            .map(|service| load_balancer_endpoints(service, spec))
            .unwrap_or_default(),
        AccessType::NodePort => match &pass.settings.access.cluster_host {
            Some(host) => seen
                .map(|service| node_port_endpoints(service, spec, host))
                .unwrap_or_default(),
            None => {
                errors.push("Cluster host must be set to enable nodeport access type.".to_owned());
                Vec::new()
            }
        },
        AccessType::Route => spec
            .ports
            .iter()
            .flat_map(|port| want_route(pass, name, port, spec, &owner, &mut errors))
            .collect(),
    };
    (endpoints, errors)
}

/// The access type that a SecuredAccess asks for, or the default.
fn access_type(pass: &Pass<'_>, spec: &SecuredAccessSpec) -> Result<AccessType, String> {
    let settings = &pass.settings.access;
    let enabled = || {
        settings
            .enabled
            .iter()
            .map(|one| one.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let refused = || {
        format!(
            "unsupported access type \"{}\": this controller has {}",
            spec.access_type,
            enabled()
        )
    };
    let access_type = match spec.access_type.as_str() {
        "" => settings
            .effective_default(pass.observed.outside.has_routes)
            .ok_or_else(|| "unsupported access type: none is enabled".to_owned())?,
        named => named.parse().map_err(|_| refused())?,
    };
    if !settings.enabled.contains(&access_type) {
        return Err(refused());
    }
    if access_type == AccessType::Route && !pass.observed.outside.has_routes {
        return Err(
            "access type route needs OpenShift: the API server has no route.openshift.io/v1"
                .to_owned(),
        );
    }
    Ok(access_type)
}

fn endpoint(name: &str, host: &str, port: impl ToString) -> Endpoint {
    Endpoint {
        name: name.to_owned(),
        host: host.to_owned(),
        port: port.to_string(),
        group: String::new(),
    }
}

/// Labels and annotations of what is made for a SecuredAccess.
fn metadata(name: &str, owner: &OwnerReference) -> Value {
    json!({
        "name": name,
        "labels": {SECURED_ACCESS: "true"},
        "annotations": {CONTROLLED: "true"},
        "ownerReferences": [owner],
    })
}

fn has_label(meta: &ObjectMeta) -> bool {
    meta.labels
        .as_ref()
        .is_some_and(|labels| labels.contains_key(SECURED_ACCESS))
}

fn want_service(
    pass: &mut Pass<'_>,
    name: &str,
    seen: Option<&Service>,
    spec: &SecuredAccessSpec,
    access_type: AccessType,
    owner: &OwnerReference,
) {
    let type_ = match access_type {
        AccessType::LoadBalancer => "LoadBalancer",
        AccessType::NodePort => "NodePort",
        AccessType::Local | AccessType::Route => "ClusterIP",
    };
    let port = |port: &SecuredAccessPort| {
        let target = if port.target_port == 0 {
            port.port
        } else {
            port.target_port
        };
        let protocol = if port.protocol.is_empty() {
            "TCP"
        } else {
            &port.protocol
        };
        json!({"name": port.name, "port": port.port, "targetPort": target, "protocol": protocol})
    };
    let wanted = json!({
        "metadata": metadata(name, owner),
        "spec": {
            "type": type_,
            "selector": spec.selector,
            "ports": spec.ports.iter().map(port).collect::<Vec<_>>(),
        },
    });
    pass.want(ObjectKind::Service, seen, wanted);
}

/// One endpoint for each address that the cloud gave the Service, and each port.
fn load_balancer_endpoints(service: &Service, spec: &SecuredAccessSpec) -> Vec<Endpoint> {
    let status = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    let addresses = status
        .and_then(|status| status.ingress.as_deref())
        .unwrap_or_default();
    let hosts = addresses.iter().filter_map(|address| {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        filled(&address.ip).or_else(|| filled(&address.hostname))
    });
    hosts
        .flat_map(|host| {
            spec.ports
                .iter()
                .map(move |port| endpoint(&port.name, &host, port.port))
        })
        .collect()
}

/// One endpoint for each port that has a port on the nodes by now.
fn node_port_endpoints(service: &Service, spec: &SecuredAccessSpec, host: &str) -> Vec<Endpoint> {
    let ports = service
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_deref())
        .unwrap_or_default();
    spec.ports
        .iter()
        .filter_map(|wanted| {
            let port = ports
                .iter()
                .find(|port| port.name.as_deref() == Some(&wanted.name))?;
            let node_port = port.node_port.filter(|port| *port != 0)?;
            Some(endpoint(&wanted.name, host, node_port))
        })
        .collect()
}

fn route_name(access: &str, port: &SecuredAccessPort) -> String {
    format!("{access}-{}", port.name)
}

/// Wants the Route of one port; returns the endpoints that it has so far.
fn want_route(
    pass: &mut Pass<'_>,
    access: &str,
    port: &SecuredAccessPort,
    spec: &SecuredAccessSpec,
    owner: &OwnerReference,
    errors: &mut Vec<String>,
) -> Vec<Endpoint> {
    let name = route_name(access, port);
    let seen = pass.observed.routes.get(&name).map(|route| &**route);
    let domain = spec
        .settings
        .get("domain")
        .map(|domain| domain.trim())
        .filter(|domain| !domain.is_empty());
    let host = domain.map(|domain| format!("{name}.{}.{domain}", pass.observed.namespace));
    errors.extend(
        pass.failure(ObjectKind::Route, &name)
            .map(|error| format!("Route {name}: {error}")),
    );
    if let (Some(seen), Some(host)) = (seen, &host)
        && seen.spec.host != *host
    {
        // A Route's host is immutable: it goes, and comes again in the next round.
        pass.delete(ObjectKind::Route, &seen.metadata);
        return Vec::new();
    }
    let mut wanted = json!({
        "metadata": metadata(&name, owner),
        "spec": {
            "port": {"targetPort": port.name},
            "to": {"kind": "Service", "name": access, "weight": 100},
            "tls": {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"},
        },
    });
    if let Some(host) = host {
        wanted["spec"]["host"] = host.into();
    }
    pass.want(ObjectKind::Route, seen, wanted);
    let admitted: BTreeSet<&str> = seen
        .and_then(|route| route.status.as_ref())
        .map(|status| {
            status
                .ingress
                .iter()
                .map(|ingress| ingress.host.as_str())
                .filter(|host| !host.is_empty())
                .collect()
        })
        .unwrap_or_default();
    admitted
        .into_iter()
        .map(|host| endpoint(&port.name, host, 443))
        .collect()
}

/// Deletes Routes that were made for a SecuredAccess which is exposed in another way by now.
pub(super) fn remove_unwanted_routes(pass: &mut Pass<'_>, exposed: &[Exposed]) {
    let observed = pass.observed;
    let wanted: BTreeSet<String> = exposed
        .iter()
        .filter(|access| access_type(pass, &access.spec) == Ok(AccessType::Route))
        .flat_map(|access| {
            access
                .spec
                .ports
                .iter()
                .map(|port| route_name(access.name(), port))
        })
        .collect();
    let ours = |route: &Route| {
        has_label(&route.metadata)
            && route
                .metadata
                .annotations
                .as_ref()
                .is_some_and(|all| all.contains_key(CONTROLLED))
    };
    for (_, route) in observed
        .routes
        .iter()
        .filter(|(name, route)| ours(route) && !wanted.contains(*name))
    {
        pass.delete(ObjectKind::Route, &route.metadata);
    }
}
