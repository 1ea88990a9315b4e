//! RouterAccess: the listeners that it wants of the router, the SecuredAccess that exposes them, and its status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skupper_api::{
    Endpoint, Kind, RouterAccess, SecuredAccess, SecuredAccessPort, SecuredAccessSpec, State,
    condition,
};

use super::{Exposed, secured_access::ordered};
use crate::ObjectKind;
use crate::credentials::{self, KEPT, Look, Use};
use crate::names::{CONTROLLED, ROUTER, ROUTER_ACCESS};
use crate::pass::{Pass, owner};
use crate::plan::EventType;
use crate::refusals::{self, REFUSALS, Report, steady};
use crate::site::Active;

/// A RouterAccess that was looked at.
pub(crate) struct RouterAccessView {
    pub(crate) object: Arc<RouterAccess>,
    /// What keeps its SecuredAccess from being made.
    error: Option<String>,
}

impl RouterAccessView {
    /// The name of the RouterAccess, and of its SecuredAccess.
    pub(crate) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// The router's listeners: name and role.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = String> + '_ {
        self.object
            .spec
            .roles
            .iter()
            .map(|role| format!("{}-{}", self.name(), role.name))
    }

    /// How its server credential looks, for the names that remote sites are told to use.
    pub(crate) fn look(
        &self,
        pass: &mut Pass<'_>,
        exposed: &[Exposed],
        default_issuer: &str,
    ) -> Look {
        let mut names: Vec<String> = self
            .endpoints(exposed)
            .into_iter()
            .map(|endpoint| endpoint.host)
            .collect();
        names.extend(
            self.object
                .spec
                .subject_alternative_names
                .iter()
                .map(|name| name.trim().to_owned()),
        );
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        let issuer = match self.object.spec.issuer.as_str() {
            "" => default_issuer,
            issuer => issuer,
        };
        credentials::look(
            pass,
            &self.object.spec.tls_credentials,
            &Use::LinkServer {
                names,
                client_issuer: issuer.to_owned(),
            },
        )
    }

    /// Where the router is reached by it.
    pub(crate) fn endpoints(&self, exposed: &[Exposed]) -> Vec<Endpoint> {
        let own = exposed.iter().filter(|access| {
            access.name() == self.name() && access.router_access() == Some(self.name())
        });
        let endpoints = own.flat_map(|access| &access.endpoints);
        ordered(
            endpoints
                .map(|endpoint| Endpoint {
                    group: ROUTER.to_owned(),
                    ..endpoint.clone()
                })
                .collect(),
        )
    }
}

/// Wants a SecuredAccess for each RouterAccess. Returns what was looked at, and the specs that are wanted.
pub(crate) fn want_secured_accesses(
    pass: &mut Pass<'_>,
    active: &Active,
) -> (Vec<RouterAccessView>, BTreeMap<String, SecuredAccessSpec>) {
    let observed = pass.observed;
    let (mut views, mut specs) = (Vec::new(), BTreeMap::new());
    let alive = |access: &&Arc<RouterAccess>| access.metadata.deletion_timestamp.is_none();
    for access in observed.router_accesses.values().filter(alive) {
        let mut view = RouterAccessView {
            object: Arc::clone(access),
            error: None,
        };
        let name = view.name().to_owned();
        let seen = observed.secured_accesses.get(&name).map(|seen| &**seen);
        if seen.is_some_and(|seen| !is_ours(seen)) {
            view.error = Some(format!(
                "SecuredAccess {name} exists but is not controlled by skupper: rename one of the two"
            ));
        } else if let Some(owner) = owner(ObjectKind::RouterAccess, &access.metadata) {
            let spec = secured_access_spec(access, active.default_issuer());
            let wanted = json!({
                "metadata": {
                    "name": name,
                    "annotations": {CONTROLLED: "true", ROUTER_ACCESS: name},
                    "ownerReferences": [owner],
                },
                "spec": spec,
            });
            view.error = pass
                .failure(ObjectKind::SecuredAccess, &name)
                .map(str::to_owned);
            pass.want_exactly(ObjectKind::SecuredAccess, seen, wanted);
            specs.insert(name, spec);
        }
        views.push(view);
    }
    (views, specs)
}

fn is_ours(access: &SecuredAccess) -> bool {
    access
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(CONTROLLED))
}

