//! Connections that did not come about, and why: kept for each listener and each connector, bounded.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::AlertDescription;
use skupper_management::report::{Refusal, Refusals, Refuser};
use skupper_pki::Certificate;
use skupper_pki::verify::{HandshakeFailure, PeerRecord, Side};

use super::LoadError;
use crate::descriptors::Short;

/// The last refusals of a listener or connector.
#[derive(Default)]
pub struct RefusalLog {
    refusals: Mutex<Refusals>,
}

impl RefusalLog {
    /// Notes one.
    pub(crate) fn add(&self, refusal: Refusal) {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(refusal);
    }

    /// What is noted.
    pub fn snapshot(&self) -> Refusals {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One attempt at a connection, as far as a refusal tells of it.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    /// The peer's address.
    pub peer: String,
    /// Host and port as configured, or as bound.
    pub endpoint: String,
    /// Revision of this side's credential.
    pub ordinal: u64,
    /// Who is at the other end.
    pub with: With,
}

/// Who is at the other end of an attempt, which decides what helps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum With {
    /// A router, or a client that speaks AMQP.
    #[default]
    Router,
    /// A client or server of a TCP service.
    Workload,
}

impl Attempt {
    fn refusal(&self, by: Refuser, check: &str, message: String) -> Refusal {
        Refusal {
            by,
            check: check.to_owned(),
            peer: self.peer.clone(),
            message,
            last_seconds: Timestamp::now().as_second(),
            ordinal: self.ordinal,
            endpoint: self.endpoint.clone(),
            ..Refusal::default()
        }
    }

    /// Nobody was reached.
    pub(crate) fn unreachable(&self, check: &str, error: &io::Error) -> Refusal {
        let endpoint = &self.endpoint;
        let message = match (check, error.kind()) {
            ("resolve", _) => format!(
                "the host of {endpoint} does not resolve: {error}: correct the host, or the DNS of this cluster"
            ),
            (_, io::ErrorKind::ConnectionRefused) => match self.with {
                With::Router => format!(
                    "nothing listens on {endpoint}: check host and port, and that the other site's router runs and is exposed"
                ),
                With::Workload => format!(
                    "nothing listens on {endpoint}: check host and port, and that the server runs"
                ),
            },
            (_, io::ErrorKind::TimedOut) => format!(
                "no answer from {endpoint}: check host and port, and that no firewall or network policy is in between"
            ),
            _ if Short::is_why(error) => {
                format!("cannot connect to {endpoint}: {error}")
            }
            _ => format!("cannot connect to {endpoint}: {error}: check host, port and network"),
        };
        self.refusal(Refuser::Nobody, check, message)
    }

    /// This side has no credential to make the connection with.
    pub(crate) fn no_credential(&self, error: &LoadError) -> Refusal {
        self.refusal(Refuser::Us, "credential", error.to_string())
    }

    /// What was agreed after TLS did not suffice.
    pub(crate) fn protocol(&self, by: Refuser, check: &str, message: String) -> Refusal {
        self.refusal(by, check, message)
    }

    /// The peer did not finish in time.
    pub(crate) fn timeout(&self, side: Side, seconds: u64) -> Refusal {
        let check = match side {
            Side::Client => "that an AMQP router listens there",
            Side::Server => "that it speaks AMQP, and what holds it up",
        };
        let message = format!(
            "the peer at {} did not open the connection within {seconds} s: check {check}",
            self.peer
        );
        self.refusal(Refuser::Nobody, "timeout", message)
    }

    /// A workload did not finish its TLS handshake in time.
    pub(crate) fn silent(&self, side: Side, patience: Duration) -> Refusal {
        let (peer, check) = match side {
            Side::Client => (
                "the server",
                "that it speaks TLS at this port; one that does not wants a tcpConnector without sslProfile",
            ),
            Side::Server => ("the client", "that it connects with TLS"),
        };
        let message = format!(
            "{peer} at {} did not finish the TLS handshake within {patience:?}: check {check}",
            self.peer
        );
        Refusal {
            expected: "a TLS handshake".to_owned(),
            ..self.refusal(Refuser::Nobody, "timeout", message)
        }
    }

    /// The peer closed in the middle of the handshake, without saying why.
    pub(crate) fn cut(
        &self,
        side: Side,
        ours: Option<&Certificate>,
        error: &dyn fmt::Display,
    ) -> Refusal {
        let peer = match side {
            Side::Client => "the server",
            Side::Server => "the client",
        };
        let message = format!(
            "{peer} at {} closed the connection before it was established, without saying why ({error}): look at the log of the other side",
            self.peer
        );
        let presented = ours.map(|ours| format!("ours: {ours}"));
        Refusal {
            presented: presented.unwrap_or_default(),
            ..self.refusal(Refuser::Peer, "protocol", message)
        }
    }

