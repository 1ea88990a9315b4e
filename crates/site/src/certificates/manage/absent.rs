//! A Certificate without a Secret: one that was deleted may be put back by its user, else one is issued.

use jiff::{SignedDuration, Timestamp};
use skupper_api::{Certificate, CertificateSpec, ConditionStatus, Kind, State, condition};

use super::{Manager, Outcome};
use crate::ObjectKind;
use crate::names::NOT_CONTROLLED;
use crate::plan::EventType;

/// What is said while a Secret that was deleted may come back.
const DELETED: &str = "was deleted";
/// The same where the Secret was the user's.
const USERS_DELETED: &str = "provided by its user was deleted";

impl Manager<'_, '_> {
    /// There is no Secret: it is issued, unless one that was there has been deleted a moment ago.
    pub(super) fn absent(
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
}
