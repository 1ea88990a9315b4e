//! Why a handshake failed, as far as one side can know it.

use std::fmt;

use rustls::{AlertDescription, Error, PeerIncompatible};

use super::record::PeerRecord;
use super::refusal::Refusal;
use crate::certificate::Certificate;
use crate::text;

/// The side that the explanation is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// We connected.
    Client,
    /// We accepted the connection.
    Server,
}

impl Side {
    fn peer(self) -> &'static str {
        match self {
            Self::Client => "the server",
            Self::Server => "the client",
        }
    }
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// We refused the peer's certificate.
    Refused {
        /// Which side we are.
        side: Side,
        /// Why.
        refusal: Refusal,
    },
    /// The peer refused ours; an alert is all that it says.
    RefusedByPeer {
        /// Which side we are.
        side: Side,
        /// The alert.
        alert: AlertDescription,
        /// What we presented.
        ours: Option<Box<Certificate>>,
        /// The CAs that the peer said it accepts, if any.
        accepted_issuers: Vec<String>,
    },
    /// A client certificate is required and none came.
    NoCertificate,
    /// What came is not TLS.
    NotTls {
        /// Which side we are.
        side: Side,
    },
    /// Both speak TLS, in no common version or with no common algorithm.
    Incompatible {
        /// What rustls says.
        reason: String,
    },
    /// Anything else.
    Other {
        /// What rustls says.
        reason: String,
    },
}

impl HandshakeFailure {
    /// Explains an error of a handshake from what the [`PeerRecord`] kept of it; `ours` is the certificate that we
    /// presented or would have presented. An alert that arrives after the handshake, as a TLS 1.3 server sends it when it
    /// refuses the client, is explained in the same way.
    pub fn explain(
        error: &Error,
        record: &PeerRecord,
        side: Side,
        ours: Option<&Certificate>,
    ) -> Self {
        if let Some(refusal) = &record.refusal {
            let refusal = refusal.clone();
            return Self::Refused { side, refusal };
        }
        match error {
            Error::AlertReceived(alert) if is_about_certificates(*alert) => Self::RefusedByPeer {
                side,
                alert: *alert,
                ours: ours.cloned().map(Box::new),
                accepted_issuers: record
                    .accepted_issuers
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            },
            Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::Incompatible {
                reason: "the peer supports none of TLS 1.2 and TLS 1.3".to_owned(),
            },
            Error::NoCertificatesPresented
            | Error::PeerIncompatible(
                PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
            ) => Self::NoCertificate,
            Error::InvalidMessage(_) => Self::NotTls { side },
            Error::PeerIncompatible(reason) => Self::Incompatible {
                reason: format!("{reason:?}"),
            },
            other => Self::Other {
                reason: text::escape(&other.to_string()),
            },
        }
    }

    /// The same from the `io::Error` in which tokio-rustls hands out errors; `None` when the cause was not TLS.
    pub fn explain_io(
        error: &std::io::Error,
        record: &PeerRecord,
        side: Side,
        ours: Option<&Certificate>,
    ) -> Option<Self> {
        let inner = error.get_ref()?.downcast_ref::<Error>()?;
        Some(Self::explain(inner, record, side, ours))
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Refused { refusal, .. } => refusal.remedy(),
            Self::RefusedByPeer { side, alert, .. } => peer_remedy(*side, *alert),
            Self::NoCertificate => {
                "give the connecting side a credential with tls.crt and tls.key".to_owned()
            }
            Self::NotTls { side: Side::Client } => {
                "check host and port: what listens there does not speak TLS".to_owned()
            }
            Self::NotTls { side: Side::Server } => "connect with TLS".to_owned(),
            Self::Incompatible { .. } => {
                "let both sides support TLS 1.3 or TLS 1.2 with a modern cipher suite".to_owned()
            }
            Self::Other { .. } => "look at the log of the other side".to_owned(),
        }
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { side, refusal } => {
                write!(f, "{} was refused here: {refusal}", side.peer())
            }
            Self::RefusedByPeer {
                side,
                alert,
                ours,
                accepted_issuers,
            } => {
                write!(f, "{} refused ", side.peer())?;
                match ours {
                    Some(ours) => write!(
                        f,
                        "our certificate ({} issued by {}, valid until {})",
                        ours.subject,
                        ours.issuer,
                        text::moment(ours.not_after)
                    )?,
                    None => write!(f, "us, who presented no certificate")?,
                }
                write!(
                    f,
                    " with the alert {}: {}",
                    alert_name(*alert),
                    meaning(*alert)
                )?;
                if !accepted_issuers.is_empty() {
                    let issuers = text::list(accepted_issuers);
                    write!(
                        f,
                        "; it says that it accepts certificates issued by {issuers}"
                    )?;
                }
                Ok(())
            }
            Self::NoCertificate => {
                f.write_str("the client presented no certificate, and one is required")
            }
            Self::NotTls { side } => write!(f, "{} does not speak TLS", side.peer()),
            Self::Incompatible { reason } => {
                write!(f, "no common version or algorithm of TLS: {reason}")
            }
            Self::Other { reason } => write!(f, "the TLS handshake failed: {reason}"),
        }
    }
}

impl std::error::Error for HandshakeFailure {}

fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::HandshakeFailure
    )
}

/// The name of RFC 8446 §6.
fn alert_name(alert: AlertDescription) -> String {
    let name = match alert {
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::AccessDenied => "access_denied",
        AlertDescription::DecryptError => "decrypt_error",
        AlertDescription::CertificateRequired => "certificate_required",
        AlertDescription::NoCertificate => "no_certificate",
        AlertDescription::HandshakeFailure => "handshake_failure",
        other => return format!("{other:?}"),
    };
    name.to_owned()
}

fn meaning(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnknownCA => "it does not trust the CA that issued the certificate",
        AlertDescription::CertificateExpired => {
            "to it the certificate has expired or is not yet valid"
        }
        AlertDescription::UnsupportedCertificate => {
            "it may not be used in this role (extended key usage)"
        }
        AlertDescription::BadCertificate => "it does not accept the name or the encoding",
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "it requires a certificate and none was presented"
        }
        AlertDescription::DecryptError => "a signature did not verify",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::AccessDenied => "it is valid but not allowed in",
        _ => "it does not say which check failed",
    }
}

fn peer_remedy(side: Side, alert: AlertDescription) -> String {
    let other = side.peer();
    match alert {
        AlertDescription::UnknownCA => format!(
            "add the CA that issued our certificate to the ca.crt of {other}, or use a certificate issued by a CA that is in it"
        ),
        AlertDescription::CertificateExpired => {
            "issue our certificate again, or check the clocks of both sides".to_owned()
        }
        AlertDescription::UnsupportedCertificate => format!(
            "issue our certificate with the usage {}",
            match side {
                Side::Client => "clientAuth",
                Side::Server => "serverAuth",
            }
        ),
        AlertDescription::BadCertificate if side == Side::Server => {
            "issue our certificate with the name by which the client connects as subject alternative name".to_owned()
        }
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "give the connecting side a credential with tls.crt and tls.key".to_owned()
        }
        _ => format!("look at the log of {other}: it knows the reason"),
    }
}
