//! What users of a virtual host may do (reference §9). Texts are upstream's where upstream has one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

use crate::field::{bounded, record, scalar, truth, whole};
use crate::{Attributes, Value};

/// Stands in names of links for who the user is.
pub const USER: &str = "${user}";
/// The group of users who are in no other, where a virtual host lets them in.
pub const DEFAULT_GROUP: &str = "$default";
/// Every user who is in no other group.
pub const ANY_USER: &str = "*";
/// Connections where nothing else is configured.
const CONNECTIONS: u64 = 65535;
/// Links of one direction where nothing else is configured.
const LINKS: u64 = 2_147_483_647;

record! {
    /// Limits that hold for the whole router.
    Policy => Policy {
        /// Connections that may be accepted at once.
        max_connections: u64 = "maxConnections",
        /// Octets of a message from users whose virtual host and group say nothing else; zero for any number.
        max_message_size: u64 = "maxMessageSize",
        /// Whether virtual hosts are obeyed.
        enable_vhost_policy: bool = "enableVhostPolicy",
        /// Whether host names and aliases of virtual hosts are patterns.
        enable_vhost_name_patterns: bool = "enableVhostNamePatterns",
        /// A directory of JSON files with virtual hosts; empty for none.
        policy_dir: String = "policyDir",
        /// The virtual host of who asks for one that is not configured; empty for none.
        default_vhost: String = "defaultVhost",
    }
}

/// A virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vhost {
    /// The host name that clients ask for when they open a connection.
    pub hostname: String,
    /// Other host names that mean the same.
    pub aliases: Vec<String>,
    /// Connections of all users.
    pub max_connections: u64,
    /// Connections of one user.
    pub max_connections_per_user: u64,
    /// Connections from one host.
    pub max_connections_per_host: u64,
    /// Octets of a message; zero for any number.
    pub max_message_size: Option<u64>,
    /// Whether users who are in no group are in `$default`.
    pub allow_unknown_user: bool,
    /// Groups of users.
    pub groups: BTreeMap<String, VhostGroup>,
}

/// What users of a group may do. Limits that are not given are those of the virtual host, or of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VhostGroup {
    /// The users.
    pub users: Vec<String>,
    /// From where they may connect.
    pub remote_hosts: Vec<RemoteHost>,
    /// Connections of one user.
    pub max_connections_per_user: Option<u64>,
    /// Connections from one host.
    pub max_connections_per_host: Option<u64>,
    /// Octets of a message; zero for any number.
    pub max_message_size: Option<u64>,
    /// Octets of a frame; zero for the listener's.
    pub max_frame_size: u64,
    /// Octets that may be under way on a session; zero for the listener's.
    pub max_session_window: u64,
    /// Sessions of a connection; zero for the listener's.
    pub max_sessions: u64,
    /// Links of a connection by which the user sends.
    pub max_senders: u64,
    /// Links of a connection by which the user receives.
    pub max_receivers: u64,
    /// Whether a receiver may ask for an address that is made up.
    pub allow_dynamic_source: bool,
    /// Whether a sender may name the address in each message.
    pub allow_anonymous_sender: bool,
    /// Whether messages may name another user than the connection's.
    pub allow_user_id_proxy: bool,
    /// Whether the user may have the router close connections.
    pub allow_admin_status_update: bool,
    /// Addresses that the user may receive from.
    pub sources: LinkNames,
    /// Addresses that the user may send to.
    pub targets: LinkNames,
}

/// From where a user may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteHost {
    /// From anywhere.
    Any,
    /// From the addresses between two, both included.
    Range(IpAddr, IpAddr),
    /// From the addresses of a name.
    Name(String),
}

/// Names of addresses, in which [`USER`] stands for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkNames {
    /// Texts, the last character of which may be a `*` for any characters.
    Texts(Vec<String>),
    /// Patterns of tokens.
    Patterns(Vec<String>),
}

impl LinkNames {
    /// The names as they were given.
    pub fn as_slice(&self) -> &[String] {
        match self {
            LinkNames::Texts(names) | LinkNames::Patterns(names) => names,
        }
    }
}

impl fmt::Display for LinkNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_slice() {
            [] => f.write_str("(none)"),
            names => write!(f, "'{}'", bounded(&names.join(", "))),
        }
    }
}

impl fmt::Display for RemoteHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteHost::Any => f.write_str("*"),
            RemoteHost::Range(first, last) if first == last => first.fmt(f),
            RemoteHost::Range(first, last) => write!(f, "{first}-{last}"),
            RemoteHost::Name(name) => f.write_str(name),
        }
    }
}

/// Settings of groups that this router knows.
const SETTINGS: [&str; 18] = [
    "users",
    "remoteHosts",
    "maxConnectionsPerHost",
    "maxConnectionsPerUser",
    "maxFrameSize",
    "maxMessageSize",
    "maxSessionWindow",
    "maxSessions",
    "maxSenders",
    "maxReceivers",
    "allowDynamicSource",
    "allowAnonymousSender",
    "allowUserIdProxy",
    "allowAdminStatusUpdate",
    "sources",
    "targets",
    "sourcePattern",
    "targetPattern",
];

