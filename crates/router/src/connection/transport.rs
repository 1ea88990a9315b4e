//! An AMQP connection's socket, clear or with TLS on it, for one owner that polls it.
//!
//! Reads are big and give slices of the thread's block; writes gather what the protocol engine has for the peer, so that one
//! batch of frames is one system call (and as few TLS records as fit it). Nothing is buffered while a connection is idle.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use skupper_amqp::connection::Output;
use skupper_pki::verify::PeerRecord;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use crate::transit::block;

/// Slices handed to one write.
const SLICES: usize = 64;
/// Plain octets handed to the TLS layer at once: a multiple of the largest record.
const TLS_BATCH: usize = 256 * 1024;

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

struct Tls {
    connection: rustls::Connection,
    /// What the peer shows of itself until the connection is open.
    record: Option<PeerRecord>,
}

impl Tls {
    /// Takes cipher octets off the front of `cipher`, appends plain ones to `plain`; whether the peer ends.
    fn read(&mut self, cipher: &mut &[u8], plain: &mut BytesMut) -> Result<bool, TransportError> {
        let Tls { connection, record } = self;
        while !cipher.is_empty() {
            connection.read_tls(cipher)?;
            let state = match record {
                Some(record) => record.watch(|| connection.process_new_packets()),
                None => connection.process_new_packets(),
            }?;
            if state.plaintext_bytes_to_read() > 0 {
                plain.reserve(state.plaintext_bytes_to_read());
                let mut reader = connection.reader();
                while let Some(chunk) = first_chunk(&mut reader)? {
                    plain.extend_from_slice(chunk);
                    let length = chunk.len();
                    io::BufRead::consume(&mut reader, length);
                }
            }
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The socket and what is on it.
pub(crate) struct Transport {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
    /// The beginning of what is not whole yet: plain octets.
    partial: BytesMut,
    /// Octets that crossed the socket, for telemetry and management.
    received: u64,
    sent: u64,
}

impl Transport {
    /// A clear transport; `early` are octets that were read already.
    pub(crate) fn clear(stream: TcpStream, early: &[u8]) -> Self {
        Transport {
            stream,
            tls: None,
            partial: BytesMut::from(early),
            received: 0,
            sent: 0,
        }
    }

    /// Puts TLS on a socket and completes the handshake; `early` are octets that were read already. On failure the
    /// record says what the peer showed.
    pub(crate) async fn secure(
        stream: TcpStream,
        mut connection: rustls::Connection,
        early: &[u8],
    ) -> Result<Self, (TransportError, PeerRecord)> {
        connection.set_buffer_limit(None);
        let tls = Box::new(Tls {
            connection,
            record: Some(PeerRecord::default()),
        });
        let mut transport = Transport::clear(stream, &[]);
        transport.tls = Some(tls);
        match transport.handshake(early).await {
            Ok(()) => Ok(transport),
            Err(error) => {
                let mut nothing = Output::default();
                // The alert that says why is the last thing the peer gets.
                let flush = std::future::poll_fn(|cx| transport.poll_flush(&mut nothing, cx));
                let _ = flush.await;
                Err((error, transport.take_record()))
            }
        }
    }

    async fn handshake(&mut self, mut early: &[u8]) -> Result<(), TransportError> {
        if let Some(tls) = &mut self.tls {
            tls.read(&mut early, &mut self.partial)?;
        }
        let mut nothing = Output::default();
        std::future::poll_fn(|cx| {
            loop {
                if self.poll_flush(&mut nothing, cx)?.is_pending() {
                    return Poll::Pending;
                }
                if self
                    .tls
                    .as_ref()
                    .is_none_or(|tls| !tls.connection.is_handshaking())
                {
                    return Poll::Ready(Ok(()));
                }
                // What comes behind the handshake stays in `partial`.
                match self.poll_read(cx, &mut |_| {}) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(Read::End)) => {
                        let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                        return Poll::Ready(Err(error.into()));
                    }
                    Poll::Ready(Ok(_)) => {}
                }
            }
        })
        .await
    }

    /// The TLS layer, if there is one.
    pub(crate) fn tls(&self) -> Option<&rustls::Connection> {
        self.tls.as_ref().map(|tls| &tls.connection)
    }

    /// What the peer showed of itself; it is not kept any longer.
    pub(crate) fn take_record(&mut self) -> PeerRecord {
        self.tls
            .as_mut()
            .and_then(|tls| tls.record.take())
            .unwrap_or_default()
    }

    /// Whether octets came before the first read.
    pub(crate) fn has_early(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Octets read from and written to the socket.
    pub(crate) fn octets(&self) -> (u64, u64) {
        (self.received, self.sent)
    }

    /// Gives what came before the first read.
    pub(crate) fn give_early(&mut self, take: &mut dyn FnMut(&mut BytesMut)) {
        take(&mut self.partial);
    }

    /// Reads once from the socket and gives the plain octets to `take`; what it leaves comes again with more.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&mut BytesMut),
    ) -> Poll<Result<Read, TransportError>> {
        let Transport {
            stream,
            tls,
            partial,
            received,
            ..
        } = self;
        block::with_block(|block| {
            let Some(tls) = tls else {
                block.extend_from_slice(partial);
                let count = match pin!(stream.read_buf(block)).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(count) => count?,
                };
                if count == 0 {
                    return Poll::Ready(Ok(Read::End));
                }
                *received += count as u64;
                take(block);
                keep_rest(block, partial);
                return Poll::Ready(Ok(Read::Some));
            };
            let count = match pin!(stream.read_buf(block)).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(count) => count?,
            };
            if count == 0 {
                // Without close_notify the peer was cut off; the difference matters to nobody above.
                return Poll::Ready(Ok(Read::End));
            }
            *received += count as u64;
            let mut plain = BytesMut::with_capacity(partial.len() + count);
            plain.extend_from_slice(partial);
            let before = plain.len();
            let ended = tls.read(&mut &block[..], &mut plain)?;
            if plain.len() > before {
                take(&mut plain);
                keep_rest(&mut plain, partial);
                return Poll::Ready(Ok(Read::Some));
            }
            Poll::Ready(Ok(if ended { Read::End } else { Read::Nothing }))
        })
    }

    /// Writes what `output` has; ready when all of it is in the socket.
    pub(crate) fn poll_flush(
        &mut self,
        output: &mut Output,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        loop {
            if let Some(tls) = &mut self.tls {
                let tls = &mut tls.connection;
                while tls.wants_write() {
                    let mut socket = Socket {
                        stream: &mut self.stream,
                        cx,
                    };
                    match tls.write_tls(&mut socket) {
                        Ok(count) => self.sent += count as u64,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Poll::Pending;
                        }
                        Err(error) => return Poll::Ready(Err(error.into())),
                    }
                }
                if tls.is_handshaking() || output.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                encrypt(tls, output)?;
                continue;
            }
            if output.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = output.chunks_vectored(&mut slices);
            match Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count])? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) => {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
                }
                Poll::Ready(written) => {
                    output.advance(written);
                    self.sent += written as u64;
                }
            }
        }
    }

    /// Says that no more will be sent. Best effort: the connection is ending.
    pub(crate) fn close(&mut self, output: &mut Output, cx: &mut Context<'_>) {
        // Whether the peer still hears it is its own affair.
        let _ = self.poll_flush(output, cx);
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
            let _ = self.poll_flush(output, cx);
        }
        let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
    }
}

