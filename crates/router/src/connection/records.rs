//! The record layer of an established TLS 1.3 connection (RFC 8446 §5): rustls's ciphers and keys on this side's own buffers.
//!
//! rustls's own record layer copies each octet several times on its way; here records are opened in the buffer that was read
//! into, and sealed from the slices that the protocol engine queued, with one copy. Handshake, certificates, key schedule,
//! tickets and ciphers remain rustls's ([`rustls::kernel`] is its interface for this).
//!
//! What is this side's duty then: sequence numbers, record sizes, the order of records (a handshake message is in one piece,
//! and keys change between records), new keys before the old have sealed too much, alerts that say why.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use rustls::client::ClientConnectionData;
use rustls::crypto::cipher::{
    InboundOpaqueMessage, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundPlainMessage,
};
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, ExtractedSecrets,
    HandshakeType, InvalidMessage, PeerMisbehaved, ProtocolVersion, SupportedCipherSuite,
    Tls13CipherSuite,
};

/// Type, version and length.
const HEADER: usize = 5;
/// Plain octets of the largest record.
const MOST_PLAIN: usize = 1 << 14;
/// Octets that encryption may add to a record at most.
const MOST_OVERHEAD: usize = 256;
/// A handshake message after the handshake is at most so long: tickets are far shorter.
const MOST_HANDSHAKE: usize = 64 * 1024;
/// Records without octets for the owner (tickets, new keys, none at all) that are taken one after another: more are a nuisance,
/// not a need.
const MOST_IDLE: u32 = 64;
/// Slices looked at in one batch.
const SLICES: usize = 64;

const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;
/// Levels of alerts. They say nothing in TLS 1.3 but have to be there.
const WARNING: u8 = 1;
const FATAL: u8 = 2;

enum Kernel {
    Client(KernelConnection<ClientConnectionData>),
    Server(KernelConnection<ServerConnectionData>),
}

/// Sends and receives the records of one connection.
pub(crate) struct Records {
    kernel: Kernel,
    suite: &'static Tls13CipherSuite,
    encrypter: Box<dyn MessageEncrypter>,
    sent: u64,
    decrypter: Box<dyn MessageDecrypter>,
    received: u64,
    /// A handshake message whose rest is to come.
    handshake: Vec<u8>,
    /// Records without octets for the owner since the last with some.
    idle: u32,
    /// Records that one key seals.
    limit: u64,
    /// This side's keys are to be changed.
    update_wanted: bool,
    closed: bool,
}

/// What was found in a buffer of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Where the plain octets end.
    pub(crate) plain: usize,
    /// Where the rest, an incomplete record, begins.
    pub(crate) rest: usize,
    /// The peer sends no more.
    pub(crate) closed: bool,
}

impl Records {
    pub(super) fn client(
        secrets: ExtractedSecrets,
        kernel: KernelConnection<ClientConnectionData>,
    ) -> Result<Self, Error> {
        let suite = kernel.negotiated_cipher_suite();
        Self::new(secrets, suite, Kernel::Client(kernel))
    }

    pub(super) fn server(
        secrets: ExtractedSecrets,
        kernel: KernelConnection<ServerConnectionData>,
    ) -> Result<Self, Error> {
        let suite = kernel.negotiated_cipher_suite();
        Self::new(secrets, suite, Kernel::Server(kernel))
    }

    fn new(
        secrets: ExtractedSecrets,
        suite: SupportedCipherSuite,
        kernel: Kernel,
    ) -> Result<Self, Error> {
        let Some(suite) = suite.tls13() else {
            return Err(Error::General(
                "the record layer is for TLS 1.3 only".to_owned(),
            ));
        };
        let ExtractedSecrets {
            tx: (sent, tx),
            rx: (received, rx),
        } = secrets;
        Ok(Records {
            kernel,
            suite,
            encrypter: encrypter(suite, tx)?,
            sent,
            decrypter: decrypter(suite, rx)?,
            received,
            handshake: Vec::new(),
            idle: 0,
            limit: suite.common.confidentiality_limit / 2,
            // AWS-LC takes the first nonce that a key object seals with for that of record 0 and holds all others
            // against it. Where rustls has sent tickets already, this side begins with new keys.
            update_wanted: sent > 0,
            closed: false,
        })
    }

