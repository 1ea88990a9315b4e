//! How a connection ended, for telemetry and for the refusals of its listener or connector.

use skupper_management::report::{Refusal, Refuser};
use skupper_pki::Certificate;
use skupper_pki::verify::Side;

use super::policed::Denied;
use super::task::{Finish, Reason};
use super::transport::TransportError;
use crate::event::Loss;
use crate::tls::Attempt;

/// Why a connection ended, as telemetry tells it.
pub(super) fn loss(reason: &Reason) -> Loss {
    use skupper_amqp::connection::CloseReason;
    let (condition, description) = match reason {
        Reason::Amqp(CloseReason::Remote(Some(error)) | CloseReason::Local(Some(error))) => (
            Some(error.condition.to_string()),
            error.description.clone().unwrap_or_default(),
        ),
        Reason::Amqp(CloseReason::Violation(error)) => (
            Some(error.condition.to_string()),
            error.description.clone().unwrap_or_default(),
        ),
        Reason::Amqp(CloseReason::Remote(None) | CloseReason::Local(None)) => {
            (None, "closed".to_owned())
        }
        Reason::Amqp(CloseReason::Sasl(text)) => {
            (Some("amqp:unauthorized-access".to_owned()), text.clone())
        }
        Reason::Amqp(CloseReason::Lost) => (
            Some("amqp:connection:framing-error".to_owned()),
            "connection aborted".to_owned(),
        ),
        Reason::Transport(TransportError::Socket(error)) => {
            (Some("proton:io".to_owned()), error.to_string())
        }
        Reason::Transport(TransportError::Tls(error)) => (
            Some("amqp:connection:framing-error".to_owned()),
            error.to_string(),
        ),
    };
    Loss {
        condition,
        description,
    }
}

/// Whether this router closed a connection because its peer has no business here, as only what it attached could tell.
pub(super) fn was_sent_away(reason: &Reason) -> bool {
    use skupper_amqp::connection::CloseReason;
    use skupper_amqp::performative::names::NOT_ALLOWED;
    matches!(reason, Reason::Amqp(CloseReason::Local(Some(error))) if error.condition == NOT_ALLOWED)
}

/// The refusal that a connection which never opened is; `None` where the peer only looked whether the port is open.
pub(super) fn unopened(
    attempt: &Attempt,
    finish: &Finish,
    side: Side,
    ours: Option<&Certificate>,
) -> Option<Refusal> {
    use skupper_amqp::connection::CloseReason;
    Some(match &finish.reason {
        Reason::Transport(TransportError::Tls(error)) => {
            attempt.handshake(error, &finish.record, side, ours)
        }
        Reason::Transport(TransportError::Socket(error)) => attempt.cut(side, ours, error),
        Reason::Amqp(CloseReason::Sasl(text)) => {
            let text =
                format!("authentication failed: {text}: compare saslMechanisms of both sides");
            attempt.protocol(Refuser::Us, "sasl", text)
        }
        Reason::Amqp(CloseReason::Remote(error)) => {
            let text = error
                .as_ref()
                .map_or_else(String::new, |error| format!(": {error}"));
            attempt.protocol(
                Refuser::Peer,
                "open",
                format!("the peer closed the connection{text}"),
            )
        }
        Reason::Amqp(CloseReason::Local(error)) => {
            if let Some(Denied { who, why }) = &finish.denied {
                let text = format!("connection disallowed by policy for {who}: {why}");
                let mut refusal = attempt.protocol(Refuser::Us, "policy", text);
                refusal.presented = who.clone();
                return Some(refusal);
            }
            let text = error
                .as_ref()
                .map_or_else(|| "closed".to_owned(), ToString::to_string);
            attempt.protocol(Refuser::Us, "role", text)
        }
        Reason::Amqp(CloseReason::Violation(error)) => {
            let check = match error.description.as_deref() {
                Some("Timeout waiting for initial handshake") => "timeout",
                _ => "protocol",
            };
            attempt.protocol(Refuser::Us, check, error.to_string())
        }
        Reason::Amqp(CloseReason::Lost) => attempt.cut(side, ours, &"connection aborted"),
    })
}
