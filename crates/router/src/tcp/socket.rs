//! A workload's socket, clear or with TLS on it.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;
use tokio_util::either::Either;

use crate::net::TcpStream;
use crate::transit::block;

/// One socket between the router and a client or server of its own.
pub(crate) struct Socket(Either<TcpStream, Box<TlsStream<TcpStream>>>);

impl Socket {
    /// As it is.
    pub(crate) fn clear(stream: TcpStream) -> Self {
        Socket(Either::Left(stream))
    }

    /// With TLS.
    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Socket(Either::Right(Box::new(stream)))
    }

    /// The socket under the TLS layer.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Either::Left(stream) => stream,
            Either::Right(stream) => stream.get_ref().0,
        }
    }

    /// Has the socket's end be a reset: nobody shall take what came for all there was (upstream ends it in order).
    pub(crate) fn reset(&self) {
        // A socket that is broken already says so itself.
        let _ = self.tcp().set_zero_linger();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.get_mut().0).poll_read(cx, buf) {
            // Many clients and servers end their direction by TCP alone, and as upstream does, the router takes that for the
            // end of the stream. Whoever can forge a TCP segment can cut a stream off so; a protocol to which that matters says
            // itself where it ends.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                tracing::debug!(target: "TCP_ADAPTOR", "a TLS peer ended its stream without close_notify");
                Poll::Ready(Ok(()))
            }
            read => read,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

/// What a socket gives next, at most so many octets; nothing at its end.
pub(crate) fn next_chunk(
    socket: &mut Socket,
    most: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Bytes>> {
    block::with_block(|block| {
        let read = {
            let mut room = (&mut *block).limit(most);
            pin!(socket.read_buf(&mut room)).poll(cx)
        };
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(block::take_all(block))),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::IoSlice;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn slices_are_written_together() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let mut socket = Socket::clear(client.await.unwrap().into());
        assert!(socket.is_write_vectored());
        let slices = [IoSlice::new(b"one"), IoSlice::new(b"two")];
        let write = poll_fn(|cx| Pin::new(&mut socket).poll_write_vectored(cx, &slices));
        assert_eq!(write.await.unwrap(), 6);
    }
}
