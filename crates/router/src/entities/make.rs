//! Making, changing and removing what runs of a configured entity.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use skupper_management::agent::Failure;
use skupper_management::entity::{
    ConfigAddress, Connector, Listener, ListenerAddress, MultiAddressStrategy, Network,
    ProxyProfile, Record, SslProfile, TcpConnector as TcpConnectorSettings,
    TcpListener as TcpListenerSettings, Vhost,
};
use skupper_management::schema::{plain_password, without_effect};
use skupper_management::{Attributes, Kind, Value};
use skupper_pki::certificate::check_format;

use super::Entities;
use super::entries::{Entry, Running};
use crate::auto_link::AutoLink;
use crate::connection::connector::AmqpConnector;
use crate::connection::handle::Command;
use crate::connection::listener::AmqpListener;
use crate::core::{Rule, Treatments};
use crate::event::Event;
use crate::policy::keep_looking;
use crate::tcp::{TcpConnector, TcpListener};
use crate::tls::{LoadError, Loaded};

/// How long the addresses of names are waited for.
const RESOLVER: Duration = Duration::from_millis(500);

fn read<R: Record>(attributes: &Attributes) -> Result<R, Failure> {
    R::from_attributes(attributes).map_err(|error| Failure::BadRequest(error.to_string()))
}

fn configuration(text: impl std::fmt::Display) -> Failure {
    Failure::Internal(format!("CError: Configuration: {text}"))
}

/// Whether an entity can be removed as things are.
pub(super) fn may_delete(entry: Option<&Entry>) -> Result<(), Failure> {
    if let Some(entry) = entry
        && let Running::TcpListener(listener) = &entry.running
        && listener.has_targets()
    {
        return Err(Failure::Internal(format!(
            "CError: Value: listenerAddress entities exist for  multi-address listener {}",
            entry.text("name")
        )));
    }
    Ok(())
}

impl Entities {
    pub(super) fn make(&mut self, kind: Kind, attributes: &Attributes) -> Result<Running, Failure> {
        for sentence in without_effect(kind, attributes) {
            tracing::warn!(target: "AGENT", "{sentence}");
        }
        tell_plain_password(kind, attributes);
        Ok(match kind {
            Kind::SslProfile => {
                let settings: SslProfile = read(attributes)?;
                check_ordinals(attributes, &settings.name)?;
                if !settings.uid_format.is_empty()
                    && let Err(error) = check_format(&settings.uid_format)
                {
                    tracing::error!(
                        target: "AGENT",
                        "Invalid format for uidFormat field in sslProfile '{}': {}: {error}; users are named by the whole subject",
                        settings.name, settings.uid_format
                    );
                }
                tracing::info!(target: "AGENT", "Created sslProfile {}", settings.name);
                Running::Profile(self.context.profiles.create(settings))
            }
            Kind::ProxyProfile => {
                let settings: ProxyProfile = read(attributes)?;
                tracing::info!(target: "AGENT", "Created proxyProfile {}", settings.name);
                self.context.proxies.set(settings);
                Running::Nothing
            }
            Kind::ConfigAddress => self.make_rule(attributes)?,
            Kind::AutoLink => self.make_auto_link(attributes)?,
            Kind::Listener => self.make_listener(attributes)?,
            Kind::Connector => {
                let settings: Connector = read(attributes)?;
                self.check_profile(&settings.ssl_profile)?;
                self.check_named(Kind::ProxyProfile, &settings.proxy_profile)?;
                tracing::info!(
                    target: "CONN_MGR",
                    "Configured  Connector: {} proto=any, role={}{}",
                    settings.host_port(), settings.role, profile_note(&settings.ssl_profile)
                );
                self.tell_unusable(
                    &settings.ssl_profile,
                    |loaded| loaded.client(settings.verify_hostname, None).map(drop),
                    |error| {
                        tracing::error!(
                            target: "CONN_MGR",
                            "Failed to configure TLS for Connector {}: {error}", settings.name
                        )
                    },
                );
                Running::Connector(AmqpConnector::start(settings, &self.context))
            }
            Kind::TcpListener => {
                let mut settings: TcpListenerSettings = read(attributes)?;
                let single = settings.strategy == MultiAddressStrategy::None;
                if single == settings.address.is_empty() {
                    return Err(configuration(
                        "Exactly one of the 'address' or 'multiAddressStrategy' field must be set",
                    ));
                }
                self.check_profile(&settings.ssl_profile)?;
                if single {
                    settings.address = self.tenant_address(&settings.address);
                }
                tracing::info!(
                    target: "TCP_ADAPTOR",
                    "Configured TcpListener for {}, {}:{}",
                    if single { settings.address.as_str() } else { "multiple addresses" },
                    settings.host, settings.port
                );
                self.tell_unusable(
                    &settings.ssl_profile,
                    |loaded| loaded.tcp_server(settings.authenticate_peer).map(drop),
                    |error| {
                        tracing::error!(
                            target: "TCP_ADAPTOR",
                            "tcpListener {} TLS configuration failed: {error}", settings.name
                        )
                    },
                );
                let listener = TcpListener::start(settings, &self.context);
                self.context
                    .events
                    .tell(Event::TcpListenerCreated(listener.clone()));
                Running::TcpListener(listener)
            }
            Kind::TcpConnector => {
                let mut settings: TcpConnectorSettings = read(attributes)?;
                if settings.address.is_empty() {
                    return Err(configuration("Address must be set"));
                }
                self.check_profile(&settings.ssl_profile)?;
                settings.address = self.tenant_address(&settings.address);
                tracing::info!(
                    target: "TCP_ADAPTOR",
                    "Configured TcpConnector for {}, {}:{}",
                    settings.address, settings.host, settings.port
                );
                self.tell_unusable(
                    &settings.ssl_profile,
                    |loaded| loaded.client(settings.verify_hostname, None).map(drop),
                    |error| {
                        tracing::error!(
                            target: "TCP_ADAPTOR",
                            "tcpConnector {} TLS configuration failed: {error}", settings.name
                        )
                    },
                );
                let connector = TcpConnector::start(settings, &self.context);
                self.context
                    .events
                    .tell(Event::TcpConnectorCreated(connector.clone()));
                Running::TcpConnector(connector)
            }
            Kind::ListenerAddress => self.make_target(attributes)?,
            Kind::Policy => {
                self.context.policy.configure(read(attributes)?);
                Running::Nothing
            }
            Kind::Vhost => {
                self.put_vhost(attributes)?;
                Running::Nothing
            }
            Kind::Log => {
                crate::agent::logging::configure(&read(attributes)?).map_err(configuration)?;
                Running::Nothing
            }
            _ => Running::Nothing,
        })
    }

