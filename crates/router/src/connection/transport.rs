//! An AMQP connection's socket, clear or with TLS on it, for one owner that polls it.
//!
//! Reads are big and give slices of the thread's block; writes gather what the protocol engine has for the peer, so that one
//! batch of frames is one system call (and as few TLS records as fit it). Nothing is buffered while a connection is idle.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use axum::extract::ws::WebSocket;
use bytes::{Buf, Bytes, BytesMut};
use rustls::{CommonState, ProtocolVersion};
use rustls_pki_types::CertificateDer;
use skupper_amqp::connection::Output;
use skupper_pki::tls::cipher_name;
use skupper_pki::verify::PeerRecord;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::handshake::{Library, Progress};
use super::records::Records;
use super::web::{WebStream, Wire};
use crate::net::TcpStream;
use crate::tcp::consume;
use crate::transit::block;

/// Slices handed to one write.
const SLICES: usize = 64;
/// Sealed octets that wait for the socket beyond which no more are sealed.
const MOST_SEALED: usize = 256 * 1024;
/// Plain octets that rustls's own record layer is given at once.
const LIBRARY_BATCH: usize = 16 * 1024;

/// What one read brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Octets were given.
    Some,
    /// Only the TLS layer moved (handshake, tickets).
    Nothing,
    /// The peer sends no more.
    End,
}

/// Why a transport cannot go on.
#[derive(Debug)]
pub(crate) enum TransportError {
    /// The socket failed.
    Socket(io::Error),
    /// The TLS layer refused something or was refused.
    Tls(rustls::Error),
}

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        TransportError::Socket(error)
    }
}

impl From<rustls::Error> for TransportError {
    fn from(error: rustls::Error) -> Self {
        TransportError::Tls(error)
    }
}

/// What a TLS handshake agreed on.
#[derive(Debug, Clone)]
pub(crate) struct Agreed {
    /// For instance `TLSv1.3`.
    pub(crate) version: String,
    /// The cipher suite, as OpenSSL calls it.
    pub(crate) suite: String,
    /// What the peer presented, or had presented when the session that is resumed was made.
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

impl Agreed {
    /// What a handshake that is complete has agreed on.
    pub(crate) fn of(state: &CommonState) -> Self {
        let suite = state.negotiated_cipher_suite().map(|suite| suite.suite());
        Agreed {
            version: match state.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLS",
            }
            .to_owned(),
            suite: suite.map(cipher_name).unwrap_or_default(),
            certificate: state
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|certificate| certificate.clone().into_owned()),
        }
    }
}

enum Layer {
    Clear,
    /// During the handshake, and TLS 1.2.
    Library(Box<Library>),
    /// TLS 1.3 after its handshake.
    Records(Box<Records>),
}

/// The socket and what is on it.
pub(crate) struct Transport {
    stream: Wire,
    layer: Layer,
    agreed: Option<Agreed>,
    /// What the peer shows of itself until the connection is open.
    record: Option<PeerRecord>,
    /// The beginning of a frame: plain octets.
    plain: BytesMut,
    /// The beginning of a record.
    cipher: BytesMut,
    /// Records for the socket.
    sealed: VecDeque<Bytes>,
    /// Octets that came by the socket.
    received: u64,
}

impl Transport {
    /// A clear transport; `early` are octets that were read already.
    pub(crate) fn clear(stream: TcpStream, early: &[u8]) -> Self {
        Self::on(Wire::Left(stream), None, early)
    }

    /// A WebSocket, of which TLS beneath has made sure what `agreed` says.
    pub(crate) fn web(socket: WebSocket, agreed: Option<Agreed>) -> Self {
        let stream = Wire::Right(Box::new(WebStream::new(socket)));
        Self::on(stream, agreed, &[])
    }

    fn on(stream: Wire, agreed: Option<Agreed>, early: &[u8]) -> Self {
        Transport {
            stream,
            layer: Layer::Clear,
            agreed,
            record: None,
            plain: BytesMut::from(early),
            cipher: BytesMut::new(),
            sealed: VecDeque::new(),
            received: 0,
        }
    }

    /// Puts TLS on a socket and completes the handshake; `early` are octets that were read already. On failure the
    /// record says what the peer showed.
    pub(crate) async fn secure(
        stream: TcpStream,
        library: Library,
        early: &[u8],
    ) -> Result<Self, (TransportError, PeerRecord)> {
        let mut transport = Transport::clear(stream, &[]);
        transport.layer = Layer::Library(Box::new(library));
        transport.record = Some(PeerRecord::default());
        transport.cipher = BytesMut::from(early);
        let mut nothing = Output::default();
        match transport.handshake(&mut nothing).await {
            Ok(()) => Ok(transport),
            Err(error) => {
                // The alert that says why is the last thing the peer gets.
                let flush = std::future::poll_fn(|cx| transport.poll_flush(&mut nothing, cx));
                let _ = flush.await;
                Err((error, transport.take_record()))
            }
        }
    }

