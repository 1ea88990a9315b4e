//! Routing keys: one class letter and the rest (§4.1, §4.2).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::id::AREA;

/// What kind of thing an address key names; its letter is the key's first character.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `M`: addresses of applications.
    Mobile,
    /// `L`: local to this router.
    Local,
    /// `T`: every interior router.
    Topological,
    /// `R`: one interior router.
    Router,
    /// `A`: another area.
    Area,
    /// `N`: another network.
    Network,
    /// `H`: an edge router.
    Edge,
}

impl Class {
    /// The letter that keys of this class begin with.
    pub fn letter(self) -> char {
        match self {
            Self::Mobile => 'M',
            Self::Local => 'L',
            Self::Topological => 'T',
            Self::Router => 'R',
            Self::Area => 'A',
            Self::Network => 'N',
            Self::Edge => 'H',
        }
    }

    fn of(letter: u8) -> Option<Self> {
        Some(match letter {
            b'M' => Self::Mobile,
            b'L' => Self::Local,
            b'T' => Self::Topological,
            b'R' => Self::Router,
            b'A' => Self::Area,
            b'N' => Self::Network,
            b'H' => Self::Edge,
            _ => return None,
        })
    }
}

/// The key an address is looked up and announced by: class letter and text, `Mecho:8080`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressKey(Arc<str>);

impl AddressKey {
    /// Longest key that is taken from a peer, in octets.
    pub const MAX_LEN: usize = 2048;

    /// A key of the class with the text behind its letter.
    pub fn new(class: Class, rest: &str) -> Self {
        let mut key = String::with_capacity(rest.len() + 1);
        key.push(class.letter());
        key.push_str(rest);
        Self(key.into())
    }

    /// The key of an application's address, `echo:8080` → `Mecho:8080`.
    pub fn mobile(address: &str) -> Self {
        Self::new(Class::Mobile, address)
    }

    /// A key as it travels; `None` where its first letter is no class or it is longer than [`AddressKey::MAX_LEN`].
    pub fn parse(key: &str) -> Option<Self> {
        Class::of(*key.as_bytes().first()?)?;
        (key.len() <= Self::MAX_LEN).then(|| Self(Arc::from(key)))
    }

    /// The class its first letter stands for.
    pub fn class(&self) -> Class {
        // Every constructor puts a class letter first.
        self.0
            .as_bytes()
            .first()
            .and_then(|l| Class::of(*l))
            .unwrap_or(Class::Mobile)
    }

    /// The text behind the class letter.
    pub fn text(&self) -> &str {
        self.0.get(1..).unwrap_or_default()
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address that leads to the key in a router of this network, where it is that of an application or of another network,
    /// whichever of its routers is meant.
    pub fn address(&self) -> Option<Cow<'_, str>> {
        match self.class() {
            Class::Mobile => Some(self.text().into()),
            Class::Network => Some(format!("_xtopo/{}", self.text()).into()),
            _ => None,
        }
    }

    /// Whether consumers inside a router are told to other routers: those of application addresses, but for the management
    /// agent, which every router has.
    pub fn is_propagated(&self) -> bool {
        self.is_synchronised() && self.text() != "$management"
    }

    /// Whether interior routers tell each other of keys of this class (§4.2).
    pub fn is_synchronised(&self) -> bool {
        matches!(self.class(), Class::Mobile | Class::Network | Class::Edge)
    }
}

impl std::borrow::Borrow<str> for AddressKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// In an address it stands for the reader's own network, and in a configuration for a network without a name.
const THIS_NETWORK: &str = "0";

/// The names a router reads addresses against: its own id and its network's. Edge routers read them alike; what is not their
/// own they send to the interior.
#[derive(Clone, Debug)]
pub struct Naming {
    router: Arc<str>,
    network: Option<Arc<str>>,
}

impl Naming {
    /// Of the router `router`, in the network `network` (`networkId` of the `network` entity): empty or `0` if it has no name.
    pub fn new(router: &str, network: &str) -> Self {
        let named = !network.is_empty() && network != THIS_NETWORK;
        Self {
            router: router.into(),
            network: named.then(|| network.into()),
        }
    }

    /// The same router in another network.
    #[must_use]
    pub fn within(&self, network: &str) -> Self {
        Self::new(&self.router, network)
    }

    /// The address by which other routers reach the local name `name` of this router, which is an `edge` router or not
    /// (§4.5).
    pub fn address(&self, name: &str, edge: bool) -> String {
        let Self { router, network } = self;
        match (network, edge) {
            (None, false) => format!("amqp:/_topo/{AREA}/{router}/{name}"),
            (None, true) => format!("amqp:/_edge/{router}/{name}"),
            (Some(network), false) => format!("amqp:/_xtopo/{network}/{AREA}/{router}/{name}"),
            (Some(network), true) => format!("amqp:/_xedge/{network}/{router}/{name}"),
        }
    }

