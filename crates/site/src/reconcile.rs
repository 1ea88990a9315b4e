//! The whole of a reconcile, in the order in which one thing depends on another.

use jiff::Timestamp;

use crate::access::{self, Reported};
use crate::certificates::{self, Ensured, Managed};
use crate::credentials::{self, Use};
use crate::names::{LOCAL_SERVER, NETWORK_STATUS, ROUTER, ROUTER_REPORT};
use crate::pass::Pass;
use crate::refusals::{self, Report};
use crate::router_config::{Current, Draft, SiteSettings, publish};
use crate::site::{self, Active, Findings};
use crate::status::{self, Network};
use crate::{Memo, Observed, Plan, Settings, links, services};

/// How many keys are made in one reconcile at most, so that no call takes long.
pub const ISSUES_PER_RECONCILE: usize = 100;

/// Looks at a namespace and returns what to do about it.
///
/// Nothing is remembered but in `memo`, which only saves time: use one for each namespace. See [`Plan`] for how to carry out
/// what is returned, and the crate's documentation for where the keys come from.
pub fn reconcile(
    observed: &Observed,
    settings: &Settings,
    now: Timestamp,
    memo: &mut Memo,
) -> Plan {
    memo.prune(observed);
    let mut pass = Pass::new(observed, settings, now, memo);
    let active = site::choose(&pass);
    match active.as_ref().filter(|active| active.refusal.is_none()) {
        Some(active) => served(&mut pass, active),
        None => unserved(&mut pass, active.as_ref()),
    }
    status::report_unserved(&mut pass);
    certificates::warn(&mut pass);
    pass.finish()
}

/// A namespace without a Site that is served: Certificates are seen to all the same.
fn unserved(pass: &mut Pass<'_>, active: Option<&Active>) {
    certificates::manage(
        pass,
        &Ensured::default(),
        &SiteSettings::default().certificates,
    );
    site::report(pass, active, &Findings::default(), None);
    access::report_router_accesses(pass, &[], None);
    links::report(pass, None);
    services::report_listeners(pass, None, None, &Report::default(), None);
    services::report_connectors(pass, None, None, None);
}

/// A namespace with a Site.
fn served(pass: &mut Pass<'_>, active: &Active) {
    let observed = pass.observed;
    let site_settings = SiteSettings::of(&active.site);
    let current = Current::of(pass);
    let network = observed
        .config_maps
        .get(NETWORK_STATUS)
        .and_then(|config_map| Network::of(config_map));
    let network = network.as_ref();
    let report = observed
        .config_maps
        .get(ROUTER_REPORT)
        .map(|config_map| Report::of(config_map))
        .unwrap_or_default()
        .naming_secrets(&current.profiles);

    // What the site is made of, and how it is reached.
    let mut wanted = site::foundation(pass, active);
    let (accesses, specs) = access::want_secured_accesses(pass, active);
    let exposed = access::expose_all(pass, &specs);
    for one in &exposed {
        let names = one
            .router_access()
            .and_then(|name| observed.router_accesses.get(name));
        let names = names
            .map(|access| access.spec.subject_alternative_names.as_slice())
            .unwrap_or_default();
        wanted.extend(one.wanted_certificate(&observed.namespace, names));
    }

    // Its certificates.
    let ensured = certificates::ensure(pass, wanted);
    let managed = certificates::manage(pass, &ensured, &site_settings.certificates);

    // Its router, as far as the credentials for that are there.
    let looks: Vec<_> = accesses
        .iter()
        .map(|view| view.look(pass, &exposed, active.default_issuer()))
        .collect();
    let links = links::view(pass);
    let listeners = services::view_listeners(pass, &current, network);
    let connectors = services::view_connectors(pass);
    let ours = pass.settings.images.adaptor_is_ours;
    let mut draft = Draft::base(
        &active.site,
        &site_settings,
        &pass.settings.controller,
        &current,
        ours,
    );
    for (view, look) in accesses.iter().zip(&looks) {
        draft.router_access(view, look);
    }
    links::add(&mut draft, &links);
    services::add_listeners(&mut draft, &listeners, active.site.id());
    services::add_connectors(&mut draft, &connectors, active.site.id());
    services::want_services(pass, active, &listeners);
    draft.hold(
        LOCAL_SERVER,
        &credentials::look(pass, LOCAL_SERVER, &Use::ServiceServer),
    );
    let held = draft.held.clone();
    let mut config_error = None;
    // Without the credential for the cluster's own use the first pod would wait for it in vain.
    if observed.config_maps.contains_key(ROUTER) || pass.secret(LOCAL_SERVER).is_some() {
        config_error = publish(pass, active, draft, &current, &site_settings).error;
        site::deployment(pass, active);
    }
    let config_error = config_error.as_deref();

    // What is said of it.
    let findings = findings(
        &accesses,
        &exposed,
        &ensured,
        &managed,
        &site_settings,
        config_error,
        site::is_running(pass).then_some(&report),
    );
    site::report(pass, Some(active), &findings, network);
    access::report_secured_accesses(pass, &exposed, &ensured.errors);
    let reported = Reported {
        exposed: &exposed,
        report: &report,
        looks: &looks,
        certificate_messages: &managed.messages,
        held: &held,
        config_error,
    };
    access::report_router_accesses(pass, &accesses, Some(&reported));
    let told = links::Told {
        site_id: active.site.id(),
        network,
        report: &report,
        held: &held,
        config_error,
    };
    links::report(pass, Some((&links, &told)));
    services::report_listeners(pass, Some(&listeners), network, &report, config_error);
    services::report_connectors(pass, Some(&connectors), network, config_error);
}

/// What concerns the Site as a whole.
fn findings(
    accesses: &[access::RouterAccessView],
    exposed: &[access::Exposed],
    ensured: &Ensured,
    managed: &Managed,
    site_settings: &SiteSettings,
    config_error: Option<&str>,
    report: Option<&Report>,
) -> Findings {
    let mut errors: Vec<String> = site_settings.problems.clone();
    errors.extend(
        ensured
            .errors
            .iter()
            .filter(|(name, _)| site::owns(name))
            .map(|(_, error)| error.clone()),
    );
    errors.extend(managed.site_errors.iter().cloned());
    errors.extend(config_error.map(str::to_owned));
    errors.extend(report.into_iter().flat_map(refusals::adaptor_problems));
    let mut seen = std::collections::BTreeSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    Findings {
        errors,
        endpoints: accesses
            .iter()
            .flat_map(|view| view.endpoints(exposed))
            .collect(),
    }
}
