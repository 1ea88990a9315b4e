//! Frames of the SASL layer (part 5.3 of the specification).

use crate::{
    codec::{DecodeError, Reader, Writer},
    value::Symbol,
};

/// Mechanism that carries no credential.
pub const ANONYMOUS: Symbol = Symbol::from_static("ANONYMOUS");
/// Mechanism that relies on the TLS layer's client certificate.
pub const EXTERNAL: Symbol = Symbol::from_static("EXTERNAL");
/// Mechanism that carries a user name and a password in the clear.
pub const PLAIN: Symbol = Symbol::from_static("PLAIN");

const MECHANISMS: u64 = 0x40;
const INIT: u64 = 0x41;
const CHALLENGE: u64 = 0x42;
const RESPONSE: u64 = 0x43;
const OUTCOME: u64 = 0x44;

/// Body of a SASL frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslFrame {
    /// The listener's offer.
    Mechanisms(Vec<Symbol>),
    /// The connector's choice.
    Init {
        /// Mechanism chosen.
        mechanism: Symbol,
        /// First response of the mechanism.
        initial_response: Option<Vec<u8>>,
        /// Host that the connector wants.
        hostname: Option<String>,
    },
    /// A challenge of the listener.
    Challenge(Vec<u8>),
    /// A response of the connector.
    Response(Vec<u8>),
    /// The end of the dialogue.
    Outcome {
        /// 0 is success; 1 authentication failed; 2–4 failures of the system.
        code: u8,
    },
}

impl SaslFrame {
    /// Reads the body of a SASL frame.
    ///
    /// # Errors
    /// [`DecodeError`] that names the field.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = reader.descriptor()?;
        let mut fields = reader.list("sasl frame")?;
        Ok(match code {
            MECHANISMS => Self::Mechanisms(fields.symbols("sasl-server-mechanisms")?),
            INIT => Self::Init {
                mechanism: fields
                    .symbol("mechanism")?
                    .ok_or(DecodeError::Missing("mechanism"))?,
                initial_response: fields.binary("initial-response")?.map(<[u8]>::to_vec),
                hostname: fields.text("hostname")?,
            },
            CHALLENGE => Self::Challenge(fields.binary("challenge")?.unwrap_or_default().to_vec()),
            RESPONSE => Self::Response(fields.binary("response")?.unwrap_or_default().to_vec()),
            OUTCOME => Self::Outcome {
                code: fields.need("code")?,
            },
            found => {
                return Err(DecodeError::Descriptor {
                    expected: "a SASL frame",
                    found,
                });
            }
        })
    }

    /// Appends the body.
    pub fn write(&self, w: &mut Writer<'_>) {
        match self {
            Self::Mechanisms(mechanisms) => {
                w.descriptor(MECHANISMS);
                let mut list = w.begin();
                w.field(&mut list, |w| w.symbols(mechanisms));
                w.end(list);
            }
            Self::Init {
                mechanism,
                initial_response,
                hostname,
            } => {
                w.descriptor(INIT);
                let mut list = w.begin();
                w.field(&mut list, |w| w.sym(mechanism.as_str()));
                w.optional(&mut list, initial_response.as_deref(), |w, v| w.binary(v));
                w.optional(&mut list, hostname.as_deref(), |w, v| w.str(v));
                w.end(list);
            }
            Self::Challenge(octets) | Self::Response(octets) => {
                w.descriptor(if matches!(self, Self::Challenge(_)) {
                    CHALLENGE
                } else {
                    RESPONSE
                });
                let mut list = w.begin();
                w.field(&mut list, |w| w.binary(octets));
                w.end(list);
            }
            Self::Outcome { code } => {
                w.descriptor(OUTCOME);
                let mut list = w.begin();
                w.field(&mut list, |w| w.u8(*code));
                w.end(list);
            }
        }
    }
}
