//! The virtual hosts in force: which one is meant by a host name, and whether a user may connect to it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use skupper_management::entity::{
    ANY_USER, DEFAULT_GROUP, Policy as Settings, RemoteHost, Vhost, VhostGroup,
};
use skupper_routing::address::{Pattern, Patterns};

use super::denial::Denial;
use super::grant::Grant;
use super::hosts::HostName;
use super::seats::Limits;
use super::stats::VhostStats;

/// The group whose settings hold for connectors.
const CONNECTOR_GROUP: &str = "$connector";

/// A virtual host, prepared.
#[derive(Debug)]
pub(crate) struct Ruled {
    /// As it is configured.
    pub(crate) vhost: Vhost,
    /// What it has seen; it outlives a replacement of the virtual host.
    pub(crate) stats: Arc<VhostStats>,
    /// Groups of users.
    users: HashMap<String, String>,
    /// From where users of each group may come.
    places: HashMap<String, Places>,
}

/// From where users of a group may come.
#[derive(Debug, Default)]
struct Places {
    any: bool,
    ranges: Vec<(IpAddr, IpAddr)>,
    names: Vec<HostName>,
}

impl Places {
    fn contain(&self, host: IpAddr) -> bool {
        let within = |(first, last): &(IpAddr, IpAddr)| {
            first.is_ipv4() == host.is_ipv4() && (*first..=*last).contains(&host)
        };
        self.any || self.ranges.iter().any(within) || self.names.iter().any(|name| name.has(host))
    }

    /// The places of a group, for people.
    fn describe(&self, hosts: &[RemoteHost]) -> String {
        let place = |host: &RemoteHost| {
            let own =
                |name: &&HostName| matches!(host, RemoteHost::Name(host) if *host == name.name);
            match self.names.iter().find(own).and_then(HostName::fault) {
                Some(why) => format!("{host} (which did not resolve: {why})"),
                None => host.to_string(),
            }
        };
        match hosts {
            [] => "nowhere".to_owned(),
            hosts => hosts.iter().map(place).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Ruled {
    /// Prepares a virtual host. The addresses of [names](Self::names) among its remote hosts are to be looked up.
    ///
    /// # Errors
    /// What cannot be, in a sentence.
    pub(crate) fn new(vhost: Vhost, stats: Arc<VhostStats>) -> Result<Self, String> {
        let users = vhost.users()?;
        let users = users
            .iter()
            .map(|(user, group)| ((*user).to_owned(), (*group).to_owned()));
        let users = users.collect();
        let mut places = HashMap::new();
        for (name, group) in &vhost.groups {
            let mut own = Places::default();
            for host in &group.remote_hosts {
                match host {
                    RemoteHost::Any => own.any = true,
                    RemoteHost::Range(first, last) => own.ranges.push((*first, *last)),
                    RemoteHost::Name(host) => own.names.push(HostName::new(host)),
                }
            }
            places.insert(name.clone(), own);
        }
        Ok(Ruled {
            vhost,
            stats,
            users,
            places,
        })
    }

    /// Names whose addresses users of any group may come from.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HostName> {
        self.places.values().flat_map(|places| &places.names)
    }

    /// The group of a user.
    fn group_of(&self, user: &str) -> Option<(&str, &VhostGroup)> {
        let known = self.users.get(user).or_else(|| self.users.get(ANY_USER));
        let name = match known {
            Some(name) => name.as_str(),
            None => self.vhost.allow_unknown_user.then_some(DEFAULT_GROUP)?,
        };
        Some((name, self.vhost.groups.get(name)?))
    }
}

/// A user who connects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor<'a> {
    /// Who it is.
    pub(crate) user: &'a str,
    /// From where.
    pub(crate) host: IpAddr,
    /// The host name that is asked for.
    pub(crate) hostname: &'a str,
}

/// A user who may not connect.
#[derive(Debug)]
pub(crate) struct TurnedAway {
    /// Why not.
    pub(crate) denial: Denial,
    /// The virtual host that was asked for, if there is one.
    pub(crate) by: Option<Arc<Ruled>>,
}

/// All virtual hosts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    settings: Settings,
    vhosts: BTreeMap<String, Arc<Ruled>>,
    /// What other names mean.
    aliases: HashMap<String, String>,
    /// What all names mean where they are patterns.
    patterns: Patterns<String>,
}