    async fn handshake(&mut self, nothing: &mut Output) -> Result<(), TransportError> {
        let mut progress = self.advance_early()?;
        std::future::poll_fn(|cx| {
            loop {
                if self.poll_flush(nothing, cx)?.is_pending() {
                    return Poll::Pending;
                }
                match progress {
                    Progress::Established => return Poll::Ready(Ok(())),
                    Progress::Closed => {
                        let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                        return Poll::Ready(Err(TransportError::from(error)));
                    }
                    Progress::Handshaking => {}
                }
                progress = match self.poll_handshake(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(progress) => progress?,
                };
            }
        })
        .await?;
        self.establish()
    }

    /// What came before the first read.
    fn advance_early(&mut self) -> Result<Progress, TransportError> {
        let mut early = std::mem::take(&mut self.cipher);
        self.advance(&mut early)
    }

    /// Gives cipher octets to the library; keeps what it leaves.
    fn advance(&mut self, cipher: &mut BytesMut) -> Result<Progress, TransportError> {
        let Transport {
            layer: Layer::Library(library),
            record,
            plain,
            sealed,
            ..
        } = self
        else {
            return Ok(Progress::Established);
        };
        let mut send = |octets| sealed.push_back(octets);
        let (used, progress) = match record {
            Some(record) => record.watch(|| library.advance(cipher, plain, &mut send)),
            None => library.advance(cipher, plain, &mut send),
        }?;
        cipher.advance(used);
        self.cipher = BytesMut::from(&cipher[..]);
        Ok(progress)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<Progress, TransportError>> {
        block::with_block(|block| {
            block.extend_from_slice(&self.cipher);
            let count = match pin!(self.stream.read_buf(block)).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(count) => count?,
            };
            if count == 0 {
                return Poll::Ready(Ok(Progress::Closed));
            }
            self.received += count as u64;
            let mut cipher = block.split();
            Poll::Ready(self.advance(&mut cipher))
        })
    }

    /// The handshake is complete.
    fn establish(&mut self) -> Result<(), TransportError> {
        let library = match std::mem::replace(&mut self.layer, Layer::Clear) {
            Layer::Library(library) => library,
            other => {
                self.layer = other;
                return Ok(());
            }
        };
        let version = library.state().protocol_version();
        self.agreed = Some(Agreed::of(library.state()));
        self.layer = match version {
            Some(ProtocolVersion::TLSv1_3) => Layer::Records(Box::new(library.into_records()?)),
            _ => Layer::Library(library),
        };
        Ok(())
    }

    /// What the TLS handshake agreed on, if there was one.
    pub(crate) fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// What the peer showed of itself; it is not kept any longer.
    pub(crate) fn take_record(&mut self) -> PeerRecord {
        self.record.take().unwrap_or_default()
    }

    /// Octets read from the socket.
    pub(crate) fn octets(&self) -> u64 {
        self.received
    }

    /// Gives what came before the first read to `take`; whether there was anything.
    pub(crate) fn give_early(
        &mut self,
        take: &mut dyn FnMut(&mut BytesMut),
    ) -> Result<(), TransportError> {
        if !self.plain.is_empty() {
            take(&mut self.plain);
        }
        if !self.cipher.is_empty() {
            // Records came together with the end of the handshake.
            let mut block = std::mem::take(&mut self.cipher);
            self.open(&mut block, take)?;
        }
        Ok(())
    }

    /// Gives `take` what it left, which it can take now.
    pub(crate) fn give_rest(&mut self, take: &mut dyn FnMut(&mut BytesMut)) {
        if !self.plain.is_empty() {
            take(&mut self.plain);
        }
    }