    /// Opens the records that begin at `from`. Their plain octets are moved to `plain`, one behind the other.
    ///
    /// # Errors
    /// When the peer sends what it must not, or an alert. Nothing more can be opened then; [`Self::refuse`] tells the peer.
    pub(crate) fn open(
        &mut self,
        buffer: &mut [u8],
        plain: usize,
        from: usize,
    ) -> Result<Opened, Error> {
        let mut opened = Opened {
            plain,
            rest: from,
            closed: self.closed,
        };
        while !opened.closed
            && let Some(&[kind, _, _, high, low]) = buffer[opened.rest..].first_chunk::<HEADER>()
        {
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length > MOST_PLAIN + MOST_OVERHEAD {
                return Err(Error::PeerSentOversizedRecord);
            }
            // Everything is encrypted by now, and encrypted records say nothing of what is in them.
            expect(ContentType::from(kind), ContentType::ApplicationData)?;
            let start = opened.rest + HEADER;
            let Some(record) = buffer.get_mut(start..start + length) else {
                break;
            };
            let message = InboundOpaqueMessage::new(
                ContentType::ApplicationData,
                ProtocolVersion::TLSv1_2,
                record,
            );
            let message = self.decrypter.decrypt(message, self.received)?;
            self.received += 1;
            let (kind, octets) = (message.typ, message.payload.len());
            if kind != ContentType::Handshake && !self.handshake.is_empty() {
                return Err(PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into());
            }
            if kind == ContentType::ApplicationData && octets > 0 {
                self.idle = 0;
            } else {
                self.idle += 1;
            }
            if self.idle > MOST_IDLE {
                return Err(PeerMisbehaved::TooManyEmptyFragments.into());
            }
            match kind {
                ContentType::ApplicationData => {
                    buffer.copy_within(start..start + octets, opened.plain);
                    opened.plain += octets;
                }
                ContentType::Handshake if octets == 0 => {
                    return Err(InvalidMessage::InvalidEmptyPayload.into());
                }
                ContentType::Handshake => {
                    self.handshake.extend_from_slice(message.payload);
                    self.on_handshake()?;
                }
                ContentType::Alert => match *message.payload {
                    [_, CLOSE_NOTIFY] => {
                        self.closed = true;
                        opened.closed = true;
                    }
                    // Its sender says good-bye next.
                    [_, USER_CANCELED] => {}
                    [_, description] => {
                        return Err(Error::AlertReceived(AlertDescription::from(description)));
                    }
                    _ => return Err(InvalidMessage::MessageTooShort.into()),
                },
                other => expect(other, ContentType::ApplicationData)?,
            }
            opened.rest = start + length;
        }
        Ok(opened)
    }

