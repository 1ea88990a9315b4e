//! Links: a connector of the router for each, and what became of it.

mod proxy;
mod report;

pub(crate) use report::{Told, report};

use std::sync::Arc;

use skupper_api::{Endpoint, Link};
use skupper_management::config::{Connector, ProxyProfile, Role};

use crate::credentials::{self, Look, Use};
use crate::pass::Pass;
use crate::router_config::Draft;
use crate::services::port;

/// A Link that was looked at.
pub(crate) struct LinkView {
    pub(crate) object: Arc<Link>,
    /// What keeps the router from trying.
    errors: Vec<String>,
    proxy: Option<ProxyProfile>,
    look: Option<Look>,
}

impl LinkView {
    fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.object.spec.endpoint(Endpoint::INTER_ROUTER)
    }
}

/// Looks at all Links.
pub(crate) fn view(pass: &mut Pass<'_>) -> Vec<LinkView> {
    let observed = pass.observed;
    let alive = |link: &&Arc<Link>| link.metadata.deletion_timestamp.is_none();
    let mut views = Vec::with_capacity(observed.links.len());
    for link in observed.links.values().filter(alive) {
        let mut view = LinkView {
            object: Arc::clone(link),
            errors: Vec::new(),
            proxy: None,
            look: None,
        };
        let secret = link.spec.tls_credentials.as_str();
        if secret.is_empty() {
            view.errors.push("spec.tlsCredentials is empty: name the Secret with the client credential for this link".to_owned());
        } else {
            view.look = Some(credentials::look(pass, secret, &Use::LinkClient));
        }
        match view.endpoint() {
            None => view.errors.push(format!(
                "spec.endpoints has none named {}: copy the endpoints from the status of the Site to link to",
                Endpoint::INTER_ROUTER
            )),
            Some(endpoint) if endpoint.host.trim().is_empty() => {
                view.errors.push("the endpoint inter-router has no host".to_owned());
            }
            Some(endpoint) => {
                let number = endpoint.port.trim().parse().unwrap_or(0);
                if port(number).is_err() {
                    view.errors.push(format!(
                        "the endpoint inter-router has the port \"{}\", expected a number from 1 to 65535",
                        crate::router_config::bounded(&endpoint.port)
                    ));
                }
            }
        }
        match proxy::of(pass, link) {
            Ok(proxy) => view.proxy = proxy,
            Err(error) => view.errors.push(error),
        }
        views.push(view);
    }
    views
}

/// Adds the router's connectors to its configuration.
pub(crate) fn add(draft: &mut Draft, views: &[LinkView]) {
    for view in views {
        let (Some(endpoint), Some(look), true) =
            (view.endpoint(), &view.look, view.errors.is_empty())
        else {
            continue;
        };
        let spec = &view.object.spec;
        let profile = format!("{}-profile", spec.tls_credentials);
        if !draft.profile(&profile, &spec.tls_credentials, look) {
            continue;
        }
        let proxy_profile = view
            .proxy
            .as_ref()
            .map(|proxy| proxy.name.clone())
            .unwrap_or_default();
        if let Some(proxy) = &view.proxy {
            draft.proxy(proxy.clone());
        }
        draft.connector(Connector {
            name: view.name().to_owned(),
            role: Some(Role::InterRouter),
            host: endpoint.host.trim().to_owned(),
            port: endpoint.port.trim().to_owned(),
            cost: u32::try_from(spec.cost.max(1))
                .unwrap_or(i32::MAX as u32)
                .min(i32::MAX as u32),
            ssl_profile: profile,
            proxy_profile,
            ..Connector::default()
        });
    }
}
