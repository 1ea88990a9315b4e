//! The TLS handshake, and the whole of TLS 1.2: both by rustls, fed from and into this side's own buffers.

use bytes::{Bytes, BytesMut};
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error};

use super::records::Records;

/// Room for what a handshake sends at once; grows where it is not enough.
const ROOM: usize = 4096;

/// A TLS connection on rustls's own record layer.
pub(crate) enum Library {
    /// This side connected.
    Client(UnbufferedClientConnection),
    /// This side accepted.
    Server(UnbufferedServerConnection),
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The handshake needs more from the peer.
    Handshaking,
    /// The handshake is complete.
    Established,
    /// The peer sends no more.
    Closed,
}

macro_rules! advance {
    ($connection:expr, $cipher:expr, $plain:expr, $send:expr) => {{
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state, .. } =
                $connection.process_tls_records(&mut $cipher[used..]);
            let mut taken = discard;
            let progress = match state {
                Err(error) => break Err((used + taken, error)),
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    $send(encode(|room| data.encode(room)));
                    None
                }
                // What was encoded is in the owner's queue, which is as good as sent.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    let mut failed = None;
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                $plain.extend_from_slice(record.payload);
                                taken += record.discard;
                            }
                            Err(error) => {
                                failed = Some(error);
                                break;
                            }
                        }
                    }
                    if let Some(error) = failed {
                        break Err((used, error));
                    }
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(Progress::Handshaking),
                Ok(ConnectionState::WriteTraffic(_)) => Some(Progress::Established),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Some(Progress::Closed),
                // Early data is not offered; anything that rustls adds later is not asked for.
                Ok(_) => Some(Progress::Handshaking),
            };
            used += taken;
            if let Some(progress) = progress {
                break Ok((used, progress));
            }
        }
    }};
}

macro_rules! encrypt {
    ($connection:expr, $plain:expr) => {{
        let UnbufferedStatus { state, .. } = $connection.process_tls_records(&mut []);
        match state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let mut room = vec![0; $plain.len() + ROOM];
                let length = loop {
                    match traffic.encrypt($plain, &mut room) {
                        Ok(length) => break length,
                        Err(EncryptError::InsufficientSize(needed)) => {
                            room.resize(needed.required_size, 0);
                        }
                        Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
                    }
                };
                room.truncate(length);
                Ok(Bytes::from(room))
            }
            _ => Err(Error::HandshakeNotComplete),
        }
    }};
}

/// What the library has to send, in a buffer of its size.
fn encode(mut into: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) -> Bytes {
    let mut room = vec![0; ROOM];
    let length = loop {
        match into(&mut room) {
            Ok(length) => break length,
            Err(EncodeError::InsufficientSize(needed)) => room.resize(needed.required_size, 0),
            Err(EncodeError::AlreadyEncoded) => break 0,
        }
    };
    room.truncate(length);
    Bytes::from(room)
}

impl Library {
    /// Goes on with the octets from the peer: how many were used, and where that leads. Plain octets are appended to `plain`,
    /// what is to be sent is given to `send`.
    pub(crate) fn advance(
        &mut self,
        cipher: &mut [u8],
        plain: &mut BytesMut,
        send: &mut dyn FnMut(Bytes),
    ) -> Result<(usize, Progress), Error> {
        let outcome = self.steps(cipher, plain, send);
        outcome.map_err(|(used, error)| {
            self.last_words(&mut cipher[used..], send);
            error
        })
    }

    /// The alert that tells the peer what was wrong. It is one step: the next would look at what was wrong once more.
    fn last_words(&mut self, cipher: &mut [u8], send: &mut dyn FnMut(Bytes)) {
        match self {
            Library::Client(connection) => {
                if let Ok(ConnectionState::EncodeTlsData(mut data)) =
                    connection.process_tls_records(cipher).state
                {
                    send(encode(|room| data.encode(room)));
                }
            }
            Library::Server(connection) => {
                if let Ok(ConnectionState::EncodeTlsData(mut data)) =
                    connection.process_tls_records(cipher).state
                {
                    send(encode(|room| data.encode(room)));
                }
            }
        }
    }

    /// As far as it goes; an error with how many octets were used before it.
    fn steps(
        &mut self,
        cipher: &mut [u8],
        plain: &mut BytesMut,
        send: &mut dyn FnMut(Bytes),
    ) -> Result<(usize, Progress), (usize, Error)> {
        match self {
            Library::Client(connection) => advance!(connection, cipher, plain, send),
            Library::Server(connection) => advance!(connection, cipher, plain, send),
        }
    }

    /// Encrypts octets for the peer.
    pub(crate) fn encrypt(&mut self, plain: &[u8]) -> Result<Bytes, Error> {
        match self {
            Library::Client(connection) => encrypt!(connection, plain),
            Library::Server(connection) => encrypt!(connection, plain),
        }
    }

    /// What was agreed.
    pub(crate) fn state(&self) -> &CommonState {
        match self {
            Library::Client(connection) => connection,
            Library::Server(connection) => connection,
        }
    }

    /// The record layer for the octets of an established TLS 1.3 connection.
    pub(crate) fn into_records(self) -> Result<Records, Error> {
        match self {
            Library::Client(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
                Records::client(secrets, kernel)
            }
            Library::Server(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
                Records::server(secrets, kernel)
            }
        }
    }
}