impl Vhost {
    /// Reads validated attributes. The second are sentences about what is no error and yet hardly meant.
    ///
    /// # Errors
    /// What cannot be, in a sentence.
    pub fn read(attributes: &Attributes) -> Result<(Self, Vec<String>), String> {
        let text = |name: &str| attributes.get(name).and_then(scalar).unwrap_or_default();
        let hostname = text("hostname");
        let fault = |why: String| format!("Policy '{hostname}' is invalid: {why}");
        let limit = |name: &str| {
            let place = format!("Policy vhost '{hostname}' option '{name}'");
            number(attributes, name, Some(CONNECTIONS), &place).map_err(fault)
        };
        let mut aliases: Vec<String> = Vec::new();
        for alias in separate(&text("aliases")) {
            let why = match &alias {
                alias if *alias == hostname => "duplicates vhost name",
                alias if aliases.contains(alias) => "is duplicated",
                _ => {
                    aliases.push(alias);
                    continue;
                }
            };
            let place = format!("Policy vhost '{hostname}' option 'aliases'");
            return Err(fault(format!("{place} value '{alias}' {why}")));
        }
        let place = format!("Policy vhost '{hostname}' option 'maxMessageSize'");
        let mut vhost = Vhost {
            aliases,
            max_connections: limit("maxConnections")?.unwrap_or(CONNECTIONS),
            max_connections_per_user: limit("maxConnectionsPerUser")?.unwrap_or(CONNECTIONS),
            max_connections_per_host: limit("maxConnectionsPerHost")?.unwrap_or(CONNECTIONS),
            max_message_size: number(attributes, "maxMessageSize", None, &place).map_err(fault)?,
            allow_unknown_user: attributes.get("allowUnknownUser").and_then(truth) == Some(true),
            groups: BTreeMap::new(),
            hostname: hostname.clone(),
        };
        let mut warnings = Vec::new();
        if let Some(groups) = attributes.get("groups").and_then(Value::as_object) {
            for (name, settings) in groups {
                let Some(settings) = settings.as_object() else {
                    let kind = "must be of type 'dict'";
                    return Err(fault(format!(
                        "Policy vhost '{hostname}' user group '{name}' {kind}"
                    )));
                };
                let reader = Reader {
                    place: format!("Policy vhost '{hostname}' user group '{name}'"),
                    settings,
                };
                let group = reader.group(&mut warnings).map_err(fault)?;
                vhost.groups.insert(name.clone(), group);
            }
        }
        vhost.users().map_err(fault)?;
        if vhost.allow_unknown_user && !vhost.groups.contains_key(DEFAULT_GROUP) {
            return Err(fault(format!(
                "Policy vhost '{hostname}' allows connections by default but default settings are not defined"
            )));
        }
        Ok((vhost, warnings))
    }

    /// The group of each user.
    ///
    /// # Errors
    /// A user who is in two, which [`Vhost::read`] does not let pass.
    pub fn users(&self) -> Result<HashMap<&str, &str>, String> {
        let mut users = HashMap::new();
        for (name, group) in &self.groups {
            for user in &group.users {
                if let Some(other) = users.insert(user.as_str(), name.as_str()) {
                    return Err(format!(
                        "Policy vhost '{}' user '{user}' is in multiple user groups '{other}' and '{name}'",
                        self.hostname
                    ));
                }
            }
        }
        Ok(users)
    }
}

/// One group's settings as they were given.
struct Reader<'a> {
    place: String,
    settings: &'a Attributes,
}

