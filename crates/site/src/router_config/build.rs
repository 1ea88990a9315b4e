//! The router's configuration as the rooms put it together.

use std::collections::{BTreeMap, BTreeSet};

use skupper_api::Site;
use skupper_management::RouterConfig;
use skupper_management::config::{
    AddressConfig, Connector, Distribution, Listener, Mode, ProxyProfile, Role, Router, SslProfile,
    TcpConnector, TcpListener, Textual, Tristate,
};

use super::{Current, SiteSettings, is_protected};
use crate::access::RouterAccessView;
use crate::credentials::Look;
use crate::names::LOCAL_SERVER;
use crate::settings::ControllerIdentity;

/// Where the adaptor puts the files of a profile.
const CERTS: &str = "/etc/skupper-router-certs";

/// A configuration that grows.
pub(crate) struct Draft {
    pub(crate) config: RouterConfig,
    /// The Secret behind each profile.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Profiles whose Secret the router cannot load now: their revision stays what it is.
    pub(crate) held: BTreeSet<String>,
    /// Profiles in use already: one of them stays in use while its Secret is away or unusable, since the router goes on with
    /// the files that it has. Only with our adaptor; upstream's stops at a Secret that is missing.
    kept: BTreeSet<String>,
}

impl Draft {
    /// What every router has, whatever the site does with it.
    pub(crate) fn base(
        site: &Site,
        settings: &SiteSettings,
        controller: &ControllerIdentity,
        current: &Current,
        adaptor_is_ours: bool,
    ) -> Self {
        let metadata = serde_json::json!({"id": site.id(), "version": controller.version, "platform": "kubernetes"});
        let kept = if adaptor_is_ours {
            current.config.ssl_profiles.keys().cloned().collect()
        } else {
            BTreeSet::new()
        };
        let mut draft = Draft {
            config: RouterConfig::default(),
            secrets: BTreeMap::new(),
            held: BTreeSet::new(),
            kept,
        };
        let config = &mut draft.config;
        config.router = Router {
            id: format!(
                "{}-${{HOSTNAME}}",
                site.metadata.name.as_deref().unwrap_or_default()
            ),
            mode: Some(Mode::Interior),
            hello_max_age_seconds: Some(Textual(3)),
            data_connection_count: settings.data_connections.clone(),
            metadata: metadata.to_string(),
        };
        config.logs = settings
            .logging
            .iter()
            .map(|log| (log.module.clone(), log.clone()))
            .collect();
        let address = AddressConfig {
            prefix: "mc".to_owned(),
            distribution: Some(Distribution::Multicast),
        };
        config.addresses.insert(address.prefix.clone(), address);
        let health = Listener {
            name: "@9090".to_owned(),
            role: Some(Role::Normal),
            port: 9090,
            http: true,
            http_root_dir: "disabled".to_owned(),
            healthz: Tristate(Some(true)),
            metrics: Tristate(Some(true)),
            ..Listener::default()
        };
        let amqp = Listener {
            name: "amqp".to_owned(),
            host: "localhost".to_owned(),
            port: 5672,
            ..Listener::default()
        };
        let amqps = Listener {
            name: "amqps".to_owned(),
            port: 5671,
            ..accepting(LOCAL_SERVER)
        };
        for listener in [health, amqp, amqps] {
            config.listeners.insert(listener.name.clone(), listener);
        }
        draft.insert_profile(LOCAL_SERVER, LOCAL_SERVER, true);
        draft
    }

    /// Whether a profile with certificate, key and CAs can be used; if so, it is.
    pub(crate) fn profile(&mut self, profile: &str, secret: &str, look: &Look) -> bool {
        self.usable(profile, look) && self.insert_profile(profile, secret, true)
    }

    /// The same for one with CAs only.
    pub(crate) fn trust_profile(&mut self, profile: &str, secret: &str, look: &Look) -> bool {
        self.usable(profile, look) && self.insert_profile(profile, secret, false)
    }

    /// Leaves a profile in its revision if its Secret cannot be loaded now.
    pub(crate) fn hold(&mut self, profile: &str, look: &Look) {
        if !look.is_loadable() {
            self.held.insert(profile.to_owned());
        }
    }

    fn usable(&mut self, profile: &str, look: &Look) -> bool {
        if look.is_loadable() {
            return true;
        }
        let kept = self.kept.contains(profile);
        if kept {
            self.held.insert(profile.to_owned());
        }
        kept
    }

    fn insert_profile(&mut self, profile: &str, secret: &str, with_key: bool) -> bool {
        let file = |file: &str| format!("{CERTS}/{profile}/{file}");
        let entry = self
            .config
            .ssl_profiles
            .entry(profile.to_owned())
            .or_insert_with(|| SslProfile {
                name: profile.to_owned(),
                ca_cert_file: file("ca.crt"),
                ..SslProfile::default()
            });
        // A Link and a Connector that presents no certificate may share a profile: then it has all three files.
        if with_key {
            entry.cert_file = file("tls.crt");
            entry.private_key_file = file("tls.key");
        }
        self.secrets.insert(profile.to_owned(), secret.to_owned());
        true
    }

    /// The listeners of a RouterAccess, if its credential can be used.
    pub(crate) fn router_access(&mut self, view: &RouterAccessView, look: &Look) {
        let spec = &view.object.spec;
        if !self.profile(&spec.tls_credentials, &spec.tls_credentials, look) {
            return;
        }
        for role in &spec.roles {
            let name = format!("{}-{}", view.name(), role.name);
            let Ok(port) = crate::services::port(role.port_or_usual()) else {
                continue;
            };
            if is_protected(&name) {
                continue;
            }
            let kind = match role.name.as_str() {
                "edge" => Role::Edge,
                "normal" => Role::Normal,
                _ => Role::InterRouter,
            };
            let listener = Listener {
                name: name.clone(),
                role: Some(kind),
                host: spec.bind_host.clone(),
                port,
                ..accepting(&spec.tls_credentials)
            };
            self.config.listeners.insert(name, listener);
        }
    }

    /// The connector of a Link.
    pub(crate) fn connector(&mut self, connector: Connector) {
        self.config
            .connectors
            .insert(connector.name.clone(), connector);
    }

    /// The proxy of a Link.
    pub(crate) fn proxy(&mut self, proxy: ProxyProfile) {
        self.config.proxy_profiles.insert(proxy.name.clone(), proxy);
    }

    /// A port of a service.
    pub(crate) fn tcp_listener(&mut self, listener: TcpListener) {
        self.config
            .tcp_listeners
            .insert(listener.name.clone(), listener);
    }

    /// A server of a service.
    pub(crate) fn tcp_connector(&mut self, connector: TcpConnector) {
        self.config
            .tcp_connectors
            .insert(connector.name.clone(), connector);
    }
}

/// A listener that demands a client certificate.
fn accepting(profile: &str) -> Listener {
    Listener {
        ssl_profile: profile.to_owned(),
        sasl_mechanisms: "EXTERNAL".to_owned(),
        authenticate_peer: true,
        ..Listener::default()
    }
}
