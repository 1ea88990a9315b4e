//! What the router is to run: from the ConfigMap, less what cannot be had yet, to the operations that lead there.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use skupper_management::config::{PROTECTED_LISTENERS, SslProfile};
use skupper_management::field::{Record as _, whole};
use skupper_management::plan::{Change, Running, plan};
use skupper_management::{Kind, RouterConfig};
use skupper_site::names::ROUTER_CONFIG_KEY;
use skupper_site::profiles::{self, Profile, Profiles};

/// The content of the router's ConfigMap.
#[derive(Clone, Debug, Default)]
pub(super) struct Desired {
    /// The configuration as it stands there.
    pub(super) text: String,
    /// The same, read.
    pub(super) config: RouterConfig,
    profiles: Profiles,
}

/// Profiles that cannot be as they are wanted, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Without files.
    pub(super) missing: BTreeSet<String>,
    /// With files of an earlier revision.
    pub(super) behind: BTreeSet<String>,
}

impl Desired {
    /// Reads the ConfigMap `name`; says what is wrong with it.
    pub(super) fn of(name: &str, config_map: Option<&ConfigMap>) -> Result<Self, String> {
        let data = config_map
            .ok_or_else(|| format!("there is no ConfigMap \"{name}\" yet"))?
            .data
            .as_ref();
        let text = data
            .and_then(|data| data.get(ROUTER_CONFIG_KEY))
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| format!("empty router configuration in ConfigMap \"{name}\""))?;
        let config = RouterConfig::parse(text).map_err(|errors| {
            format!("{ROUTER_CONFIG_KEY} in ConfigMap \"{name}\" cannot be read: {errors}")
        })?;
        Ok(Self {
            text: text.clone(),
            config,
            profiles: config_map.map(profiles::of).unwrap_or_default(),
        })
    }

    /// What our controller says of a profile. A statement of another revision was left behind when upstream's controller
    /// took over, which does not know it.
    pub(super) fn published(&self, profile: &SslProfile) -> Option<&Profile> {
        self.profiles
            .get(&profile.name)
            .filter(|published| published.ordinal == profile.ordinal)
    }

    /// The configuration without what cannot be made, for a router that starts.
    pub(super) fn without(&self, missing: &BTreeSet<String>) -> String {
        if missing.is_empty() {
            return self.text.clone();
        }
        let mut config = self.config.clone();
        remove(&mut config, missing, &Running::new());
        config.to_json()
    }

    /// Profiles of listeners that the router needs for its own sake: it does not start without them.
    pub(super) fn indispensable(&self) -> impl Iterator<Item = &str> {
        PROTECTED_LISTENERS
            .iter()
            .filter_map(|name| self.config.listeners.get(*name))
            .map(|listener| listener.ssl_profile.as_str())
            .filter(|profile| !profile.is_empty())
    }
}

/// Takes away what uses a profile without files, unless it is running: then it is left as it is.
fn remove(config: &mut RouterConfig, missing: &BTreeSet<String>, running: &Running) {
    let runs = |kind, name: &str| running.of(kind).any(|(running, _)| running == name);
    let stays = |kind, name: &str, profile: &str| !missing.contains(profile) || runs(kind, name);
    config
        .ssl_profiles
        .retain(|name, _| stays(Kind::SslProfile, name, name));
    config
        .connectors
        .retain(|name, connector| stays(Kind::Connector, name, &connector.ssl_profile));
    config
        .listeners
        .retain(|name, listener| stays(Kind::Listener, name, &listener.ssl_profile));
    config
        .tcp_connectors
        .retain(|name, connector| stays(Kind::TcpConnector, name, &connector.ssl_profile));
    config
        .tcp_listeners
        .retain(|name, listener| stays(Kind::TcpListener, name, &listener.ssl_profile));
    let listeners = &config.tcp_listeners;
    config
        .listener_addresses
        .retain(|_, address| listeners.contains_key(&address.listener));
}