    /// The key of an address as a link, a `to` or a reply-to names it.
    pub fn key(&self, address: &str) -> AddressKey {
        let address = bare(address);
        self.reserved(address)
            .unwrap_or_else(|| AddressKey::mobile(address))
    }

    fn reserved(&self, address: &str) -> Option<AddressKey> {
        let rest = address.strip_prefix('_')?;
        if let Some(rest) = rest.strip_prefix("local/") {
            return Some(AddressKey::new(Class::Local, rest));
        }
        let (rest, across) = match rest.strip_prefix('x') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        if let Some(rest) = rest.strip_prefix("topo/") {
            return Some(match self.within_network(rest, across) {
                Ok(rest) => self.topological(rest),
                Err(network) => AddressKey::new(Class::Network, network),
            });
        }
        let rest = rest.strip_prefix("edge/")?;
        Some(match self.within_network(rest, across) {
            Ok(rest) => match element(rest, &self.router) {
                Some(rest) => AddressKey::new(Class::Local, rest),
                None => AddressKey::new(Class::Edge, first(rest)),
            },
            Err(network) => AddressKey::new(Class::Network, network),
        })
    }

    /// Whether an address says which network it is in, and that is this router's own as far as it can tell.
    pub fn is_in_own_network(&self, address: &str) -> bool {
        let address = bare(address);
        let mut prefixes = ["_xtopo/", "_xedge/"].into_iter();
        let Some(rest) = prefixes.find_map(|prefix| address.strip_prefix(prefix)) else {
            return false;
        };
        let named = first(rest);
        let mut network = self.network.iter();
        named == THIS_NETWORK || network.all(|network| **network == *named)
    }

    /// What follows the network element, or the name of the other network.
    fn within_network<'a>(&self, rest: &'a str, across: bool) -> Result<&'a str, &'a str> {
        if !across {
            return Ok(rest);
        }
        match &self.network {
            // Without a network of its own a router takes any network for its own.
            None => Ok(rest.split_once('/').map_or("", |(_, rest)| rest)),
            Some(network) => element(rest, network)
                .or_else(|| element(rest, THIS_NETWORK))
                .ok_or_else(|| first(rest)),
        }
    }

    fn topological(&self, rest: &str) -> AddressKey {
        match element(rest, "all").or_else(|| element(rest, AREA)) {
            None => AddressKey::new(Class::Area, first(rest)),
            Some(rest) => match (element(rest, "all"), element(rest, &self.router)) {
                (Some(rest), _) => AddressKey::new(Class::Topological, rest),
                (None, Some(rest)) => AddressKey::new(Class::Local, rest),
                (None, None) => AddressKey::new(Class::Router, first(rest)),
            },
        }
    }
}

/// What follows `name/`, if the address begins so.
fn element<'a>(address: &'a str, name: &str) -> Option<&'a str> {
    address.strip_prefix(name)?.strip_prefix('/')
}

fn first(address: &str) -> &str {
    address.split_once('/').map_or(address, |(first, _)| first)
}

/// What of an address counts: without `amqp:/`, `amqp://host/` or a leading `/` (any scheme will do), and without a separator at
/// its end. Whoever judges an address judges this, since it is what the address leads to.
pub fn bare(address: &str) -> &str {
    strip_separator(strip_host(address))
}

fn strip_separator(address: &str) -> &str {
    address.strip_suffix(['.', '/']).unwrap_or(address)
}

