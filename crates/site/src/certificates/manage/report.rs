//! The status of a Certificate: exactly one condition, since the documented command prints all of them.

use skupper_api::{Certificate, Condition, State, StatusFields, condition};

use super::Outcome;
use crate::ObjectKind;
use crate::pass::Pass;

/// Writes the status: one condition, and its summary.
pub(super) fn report(
    pass: &mut Pass<'_>,
    name: &str,
    certificate: &Certificate,
    outcome: &Outcome,
) {
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
