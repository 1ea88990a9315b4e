//! Every Certificate of the namespace: its Secret, and its status.

mod absent;
mod report;
mod surroundings;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use skupper_api::{Certificate, CertificateSpec, ConditionStatus, State};
use skupper_pki::Credential;
use skupper_pki::issue::Issuer;

use super::assess::{self, Inputs, Need, Verdict};
use super::ensure::{Ensured, is_controlled};
use super::former::{self, LastEnds};
use super::issue::{self, Budget};
use super::ownership::{self, Ownership};
use super::users;
use super::{Overrides, overrides};
use crate::credentials::{self, of_secret, revision};
use crate::pass::Pass;
use crate::plan::EventType;
use crate::settings::CertificateSettings;
use crate::{ObjectKind, Write};

/// What became of the Certificates.
#[derive(Debug, Default)]
pub(crate) struct Managed {
    /// Messages of those that are not ready, by name.
    pub(crate) messages: BTreeMap<String, String>,
    /// Why a certificate that the site itself needs cannot be issued.
    pub(crate) site_errors: Vec<String>,
}

/// One reconcile of all Certificates.
struct Manager<'p, 'a> {
    pass: &'p mut Pass<'a>,
    site: &'p Overrides,
    specs: &'p BTreeMap<String, CertificateSpec>,
    /// Names of the server certificates of RouterAccesses, which judge clients.
    link_servers: Vec<String>,
    issuers: BTreeMap<String, (String, Result<Issuer, String>)>,
    ends: LastEnds,
    budget: Budget,
    managed: Managed,
}

/// What a Secret comes to.
struct Outcome {
    state: State,
    expiration: Option<Timestamp>,
}

/// Sees to every Certificate that exists. `site` is what the active Site says of lifetimes.
pub(crate) fn manage(pass: &mut Pass<'_>, ensured: &Ensured, site: &Overrides) -> Managed {
    let observed = pass.observed;
    let link_servers = observed
        .router_accesses
        .values()
        .map(|access| access.spec.tls_credentials.clone())
        .collect();
    let mut manager = Manager {
        pass,
        site,
        specs: &ensured.specs,
        link_servers,
        issuers: BTreeMap::new(),
        ends: LastEnds::default(),
        budget: Budget::new(),
        managed: Managed::default(),
    };
    let mut all: Vec<(&String, &Arc<Certificate>)> = observed
        .certificates
        .iter()
        .filter(|(_, certificate)| {
            certificate.metadata.deletion_timestamp.is_none() && certificate.metadata.uid.is_some()
        })
        .collect();
    // A CA before what it signs, and servers before clients, since those show how long an earlier CA is needed.
    all.sort_by_key(|(name, certificate)| {
        (!certificate.spec.signing, !certificate.spec.server, *name)
    });
    for (name, certificate) in all {
        manager.one(name, certificate);
    }
    manager.managed
}

impl Manager<'_, '_> {
    fn one(&mut self, name: &str, certificate: &Certificate) {
        let spec = self.specs.get(name).unwrap_or(&certificate.spec).clone();
        let observed = self.pass.observed;
        let mut outcome = match observed.secrets.get(name) {
            None => self.absent(name, certificate, &spec),
            Some(secret) => self.present(name, certificate, &spec, secret),
        };
        if let (Some(outcome), Some(failure)) =
            (&mut outcome, self.pass.failure(ObjectKind::Secret, name))
        {
            outcome.state = State::error(format!("Secret {name} could not be written: {failure}"));
        }
        let Some(outcome) = outcome else { return };
        if outcome.state.status != ConditionStatus::True {
            self.managed
                .messages
                .insert(name.to_owned(), outcome.state.message.clone());
        }
        report::report(self.pass, name, certificate, &outcome);
    }

    /// The settings that hold for a Certificate, and what of its own cannot be read.
    fn settings(&self, spec: &CertificateSpec) -> (CertificateSettings, Vec<String>) {
        let mut problems = Vec::new();
        let own = overrides(&spec.settings, &mut problems);
        (
            own.over(&self.site.over(&self.pass.settings.certificates)),
            problems,
        )
    }

