//! Listeners: a port of the router for each, and another for each remote pod that is exposed by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skupper_api::{Kind, Listener, State, condition};
use skupper_management::config::TcpListener;

use super::ports::Ports;
use super::{is_label, port};
use crate::ObjectKind;
use crate::credentials::{self, Look, Use};
use crate::names::{LISTENER, ROUTER, ROUTER_LOCAL};
use crate::pass::Pass;
use crate::refusals::{self, Report};
use crate::router_config::{Current, Draft};
use crate::status::{NO_ACTIVE_SITE, Network};

/// A Listener that was looked at.
pub(crate) struct ListenerView {
    pub(crate) object: Arc<Listener>,
    /// Why it gets neither Service nor port; a missing credential is not among the reasons.
    pub(crate) refusal: Option<String>,
    /// The router's port, if it has one.
    pub(crate) router_port: Option<u16>,
    /// Remote pods that are exposed by their names, with the router's port for each.
    pub(crate) targets: BTreeMap<String, u16>,
    /// How its credential looks, if it names one.
    look: Option<Look>,
}

impl ListenerView {
    pub(crate) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Why the router does not listen, or cannot be reached.
    fn error(&self) -> Option<String> {
        self.refusal.clone().or_else(|| {
            let look = self.look.as_ref()?;
            look.problem(&self.object.spec.tls_credentials)
                .or_else(|| look.unfit.first().cloned())
        })
    }
}

/// The most remote pods that one Listener exposes.
const MAX_TARGETS: usize = 1024;

fn router_name(listener: &str) -> String {
    format!("listener/{listener}")
}

fn target_name(listener: &str, target: &str) -> String {
    format!("listener/{listener}@{target}")
}

/// Looks at all Listeners: who may have its host and port, which port of the router each has.
pub(crate) fn view(
    pass: &mut Pass<'_>,
    current: &Current,
    network: Option<&Network>,
) -> Vec<ListenerView> {
    let observed = pass.observed;
    let mut order: Vec<&Arc<Listener>> = observed
        .listeners
        .values()
        .filter(|listener| listener.metadata.deletion_timestamp.is_none())
        .collect();
    // First come, first served; who is configured came before who is not.
    order.sort_by_cached_key(|listener| {
        let created = listener
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0);
        (
            !listener.is_true(condition::CONFIGURED),
            created,
            listener.metadata.name.clone(),
        )
    });
    let mut claimed: BTreeMap<(&str, i64), &str> = BTreeMap::new();
    let mut views = Vec::with_capacity(order.len());
    for listener in order {
        let name = listener.metadata.name.as_deref().unwrap_or_default();
        let refusal = refusal(pass, listener).or_else(|| {
            let other = claimed.get(&(listener.spec.host.as_str(), listener.spec.port))?;
            let (host, port) = (&listener.spec.host, listener.spec.port);
            Some(format!(
                "Listener {other} with host {host} and port {port} already exists in namespace"
            ))
        });
        if refusal.is_none() {
            claimed.insert((&listener.spec.host, listener.spec.port), name);
        }
        let credentials = listener.spec.tls_credentials.as_str();
        let look = (!credentials.is_empty())
            .then(|| credentials::look(pass, credentials, &Use::ServiceServer));
        let targets = if refusal.is_none() {
            targets(listener, network)
        } else {
            BTreeMap::new()
        };
        views.push(ListenerView {
            object: Arc::clone(listener),
            refusal,
            router_port: None,
            targets,
            look,
        });
    }
    views.sort_by(|one, other| one.name().cmp(other.name()));
    give_ports(&mut views, current);
    views
}

fn give_ports(views: &mut [ListenerView], current: &Current) {
    let accepted = || views.iter().filter(|view| view.refusal.is_none());
    let names: BTreeSet<String> = accepted()
        .flat_map(|view| {
            let targets = view
                .targets
                .keys()
                .map(|target| target_name(view.name(), target));
            targets
                .chain([router_name(view.name())])
                .collect::<Vec<_>>()
        })
        .collect();
    let mut ports = Ports::recover(&current.config, names.iter().map(String::as_str));
    for view in views.iter_mut().filter(|view| view.refusal.is_none()) {
        let name = view.name().to_owned();
        view.router_port = ports.of(&router_name(&name));
        if view.router_port.is_none() {
            view.refusal = Some("the router has no port left for another listener".to_owned());
        }
        for (target, port) in &mut view.targets {
            *port = ports.of(&target_name(&name, target)).unwrap_or(0);
        }
        view.targets.retain(|_, port| *port != 0);
    }
}