/// Keeps what was not taken, in an allocation no bigger than it.
fn keep_rest(rest: &mut BytesMut, partial: &mut BytesMut) {
    partial.clear();
    if rest.is_empty() {
        // An idle connection owns no buffer.
        *partial = BytesMut::new();
    } else {
        partial.extend_from_slice(rest);
        rest.clear();
    }
}

fn first_chunk<'a>(reader: &'a mut rustls::Reader<'_>) -> io::Result<Option<&'a [u8]>> {
    match io::BufRead::fill_buf(reader) {
        Ok([]) => Ok(None),
        Ok(chunk) => Ok(Some(chunk)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Moves a batch of octets into the TLS layer.
fn encrypt(tls: &mut rustls::Connection, output: &mut Output) -> io::Result<()> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = output.chunks_vectored(&mut slices);
    let mut octets = 0;
    if let Some(enough) = slices[..count].iter().position(|slice| {
        octets += slice.len();
        octets >= TLS_BATCH
    }) {
        count = enough + 1;
    }
    let taken = io::Write::write_vectored(&mut tls.writer(), &slices[..count])?;
    if taken == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    output.advance(taken);
    Ok(())
}

/// A non-blocking socket as the TLS layer writes to it.
struct Socket<'a, 'c> {
    stream: &'a mut TcpStream,
    cx: &'a mut Context<'c>,
}

impl Socket<'_, '_> {
    fn done(result: Poll<io::Result<usize>>) -> io::Result<usize> {
        match result {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl io::Write for Socket<'_, '_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Self::done(Pin::new(&mut *self.stream).poll_write(self.cx, octets))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Self::done(Pin::new(&mut *self.stream).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
