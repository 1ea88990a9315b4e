//! What is round a user's Secret: who will present what to it, and what has to be issued from it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use skupper_api::{Certificate, CertificateSpec};

use super::Manager;
use crate::certificates::users::Surroundings;
use crate::credentials::{of_secret, revision};
use crate::names::{CONTROLLED, FINGERPRINT};

impl Manager<'_, '_> {
    /// What else a verdict on this Secret depends on. Only users' Secrets have such surroundings.
    pub(super) fn others(
        &self,
        name: &str,
        certificate: &Certificate,
        spec: &CertificateSpec,
        secret: &Secret,
    ) -> String {
        let uid = certificate.metadata.uid.as_deref().unwrap_or_default();
        let marked = secret
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key(FINGERPRINT));
        if marked {
            return uid.to_owned();
        }
        let around = self
            .clients(name, spec)
            .map(|(name, secret)| format!("{name}={}", revision(secret)));
        format!(
            "{uid} {} {}",
            self.has_to_issue(name, spec),
            around.collect::<Vec<_>>().join(" ")
        )
    }

    /// Client credentials that are presented to this server. A few are enough to know.
    fn clients(&self, name: &str, spec: &CertificateSpec) -> impl Iterator<Item = (&str, &Secret)> {
        let is_link_server = spec.server && self.link_servers.iter().any(|server| server == name);
        let certificates = is_link_server.then_some(&self.pass.observed.certificates);
        certificates
            .into_iter()
            .flatten()
            .filter(|(_, certificate)| certificate.spec.client && !certificate.spec.server)
            .filter_map(|(name, _)| Some((name.as_str(), self.pass.secret(name)?)))
            .take(16)
    }

    /// The CA that signs the clients of this server, if it is the user's.
    fn users_issuer<'s>(
        &'s self,
        name: &str,
        spec: &'s CertificateSpec,
    ) -> Option<(&'s str, &'s Secret)> {
        let is_link_server = spec.server && self.link_servers.iter().any(|server| server == name);
        let secret = self.pass.secret(&spec.ca).filter(|_| is_link_server)?;
        let marked = secret
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key(CONTROLLED));
        (!marked).then_some((spec.ca.as_str(), secret))
    }

    /// Whether a certificate has to be issued from this CA.
    fn has_to_issue(&self, name: &str, spec: &CertificateSpec) -> bool {
        let missing = |(name, one): (&String, &Arc<Certificate>)| {
            let secret = self.pass.observed.secrets.get(name);
            let managed = secret.is_none_or(|secret| {
                secret
                    .metadata
                    .annotations
                    .as_ref()
                    .is_some_and(|all| all.contains_key(CONTROLLED))
            });
            managed && !one.spec.signing
        };
        spec.signing
            && self
                .pass
                .observed
                .certificates
                .iter()
                .filter(|(_, one)| one.spec.ca == name)
                .any(missing)
    }

    pub(super) fn surroundings(&self, name: &str, spec: &CertificateSpec) -> Surroundings<'_> {
        Surroundings {
            has_to_issue: self.has_to_issue(name, spec),
            clients: self
                .clients(name, spec)
                .map(|(name, secret)| (name, of_secret(secret)))
                .collect(),
            users_issuer: self
                .users_issuer(name, spec)
                .map(|(name, secret)| (name.to_owned(), of_secret(secret))),
        }
    }
}
