//! Credentials for tests: a CA and what it issues, in files as a profile names them.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skupper_management::agent::Store;
use skupper_management::{Attributes, Kind};
use skupper_pki::issue::{CaRequest, Issuer, LeafRequest, issue_ca};
use skupper_pki::{Credential, KeyAlgorithm};
use skupper_router::Router;

/// A CA.
pub(crate) struct Ca(Issuer);

/// What a leaf is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Server,
    Client,
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

impl Ca {
    /// A CA that began ten days ago and ends in ten.
    pub(crate) fn new(name: &str) -> Self {
        let request = CaRequest {
            subject: name.to_owned(),
            algorithm: KeyAlgorithm::default(),
            lifetime: days(20),
        };
        let issued = issue_ca(&request, Timestamp::now() - days(10)).unwrap();
        Ca(Issuer::of(&issued))
    }

    /// A leaf that is valid now.
    pub(crate) fn leaf(&self, to_be: Use, subject: &str, hosts: &[&str]) -> Credential {
        self.leaf_at(to_be, subject, hosts, Timestamp::now())
    }

    /// A leaf that ended days ago.
    pub(crate) fn expired_leaf(&self, to_be: Use, subject: &str, hosts: &[&str]) -> Credential {
        self.leaf_at(to_be, subject, hosts, Timestamp::now() - days(5))
    }

    fn leaf_at(&self, to_be: Use, subject: &str, hosts: &[&str], at: Timestamp) -> Credential {
        let request = LeafRequest {
            subject: subject.to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            server: to_be == Use::Server,
            client: to_be == Use::Client,
            algorithm: KeyAlgorithm::default(),
            lifetime: days(1),
        };
        self.0.issue(&request, at).unwrap().credential()
    }
}

/// The files of a credential in a directory.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn write(directory: &Path, name: &str, credential: &Credential) -> Self {
        let files = Files(directory.join(name));
        std::fs::create_dir_all(&files.0).unwrap();
        files.replace(credential);
        files
    }

    pub(crate) fn replace(&self, credential: &Credential) {
        for (file, bytes) in credential.data() {
            std::fs::write(self.0.join(file), bytes).unwrap();
        }
    }

    /// A profile of these files.
    pub(crate) fn profile(&self, name: &str) -> Value {
        json!(["sslProfile", self.attributes(name, 0, 0)])
    }

    /// The attributes of a profile of these files.
    pub(crate) fn attributes(&self, name: &str, ordinal: u64, oldest: u64) -> Value {
        let path = |file: &str| self.0.join(file).to_string_lossy().into_owned();
        json!({
            "name": name,
            "caCertFile": path("ca.crt"),
            "certFile": path("tls.crt"),
            "privateKeyFile": path("tls.key"),
            "ordinal": ordinal,
            "oldestValidOrdinal": oldest,
        })
    }
}

/// Changes attributes of a profile.
pub(crate) fn update_profile(router: &Router, attributes: Value) -> Result<Attributes, String> {
    let Value::Object(wanted) = attributes else {
        panic!("attributes are a map")
    };
    let mut entities = router.entities();
    let name = wanted["name"].as_str().unwrap().to_owned();
    let current = entities.find(Kind::SslProfile, "name", &name).remove(0);
    let mut merged = current.clone();
    merged.extend(wanted);
    entities
        .update(Kind::SslProfile, &current, merged)
        .map_err(|failure| failure.to_string())
}
