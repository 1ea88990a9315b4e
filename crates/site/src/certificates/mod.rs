//! Certificates: which are wanted, who manages each Secret, when one is issued, renewed, or handed to its user.
//!
//! | File | Question |
//! |---|---|
//! | `ensure` | Which Certificates do Site and SecuredAccesses want? |
//! | `ownership` | Is the Secret's content ours or the user's? |
//! | `assess` | Is what we issued still right, and until when? |
//! | `users` | Does what the user brought fit? |
//! | `former` | Which earlier CAs must stay trusted, and until when? |
//! | `manage` | All of it together: Secrets to write, a status for each Certificate |
//! | `expiry` | What ends soon, and who has to be told? |

mod assess;
mod ensure;
mod expiry;
mod former;
mod issue;
mod manage;
mod ownership;
mod users;

pub(crate) use assess::Verdict;
pub(crate) use ensure::{Ensured, ensure};
pub(crate) use expiry::warn;
pub(crate) use manage::{Managed, manage};

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use skupper_pki::KeyAlgorithm;

use crate::settings::{CertificateSettings, parse_lifetime};

/// What a Certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A CA.
    Signing,
    /// A server.
    Server,
}

/// A Certificate that something of ours wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) ca: String,
    pub(crate) subject: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) purpose: Purpose,
    pub(crate) owner: OwnerReference,
}

/// What a Site or a Certificate says in its `settings` about what is issued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    ca_lifetime: Option<Duration>,
    server_lifetime: Option<Duration>,
    client_lifetime: Option<Duration>,
    algorithm: Option<KeyAlgorithm>,
}

/// Reads `tls-ca-lifetime`, `tls-server-lifetime`, `tls-client-lifetime` and `tls-key-algorithm`.
pub(crate) fn overrides(settings: &skupper_api::Settings, problems: &mut Vec<String>) -> Overrides {
    let mut lifetime = |name: &str| match settings.get(name).map(|text| parse_lifetime(text))? {
        Ok(lifetime) => Some(lifetime),
        Err(problem) => {
            problems.push(format!("setting {name} {problem}"));
            None
        }
    };
    let (ca_lifetime, server_lifetime, client_lifetime) = (
        lifetime("tls-ca-lifetime"),
        lifetime("tls-server-lifetime"),
        lifetime("tls-client-lifetime"),
    );
    let algorithm = settings
        .get("tls-key-algorithm")
        .and_then(|text| match text.trim().parse() {
            Ok(algorithm) => Some(algorithm),
            Err(error) => {
                problems.push(format!("setting tls-key-algorithm: {error}"));
                None
            }
        });
    Overrides {
        ca_lifetime,
        server_lifetime,
        client_lifetime,
        algorithm,
    }
}

impl Overrides {
    /// The controller's settings with what is said here.
    fn over(&self, settings: &CertificateSettings) -> CertificateSettings {
        CertificateSettings {
            ca_lifetime: self.ca_lifetime.unwrap_or(settings.ca_lifetime),
            server_lifetime: self.server_lifetime.unwrap_or(settings.server_lifetime),
            client_lifetime: self.client_lifetime.unwrap_or(settings.client_lifetime),
            algorithm: self.algorithm.unwrap_or(settings.algorithm),
            grace: settings.grace,
        }
    }
}
