//! A profile's credential as management shows it: what is in use, and what is to be said of the newest files.

use jiff::Timestamp;
use skupper_management::entity::{Listener, Record, SslProfile};
use skupper_management::field::Tristate;
use skupper_management::report::{Credential, CredentialState, CredentialSummary, Finding};
use skupper_management::{Kind, Value};
use skupper_pki::Role;
use skupper_pki::judge::Severity;

use super::Entities;
use crate::tls::{Profile, judge_files};

impl Entities {
    /// The value of the attribute `credential`.
    pub(super) fn credential(&self, name: &str, profile: &Profile) -> Value {
        let problem = profile.problem();
        let loaded = profile.in_use();
        let state = match (&loaded, &problem) {
            (None, None) => CredentialState::Unused,
            (Some(_), None) => CredentialState::InUse,
            (Some(_), Some(_)) => CredentialState::Previous,
            (None, Some(_)) => CredentialState::Unusable,
        };
        let mut summary = CredentialSummary {
            state,
            ..CredentialSummary::default()
        };
        if let Some(loaded) = &loaded {
            summary.ordinal_in_use = i64::try_from(loaded.ordinal).ok();
            summary.loaded_seconds = loaded.at.as_second();
            if let Some(identity) = &loaded.identity {
                let leaf = identity.certificate();
                summary.subject = leaf.subject.to_string();
                summary.issuer = leaf.issuer.to_string();
                summary.names = leaf.names().join(" ");
                summary.not_before_seconds = Some(leaf.not_before.as_second());
                summary.not_after_seconds = Some(leaf.not_after.as_second());
                summary.fingerprint = leaf.fingerprint().to_string();
                summary.key_matches = Tristate(Some(true));
            }
            if let Some(trusted) = &loaded.trusted {
                let anchors: Vec<String> = trusted
                    .certificates()
                    .map(|anchor| anchor.subject.to_string())
                    .collect();
                summary.anchors = anchors.join("; ");
            }
        }
        let mut findings = Vec::new();
        if let Some(problem) = &problem {
            findings.push(Finding {
                check: "credential".to_owned(),
                fatal: Tristate(Some(true)),
                message: problem.to_string(),
                ..Finding::default()
            });
        }
        if state != CredentialState::Unused {
            findings.extend(self.judged(name, &profile.settings()));
        }
        Credential { summary, findings }.to_value()
    }

    /// What is wrong with the files, for the roles that the profile is used in.
    fn judged(&self, name: &str, settings: &SslProfile) -> Vec<Finding> {
        let listens = self.configured(Kind::Listener).any(|attributes| {
            Listener::from_attributes(attributes).is_ok_and(|listener| listener.ssl_profile == name)
        }) || self
            .configured(Kind::TcpListener)
            .any(|attributes| attributes.get("sslProfile").and_then(Value::as_str) == Some(name));
        let role = if listens { Role::Server } else { Role::Client };
        let findings = judge_files(settings, role, Timestamp::now());
        findings
            .iter()
            .map(|finding| Finding {
                check: finding.check().to_owned(),
                fatal: Tristate(Some(finding.severity == Severity::Unloadable)),
                message: format!("{finding}: {}", finding.remedy()),
                ..Finding::default()
            })
            .collect()
    }
}