    /// The CA of a Certificate, and its revision.
    fn issuer(&mut self, name: &str) -> &(String, Result<Issuer, String>) {
        if !self.issuers.contains_key(name) {
            let secret = self.pass.secret(name);
            let loaded =
                issue::load_issuer(&self.pass.observed.namespace, name, secret, self.pass.now);
            let entry = (secret.map(revision).unwrap_or_default(), loaded);
            self.issuers.insert(name.to_owned(), entry);
        }
        &self.issuers[name]
    }

    /// There is a Secret.
    fn present(
        &mut self,
        name: &str,
        certificate: &Certificate,
        spec: &CertificateSpec,
        secret: &Secret,
    ) -> Option<Outcome> {
        let now = self.pass.now;
        let issuer_name = if spec.signing { "" } else { spec.ca.as_str() };
        let issuer = if issuer_name.is_empty() {
            String::new()
        } else {
            self.issuer_revision(issuer_name)
        };
        let inputs = Inputs {
            secret: revision(secret),
            issuer,
            spec: spec.clone(),
            others: self.others(name, certificate, spec, secret),
        };
        if let Some(known) = self.pass.memo.verdicts.get(name)
            && known.inputs == inputs
            && (known.from..known.until).contains(&now)
        {
            let (outcome, until) = (
                Outcome {
                    state: known.state.clone(),
                    expiration: known.expiration,
                },
                known.until,
            );
            self.pass.plan.wake(until);
            return Some(outcome);
        }
        self.pass.memo.verdicts.remove(name);
        let credential = of_secret(secret);
        let expiration = credential
            .chain()
            .ok()
            .and_then(|chain| chain.iter().map(|one| one.not_after).min());
        let ownership = ownership::of(secret, &credential, certificate, spec);
        let remember = |this: &mut Self, state: State, until: Timestamp, managed: bool| {
            this.pass.plan.wake(until);
            let verdict = Verdict {
                inputs,
                from: now,
                until,
                state: state.clone(),
                expiration,
                managed,
            };
            this.pass.memo.verdicts.insert(name.to_owned(), verdict);
            Some(Outcome { state, expiration })
        };
        match ownership {
            Ownership::Users | Ownership::HandedOver => {
                if ownership == Ownership::HandedOver {
                    self.hand_over(name, certificate, secret);
                }
                let around = self.surroundings(name, spec);
                let state = users::state(secret, &credential, spec, &around, now);
                let until = around
                    .next_edge(now)
                    .min(credentials::next_edge(&credential, now));
                remember(self, state, until, false)
            }
            Ownership::Ours | Ownership::Adopted => match self.need(spec, secret, &credential) {
                Need::Nothing { until } => {
                    if ownership == Ownership::Adopted {
                        self.pass
                            .write_secret(name, issue::marks(certificate, spec, &credential));
                    }
                    remember(
                        self,
                        State::ready(),
                        until.min(credentials::next_edge(&credential, now)),
                        true,
                    )
                }
                Need::Bundle(trusted) => {
                    let former = self.former(spec, secret, &credential);
                    let ca_crt = skupper_pki::certificate::write_pem(&trusted).into_bytes();
                    let credential = Credential {
                        ca_crt,
                        ..credential
                    };
                    self.note(name, "ca.crt follows its CA");
                    self.pass.write_secret(
                        name,
                        issue::secret(certificate, spec, &credential, &former, now),
                    );
                    Some(Outcome {
                        state: State::ready(),
                        expiration,
                    })
                }
                Need::Renew => self.make(
                    name,
                    certificate,
                    spec,
                    Some((secret, &credential, true)),
                    "its end comes near",
                ),
                Need::Issue(why) => self.make(
                    name,
                    certificate,
                    spec,
                    Some((secret, &credential, false)),
                    &why,
                ),
            },
        }
    }

    /// The revision of a CA, without loading it.
    fn issuer_revision(&self, name: &str) -> String {
        match self.issuers.get(name) {
            Some((revision, _)) => revision.clone(),
            None => self.pass.secret(name).map(revision).unwrap_or_default(),
        }
    }

