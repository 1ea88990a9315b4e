//! Where the credential of a link comes from.

use k8s_openapi::api::core::v1::Secret;
use skupper_api::{Certificate, Kind, condition};

/// What to do for the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The Secret is there: the user's, or one that was issued before. No Certificate is made over it.
    Existing,
    /// A Certificate is there and its Secret is to come.
    Awaited,
    /// Neither: have it issued.
    Issue,
}

/// Decides from what is there.
pub(crate) fn source(secret: Option<&Secret>, certificate: Option<&Certificate>) -> Source {
    match (secret, certificate) {
        (Some(_), _) => Source::Existing,
        (None, Some(_)) => Source::Awaited,
        (None, None) => Source::Issue,
    }
}

/// What to do where the Secret does not come: the Certificate may say why.
pub(crate) fn not_issued(name: &str, certificate: Option<&Certificate>) -> String {
    let message = certificate
        .and_then(|certificate| certificate.condition(condition::READY))
        .map(|ready| ready.message.as_str())
        .filter(|message| !message.is_empty());
    match message {
        Some(message) => format!("Certificate {name} says: {message}"),
        None => format!(
            "Certificate {name} has no status yet: check that a Skupper controller runs and serves this namespace"
        ),
    }
}
