//! SecuredAccess: the Service (and Routes) that it becomes, the endpoints that come of them, the certificate for those.

use std::collections::BTreeMap;
use std::sync::Arc;

use skupper_api::{Endpoint, Kind, SecuredAccess, SecuredAccessSpec, State, condition};

use super::expose;
use crate::ObjectKind;
use crate::certificates::{Purpose, Wanted};
use crate::names::ROUTER_ACCESS;
use crate::pass::{Pass, owner};

/// A SecuredAccess that was looked at.
pub(crate) struct Exposed {
    pub(crate) object: Arc<SecuredAccess>,
    /// The spec as it is wanted, which the object may not have yet.
    pub(crate) spec: SecuredAccessSpec,
    pub(crate) endpoints: Vec<Endpoint>,
    /// What went wrong, apart from its certificate.
    pub(crate) errors: Vec<String>,
}

impl Exposed {
    /// The name of the SecuredAccess.
    pub(crate) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// The RouterAccess for which it was made, if it was.
    pub(crate) fn router_access(&self) -> Option<&str> {
        self.object
            .metadata
            .annotations
            .as_ref()?
            .get(ROUTER_ACCESS)
            .map(String::as_str)
    }

    /// The name of its certificate.
    pub(crate) fn certificate(&self) -> &str {
        match self.spec.certificate.as_str() {
            "" => self.name(),
            certificate => certificate,
        }
    }

    /// The certificate that it needs, unless somebody else provides it.
    pub(crate) fn wanted_certificate(
        &self,
        namespace: &str,
        alternative_names: &[String],
    ) -> Option<Wanted> {
        if self.spec.issuer.is_empty() {
            return None;
        }
        let name = self.name();
        let mut hosts: Vec<String> = self
            .endpoints
            .iter()
            .map(|endpoint| endpoint.host.clone())
            .collect();
        hosts.extend([name.to_owned(), format!("{name}.{namespace}")]);
        hosts.extend(alternative_names.iter().map(|name| name.trim().to_owned()));
        Some(Wanted {
            name: self.certificate().to_owned(),
            ca: self.spec.issuer.clone(),
            subject: name.to_owned(),
            hosts,
            purpose: Purpose::Server,
            owner: owner(ObjectKind::SecuredAccess, &self.object.metadata)?,
        })
    }
}

/// Exposes every SecuredAccess that exists. `specs` are those that are about to be changed.
pub(crate) fn expose_all(
    pass: &mut Pass<'_>,
    specs: &BTreeMap<String, SecuredAccessSpec>,
) -> Vec<Exposed> {
    let observed = pass.observed;
    let exposed: Vec<Exposed> = observed
        .secured_accesses
        .iter()
        .filter(|(_, access)| access.metadata.deletion_timestamp.is_none())
        .map(|(name, access)| {
            let spec = specs.get(name).unwrap_or(&access.spec).clone();
            let (endpoints, errors) = expose::expose(pass, access, &spec);
            Exposed {
                object: Arc::clone(access),
                spec,
                endpoints: ordered(endpoints),
                errors,
            }
        })
        .collect();
    expose::remove_unwanted_routes(pass, &exposed);
    exposed
}

/// Endpoints in an order that never changes: by group, `inter-router` before all other roles, by host.
pub(super) fn ordered(mut endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
    endpoints.sort_by(|one, other| {
        let key = |endpoint: &Endpoint| {
            (
                endpoint.group.clone(),
                endpoint.name != Endpoint::INTER_ROUTER,
                endpoint.clone(),
            )
        };
        key(one).cmp(&key(other))
    });
    endpoints.dedup();
    endpoints
}

/// Writes the statuses. `certificate_errors` are why a Certificate could not be wanted, by its name.
pub(crate) fn report(
    pass: &mut Pass<'_>,
    exposed: &[Exposed],
    certificate_errors: &BTreeMap<String, String>,
) {
    for access in exposed {
        let mut errors = access.errors.clone();
        errors.extend(
            certificate_errors
                .get(access.certificate())
                .filter(|_| !access.spec.issuer.is_empty())
                .cloned(),
        );
        let configured = if errors.is_empty() {
            State::ready()
        } else {
            State::error(errors.join("\n"))
        };
        let mut object = SecuredAccess::clone(&access.object);
        object.set_condition(condition::CONFIGURED, &configured, pass.now);
        object.set_condition(
            condition::RESOLVED,
            &State::ready_or_pending(!access.endpoints.is_empty()),
            pass.now,
        );
        object.status_mut().endpoints.clone_from(&access.endpoints);
        pass.set_status(
            ObjectKind::SecuredAccess,
            access.name(),
            access.object.status.as_ref(),
            object.status_mut(),
        );
    }
}
