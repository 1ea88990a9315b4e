//! Secrets as credentials.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use skupper_pki::Credential;
use skupper_pki::credential::{CA_CRT, TLS_CRT, TLS_KEY};

/// The type under which credentials are printed and issued.
pub(crate) const TLS_TYPE: &str = "kubernetes.io/tls";

/// The three elements.
pub(crate) fn credential(secret: &Secret) -> Credential {
    Credential::from_data(|key| {
        let value = secret.data.as_ref()?.get(key)?;
        Some(value.0.as_slice())
    })
}

/// The sentence where the type of a Secret keeps it from being used (kubernetes.md §4.1).
pub(crate) fn type_problem(secret: &Secret) -> Option<String> {
    match secret.type_.as_deref() {
        None | Some("" | "Opaque" | TLS_TYPE) => None,
        Some(other) => Some(format!(
            "has the type {other}, expected {TLS_TYPE} or Opaque"
        )),
    }
}

/// What is carried to the other site: the three elements that are there, under a name, and nothing else.
pub(crate) fn portable(name: &str, secret: &Secret) -> Secret {
    let mut carried = Secret::default();
    carried.metadata.name = Some(name.to_owned());
    carried.type_ = Some(TLS_TYPE.to_owned());
    let elements = [CA_CRT, TLS_CRT, TLS_KEY].into_iter().filter_map(|key| {
        let value: &ByteString = secret.data.as_ref()?.get(key)?;
        Some((key.to_owned(), value.clone()))
    });
    carried.data = Some(elements.collect());
    carried
}
