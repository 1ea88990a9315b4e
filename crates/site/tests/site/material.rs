//! Certificates as users bring them.

use jiff::{SignedDuration, Timestamp};
use skupper_pki::issue::{CaRequest, Issuer, LeafRequest, issue_ca};
use skupper_pki::{Credential, KeyAlgorithm};

/// A CA of the user's.
#[derive(Clone)]
pub(crate) struct Ca {
    issuer: Issuer,
    pub(crate) credential: Credential,
}

impl Ca {
    pub(crate) fn new(name: &str, now: Timestamp) -> Self {
        Self::of(name, KeyAlgorithm::EcdsaP256, now)
    }

    pub(crate) fn of(name: &str, algorithm: KeyAlgorithm, now: Timestamp) -> Self {
        let request = CaRequest {
            subject: name.to_owned(),
            lifetime: days(7300),
            algorithm,
        };
        let issued = issue_ca(&request, now).unwrap();
        Ca {
            issuer: Issuer::of(&issued),
            credential: issued.credential(),
        }
    }

    pub(crate) fn server(&self, hosts: &[&str], now: Timestamp) -> Credential {
        self.leaf("the user's server", hosts, true, false, days(90), now)
    }

    pub(crate) fn client(&self, name: &str, now: Timestamp) -> Credential {
        self.leaf(name, &[], false, true, days(90), now)
    }

    pub(crate) fn leaf(
        &self,
        subject: &str,
        hosts: &[&str],
        server: bool,
        client: bool,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Credential {
        let request = LeafRequest {
            subject: subject.to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            server,
            client,
            lifetime,
            algorithm: KeyAlgorithm::EcdsaP256,
        };
        self.issuer.issue(&request, now).unwrap().credential()
    }
}

pub(crate) fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}