/// The operations that make a router run what is wanted, as far as it can be had. The files of the profiles `reload` have
/// changed, so that the router has to be told of them though it runs with their very attributes.
pub(super) fn changes(
    wanted: &RouterConfig,
    held: &Held,
    running: &Running,
    reload: &BTreeSet<String>,
) -> Vec<Change> {
    let mut wanted = wanted.clone();
    remove(&mut wanted, &held.missing, running);
    // A revision is announced when its files are there, and not before.
    for (name, entity) in running.of(Kind::SslProfile) {
        if !held.behind.contains(name) && !held.missing.contains(name) {
            continue;
        }
        if let Some(profile) = wanted.ssl_profiles.get_mut(name) {
            let number = |attribute: &str| entity.get(attribute).and_then(whole);
            let number = |attribute| {
                number(attribute)
                    .and_then(|n| n.try_into().ok())
                    .unwrap_or(0)
            };
            profile.ordinal = number("ordinal");
            profile.oldest_valid_ordinal = number("oldestValidOrdinal");
        }
    }
    let mut changes = plan(running, &wanted);
    let told: BTreeSet<&str> = changes
        .iter()
        .filter(|change| change.kind() == Kind::SslProfile)
        .map(Change::name)
        .collect();
    let reloads: Vec<Change> = running
        .of(Kind::SslProfile)
        .filter(|(name, _)| reload.contains(*name) && !told.contains(name))
        .filter_map(|(name, _)| wanted.ssl_profiles.get(name))
        .map(|profile| Change::Update {
            kind: Kind::SslProfile,
            name: profile.name.clone(),
            attributes: profile.attributes(),
            because: vec!["files"],
        })
        .collect();
    changes.splice(0..0, reloads);
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(sections: Value) -> RouterConfig {
        RouterConfig::parse(&sections.to_string()).unwrap()
    }

    fn link(ordinal: u64) -> Value {
        json!([
            ["sslProfile", {"name": "link-profile", "caCertFile": "/certs/link-profile/ca.crt", "ordinal": ordinal}],
            ["connector", {"name": "link", "role": "inter-router", "host": "h", "port": "55671", "sslProfile": "link-profile"}],
            ["tcpListener", {"name": "listener/plain", "port": "1024", "address": "plain"}],
            ["tcpListener", {"name": "multiAddress/tls", "port": "1025", "sslProfile": "link-profile", "multiAddressStrategy": "priority"}],
            ["listenerAddress", {"name": "tls/a", "address": "a", "value": 0, "listener": "multiAddress/tls"}],
        ])
    }

    /// A router that did as it was told.
    fn running(config: &RouterConfig) -> Running {
        let mut running = Running::new();
        for (kind, attributes) in config.sections() {
            running.insert(kind, [attributes]);
        }
        running
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn told(changes: &[Change]) -> Vec<String> {
        let word = |change: &Change| match change {
            Change::Create { .. } => "create",
            Change::Update { .. } => "update",
            Change::Delete { .. } => "delete",
        };
        changes
            .iter()
            .map(|change| format!("{} {}", word(change), change.name()))
            .collect()
    }

    fn missing(profile: &str) -> Held {
        Held {
            missing: names(&[profile]),
            ..Held::default()
        }
    }

    #[test]
    fn a_profile_without_files_holds_back_what_uses_it_and_nothing_else() {
        let wanted = config(link(0));
        let changes = changes(
            &wanted,
            &missing("link-profile"),
            &Running::new(),
            &names(&[]),
        );
        assert_eq!(told(&changes), ["create listener/plain"]);
        let all = super::changes(&wanted, &Held::default(), &Running::new(), &names(&[]));
        assert_eq!(
            told(&all),
            [
                "create link-profile",
                "create listener/plain",
                "create multiAddress/tls",
                "create tls/a",
                "create link"
            ]
        );
    }

    #[test]
    fn what_runs_is_not_taken_away_for_want_of_files() {
        let wanted = config(link(2));
        let running = running(&config(link(1)));
        assert_eq!(
            changes(&wanted, &missing("link-profile"), &running, &names(&[])),
            []
        );
    }

    #[test]
    fn a_revision_is_announced_when_its_files_are_there() {
        let running = running(&config(link(1)));
        let wanted = config(link(2));
        let behind = Held {
            behind: names(&["link-profile"]),
            ..Held::default()
        };
        assert_eq!(changes(&wanted, &behind, &running, &names(&[])), []);
        let changes = changes(
            &wanted,
            &Held::default(),
            &running,
            &names(&["link-profile"]),
        );
        assert_eq!(told(&changes), ["update link-profile"]);
        let Change::Update { attributes, .. } = &changes[0] else {
            panic!("{changes:?}")
        };
        assert_eq!(attributes["ordinal"], 2);
    }

    #[test]
    fn files_that_changed_are_told_of_though_no_attribute_did() {
        let wanted = config(link(1));
        let running = running(&wanted);
        assert_eq!(
            changes(&wanted, &Held::default(), &running, &names(&[])),
            []
        );
        let changes = changes(
            &wanted,
            &Held::default(),
            &running,
            &names(&["link-profile", "gone"]),
        );
        assert_eq!(told(&changes), ["update link-profile"]);
    }

    #[test]
    fn what_was_left_behind_by_our_controller_is_not_believed() {
        let profile = |ordinal: u64| {
            let published =
                json!({"link-profile": {"secret": "link", "ordinal": ordinal, "checksum": "c"}});
            let data = json!({"skrouterd.json": link(3).to_string(), profiles::PROFILES_KEY: published.to_string()});
            let config_map: ConfigMap = serde_json::from_value(json!({"data": data})).unwrap();
            let desired = Desired::of("skupper-router", Some(&config_map)).unwrap();
            let profile = desired.config.ssl_profiles["link-profile"].clone();
            desired
                .published(&profile)
                .map(|published| published.secret.clone())
        };
        assert_eq!(profile(3).as_deref(), Some("link"));
        assert_eq!(profile(2), None);
    }

    #[test]
    fn a_config_map_that_is_no_configuration_says_why() {
        let of = |data: Value| {
            let config_map: ConfigMap = serde_json::from_value(json!({"data": data})).unwrap();
            Desired::of("skupper-router", Some(&config_map)).unwrap_err()
        };
        assert_eq!(
            of(json!({})),
            "empty router configuration in ConfigMap \"skupper-router\""
        );
        assert_eq!(
            of(json!({"skrouterd.json": ""})),
            "empty router configuration in ConfigMap \"skupper-router\""
        );
        assert!(of(json!({"skrouterd.json": "{"})).contains("cannot be read: "));
        assert_eq!(
            Desired::of("r", None).unwrap_err(),
            "there is no ConfigMap \"r\" yet"
        );
    }

    #[test]
    fn a_router_starts_without_what_is_missing() {
        let text = link(0).to_string();
        let desired = Desired {
            text: text.clone(),
            config: config(link(0)),
            ..Desired::default()
        };
        assert_eq!(desired.without(&names(&[])), text);
        let without = RouterConfig::parse(&desired.without(&names(&["link-profile"]))).unwrap();
        assert_eq!(without.tcp_listeners.len(), 1);
        assert!(
            without.connectors.is_empty()
                && without.ssl_profiles.is_empty()
                && without.listener_addresses.is_empty()
        );
    }
}
