//! Every Certificate of the namespace: its Secret, and its status.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use skupper_api::{
    Certificate, CertificateSpec, Condition, ConditionStatus, Kind, State, StatusFields, condition,
};
use skupper_pki::Credential;
use skupper_pki::issue::Issuer;

use super::assess::{self, Inputs, Need, Verdict};
use super::ensure::{Ensured, is_controlled};
use super::former::{self, LastEnds};
use super::issue::{self, Budget};
use super::ownership::{self, Ownership};
use super::users::{self, Surroundings};
use super::{Overrides, overrides};
use crate::credentials::{of_secret, revision};
use crate::names::NOT_CONTROLLED;
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

/// What is said while a Secret that was deleted may come back.
const DELETED: &str = "was deleted";
/// The same where the Secret was the user's.
const USERS_DELETED: &str = "provided by its user was deleted";

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
        report(self.pass, name, certificate, &outcome);
    }

    fn settings(&self, spec: &CertificateSpec) -> CertificateSettings {
        let mut problems = Vec::new();
        overrides(&spec.settings, &mut problems)
            .over(&self.site.over(&self.pass.settings.certificates))
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

    /// There is no Secret: it is issued, unless one that was there has been deleted a moment ago.
    fn absent(
        &mut self,
        name: &str,
        certificate: &Certificate,
        spec: &CertificateSpec,
    ) -> Option<Outcome> {
        if let Some(waiting) = self.grace(name, certificate) {
            return Some(Outcome {
                state: waiting,
                expiration: None,
            });
        }
        let outcome = self.make(name, certificate, spec, None, "there is none")?;
        let was_users = certificate
            .condition(condition::READY)
            .is_some_and(|ready| ready.message.contains(USERS_DELETED));
        if was_users && outcome.state.status == ConditionStatus::True {
            let message = format!(
                "Secret {name} {USERS_DELETED} and not created again: skupper has issued its own in its place. To use your own, \
                 kubectl apply it"
            );
            self.pass.plan.notes.push(message.clone());
            let since = certificate
                .condition(condition::READY)
                .map(|ready| ready.last_transition_time.to_string());
            let occurrence = since.unwrap_or_default();
            self.pass.tell(
                ObjectKind::Certificate,
                &certificate.metadata,
                EventType::Warning,
                "UserSecretDeleted",
                &occurrence,
                message,
            );
        }
        Some(outcome)
    }

    /// What is said while a Secret that was deleted may come back; `None` if there was none, or the time is over.
    fn grace(&mut self, name: &str, certificate: &Certificate) -> Option<State> {
        let ready = certificate.condition(condition::READY)?;
        let users =
            ready.message.starts_with(NOT_CONTROLLED) || ready.message.contains(USERS_DELETED);
        let since = match ready.status {
            ConditionStatus::Unknown => ready.last_transition_time,
            ConditionStatus::True => self.pass.now,
            ConditionStatus::False if users => self.pass.now,
            ConditionStatus::False => return None,
        };
        let grace =
            SignedDuration::try_from(self.pass.settings.certificates.grace).unwrap_or_default();
        let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
        let until = since.checked_add(grace).unwrap_or(since);
        if self.pass.now >= until {
            return None;
        }
        self.pass.plan.wake(until);
        let what = if users { USERS_DELETED } else { DELETED };
        Some(State {
            status: ConditionStatus::Unknown,
            reason: skupper_api::StatusType::Pending,
            message: format!(
                "Secret {name} {what}: skupper issues one at {until}, unless it is created before that. Routers go on with what \
                 they have"
            ),
        })
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
                let state = users::state(
                    secret,
                    &credential,
                    spec,
                    &self.surroundings(name, spec),
                    now,
                );
                let until = edge(&credential, now);
                remember(self, state, until, false)
            }
            Ownership::Ours | Ownership::Adopted => match self.need(spec, secret, &credential) {
                Need::Nothing { until } => {
                    if ownership == Ownership::Adopted {
                        self.pass
                            .write_secret(name, issue::marks(certificate, spec, &credential));
                    }
                    remember(self, State::ready(), until, true)
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

    /// What else a verdict on this Secret depends on. Only users' Secrets have such surroundings.
    fn others(
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
            .is_some_and(|all| all.contains_key(crate::names::FINGERPRINT));
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

    /// Whether a certificate has to be issued from this CA.
    fn has_to_issue(&self, name: &str, spec: &CertificateSpec) -> bool {
        let missing = |(name, one): (&String, &Arc<Certificate>)| {
            let secret = self.pass.observed.secrets.get(name);
            let managed = secret.is_none_or(|secret| {
                secret
                    .metadata
                    .annotations
                    .as_ref()
                    .is_some_and(|all| all.contains_key(crate::names::CONTROLLED))
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

    fn surroundings(&self, name: &str, spec: &CertificateSpec) -> Surroundings<'_> {
        Surroundings {
            has_to_issue: self.has_to_issue(name, spec),
            clients: self
                .clients(name, spec)
                .map(|(name, secret)| (name, of_secret(secret)))
                .collect(),
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
        let (settings, now) = (self.settings(spec), self.pass.now);
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
        let (settings, now) = (self.settings(spec), self.pass.now);
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
                self.note(name, why);
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

/// When a user's credential next begins or ends.
fn edge(credential: &Credential, now: Timestamp) -> Timestamp {
    let all = credential
        .chain()
        .unwrap_or_default()
        .into_iter()
        .chain(credential.trusted().unwrap_or_default());
    let after = |at: Timestamp| {
        at.checked_add(SignedDuration::from_secs(1))
            .unwrap_or(Timestamp::MAX)
    };
    let edges = all.flat_map(|one| [one.not_before, after(one.not_after)]);
    edges
        .filter(|edge| *edge > now)
        .min()
        .unwrap_or(Timestamp::MAX)
}

/// Writes the status: one condition, and its summary.
fn report(pass: &mut Pass<'_>, name: &str, certificate: &Certificate, outcome: &Outcome) {
    let generation = certificate.metadata.generation.unwrap_or(0);
    let expiration = outcome.expiration;
    if let Some(status) = &certificate.status
        && let [only] = status.conditions.as_slice()
        && is_same(only, &outcome.state, generation)
        && status.status == Some(outcome.state.reason)
        && status.message == outcome.state.message
        && status.expiration == expiration
    {
        return;
    }
    let mut status = certificate.status.clone().unwrap_or_default();
    let before = status
        .conditions
        .iter()
        .find(|one| one.type_ == condition::READY);
    let since = before
        .filter(|before| before.status == outcome.state.status)
        .map(|before| before.last_transition_time);
    status.conditions = vec![Condition {
        type_: condition::READY.to_owned(),
        status: outcome.state.status,
        reason: outcome.state.reason.as_str().to_owned(),
        message: outcome.state.message.clone(),
        observed_generation: (generation != 0).then_some(generation),
        last_transition_time: since.unwrap_or(pass.now),
    }];
    status.set_summary(outcome.state.reason, &outcome.state.message);
    status.expiration = expiration;
    pass.set_status(
        ObjectKind::Certificate,
        name,
        certificate.status.as_ref(),
        &status,
    );
}

fn is_same(condition: &Condition, state: &State, generation: i64) -> bool {
    condition.type_ == condition::READY
        && condition.status == state.status
        && condition.reason == state.reason.as_str()
        && condition.message == state.message
        && condition.observed_generation.unwrap_or(0) == generation
}