    fn make_listener(&mut self, attributes: &Attributes) -> Result<Running, Failure> {
        let settings: Listener = read(attributes)?;
        self.check_profile(&settings.ssl_profile)?;
        tracing::info!(
            target: "CONN_MGR",
            "Configured  Listener: {} proto=any, role={}{}{}",
            settings.host_port(), settings.role,
            if settings.serves_http() { ", http" } else { "" },
            profile_note(&settings.ssl_profile)
        );
        self.tell_unusable(
            &settings.ssl_profile,
            |loaded| loaded.amqp_server(settings.demands_certificate()).map(drop),
            |error| {
                tracing::error!(
                    target: "CONN_MGR",
                    "Failed to configure TLS for Listener {}: {error}", settings.name
                )
            },
        );
        if settings.serves_http() {
            // The agent opens the port.
            let listener = AmqpListener::without_port(settings, &self.context);
            return Ok(Running::Listener(listener));
        }
        let place = settings.host_port();
        match AmqpListener::start(settings, &self.context, !self.starting) {
            Ok(listener) => Ok(Running::Listener(listener)),
            Err(error) => Err(configuration(format!(
                "Listen on {place} failed during initial config: {error}"
            ))),
        }
    }

    fn make_rule(&mut self, attributes: &Attributes) -> Result<Running, Failure> {
        let settings: ConfigAddress = read(attributes)?;
        let is_prefix = !settings.prefix.is_empty();
        let rule = Rule {
            pattern: if is_prefix {
                settings.prefix
            } else {
                settings.pattern
            },
            is_prefix,
            treatment: crate::router::treatment(settings.distribution),
            priority: settings
                .priority
                .and_then(|priority| u8::try_from(priority).ok()),
        };
        // Nobody else writes them: the entities have one owner.
        let mut treatments = Treatments::clone(&self.context.dispatch.treatments.load());
        if self.starting && treatments.has(&rule) {
            // Upstream's router starts with such a file, too.
            tracing::warn!(
                target: "AGENT",
                "address '{}' is configured twice, both times in the same way: the second entity has no effect", rule.pattern
            );
            return Ok(Running::Nothing);
        }
        let added = treatments.add(rule.clone());
        added.map_err(|error| Failure::BadRequest(error.to_string()))?;
        self.context.dispatch.treatments.store(Arc::new(treatments));
        Ok(Running::Rule(rule))
    }

