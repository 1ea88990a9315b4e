//! Statuses of Links: configured or not, connected or not, and why not.

use std::collections::BTreeSet;
use std::time::Duration;

use skupper_api::{Kind, Link, State, condition};

use super::LinkView;
use crate::ObjectKind;
use crate::credentials::{KEPT, join};
use crate::pass::Pass;
use crate::refusals::{self, Report, steady};
use crate::status::{NO_ACTIVE_SITE, Network};

/// What else is known when statuses are written.
pub(crate) struct Told<'a> {
    pub(crate) site_id: &'a str,
    pub(crate) network: Option<&'a Network>,
    /// What the routers say.
    pub(crate) report: &'a Report,
    /// Profiles that stay in an earlier revision, since their Secrets cannot be loaded.
    pub(crate) held: &'a BTreeSet<String>,
    /// Why the router's configuration is not written.
    pub(crate) config_error: Option<&'a str>,
}

/// Upstream's users read of a site's name; a router without one is a passage, or its site has not told of itself yet.
const TO_NO_SITE: &str = "connected, but to a router of which no site is known: traffic passes, and this Link is Ready once the site tells of itself";

/// How often the text of a Link's condition may change for nothing but that.
const PAUSE: Duration = Duration::from_secs(3);

/// Writes the statuses. Without an active site all are told so.
pub(crate) fn report(pass: &mut Pass<'_>, links: Option<(&[LinkView], &Told<'_>)>) {
    let Some((views, told)) = links else {
        for (name, link) in &pass.observed.links {
            let mut object = Link::clone(link);
            object.set_condition(
                condition::CONFIGURED,
                &State::error(NO_ACTIVE_SITE),
                pass.now,
            );
            pass.set_status(
                ObjectKind::Link,
                name,
                link.status.as_ref(),
                object.status_mut(),
            );
        }
        return;
    };
    for view in views {
        let mut object = Link::clone(&view.object);
        let errors = errors(view, told);
        let configured = if errors.is_empty() {
            State::ready()
        } else {
            State::error(errors.join("\n"))
        };
        object.set_condition(condition::CONFIGURED, &configured, pass.now);
        let record = told
            .network
            .and_then(|network| network.link(told.site_id, view.name()));
        let operational = record.is_some_and(|record| record.operational);
        let to_no_site = told
            .network
            .is_some_and(|network| network.leads_to_no_site(told.site_id, view.name()));
        let why = if to_no_site {
            Some(TO_NO_SITE.to_owned())
        } else {
            why_not(view, told.report)
        };
        // Before anything is known of the network, silence: the summary reads `Not Operational`, as upstream's.
        if operational || told.network.is_some() || why.is_some() {
            let state = match (operational, why) {
                (true, _) => State::ready(),
                (false, None) => State::pending("Not operational"),
                (false, Some(why)) => State::pending(format!("Not operational: {why}")),
            };
            // What is said of the own credential changes with that alone; what routers say may change with every try.
            let state = if refusals::link_message(told.report, view.name()).is_some() {
                let seen = view.object.condition(condition::OPERATIONAL);
                steady(pass, ObjectKind::Link, view.name(), seen, state, PAUSE)
            } else {
                state
            };
            object.set_condition(condition::OPERATIONAL, &state, pass.now);
        }
        if let Some(record) = record {
            let status = object.status_mut();
            status.remote_site_id.clone_from(&record.remote_site_id);
            status.remote_site_name.clone_from(&record.remote_site_name);
        }
        pass.set_status(
            ObjectKind::Link,
            view.name(),
            view.object.status.as_ref(),
            object.status_mut(),
        );
    }
}

/// What keeps the router from trying.
fn errors(view: &LinkView, told: &Told<'_>) -> Vec<String> {
    let secret = &view.object.spec.tls_credentials;
    let mut errors: Vec<String> = view
        .look
        .iter()
        .filter_map(|look| look.problem(secret))
        .collect();
    errors.extend(view.errors.iter().cloned());
    if told.held.contains(&format!("{secret}-profile")) {
        errors.push(KEPT.to_owned());
    }
    errors.extend(told.config_error.map(str::to_owned));
    errors
}

/// Why a Link is not up: what the router was told, and what is wrong with the credential on this side.
fn why_not(view: &LinkView, refused: &Report) -> Option<String> {
    let secret = &view.object.spec.tls_credentials;
    let look = view.look.as_ref()?;
    if !look.is_loadable() {
        return None;
    }
    let mut reasons = Vec::new();
    reasons.extend(refusals::link_message(refused, view.name()));
    reasons.extend(refusals::profile_problem(
        refused,
        &format!("{secret}-profile"),
    ));
    let own = look
        .unfit
        .iter()
        .filter(|fault| !reasons.iter().any(|reason| reason.contains(fault.as_str())));
    reasons.extend(
        own.map(|fault| format!("this site's Secret {secret}: {fault}"))
            .collect::<Vec<_>>(),
    );
    (!reasons.is_empty()).then(|| join(&reasons))
}