fn secured_access_spec(access: &RouterAccess, default_issuer: &str) -> SecuredAccessSpec {
    let spec = &access.spec;
    let issuer = match (spec.generate_tls_credentials, spec.issuer.as_str()) {
        (false, _) => "",
        (true, "") => default_issuer,
        (true, issuer) => issuer,
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    SecuredAccessSpec {
        access_type: spec.access_type.clone(),
        certificate: spec.tls_credentials.clone(),
        issuer: issuer.to_owned(),
        selector: BTreeMap::from([
            pair("skupper.io/component", "router"),
            pair("skupper.io/group", ROUTER),
        ]),
        settings: spec.settings.clone(),
        ports: spec
            .roles
            .iter()
            .map(|role| SecuredAccessPort {
                name: role.name.clone(),
                port: role.port_or_usual(),
                target_port: role.port_or_usual(),
                protocol: "TCP".to_owned(),
            })
            .collect(),
    }
}

/// Type of the condition of a RouterAccess that tells what remote sites will find wrong with its server certificate. It
/// is there only while there is something to tell, and has no influence on `Ready`.
pub(crate) const CREDENTIALS_FIT: &str = "CredentialsFit";

/// How often refusals are told anew: whoever knocks at the port could otherwise make the controller write.
const PAUSE: Duration = Duration::from_secs(10);

/// What else is known when statuses are written.
pub(crate) struct Reported<'a> {
    pub(crate) exposed: &'a [Exposed],
    pub(crate) report: &'a Report,
    /// How each server credential looks, in the order of the views.
    pub(crate) looks: &'a [Look],
    /// Messages of Certificates that are not ready, by name.
    pub(crate) certificate_messages: &'a BTreeMap<String, String>,
    /// Profiles that stay in an earlier revision, since their Secrets cannot be loaded.
    pub(crate) held: &'a BTreeSet<String>,
    /// Why the router's configuration is not written.
    pub(crate) config_error: Option<&'a str>,
}

/// Writes the statuses of all RouterAccesses; without an active site they are told so.
pub(crate) fn report(
    pass: &mut Pass<'_>,
    views: &[RouterAccessView],
    reported: Option<&Reported<'_>>,
) {
    let Some(reported) = reported else {
        for (name, access) in &pass.observed.router_accesses {
            let mut object = RouterAccess::clone(access);
            object.set_condition(
                condition::CONFIGURED,
                &State::error(crate::status::NO_ACTIVE_SITE),
                pass.now,
            );
            pass.set_status(
                ObjectKind::RouterAccess,
                name,
                access.status.as_ref(),
                object.status_mut(),
            );
        }
        return;
    };
    for (view, look) in views.iter().zip(reported.looks) {
        let errors = errors(view, look, reported);
        let configured = if errors.is_empty() {
            State::ready()
        } else {
            State::error(errors.join("\n"))
        };
        let endpoints = view.endpoints(reported.exposed);
        let mut object = RouterAccess::clone(&view.object);
        object.set_condition(condition::CONFIGURED, &configured, pass.now);
        object.set_condition(
            condition::RESOLVED,
            &State::ready_or_pending(!endpoints.is_empty()),
            pass.now,
        );
        let noted = notes(pass, &view.object, look);
        optional(pass, &mut object, CREDENTIALS_FIT, noted);
        let listeners: Vec<String> = view.listeners().collect();
        let refused =
            refusals::listener_state(reported.report, listeners.iter().map(String::as_str)).map(
                |state| {
                    let seen = view.object.condition(REFUSALS);
                    steady(
                        pass,
                        ObjectKind::RouterAccess,
                        view.name(),
                        seen,
                        state,
                        PAUSE,
                    )
                },
            );
        optional(pass, &mut object, REFUSALS, refused);
        object.status_mut().endpoints = endpoints;
        pass.set_status(
            ObjectKind::RouterAccess,
            view.name(),
            view.object.status.as_ref(),
            object.status_mut(),
        );
    }
}

/// A condition that is there only while there is something to tell.
fn optional(pass: &Pass<'_>, object: &mut RouterAccess, type_: &str, state: Option<State>) {
    use skupper_api::StatusFields;
    match state {
        Some(state) => {
            object.set_condition(type_, &state, pass.now);
        }
        None => object
            .status_mut()
            .conditions_mut()
            .retain(|condition| condition.type_ != type_),
    }
}

/// What keeps links from being accepted.
fn errors(view: &RouterAccessView, look: &Look, reported: &Reported<'_>) -> Vec<String> {
    let secret = &view.object.spec.tls_credentials;
    let mut errors: Vec<String> = look.problem(secret).into_iter().collect();
    if look.is_missing() {
        errors.extend(reported.certificate_messages.get(secret).cloned());
    }
    if reported.held.contains(secret) {
        errors.push(KEPT.to_owned());
    }
    errors.extend(look.unfit.iter().cloned());
    errors.extend(refusals::profile_problem(reported.report, secret));
    errors.extend(view.error.clone());
    let own = reported
        .exposed
        .iter()
        .filter(|access| access.router_access() == Some(view.name()));
    errors.extend(own.flat_map(|access| access.errors.iter().cloned()));
    errors.extend(reported.config_error.map(str::to_owned));
    errors
}

/// What remote sites may find wrong: never in the way of use.
fn notes(pass: &mut Pass<'_>, access: &RouterAccess, look: &Look) -> Option<State> {
    if look.notes.is_empty() {
        return None;
    }
    let message = look.notes.join("\n");
    pass.tell(
        ObjectKind::RouterAccess,
        &access.metadata,
        EventType::Warning,
        "CredentialsUnfit",
        &message,
        message.clone(),
    );
    Some(State::error(message))
}