    fn put_vhost(&self, attributes: &Attributes) -> Result<(), Failure> {
        let error = |text: String| Failure::Internal(format!("PolicyError: {text}"));
        let (vhost, warnings) = Vhost::read(attributes).map_err(error)?;
        let ruled = self.context.policy.put(vhost, &warnings).map_err(error)?;
        if ruled.names().next().is_some() {
            let (first, looked) = mpsc::channel();
            let workers = &self.context.workers;
            let looking = keep_looking(Arc::downgrade(&ruled), first);
            workers.spawn(workers.in_turn(), looking);
            // Names are mostly known at once, and then nobody is turned away who comes right after this. A resolver that takes
            // longer is not waited for, now and the next time.
            let slow = &self.resolver_is_slow;
            if !slow.load(Ordering::Relaxed) {
                let known = looked.recv_timeout(RESOLVER).is_ok();
                slow.store(!known, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn make_auto_link(&mut self, attributes: &Attributes) -> Result<Running, Failure> {
        let auto = Arc::new(AutoLink::new(read(attributes)?));
        self.context.auto_links.add(auto.clone());
        for connection in self.context.connections.all() {
            if connection.role.has_auto_links() {
                // One that has ended needs no links.
                drop(connection.send(Command::AutoLink(auto.clone())));
            }
        }
        Ok(Running::AutoLink(auto))
    }

    fn make_target(&mut self, attributes: &Attributes) -> Result<Running, Failure> {
        let settings: ListenerAddress = read(attributes)?;
        let name = &settings.listener;
        let Some(listener) = self.tcp_listener(name) else {
            return Err(configuration(format!(
                "Listener for new address does not exist {name}"
            )));
        };
        if listener.settings.strategy == MultiAddressStrategy::None {
            let text = format!("Must not assign new address to non multi-address listener {name}");
            return Err(configuration(text));
        }
        let address = self.tenant_address(&settings.address);
        let target =
            listener.add_target(Some(settings.name), address, settings.value, &self.context);
        self.context
            .events
            .tell(Event::TargetCreated(listener.clone(), target));
        tracing::info!(
            target: "TCP_ADAPTOR",
            "Configured new address for multi-address tcpListener {} {name}", settings.address
        );
        Ok(Running::Target(listener))
    }

    /// The address of a service as it is on the wire.
    fn tenant_address(&self, address: &str) -> String {
        let network = self
            .of(Kind::Network)
            .next()
            .map(|entry| entry.text("tenantId"));
        let tenant = match network.filter(|tenant| !tenant.is_empty()) {
            Some(tenant) => tenant,
            None => &self.context.settings.van_id,
        };
        match tenant {
            "" => address.to_owned(),
            tenant => format!("{tenant}/{address}"),
        }
    }

    /// A profile that is missing in the configuration document is an error of its user alone, which says so until there is
    /// one: a router that does not start at all could not be helped by management.
    fn check_profile(&self, name: &str) -> Result<(), Failure> {
        self.check_named(Kind::SslProfile, name)
    }

    /// Tells of a profile that is there and cannot be used as its user wants to. What was made of it works as soon as it can be.
    fn tell_unusable(
        &self,
        profile: &str,
        take: impl FnOnce(&Loaded) -> Result<(), LoadError>,
        tell: impl FnOnce(LoadError),
    ) {
        let Ok(profile) = self.context.profiles.get(profile) else {
            return;
        };
        let taken = profile.current().and_then(|loaded| take(&loaded));
        if let Err(error) = taken {
            tell(error);
        }
    }

    fn check_named(&self, kind: Kind, name: &str) -> Result<(), Failure> {
        if name.is_empty() || self.named(kind, name).is_some() {
            return Ok(());
        }
        let text = format!("{kind} '{name}' not found");
        if self.starting {
            tracing::error!(target: "AGENT", "{text}: what refers to it does not work until it is created");
            return Ok(());
        }
        Err(Failure::Internal(format!("CError: Not found: {text}")))
    }

    pub(super) fn change(&mut self, kind: Kind, wanted: &Attributes) -> Result<(), Failure> {
        tell_plain_password(kind, wanted);
        match kind {
            Kind::SslProfile => {
                let settings: SslProfile = read(wanted)?;
                check_ordinals(wanted, &settings.name)?;
                let name = settings.name.clone();
                if let Err(error) = self.context.profiles.update(settings) {
                    tracing::error!(target: "AGENT", "Unable to update sslProfile '{name}': {error}");
                    return Err(configuration(error));
                }
                tracing::info!(target: "AGENT", "Updated sslProfile {name} ");
                Ok(())
            }
            Kind::Log => crate::agent::logging::configure(&read(wanted)?).map_err(configuration),
            Kind::TcpListener => {
                let settings: TcpListenerSettings = read(wanted)?;
                if let Some(listener) = self.tcp_listener(&settings.name) {
                    listener.observe(settings.observer);
                    tracing::info!(
                        target: "TCP_ADAPTOR",
                        "Updated TcpListener {}: observer={}", settings.name, settings.observer
                    );
                }
                Ok(())
            }
            Kind::Vhost => self.put_vhost(wanted),
            Kind::Network => {
                let Network { network_id, .. } = read(wanted)?;
                self.context.dispatch.enter_network(&network_id);
                tracing::info!(target: "ROUTER_CORE", "Router's network-id updated to {network_id}");
                Ok(())
            }
            Kind::ProxyProfile => {
                // Connectors look it up for each attempt.
                self.context.proxies.set(read(wanted)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The attributes of an entity that was changed, as they are kept.
    pub(super) fn stored(&self, kind: Kind, mut wanted: Attributes) -> Attributes {
        // What is only shown is not kept.
        let shown: &[&str] = match kind {
            Kind::SslProfile => &["credential"],
            Kind::TcpListener => &[
                "operStatus",
                "connectionMsg",
                "connectionsOpened",
                "connectionsClosed",
                "bytesIn",
                "bytesOut",
                "refusals",
                "refusalCount",
            ],
            _ => &[],
        };
        wanted.retain(|name, _| !shown.contains(&name.as_str()));
        wanted
    }

    pub(super) fn unmake(&mut self, kind: Kind, entry: &Entry) {
        entry
            .running
            .stop(&self.context, self.context.settings.drop_tcp_connections);
        let name = entry.text("name");
        match &entry.running {
            Running::Profile(_) => {
                self.context.profiles.remove(name);
                tracing::info!(target: "AGENT", "Deleted sslProfile {name}");
            }
            Running::Rule(rule) => {
                let mut treatments = Treatments::clone(&self.context.dispatch.treatments.load());
                treatments.remove(rule);
                self.context.dispatch.treatments.store(Arc::new(treatments));
            }
            Running::AutoLink(auto) => {
                for (connection, link) in self.context.auto_links.remove(auto) {
                    if let Some(connection) = self.context.connections.get(connection) {
                        // As above: one that has ended has no links.
                        drop(connection.send(Command::Detach { link }));
                    }
                }
            }
            Running::Target(listener) => {
                if let Some(target) = listener.remove_target(name) {
                    self.context.events.tell(Event::TargetDeleted(target));
                }
            }
            Running::Listener(listener) => {
                tracing::info!(target: "CONN_MGR", "Deleted  Listener: {}", listener.settings.host_port());
                self.context
                    .events
                    .tell(Event::ListenerDeleted(listener.clone()));
            }
            Running::Connector(connector) => {
                tracing::info!(target: "CONN_MGR", "Deleted  Connector: {}", connector.settings.host_port());
                self.context
                    .events
                    .tell(Event::ConnectorDeleted(connector.clone()));
            }
            Running::TcpListener(listener) => {
                tracing::info!(target: "TCP_ADAPTOR", "Deleted TcpListener {name}");
                self.context
                    .events
                    .tell(Event::TcpListenerDeleted(listener.clone()));
            }
            Running::TcpConnector(connector) => {
                tracing::info!(target: "TCP_ADAPTOR", "Deleted TcpConnector {name}");
                self.context
                    .events
                    .tell(Event::TcpConnectorDeleted(connector.clone()));
            }
            Running::Nothing => {
                match kind {
                    Kind::ProxyProfile => self.context.proxies.remove(name),
                    Kind::Vhost => self.context.policy.remove(entry.text("hostname")),
                    _ => {}
                }
                tracing::debug!(target: "AGENT", "Deleted {kind} {name}");
            }
        }
    }
}

fn tell_plain_password(kind: Kind, attributes: &Attributes) {
    if let Some(sentence) = plain_password(kind, attributes) {
        tracing::warn!(target: "CONN_MGR", "{sentence}");
    }
}

fn profile_note(profile: &str) -> String {
    match profile {
        "" => String::new(),
        profile => format!(", sslProfile={profile}"),
    }
}

fn check_ordinals(attributes: &Attributes, name: &str) -> Result<(), Failure> {
    let number = |attribute: &str| {
        attributes
            .get(attribute)
            .and_then(Value::as_i64)
            .unwrap_or(0)
    };
    let (ordinal, oldest) = (number("ordinal"), number("oldestValidOrdinal"));
    if ordinal < 0 || oldest < 0 {
        let text = format!("Negative ordinal field values are invalid (sslProfile '{name}')");
        return Err(configuration(text));
    }
    if ordinal < oldest {
        let text = format!("ordinal must be >= oldestValidOrdinal (sslProfile '{name}')");
        return Err(configuration(text));
    }
    Ok(())
}