/// Strips `amqp:/`, `amqp://host/` or a leading `/`; any scheme will do.
fn strip_host(address: &str) -> &str {
    let absolute = match address.strip_prefix('/') {
        Some(rest) => Some(rest),
        None => address.find(":/").map(|at| &address[at + 2..]),
    };
    match absolute {
        // A scheme or slash with nothing behind it is no prefix.
        None | Some("") => address,
        Some(rest) => match rest.strip_prefix('/') {
            None => rest,
            Some(rest) => match rest.split_once('/') {
                Some((_host, rest)) => rest,
                None => address,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_interior_router_in_a_network() {
        let naming = Naming::new("my-router", "my-network");
        for (address, key) in [
            ("amqp:/_local/my-addr/sub", "Lmy-addr/sub"),
            ("_local/my-addr", "Lmy-addr"),
            ("amqp://host:port/_local/my-addr", "Lmy-addr"),
            ("amqp:/_topo/area/router/local/sub", "Aarea"),
            ("amqp:/_topo/0/router/local/sub", "Rrouter"),
            ("amqp:/_topo/0/my-router/local/sub", "Llocal/sub"),
            ("amqp:/_topo/area/all/local/sub", "Aarea"),
            ("amqp:/_topo/0/all/local/sub", "Tlocal/sub"),
            ("amqp:/_topo/all/all/local/sub", "Tlocal/sub"),
            ("_topo/0/router", "Rrouter"),
            ("_topo/0/router.", "Rrouter"),
            ("_topo/0/router:", "Rrouter:"),
            ("amqp:/_xtopo/network/area/router/local/sub", "Nnetwork"),
            ("amqp:/_xtopo/my-network/area/router/local/sub", "Aarea"),
            ("amqp:/_xtopo/my-network/0/router/local/sub", "Rrouter"),
            ("_xtopo/my-network/0/my-router/my-addr", "Lmy-addr"),
            ("amqp:/_xtopo/my-network/all/all/local/sub", "Tlocal/sub"),
            ("_xtopo/network", "Nnetwork"),
            ("_xtopo/0/area", "Aarea"),
            ("amqp:/mobile", "Mmobile"),
            ("mobile", "Mmobile"),
            ("/mobile", "Mmobile"),
            ("echo:8080", "Mecho:8080"),
            ("a/b.c", "Ma/b.c"),
            ("amqp:/_edge/router/sub", "Hrouter"),
            ("_edge/my-router/sub", "Lsub"),
            ("amqp:/_xedge/my-network/router/sub", "Hrouter"),
            ("_xedge/network/router/sub", "Nnetwork"),
            ("amqp:/_local/my-addr/sub.", "Lmy-addr/sub"),
            ("_unknown/x", "M_unknown/x"),
            ("", "M"),
            ("amqp:/", "Mamqp:"),
        ] {
            assert_eq!(naming.key(address).as_str(), key, "{address}");
        }
    }

    #[test]
    fn own_names_are_read_as_they_are_written() {
        for network in ["", "0", "my-network"] {
            let naming = Naming::new("my-router", network);
            for edge in [false, true] {
                let address = naming.address("temp.x", edge);
                assert_eq!(naming.key(&address).as_str(), "Ltemp.x", "{address}");
            }
        }
    }

    #[test]
    fn without_a_network_any_network_is_ones_own() {
        for network in ["", "0"] {
            let naming = Naming::new("my-router", network);
            for (address, key) in [
                ("amqp:/_xtopo/network/area/router/local/sub", "Aarea"),
                ("_xtopo/network/0/my-router/my-addr", "Lmy-addr"),
                ("_xtopo/network", "A"),
                ("_xtopo/0/area", "Aarea"),
                ("_xedge/network/router/sub", "Hrouter"),
            ] {
                assert_eq!(naming.key(address).as_str(), key, "{address}");
            }
        }
    }

    #[test]
    fn whose_network_an_address_is_in() {
        let named = Naming::new("my-router", "east");
        let nameless = Naming::new("my-router", "");
        for (address, own, owns) in [
            ("_xtopo/east", true, true),
            ("amqp:/_xedge/east/router/sub", true, true),
            ("_xtopo/0/0/router", true, true),
            ("_xtopo/west", false, true),
            ("_xtopo/west/0/router", false, true),
            ("_topo/0/router", false, false),
            ("xtopo/east", false, false),
        ] {
            assert_eq!(named.is_in_own_network(address), own, "{address}");
            assert_eq!(nameless.is_in_own_network(address), owns, "{address}");
        }
    }

    #[test]
    fn an_edge_router_asks_the_interior_by_an_address_that_leads_to_the_key() {
        let naming = Naming::new("my-router", "east");
        for key in ["Mecho:8080", "Nwest"] {
            let key = AddressKey::parse(key).unwrap();
            assert_eq!(naming.key(&key.address().unwrap()), key);
        }
        for key in ["Lsub", "Hedge", "Rrouter", "Tall", "A1"] {
            assert_eq!(AddressKey::parse(key).unwrap().address(), None, "{key}");
        }
    }

    #[test]
    fn a_router_that_moves_to_another_network_reads_addresses_anew() {
        let before = Naming::new("my-router", "east");
        let after = before.within("west");
        let address = "_xtopo/east/0/my-router/sub";
        assert_eq!(before.key(address).as_str(), "Lsub");
        assert_eq!(after.key(address).as_str(), "Neast");
        assert_eq!(
            after.address("sub", false),
            "amqp:/_xtopo/west/0/my-router/sub"
        );
    }
}
