//! Connectors: a workload of the router for each host, or each pod that the selector picks.

use std::sync::Arc;

use skupper_api::{Connector, Kind, PodDetails, State, Target, condition};
use skupper_management::config::{TcpConnector, Tristate};

use super::pods::{self, Picked};
use super::port;
use crate::ObjectKind;
use crate::credentials::{self, Look, Use};
use crate::pass::Pass;
use crate::router_config::Draft;
use crate::selector::Selector;
use crate::status::{NO_ACTIVE_SITE, Network};

/// A Connector that was looked at.
pub(crate) struct ConnectorView {
    pub(crate) object: Arc<Connector>,
    picked: Vec<Picked>,
    /// What is wrong with its spec, or that there is no pod.
    errors: Vec<String>,
    look: Option<Look>,
}

impl ConnectorView {
    fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// The router's credential: with the certificate where that is to be presented, else the CA alone.
    fn profile(&self) -> String {
        let spec = &self.object.spec;
        match (spec.tls_credentials.as_str(), spec.use_client_cert) {
            ("", _) => String::new(),
            (secret, true) => secret.to_owned(),
            (secret, false) => format!("{secret}-profile"),
        }
    }
}

/// Looks at all Connectors.
pub(crate) fn view(pass: &mut Pass<'_>) -> Vec<ConnectorView> {
    let observed = pass.observed;
    let alive = |connector: &&Arc<Connector>| connector.metadata.deletion_timestamp.is_none();
    let mut views = Vec::with_capacity(observed.connectors.len());
    for connector in observed.connectors.values().filter(alive) {
        let spec = &connector.spec;
        let mut view = ConnectorView {
            object: Arc::clone(connector),
            picked: Vec::new(),
            errors: Vec::new(),
            look: None,
        };
        if !spec.tls_credentials.is_empty() {
            let as_what = if spec.use_client_cert {
                Use::ServiceClient
            } else {
                Use::Trust
            };
            view.look = Some(credentials::look(pass, &spec.tls_credentials, &as_what));
        }
        view.errors.extend(port(spec.port).err());
        match spec.target() {
            Target::Missing => view
                .errors
                .push("Connector must define a non-empty spec.host or spec.selector".to_owned()),
            Target::Host(_) => {}
            Target::Selector(text) => match Selector::parse(text) {
                Err(error) => view.errors.push(error.to_string()),
                Ok(selector) => {
                    view.picked =
                        pods::pick(&observed.pods, &selector, spec.include_not_ready_pods);
                    if view.picked.is_empty() {
                        view.errors.push("No matches for selector".to_owned());
                    }
                }
            },
        }
        views.push(view);
    }
    views
}

/// Adds the router's connectors to its configuration.
pub(crate) fn add(draft: &mut Draft, views: &[ConnectorView], site_id: &str) {
    for view in views {
        let spec = &view.object.spec;
        let Ok(port) = port(spec.port) else { continue };
        if !matches!(spec.type_.as_str(), "" | "tcp") {
            continue;
        }
        let profile = view.profile();
        if let Some(look) = &view.look {
            let usable = if spec.use_client_cert {
                draft.profile(&profile, &spec.tls_credentials, look)
            } else {
                draft.trust_profile(&profile, &spec.tls_credentials, look)
            };
            if !usable {
                continue;
            }
        }
        let verify = (!spec.tls_credentials.is_empty()).then_some(spec.verify_hostname);
        let connector = |target: &str, host: &str, address: String, process: &str| TcpConnector {
            name: format!("connector/{}@{target}", view.name()),
            host: host.to_owned(),
            port: port.to_string(),
            address,
            site_id: site_id.to_owned(),
            ssl_profile: profile.clone(),
            verify_hostname: Tristate(verify),
            process_id: process.to_owned(),
        };
        if let Target::Host(host) = spec.target() {
            draft.tcp_connector(connector(host, host, spec.routing_key.clone(), ""));
        }
        for pod in &view.picked {
            draft.tcp_connector(connector(
                &pod.ip,
                &pod.ip,
                spec.routing_key.clone(),
                &pod.uid,
            ));
            if spec.expose_pods_by_name {
                let address = format!("{}.{}", spec.routing_key, pod.name);
                draft.tcp_connector(connector(&pod.name, &pod.ip, address, &pod.uid));
            }
        }
    }
}

/// Writes the statuses. Without an active site (`views` is `None`) all are told so.
pub(crate) fn report(
    pass: &mut Pass<'_>,
    views: Option<&[ConnectorView]>,
    network: Option<&Network>,
    config_error: Option<&str>,
) {
    let Some(views) = views else {
        for (name, connector) in &pass.observed.connectors {
            let mut object = Connector::clone(connector);
            object.set_condition(
                condition::CONFIGURED,
                &State::error(NO_ACTIVE_SITE),
                pass.now,
            );
            pass.set_status(
                ObjectKind::Connector,
                name,
                connector.status.as_ref(),
                object.status_mut(),
            );
        }
        return;
    };
    for view in views {
        let spec = &view.object.spec;
        let mut errors: Vec<String> = view
            .look
            .iter()
            .filter_map(|look| look.problem(&spec.tls_credentials))
            .collect();
        errors.extend(view.look.iter().flat_map(|look| look.unfit.iter().cloned()));
        errors.extend(view.errors.iter().cloned());
        errors.extend(config_error.map(str::to_owned));
        let configured = if errors.is_empty() {
            State::ready()
        } else {
            State::error(errors.join("\n"))
        };
        let mut object = Connector::clone(&view.object);
        object.set_condition(condition::CONFIGURED, &configured, pass.now);
        if let Some(network) = network {
            let matched = network.has_listener(&spec.routing_key);
            let state = if matched {
                State::ready()
            } else {
                State::pending("No matching listeners")
            };
            object.set_condition(condition::MATCHED, &state, pass.now);
            object.status_mut().has_matching_listener = matched;
        }
        let details = |pod: &Picked| PodDetails {
            name: pod.name.clone(),
            ip: pod.ip.clone(),
        };
        object.status_mut().selected_pods = view.picked.iter().map(details).collect();
        pass.set_status(
            ObjectKind::Connector,
            view.name(),
            view.object.status.as_ref(),
            object.status_mut(),
        );
    }
}