    /// Reads once from the socket and gives the plain octets to `take`; what it leaves comes again with more.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&mut BytesMut),
    ) -> Poll<Result<Read, TransportError>> {
        if let Layer::Records(records) = &self.layer
            && records.is_closed()
        {
            // The socket may stay open, but nothing more comes by it that counts.
            return Poll::Ready(Ok(Read::End));
        }
        let read = self.poll_read_socket(cx, take);
        if let Poll::Ready(Err(_)) = &read {
            self.last_words(cx);
        }
        read
    }

    /// Has the alert written that says why the connection ends. Best effort: it is ending.
    pub(crate) fn last_words(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_flush(&mut Output::default(), cx);
    }

    fn poll_read_socket(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&mut BytesMut),
    ) -> Poll<Result<Read, TransportError>> {
        block::with_block(|block| {
            let clear = matches!(self.layer, Layer::Clear);
            block.extend_from_slice(if clear { &self.plain } else { &self.cipher });
            let count = match pin!(self.stream.read_buf(block)).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(count) => count?,
            };
            if count == 0 {
                // Without close_notify the peer was cut off; the difference matters to nobody above.
                return Poll::Ready(Ok(Read::End));
            }
            self.received += count as u64;
            if clear {
                take(block);
                keep_rest(block, &mut self.plain);
                return Poll::Ready(Ok(Read::Some));
            }
            Poll::Ready(self.open(block, take))
        })
    }

    /// Opens what was read, records from the front of `block` on, and gives the plain octets to `take`.
    fn open(
        &mut self,
        block: &mut BytesMut,
        take: &mut dyn FnMut(&mut BytesMut),
    ) -> Result<Read, TransportError> {
        let ended = match &mut self.layer {
            Layer::Records(records) => {
                let opened = match records.open(block, 0, 0) {
                    Ok(opened) => opened,
                    Err(error) => {
                        // That it could not be said either matters less than what was wrong.
                        let _ = records.refuse(&error, &mut self.sealed);
                        return Err(error.into());
                    }
                };
                keep(&block[opened.rest..], &mut self.cipher);
                block.truncate(opened.plain);
                if opened.plain == 0 {
                    return Ok(if opened.closed {
                        Read::End
                    } else {
                        Read::Nothing
                    });
                }
                if !self.plain.is_empty() {
                    // A frame lies across two reads: it is put together.
                    let mut whole = BytesMut::with_capacity(self.plain.len() + block.len());
                    whole.extend_from_slice(&self.plain);
                    whole.extend_from_slice(block);
                    block.clear();
                    take(&mut whole);
                    keep_rest(&mut whole, &mut self.plain);
                    return Ok(Read::Some);
                }
                take(block);
                keep_rest(block, &mut self.plain);
                return Ok(Read::Some);
            }
            Layer::Library(_) => {
                let mut cipher = block.split();
                self.advance(&mut cipher)? == Progress::Closed
            }
            Layer::Clear => false,
        };
        if self.plain.is_empty() {
            return Ok(if ended { Read::End } else { Read::Nothing });
        }
        take(&mut self.plain);
        Ok(Read::Some)
    }

    /// Writes what `output` has; ready when all of it is in the socket.
    pub(crate) fn poll_flush(
        &mut self,
        output: &mut Output,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        if matches!(self.layer, Layer::Clear) && self.sealed.is_empty() {
            return self.poll_flush_clear(output, cx);
        }
        loop {
            self.seal(output)?;
            if self.sealed.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, record) in slices.iter_mut().zip(&self.sealed) {
                *slice = IoSlice::new(record);
                count += 1;
            }
            match Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count])? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) => return Poll::Ready(Err(nothing_written())),
                Poll::Ready(written) => {
                    consume(&mut self.sealed, written);
                }
            }
        }
    }

    /// Seals of `output` as much as is worth writing at once.
    fn seal(&mut self, output: &mut Output) -> Result<(), TransportError> {
        let Transport { layer, sealed, .. } = self;
        let mut waiting: usize = sealed.iter().map(Bytes::len).sum();
        match layer {
            Layer::Records(records) => {
                while waiting < MOST_SEALED && (!output.is_empty() || records.wants_write()) {
                    let before = output.len();
                    records.seal(output, sealed)?;
                    waiting += before - output.len();
                }
            }
            Layer::Library(library) => {
                while waiting < MOST_SEALED && !output.is_empty() {
                    let batch = output.copy_to_bytes(output.len().min(LIBRARY_BATCH));
                    sealed.push_back(library.encrypt(&batch)?);
                    waiting += batch.len();
                }
            }
            Layer::Clear => {}
        }
        Ok(())
    }

    fn poll_flush_clear(
        &mut self,
        output: &mut Output,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        while !output.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = output.chunks_vectored(&mut slices);
            match Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count])? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) => return Poll::Ready(Err(nothing_written())),
                Poll::Ready(written) => {
                    output.advance(written);
                }
            }
        }
        // A WebSocket may hold octets back until then; for a socket this is nothing.
        Pin::new(&mut self.stream)
            .poll_flush(cx)
            .map_err(TransportError::from)
    }

    /// Says that no more will be sent. Best effort: the connection is ending.
    pub(crate) fn close(&mut self, output: &mut Output, cx: &mut Context<'_>) {
        // Whether the peer still hears it is its own affair.
        let _ = self.poll_flush(output, cx);
        if let Layer::Records(records) = &mut self.layer {
            let _ = records.close(&mut self.sealed);
            let _ = self.poll_flush(output, cx);
        }
        let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
    }
}

fn nothing_written() -> TransportError {
    io::Error::from(io::ErrorKind::WriteZero).into()
}

/// Keeps what was not taken, in an allocation no bigger than it.
fn keep_rest(rest: &mut BytesMut, partial: &mut BytesMut) {
    keep(rest, partial);
    rest.clear();
}

fn keep(rest: &[u8], partial: &mut BytesMut) {
    if rest.is_empty() {
        // An idle connection owns no buffer.
        *partial = BytesMut::new();
    } else {
        partial.clear();
        partial.extend_from_slice(rest);
    }
}