impl Reader<'_> {
    fn group(&self, warnings: &mut Vec<String>) -> Result<VhostGroup, String> {
        for name in self.settings.keys() {
            if !SETTINGS.contains(&name.as_str()) {
                warnings.push(format!(
                    "{} option '{}' is ignored.",
                    self.place,
                    bounded(name)
                ));
            }
        }
        let group = VhostGroup {
            users: self.list("users")?.unwrap_or_default(),
            remote_hosts: self.remote_hosts()?,
            max_connections_per_user: self.number("maxConnectionsPerUser", Some(CONNECTIONS))?,
            max_connections_per_host: self.number("maxConnectionsPerHost", Some(CONNECTIONS))?,
            max_message_size: self.number("maxMessageSize", None)?,
            max_frame_size: self.number("maxFrameSize", None)?.unwrap_or(0),
            max_session_window: self.number("maxSessionWindow", None)?.unwrap_or(0),
            max_sessions: self.number("maxSessions", None)?.unwrap_or(0),
            max_senders: self.number("maxSenders", None)?.unwrap_or(LINKS),
            max_receivers: self.number("maxReceivers", None)?.unwrap_or(LINKS),
            allow_dynamic_source: self.flag("allowDynamicSource", false)?,
            allow_anonymous_sender: self.flag("allowAnonymousSender", false)?,
            allow_user_id_proxy: self.flag("allowUserIdProxy", false)?,
            allow_admin_status_update: self.flag("allowAdminStatusUpdate", true)?,
            sources: self.names("sources", "sourcePattern", warnings)?,
            targets: self.names("targets", "targetPattern", warnings)?,
        };
        Ok(group)
    }

    fn number(&self, name: &str, most: Option<u64>) -> Result<Option<u64>, String> {
        let place = format!("{} option '{name}'", self.place);
        number(self.settings, name, most, &place)
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.settings.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => truth(value).ok_or_else(|| {
                let value = bounded(&value.to_string());
                format!(
                    "{} option '{name}' has illegal boolean value '{value}'.",
                    self.place
                )
            }),
        }
    }

    /// A list, or a text whose parts are separated by commas. An empty text is one empty name, which nobody has.
    fn list(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        let items = match self.settings.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(items)) => items.iter().map(scalar).collect::<Option<Vec<String>>>(),
            Some(value) => scalar(value).map(|text| separate(&text).collect()),
        };
        let mut items = items.ok_or_else(|| {
            format!(
                "{} option '{name}' has illegal value. Type must be 'str' or 'list': give names, separated by commas",
                self.place
            )
        })?;
        let mut seen = std::collections::HashSet::new();
        items.retain(|item| !item.is_empty() && seen.insert(item.clone()));
        Ok(Some(items))
    }

    fn remote_hosts(&self) -> Result<Vec<RemoteHost>, String> {
        let hosts = self.list("remoteHosts")?.unwrap_or_default();
        let read = |host: String| {
            remote_host(&host).map_err(|why| {
                format!(
                    "{} option 'remoteHosts' connectionOption '{}' failed to translate: '{why}'.",
                    self.place,
                    bounded(&host)
                )
            })
        };
        hosts.into_iter().map(read).collect()
    }

    fn names(
        &self,
        texts: &str,
        patterns: &str,
        warnings: &mut Vec<String>,
    ) -> Result<LinkNames, String> {
        let (given, given_patterns) = (self.list(texts)?, self.list(patterns)?);
        if given.is_some() && given_patterns.is_some() {
            return Err(format!(
                "{} specifies conflicting '{texts}' and '{patterns}' attributes. Use only one or the other.",
                self.place
            ));
        }
        let (name, is_pattern) = match given_patterns {
            Some(_) => (patterns, true),
            None => (texts, false),
        };
        let names = given_patterns.or(given).unwrap_or_default();
        for item in &names {
            let place = format!(
                "{} policy key '{name}' item '{}'",
                self.place,
                bounded(item)
            );
            match item.matches(USER).count() {
                0 => continue,
                1 => {}
                _ => {
                    return Err(format!(
                        "{place} contains multiple user substitution tokens"
                    ));
                }
            }
            if !is_pattern {
                continue;
            }
            if !item.starts_with(USER) && !item.ends_with(USER) {
                return Err(format!(
                    "{place} may contain match pattern '{USER}' as a prefix or a suffix only."
                ));
            }
            if !item.split(['/', '.']).any(|token| token == USER) {
                warnings.push(format!(
                    "{place} allows nothing: '{USER}' is not a token of its own"
                ));
            }
        }
        Ok(match is_pattern {
            true => LinkNames::Patterns(names),
            false => LinkNames::Texts(names),
        })
    }
}

fn separate(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned)
}

fn number(
    attributes: &Attributes,
    name: &str,
    most: Option<u64>,
    place: &str,
) -> Result<Option<u64>, String> {
    let value = match attributes.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let shown = bounded(&scalar(value).unwrap_or_else(|| value.to_string()));
    let error = |why: String| format!("{place} has error 'Value '{shown}' {why}.'.");
    let number = whole(value).ok_or_else(|| error("does not resolve to an integer".to_owned()))?;
    let number = u64::try_from(number).map_err(|_| error("is below minimum '0'".to_owned()))?;
    match most {
        Some(most) if number > most => Err(error(format!("is above maximum '{most}'"))),
        _ => Ok(Some(number)),
    }
}

fn remote_host(text: &str) -> Result<RemoteHost, String> {
    if text == "*" {
        return Ok(RemoteHost::Any);
    }
    if let Ok(address) = text.parse() {
        return Ok(RemoteHost::Range(address, address));
    }
    // A name may have a hyphen: two addresses make a range.
    let ends = text
        .split_once('-')
        .map(|(first, last)| (first.trim(), last.trim()));
    let ends = ends.and_then(|(first, last)| {
        Some((first.parse::<IpAddr>().ok()?, last.parse::<IpAddr>().ok()?))
    });
    match ends {
        None => Ok(RemoteHost::Name(text.to_owned())),
        Some((first, last)) if first.is_ipv4() != last.is_ipv4() => {
            Err("mixed IPv4 and IPv6 host specs in range not allowed".to_owned())
        }
        Some((first, last)) if first > last => {
            Err("host specs in range must have lower numeric address first".to_owned())
        }
        Some((first, last)) => Ok(RemoteHost::Range(first, last)),
    }
}

#[cfg(test)]
mod tests;
