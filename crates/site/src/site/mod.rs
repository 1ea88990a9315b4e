//! The Site itself: which one is active, what it is made of, and its status.

mod active;
mod deployment;
mod objects;
mod sizing;
mod status;

pub(crate) use active::{Active, choose};
pub(crate) use status::{Findings, is_running, report};

use skupper_api::{RouterAccess, RouterAccessRole, RouterAccessSpec};

use crate::certificates::{Purpose, Wanted};
use crate::names::{
    CONTROLLED, LOCAL_CA, LOCAL_SERVER, ROUTER, ROUTER_LOCAL, SITE_CA, SITE_SERVER,
};
use crate::pass::{Pass, owner};
use crate::{ObjectKind, access};

/// Wants what every site has but for its router's configuration and Deployment: accounts, the local Service, the default
/// RouterAccess. Returns the Certificates that it needs.
pub(crate) fn foundation(pass: &mut Pass<'_>, active: &Active) -> Vec<Wanted> {
    let site = &active.site;
    let Some(owner) = owner(ObjectKind::Site, &site.metadata) else {
        return Vec::new();
    };
    objects::accounts(pass, site, &owner);
    objects::local_service(pass, &owner);
    default_router_access(pass, active);
    let name = site.metadata.name.clone().unwrap_or_default();
    let namespace = &pass.observed.namespace;
    let wanted =
        |certificate: &str, ca: &str, subject: String, hosts: Vec<String>, purpose: Purpose| {
            Wanted {
                name: certificate.to_owned(),
                ca: ca.to_owned(),
                subject,
                hosts,
                purpose,
                owner: owner.clone(),
            }
        };
    let local_hosts = [
        "",
        &format!(".{namespace}"),
        &format!(".{namespace}.svc.cluster.local"),
    ];
    vec![
        wanted(
            SITE_CA,
            "",
            format!("{name} site CA"),
            Vec::new(),
            Purpose::Signing,
        ),
        wanted(
            LOCAL_CA,
            "",
            format!("{name} local CA"),
            Vec::new(),
            Purpose::Signing,
        ),
        wanted(
            LOCAL_SERVER,
            LOCAL_CA,
            ROUTER_LOCAL.to_owned(),
            local_hosts
                .iter()
                .map(|suffix| format!("{ROUTER_LOCAL}{suffix}"))
                .collect(),
            Purpose::Server,
        ),
    ]
}

/// Whether a Certificate is one that every site has, whatever it is linked to.
pub(crate) fn owns(certificate: &str) -> bool {
    [SITE_CA, LOCAL_CA, LOCAL_SERVER].contains(&certificate)
}

/// Wants the Deployment of the router.
pub(crate) fn deployment(pass: &mut Pass<'_>, active: &Active) {
    let Some(owner) = owner(ObjectKind::Site, &active.site.metadata) else {
        return;
    };
    deployment::want(pass, &active.site, &owner);
}

/// The RouterAccess of a Site with link access; without, the one that was made earlier is deleted.
fn default_router_access(pass: &mut Pass<'_>, active: &Active) {
    let site = &active.site;
    let seen = pass.observed.router_accesses.get(ROUTER);
    let controlled = |access: &RouterAccess| {
        access
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key(CONTROLLED))
    };
    if !site.spec.accepts_links() {
        if let Some(seen) = seen.filter(|seen| controlled(seen)) {
            pass.delete(ObjectKind::RouterAccess, &seen.metadata);
        }
        return;
    }
    let Some(owner) = owner(ObjectKind::Site, &site.metadata) else {
        return;
    };
    let role = |name: &str, port| RouterAccessRole {
        name: name.to_owned(),
        port,
    };
    let mut settings = seen
        .map(|seen| seen.spec.settings.clone())
        .unwrap_or_default();
    if let Some(class) = site.spec.settings.get(access::INGRESS_CLASS_NAME) {
        settings.insert(
            access::INGRESS_CLASS_NAME.to_owned(),
            class.trim().to_owned(),
        );
    }
    let spec = RouterAccessSpec {
        access_type: if site.spec.link_access == "default" {
            String::new()
        } else {
            site.spec.link_access.clone()
        },
        tls_credentials: SITE_SERVER.to_owned(),
        issuer: active.default_issuer().to_owned(),
        generate_tls_credentials: true,
        roles: vec![role("inter-router", 55671), role("edge", 45671)],
        settings,
        ..seen.map(|seen| seen.spec.clone()).unwrap_or_default()
    };
    let wanted = serde_json::json!({
        "metadata": {
            "name": ROUTER,
            "annotations": {CONTROLLED: "true"},
            "ownerReferences": [owner],
        },
        "spec": spec,
    });
    pass.want_exactly(ObjectKind::RouterAccess, seen.map(|seen| &**seen), wanted);
}
