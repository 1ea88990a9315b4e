//! AMQP over WebSocket (the OASIS binding; RFC 6455): the octets of a connection in binary messages, whose bounds mean nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, WebSocket};
use bytes::{Buf, Bytes, BytesMut};
use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::either::Either;

use crate::net::TcpStream;

/// Octets that are written in one message.
const MOST_WRITTEN: usize = 64 * 1024;

/// A WebSocket as the socket of a connection.
pub(crate) struct WebStream {
    socket: WebSocket,
    /// What is left of the last message.
    rest: Bytes,
}

impl WebStream {
    pub(crate) fn new(socket: WebSocket) -> Self {
        WebStream {
            socket,
            rest: Bytes::new(),
        }
    }

    /// The next message with octets; none at the end.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let message = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(message) => message.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(None)),
            };
            match message {
                Message::Binary(octets) if octets.is_empty() => {}
                Message::Binary(octets) => return Poll::Ready(Ok(Some(octets))),
                // The library answers them.
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(_) => return Poll::Ready(Ok(None)),
                Message::Text(_) => {
                    let text = "a WebSocket message is text, and AMQP comes in binary ones";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
            }
        }
    }
}

impl AsyncRead for WebStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let web = self.get_mut();
        if web.rest.is_empty() {
            match ready!(web.poll_message(cx))? {
                Some(octets) => web.rest = octets,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = web.rest.len().min(room.remaining());
        room.put_slice(&web.rest[..count]);
        web.rest.advance(count);
        if web.rest.is_empty() {
            // An idle connection owns no buffer.
            web.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = &mut self.get_mut().socket;
        ready!(Pin::new(&mut *socket).poll_ready(cx)).map_err(io::Error::other)?;
        let mut message = BytesMut::new();
        for slice in slices {
            let room = MOST_WRITTEN - message.len();
            message.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let count = message.len();
        let message = Message::Binary(message.freeze());
        Pin::new(&mut *socket)
            .start_send(message)
            .map_err(io::Error::other)?;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = Pin::new(&mut self.get_mut().socket);
        socket.poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = Pin::new(&mut self.get_mut().socket);
        socket.poll_close(cx).map_err(io::Error::other)
    }
}

/// What the octets of a connection cross: a socket of its own, or a WebSocket, which is secured, if at all, beneath.
pub(crate) type Wire = Either<TcpStream, Box<WebStream>>;