    /// Whether the peer has said that it sends no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes the handshake messages that are complete.
    fn on_handshake(&mut self) -> Result<(), Error> {
        let mut at = 0;
        while let Some(&[kind, a, b, c]) = self.handshake[at..].first_chunk::<4>() {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > MOST_HANDSHAKE {
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            let Some(body) = self.handshake.get(at + 4..at + 4 + length) else {
                break;
            };
            match (kind, &mut self.kernel) {
                (NEW_SESSION_TICKET, Kernel::Client(kernel)) => {
                    kernel.handle_new_session_ticket(body)?;
                }
                (KEY_UPDATE, kernel) => {
                    let wanted = match *body {
                        [0] => false,
                        [1] => true,
                        _ => return Err(InvalidMessage::InvalidKeyUpdate.into()),
                    };
                    if self.handshake.len() > at + 4 + length {
                        return Err(PeerMisbehaved::KeyEpochWithPendingFragment.into());
                    }
                    let (received, secrets) = match kernel {
                        Kernel::Client(kernel) => kernel.update_rx_secret(),
                        Kernel::Server(kernel) => kernel.update_rx_secret(),
                    }?;
                    self.decrypter = decrypter(self.suite, secrets)?;
                    self.received = received;
                    self.update_wanted |= wanted;
                }
                _ => {
                    return Err(Error::InappropriateHandshakeMessage {
                        expect_types: vec![HandshakeType::KeyUpdate],
                        got_type: HandshakeType::from(kind),
                    });
                }
            }
            at += 4 + length;
        }
        self.handshake.drain(..at);
        if self.handshake.is_empty() {
            self.handshake = Vec::new();
        }
        Ok(())
    }

    /// Whether something is to be sent that is not the owner's.
    pub(crate) fn wants_write(&self) -> bool {
        self.update_wanted
    }

    /// Seals a batch of octets from `output` into records behind `sealed`.
    pub(crate) fn seal(
        &mut self,
        output: &mut impl Buf,
        sealed: &mut VecDeque<Bytes>,
    ) -> Result<(), Error> {
        if std::mem::take(&mut self.update_wanted) || self.sent >= self.limit {
            self.update_keys(sealed)?;
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = output.chunks_vectored(&mut slices);
        let mut chunks: [&[u8]; SLICES] = [&[]; SLICES];
        let mut total = 0;
        for (chunk, slice) in chunks.iter_mut().zip(&slices[..count]) {
            *chunk = slice;
            total += slice.len();
        }
        let chunks = &chunks[..count];
        let mut start = 0;
        while start < total {
            let end = total.min(start + MOST_PLAIN);
            let payload = OutboundChunks::Multiple { chunks, start, end };
            sealed.push_back(self.encrypt(ContentType::ApplicationData, payload)?);
            start = end;
        }
        output.advance(total);
        Ok(())
    }

    /// Says that no more will be sent.
    pub(crate) fn close(&mut self, sealed: &mut VecDeque<Bytes>) -> Result<(), Error> {
        self.alert([WARNING, CLOSE_NOTIFY], sealed)
    }

    /// Tells the peer what it did wrong, as far as the protocol has words for it.
    pub(crate) fn refuse(
        &mut self,
        error: &Error,
        sealed: &mut VecDeque<Bytes>,
    ) -> Result<(), Error> {
        let description = match error {
            // It knows.
            Error::AlertReceived(_) => return Ok(()),
            Error::DecryptError => AlertDescription::BadRecordMac,
            Error::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
            Error::InvalidMessage(error) => AlertDescription::from(*error),
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerMisbehaved(_) => AlertDescription::UnexpectedMessage,
            _ => AlertDescription::InternalError,
        };
        self.alert([FATAL, description.into()], sealed)
    }

    fn alert(&mut self, alert: [u8; 2], sealed: &mut VecDeque<Bytes>) -> Result<(), Error> {
        let payload = OutboundChunks::Single(&alert);
        sealed.push_back(self.encrypt(ContentType::Alert, payload)?);
        Ok(())
    }

    fn update_keys(&mut self, sealed: &mut VecDeque<Bytes>) -> Result<(), Error> {
        let message = [KEY_UPDATE, 0, 0, 1, 0];
        sealed.push_back(self.encrypt(ContentType::Handshake, OutboundChunks::Single(&message))?);
        let (sent, secrets) = match &mut self.kernel {
            Kernel::Client(kernel) => kernel.update_tx_secret(),
            Kernel::Server(kernel) => kernel.update_tx_secret(),
        }?;
        self.encrypter = encrypter(self.suite, secrets)?;
        self.sent = sent;
        Ok(())
    }

    fn encrypt(&mut self, typ: ContentType, payload: OutboundChunks<'_>) -> Result<Bytes, Error> {
        let message = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_2,
            payload,
        };
        let record = self.encrypter.encrypt(message, self.sent)?.encode();
        self.sent += 1;
        Ok(Bytes::from(record))
    }
}

fn expect(got: ContentType, wanted: ContentType) -> Result<(), Error> {
    if got == wanted {
        return Ok(());
    }
    Err(Error::InappropriateMessage {
        expect_types: vec![wanted],
        got_type: got,
    })
}

fn encrypter(
    suite: &Tls13CipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageEncrypter>, Error> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            Ok(suite.aead_alg.encrypter(key, iv))
        }
        _ => Err(Error::General("a cipher that is not known here".to_owned())),
    }
}

fn decrypter(
    suite: &Tls13CipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageDecrypter>, Error> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            Ok(suite.aead_alg.decrypter(key, iv))
        }
        _ => Err(Error::General("a cipher that is not known here".to_owned())),
    }
}

#[cfg(test)]
mod tests;
