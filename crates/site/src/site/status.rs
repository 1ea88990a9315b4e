//! Statuses of Sites.

use skupper_api::{ConditionStatus, Controller, Endpoint, Kind, Site, State, condition};

use super::Active;
use super::active::{default_issuer, failures, not_active};
use crate::ObjectKind;
use crate::pass::Pass;
use crate::services::{is_ready, runs};
use crate::status::Network;

/// What the rooms found that concerns the Site as a whole.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Why it is not configured as it should be.
    pub(crate) errors: Vec<String>,
    /// Where its router is reached.
    pub(crate) endpoints: Vec<Endpoint>,
}

/// Writes the statuses of all Sites of the namespace.
pub(crate) fn report(
    pass: &mut Pass<'_>,
    active: Option<&Active>,
    findings: &Findings,
    network: Option<&Network>,
) {
    let Some(active) = active else { return };
    for (name, site) in &pass.observed.sites {
        if site.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let mut object = Site::clone(site);
        if site.metadata.uid == active.site.metadata.uid
            && site.metadata.name == active.site.metadata.name
        {
            report_active(pass, &mut object, active, findings, network);
        } else {
            object.set_condition(condition::CONFIGURED, &not_active(active), pass.now);
        }
        pass.set_status(
            ObjectKind::Site,
            name,
            site.status.as_ref(),
            object.status_mut(),
        );
    }
}

fn report_active(
    pass: &Pass<'_>,
    object: &mut Site,
    active: &Active,
    findings: &Findings,
    network: Option<&Network>,
) {
    let now = pass.now;
    if let Some(refusal) = &active.refusal {
        object.set_condition(condition::CONFIGURED, &State::error(refusal), now);
        return;
    }
    let mut errors = failures(pass);
    errors.extend(findings.errors.iter().cloned());
    errors.dedup();
    let configured = if errors.is_empty() {
        State::ready()
    } else {
        State::error(errors.join("\n"))
    };
    object.set_condition(condition::CONFIGURED, &configured, now);
    object.set_condition(condition::RUNNING, &running(pass), now);
    if object.spec.accepts_links()
        || !findings.endpoints.is_empty()
        || object.condition(condition::RESOLVED).is_some()
    {
        object.set_condition(
            condition::RESOLVED,
            &State::ready_or_pending(!findings.endpoints.is_empty()),
            now,
        );
    }
    let identity = &pass.settings.controller;
    let issuer = default_issuer(object).to_owned();
    let status = object.status_mut();
    status.endpoints.clone_from(&findings.endpoints);
    status.default_issuer = issuer;
    status.controller = Some(Controller {
        name: identity.name.clone(),
        namespace: identity.namespace.clone(),
        version: identity.version.clone(),
    });
    if let Some(network) = network {
        status.network.clone_from(&network.sites);
        status.sites_in_network = i64::try_from(network.sites.len()).unwrap_or(i64::MAX);
    }
}

/// Whether a router pod runs and is ready.
pub(crate) fn is_running(pass: &Pass<'_>) -> bool {
    running(pass).status == ConditionStatus::True
}

/// Whether a router pod runs and is ready, and what the last one says if none does.
fn running(pass: &Pass<'_>) -> State {
    let is_router = |labels: Option<&std::collections::BTreeMap<String, String>>| {
        let has = |key: &str, value: &str| {
            labels
                .and_then(|labels| labels.get(key))
                .is_some_and(|found| found == value)
        };
        has("skupper.io/component", "router") && has("skupper.io/type", "site")
    };
    let mut message = "No router pod is ready".to_owned();
    for (name, pod) in pass
        .observed
        .pods
        .iter()
        .filter(|(_, pod)| is_router(pod.metadata.labels.as_ref()))
    {
        if runs(pod) && is_ready(pod) {
            return State::ready();
        }
        let conditions = pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        let first = conditions
            .iter()
            .find(|condition| condition.status == "False");
        let said = first
            .and_then(|condition| condition.message.clone())
            .filter(|text| !text.is_empty());
        message = said.unwrap_or_else(|| format!("Pod {name} not ready"));
    }
    State::pending(message)
}
