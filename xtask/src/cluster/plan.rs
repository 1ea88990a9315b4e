//! The name of a cluster and its addresses. Pure.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// A cluster's name: it becomes the node's name, and part of the names of the network namespace, cgroup and folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The longest name, in bytes.
    pub const LONGEST: usize = 32;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What network namespace, cgroups and CNI network are called: the name with a prefix that marks them as ours.
    #[must_use]
    pub fn prefixed(&self) -> String {
        format!("skupper-{}", self.0)
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty()
            || text.len() > Self::LONGEST
            || !text.chars().all(inner)
            || text.starts_with('-')
            || text.ends_with('-')
        {
            bail!(
                "{text:?} cannot be the name of a cluster: 1 to {} lower-case letters, digits and inner hyphens are expected",
                Self::LONGEST
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Every address of a cluster, from one octet: `10.OCTET.0.0/16`. They mean something only inside its network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    octet: u8,
}

impl Plan {
    /// Octets that a cluster may have. 255 is left for the wires between clusters.
    pub const OCTETS: std::ops::RangeInclusive<u8> = 20..=250;

    /// The plan of `octet`.
    ///
    /// # Errors
    /// When the octet is not one of [`Plan::OCTETS`].
    pub fn new(octet: u8) -> Result<Self> {
        if !Self::OCTETS.contains(&octet) {
            bail!(
                "octet {octet} is not within {} to {}",
                Self::OCTETS.start(),
                Self::OCTETS.end()
            );
        }
        Ok(Self { octet })
    }

    /// A plan that shares no address with those of `taken`; `None` when all are in use.
    #[must_use]
    pub fn free(taken: &[Self]) -> Option<Self> {
        Self::OCTETS
            .map(|octet| Self { octet })
            .find(|plan| !taken.contains(plan))
    }

    /// The octet that tells this cluster's addresses from others'.
    #[must_use]
    pub fn octet(self) -> u8 {
        self.octet
    }

    fn address(self, c: u8, d: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.octet, c, d)
    }

    /// The node, where the API server listens too (port 6443).
    #[must_use]
    pub fn node(self) -> Ipv4Addr {
        self.address(0, 1)
    }

    /// All of the cluster, for routes of a neighbour.
    #[must_use]
    pub fn all(self) -> String {
        format!("{}/16", self.address(0, 0))
    }

    /// Pods.
    #[must_use]
    pub fn pods(self) -> String {
        format!("{}/24", self.address(64, 0))
    }

    /// Cluster addresses of Services.
    #[must_use]
    pub fn services(self) -> String {
        format!("{}/20", self.address(96, 0))
    }

    /// The Service `kubernetes.default`: the first address of the range, by Kubernetes' own rule.
    #[must_use]
    pub fn api_service(self) -> Ipv4Addr {
        self.address(96, 1)
    }

    /// The cluster's DNS server.
    #[must_use]
    pub fn dns(self) -> Ipv4Addr {
        self.address(96, 10)
    }

    /// Addresses that the stand-in for a cloud's load balancers hands out.
    #[must_use]
    pub fn load_balancers(self) -> Vec<Ipv4Addr> {
        (1..=254).map(|d| self.address(80, d)).collect()
    }

    /// This cluster's end of a wire to another one.
    #[must_use]
    pub fn wire_end(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 255, self.octet, 1)
    }

    /// What the end of a wire is called in the *other* cluster's network namespace.
    #[must_use]
    pub fn wire_name(self) -> String {
        format!("wire-{}", self.octet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in [
            "a",
            "west",
            "east-2",
            "0",
            "abcdefghijklmnopqrstuvwxyz012345",
        ] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            "a-",
            "West",
            "a_b",
            "a.b",
            "../x",
            "a/b",
            "ä",
            "abcdefghijklmnopqrstuvwxyz0123456",
        ] {
            let error = bad.parse::<Name>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{bad:?} cannot be the name")),
                "{error}"
            );
        }
    }

    #[test]
    fn every_address_lies_within_the_cluster() {
        let plan = Plan::new(42).unwrap();
        assert_eq!(plan.all(), "10.42.0.0/16");
        assert_eq!(plan.node().to_string(), "10.42.0.1");
        assert_eq!(plan.pods(), "10.42.64.0/24");
        assert_eq!(plan.services(), "10.42.96.0/20");
        assert_eq!(plan.api_service().to_string(), "10.42.96.1");
        assert_eq!(plan.dns().to_string(), "10.42.96.10");
        let balancers = plan.load_balancers();
        assert_eq!(balancers.len(), 254);
        assert!(balancers.iter().all(|a| a.octets()[..3] == [10, 42, 80]));
        assert_eq!(plan.wire_end().to_string(), "10.255.42.1");
    }

    #[test]
    fn octets_are_given_once_until_none_is_left() {
        let mut taken = Vec::new();
        while let Some(plan) = Plan::free(&taken) {
            assert!(!taken.contains(&plan));
            taken.push(plan);
        }
        assert_eq!(taken.len(), Plan::OCTETS.count());
        assert!(Plan::new(255).is_err());
        assert!(Plan::new(10).is_err());
    }

    #[test]
    fn interface_names_fit_the_kernel() {
        assert!(Plan::new(250).unwrap().wire_name().len() <= 15);
    }
}