    /// The TLS handshake failed, or the peer said afterwards that it had.
    pub(crate) fn handshake(
        &self,
        error: &rustls::Error,
        record: &PeerRecord,
        side: Side,
        ours: Option<&Certificate>,
    ) -> Refusal {
        let failure = HandshakeFailure::explain(error, record, side, ours);
        let remedy = failure.remedy();
        let message = format!("{failure}: {remedy}");
        let presented_by_peer = || {
            let chain: Vec<String> = record.presented.iter().map(ToString::to_string).collect();
            if chain.is_empty() {
                String::new()
            } else {
                format!("theirs: {}", chain.join("; "))
            }
        };
        match &failure {
            HandshakeFailure::Refused { refusal, .. } => {
                let trusted: Vec<String> =
                    refusal.trusted.iter().map(ToString::to_string).collect();
                let check = refusal_check(refusal.check());
                let expected = match (&refusal.expected_name, check) {
                    (Some(name), "name") => format!("a certificate for {name}"),
                    _ => format!("a certificate issued by {}", trusted.join(", ")),
                };
                Refusal {
                    presented: presented_by_peer(),
                    expected,
                    ..self.refusal(Refuser::Us, check, message)
                }
            }
            HandshakeFailure::RefusedByPeer {
                alert,
                ours,
                accepted_issuers,
                ..
            } => {
                let expected = match accepted_issuers.is_empty() {
                    true => String::new(),
                    false => format!("a certificate issued by {}", accepted_issuers.join(", ")),
                };
                Refusal {
                    presented: ours
                        .as_ref()
                        .map(|ours| format!("ours: {ours}"))
                        .unwrap_or_default(),
                    expected,
                    ..self.refusal(Refuser::Peer, alert_check(*alert), message)
                }
            }
            HandshakeFailure::NoCertificate => Refusal {
                expected: "a certificate".to_owned(),
                ..self.refusal(Refuser::Us, "missing", message)
            },
            _ => Refusal {
                presented: presented_by_peer(),
                ..self.refusal(Refuser::Nobody, "tls", message)
            },
        }
    }
}

/// The word of [`Refusal::CHECKS`] for a check of a certificate.
fn refusal_check(check: &str) -> &'static str {
    match check {
        "dates" => "dates",
        "name" => "name",
        "issuer" | "path" => "issuer",
        "signature" => "signature",
        "usage" => "usage",
        "presence" => "missing",
        _ => "certificate",
    }
}

/// The word of [`Refusal::CHECKS`] for what a peer's alert lets one know.
fn alert_check(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnknownCA => "issuer",
        AlertDescription::CertificateExpired => "dates",
        AlertDescription::UnsupportedCertificate => "usage",
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => "missing",
        AlertDescription::DecryptError => "signature",
        AlertDescription::BadCertificate => "certificate",
        _ => "alert",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_management_knows() {
        for check in [
            "dates",
            "name",
            "issuer",
            "path",
            "signature",
            "usage",
            "presence",
            "key",
        ] {
            assert!(Refusal::CHECKS.contains(&refusal_check(check)), "{check}");
        }
        for alert in [AlertDescription::UnknownCA, AlertDescription::AccessDenied] {
            assert!(Refusal::CHECKS.contains(&alert_check(alert)));
        }
    }

    #[test]
    fn sentences_name_endpoint_and_remedy() {
        let attempt = Attempt {
            endpoint: "west.example:55671".to_owned(),
            ..Attempt::default()
        };
        let refused = attempt.unreachable("connect", &io::ErrorKind::ConnectionRefused.into());
        assert!(
            refused
                .message
                .contains("nothing listens on west.example:55671: check")
        );
        assert!(refused.message.ends_with("router runs and is exposed"));
        let attempt = Attempt {
            with: With::Workload,
            ..attempt
        };
        let refused = attempt.unreachable("connect", &io::ErrorKind::ConnectionRefused.into());
        assert!(refused.message.ends_with("that the server runs"));
        let error = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let refused = attempt.handshake(&error, &PeerRecord::default(), Side::Client, None);
        assert_eq!(
            (refused.by, refused.check.as_str()),
            (Refuser::Peer, "issuer")
        );
    }
}