impl Rules {
    /// The same virtual hosts with other settings for the whole router.
    pub(crate) fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self.index();
        self
    }

    /// Whether virtual hosts are obeyed.
    pub(crate) fn are_on(&self) -> bool {
        self.settings.enable_vhost_policy
    }

    /// The virtual host of a name.
    pub(crate) fn get(&self, hostname: &str) -> Option<&Arc<Ruled>> {
        self.vhosts.get(hostname)
    }

    /// Whether counters are those of a virtual host in force.
    pub(crate) fn has(&self, stats: &Arc<VhostStats>) -> bool {
        let mut all = self.vhosts.values();
        all.any(|ruled| Arc::ptr_eq(&ruled.stats, stats))
    }

    /// Puts a virtual host in force, in place of one of the same name.
    ///
    /// # Errors
    /// A name or an alias that means another virtual host already.
    pub(crate) fn put(&mut self, ruled: Arc<Ruled>) -> Result<(), String> {
        let Vhost {
            hostname: name,
            aliases,
            ..
        } = &ruled.vhost;
        let others = || {
            self.vhosts
                .values()
                .filter(|other| other.vhost.hostname != *name)
        };
        if let Some(other) = others().find(|other| other.vhost.aliases.contains(name)) {
            return Err(format!(
                "Policy is creating vhost '{name}' but that name is already an alias for vhost '{}'",
                other.vhost.hostname
            ));
        }
        for alias in aliases {
            if self.vhosts.contains_key(alias) {
                return Err(format!(
                    "Policy for vhost '{name}' defines alias '{alias}' which conflicts with an existing vhost named '{alias}'"
                ));
            }
            if let Some(other) = others().find(|other| other.vhost.aliases.contains(alias)) {
                return Err(format!(
                    "Policy for vhost '{name}' alias '{alias}' conflicts with existing alias for vhost '{}'",
                    other.vhost.hostname
                ));
            }
        }
        if self.settings.enable_vhost_name_patterns {
            let mut others = self.clone();
            others.remove(name);
            let mut patterns = others.patterns;
            for pattern in names(&ruled.vhost) {
                let added =
                    Pattern::parse(pattern).and_then(|pattern| patterns.add(pattern, name.clone()));
                added.map_err(|_| {
                    format!(
                        "Policy for vhost '{name}' alias '{pattern}' optimized pattern conflicts with existing pattern"
                    )
                })?;
            }
        }
        self.vhosts.insert(name.clone(), ruled.clone());
        self.index();
        Ok(())
    }

    /// Takes a virtual host out of force.
    pub(crate) fn remove(&mut self, hostname: &str) {
        self.vhosts.remove(hostname);
        self.index();
    }

    fn index(&mut self) {
        self.aliases.clear();
        self.patterns = Patterns::default();
        for Ruled { vhost, .. } in self.vhosts.values().map(|ruled| &**ruled) {
            for alias in &vhost.aliases {
                self.aliases.insert(alias.clone(), vhost.hostname.clone());
            }
            for name in names(vhost).filter(|_| self.settings.enable_vhost_name_patterns) {
                let pattern = Pattern::parse(name);
                // Each was accepted before, with the others beside it.
                let _ =
                    pattern.and_then(|pattern| self.patterns.add(pattern, vhost.hostname.clone()));
            }
        }
    }

    /// The virtual host that a host name means, or the default one.
    fn resolve(&self, asked: &str) -> Option<&Arc<Ruled>> {
        let default = Some(&self.settings.default_vhost).filter(|name| !name.is_empty());
        self.named(asked).or_else(|| self.vhosts.get(default?))
    }

    /// The virtual host that a host name means.
    fn named(&self, asked: &str) -> Option<&Arc<Ruled>> {
        match self.settings.enable_vhost_name_patterns {
            true => self
                .patterns
                .find(asked)
                .and_then(|name| self.vhosts.get(name)),
            false => {
                let alias = || self.vhosts.get(self.aliases.get(asked)?);
                self.vhosts.get(asked).or_else(alias)
            }
        }
    }

    /// Whether a user may connect, as far as who is connected already does not matter; with what limits for that.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(&self, visitor: Visitor<'_>) -> Result<(Grant, Limits), TurnedAway> {
        let Some(ruled) = self.resolve(visitor.hostname) else {
            let denial = Denial::NoVhost {
                asked: visitor.hostname.to_owned(),
                default: self.settings.default_vhost.clone(),
            };
            return Err(TurnedAway { denial, by: None });
        };
        let vhost = &ruled.vhost;
        let Some((name, group)) = ruled.group_of(visitor.user) else {
            let denial = Denial::UnknownUser {
                user: visitor.user.to_owned(),
                vhost: vhost.hostname.clone(),
            };
            return Err(TurnedAway {
                denial,
                by: Some(ruled.clone()),
            });
        };
        let places = ruled.places.get(name);
        if !places.is_some_and(|places| places.contain(visitor.host)) {
            let denial = Denial::RemoteHost {
                group: name.to_owned(),
                vhost: vhost.hostname.clone(),
                expected: places
                    .map_or_else(String::new, |places| places.describe(&group.remote_hosts)),
                host: visitor.host.to_string(),
            };
            return Err(TurnedAway {
                denial,
                by: Some(ruled.clone()),
            });
        }
        let limits = Limits {
            all: vhost.max_connections,
            user: group
                .max_connections_per_user
                .unwrap_or(vhost.max_connections_per_user),
            host: group
                .max_connections_per_host
                .unwrap_or(vhost.max_connections_per_host),
        };
        let most = self.settings.max_message_size;
        Ok((
            Grant::new(ruled.clone(), name, group, visitor.user, most),
            limits,
        ))
    }

    /// What the peer of a connector with that `policyVhost` may do; `user` is who this router is to it.
    ///
    /// # Errors
    /// There is no such virtual host, or it has no group for connectors.
    pub(crate) fn connector(&self, vhost: &str, user: &str) -> Result<Grant, Denial> {
        let missing = || Denial::NoConnector(vhost.to_owned());
        let ruled = self.named(vhost).ok_or_else(missing)?;
        let group = ruled
            .vhost
            .groups
            .get(CONNECTOR_GROUP)
            .ok_or_else(missing)?;
        let most = self.settings.max_message_size;
        Ok(Grant::new(
            ruled.clone(),
            CONNECTOR_GROUP,
            group,
            user,
            most,
        ))
    }
}

/// The host name and the aliases.
fn names(vhost: &Vhost) -> impl Iterator<Item = &str> {
    std::iter::once(&vhost.hostname)
        .chain(&vhost.aliases)
        .map(String::as_str)
}

#[cfg(test)]
mod tests;