    /// Takes our marks off a Secret that is the user's by now.
    fn hand_over(&mut self, name: &str, certificate: &Certificate, secret: &Secret) {
        let message =
            format!("Secret {name} now holds its user's certificate: skupper no longer manages it");
        self.note(name, "it is its user's now");
        let content = of_secret(secret).fingerprint();
        self.pass.tell(
            ObjectKind::Certificate,
            &certificate.metadata,
            EventType::Normal,
            "HandedOver",
            &content,
            message,
        );
        self.pass.write(Write::Patch {
            kind: ObjectKind::Secret,
            name: name.to_owned(),
            patch: users::hand_over(secret),
        });
    }

    fn former(
        &mut self,
        spec: &CertificateSpec,
        secret: &Secret,
        credential: &Credential,
    ) -> Vec<skupper_pki::plan::FormerCa> {
        if spec.signing {
            return Vec::new();
        }
        let Ok(issuer) = &self.issuer(&spec.ca).1 else {
            return Vec::new();
        };
        let current = issuer.trusted().to_vec();
        former::of(
            secret,
            credential,
            &current,
            &mut self.ends,
            &self.pass.observed.secrets,
        )
    }

    /// What a Secret of ours needs.
    fn need(&mut self, spec: &CertificateSpec, secret: &Secret, credential: &Credential) -> Need {
        let (settings, now) = (self.settings(spec).0, self.pass.now);
        if spec.signing {
            return assess::ca(credential, spec, &settings, now);
        }
        let former = self.former(spec, secret, credential);
        let issuer = self.issuer(&spec.ca).1.as_ref().ok();
        assess::leaf(
            credential,
            spec,
            assess::lifetime(spec, &settings),
            issuer,
            &former,
            now,
        )
    }

    /// Issues. `before` is what is there now, and whether a CA keeps its key. `None` if the budget is used up.
    fn make(
        &mut self,
        name: &str,
        certificate: &Certificate,
        spec: &CertificateSpec,
        before: Option<(&Secret, &Credential, bool)>,
        why: &str,
    ) -> Option<Outcome> {
        let ((settings, problems), now) = (self.settings(spec), self.pass.now);
        for problem in problems {
            let message = format!("{problem}: the default is used");
            self.pass.tell(
                ObjectKind::Certificate,
                &certificate.metadata,
                EventType::Warning,
                "SettingIgnored",
                &problem,
                message,
            );
        }
        if !self.budget.take(settings.algorithm) {
            self.pass.plan.wake(now);
            return None;
        }
        let former = before
            .map(|(secret, credential, _)| self.former(spec, secret, credential))
            .unwrap_or_default();
        let made = if spec.signing {
            issue::make_ca(
                spec,
                &settings,
                before.and_then(|(_, credential, renew)| renew.then_some(credential)),
                now,
            )
        } else {
            match &self.issuer(&spec.ca).1 {
                Err(error) => Err(error.clone()),
                Ok(issuer) => issue::make_leaf(spec, &settings, issuer, &former, now),
            }
        };
        let expiration = |credential: &Credential| credential.leaf().map(|leaf| leaf.not_after);
        match made {
            Err(error) => {
                if is_controlled(certificate) {
                    self.managed.site_errors.push(error.clone());
                }
                let message = match before {
                    None => error,
                    Some(_) => format!(
                        "Secret {name} has to be issued anew ({why}), but that fails: {error}"
                    ),
                };
                Some(Outcome {
                    state: State::error(message),
                    expiration: before.and_then(|(_, credential, _)| expiration(credential)),
                })
            }
            Ok(credential) => {
                // That what was asked for is issued is no news; that it is issued again is.
                if before.is_some() {
                    self.note(name, why);
                }
                self.pass.write_secret(
                    name,
                    issue::secret(certificate, spec, &credential, &former, now),
                );
                Some(Outcome {
                    state: State::ready(),
                    expiration: expiration(&credential),
                })
            }
        }
    }

    fn note(&mut self, name: &str, why: &str) {
        self.pass.plan.notes.push(format!(
            "Secret {}/{name}: {why}",
            self.pass.observed.namespace
        ));
    }
}