/// Why a Listener cannot be served, other Listeners aside.
fn refusal(pass: &Pass<'_>, listener: &Listener) -> Option<String> {
    let spec = &listener.spec;
    let host = spec.host.as_str();
    if !is_label(host) || host.starts_with(|first: char| first.is_ascii_digit()) {
        return Some(format!(
            "host \"{host}\" cannot be the name of a Service: expected at most 63 lower-case letters, digits and hyphens, beginning with a letter"
        ));
    }
    if let Err(error) = port(spec.port) {
        return Some(error);
    }
    let seen = pass.observed.services.get(host);
    let foreign = seen.is_some_and(|service| {
        !service
            .metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(LISTENER))
    });
    if foreign
        || [ROUTER, ROUTER_LOCAL].contains(&host)
        || pass.observed.secured_accesses.contains_key(host)
    {
        return Some(format!("Service {host} already exists in namespace"));
    }
    pass.failure(ObjectKind::Service, host).map(str::to_owned)
}

/// The remote pods to be exposed by name: targets that connectors somewhere offer as `<routing key>.<target>`.
fn targets(listener: &Listener, network: Option<&Network>) -> BTreeMap<String, u16> {
    if !listener.spec.expose_pods_by_name {
        return BTreeMap::new();
    }
    let prefix = format!("{}.", listener.spec.routing_key);
    let keys = network
        .into_iter()
        .flat_map(|network| network.keys_with_connectors());
    let targets = keys
        .filter_map(|key| key.strip_prefix(&prefix))
        .filter(|target| is_label(target));
    targets
        .take(MAX_TARGETS)
        .map(|target| (target.to_owned(), 0))
        .collect()
}

/// Adds the router's listeners to its configuration.
pub(crate) fn add(draft: &mut Draft, views: &[ListenerView], site_id: &str) {
    for view in views {
        let Some(router_port) = view.router_port else {
            continue;
        };
        let spec = &view.object.spec;
        if !matches!(spec.type_.as_str(), "" | "tcp") {
            continue;
        }
        if let Some(look) = &view.look
            && !draft.profile(&spec.tls_credentials, &spec.tls_credentials, look)
        {
            continue;
        }
        let observer = spec
            .observer
            .map(|observer| observer.as_str().to_owned())
            .unwrap_or_default();
        let listener = |name: String, address: String, port: u16| TcpListener {
            name,
            port: port.to_string(),
            address,
            site_id: site_id.to_owned(),
            ssl_profile: spec.tls_credentials.clone(),
            observer: observer.clone(),
            ..TcpListener::default()
        };
        draft.tcp_listener(listener(
            router_name(view.name()),
            spec.routing_key.clone(),
            router_port,
        ));
        for (target, port) in &view.targets {
            let address = format!("{}.{target}", spec.routing_key);
            draft.tcp_listener(listener(target_name(view.name(), target), address, *port));
        }
    }
}

/// Writes the statuses. Without an active site (`views` is `None`) all are told so.
pub(crate) fn report(
    pass: &mut Pass<'_>,
    views: Option<&[ListenerView]>,
    network: Option<&Network>,
    report: &Report,
    config_error: Option<&str>,
) {
    let Some(views) = views else {
        for (name, listener) in &pass.observed.listeners {
            let mut object = Listener::clone(listener);
            object.set_condition(
                condition::CONFIGURED,
                &State::error(NO_ACTIVE_SITE),
                pass.now,
            );
            pass.set_status(
                ObjectKind::Listener,
                name,
                listener.status.as_ref(),
                object.status_mut(),
            );
        }
        return;
    };
    for view in views {
        let error = view
            .error()
            .or_else(|| refusals::listen_problem(report, &router_name(view.name())))
            .or_else(|| config_error.map(str::to_owned));
        let configured = error.map_or_else(State::ready, State::error);
        let mut object = Listener::clone(&view.object);
        object.set_condition(condition::CONFIGURED, &configured, pass.now);
        if let Some(network) = network {
            let matched = network.has_connector(&view.object.spec.routing_key);
            let state = if matched {
                State::ready()
            } else {
                State::pending("No matching connectors")
            };
            object.set_condition(condition::MATCHED, &state, pass.now);
            object.status_mut().has_matching_connector = matched;
        }
        pass.set_status(
            ObjectKind::Listener,
            view.name(),
            view.object.status.as_ref(),
            object.status_mut(),
        );
    }
}
