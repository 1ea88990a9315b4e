//! The record layer of an established TLS 1.3 connection (RFC 8446 §5): rustls's ciphers and keys on this side's own buffers.
//!
//! rustls's own record layer copies each octet several times on its way; here records are opened in the buffer that was read
//! into, and sealed from the slices that the protocol engine queued, with one copy. Handshake, certificates, key schedule,
//! tickets and ciphers remain rustls's ([`rustls::kernel`] is its interface for this).

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
    InvalidMessage, PeerMisbehaved, ProtocolVersion, SupportedCipherSuite, Tls13CipherSuite,
};
use skupper_amqp::connection::Output;

/// Type, version and length.
const HEADER: usize = 5;
/// Plain octets of the largest record.
const MOST_PLAIN: usize = 1 << 14;
/// Octets that encryption may add to a record at most.
const MOST_OVERHEAD: usize = 256;
/// A handshake message after the handshake is at most so long: tickets are far shorter.
const MOST_HANDSHAKE: usize = 64 * 1024;
/// Handshake messages taken from one peer after the handshake: more are a nuisance, not a need.
const MOST_MESSAGES: u32 = 4096;
/// Slices looked at in one batch.
const SLICES: usize = 64;

const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
const CLOSE_NOTIFY: u8 = 0;

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
    messages: u32,
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
            messages: 0,
            // AWS-LC takes the first nonce that a key object seals with for that of record 0 and holds all others
            // against it. Where rustls has sent tickets already, this side begins with new keys.
            update_wanted: sent > 0,
            closed: false,
        })
    }

    /// Opens the records that begin at `from`. Their plain octets are moved to `plain`, one behind the other.
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
            if ContentType::from(kind) != ContentType::ApplicationData {
                // Everything is encrypted by now, and encrypted records say nothing of what is in them.
                return Err(Error::InvalidMessage(InvalidMessage::InvalidContentType));
            }
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
            let (kind, length_plain) = (message.typ, message.payload.len());
            match kind {
                ContentType::ApplicationData => {
                    buffer.copy_within(start..start + length_plain, opened.plain);
                    opened.plain += length_plain;
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
                    [_, description] => {
                        return Err(Error::AlertReceived(AlertDescription::from(description)));
                    }
                    _ => return Err(Error::InvalidMessage(InvalidMessage::MessageTooShort)),
                },
                _ => return Err(Error::InvalidMessage(InvalidMessage::InvalidContentType)),
            }
            opened.rest = start + length;
        }
        Ok(opened)
    }

    /// Takes the handshake messages that are complete.
    fn on_handshake(&mut self) -> Result<(), Error> {
        let mut at = 0;
        while let Some(&[kind, a, b, c]) = self.handshake[at..].first_chunk::<4>() {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > MOST_HANDSHAKE {
                return Err(Error::InvalidMessage(
                    InvalidMessage::HandshakePayloadTooLarge,
                ));
            }
            let Some(body) = self.handshake.get(at + 4..at + 4 + length) else {
                break;
            };
            self.messages += 1;
            if self.messages > MOST_MESSAGES {
                return Err(PeerMisbehaved::TooManyKeyUpdateRequests.into());
            }
            match (kind, &mut self.kernel) {
                (NEW_SESSION_TICKET, Kernel::Client(kernel)) => {
                    kernel.handle_new_session_ticket(body)?;
                }
                (KEY_UPDATE, kernel) => {
                    let wanted = match *body {
                        [0] => false,
                        [1] => true,
                        _ => return Err(Error::InvalidMessage(InvalidMessage::InvalidKeyUpdate)),
                    };
                    let (received, secrets) = match kernel {
                        Kernel::Client(kernel) => kernel.update_rx_secret(),
                        Kernel::Server(kernel) => kernel.update_rx_secret(),
                    }?;
                    self.decrypter = decrypter(self.suite, secrets)?;
                    self.received = received;
                    self.update_wanted |= wanted;
                }
                _ => return Err(Error::InvalidMessage(InvalidMessage::InvalidContentType)),
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
        output: &mut Output,
        sealed: &mut VecDeque<Bytes>,
    ) -> Result<(), Error> {
        if std::mem::take(&mut self.update_wanted)
            || self.sent >= self.suite.common.confidentiality_limit / 2
        {
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
        let alert = self.encrypt(
            ContentType::Alert,
            OutboundChunks::Single(&[1, CLOSE_NOTIFY]),
        )?;
        sealed.push_back(alert);
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
