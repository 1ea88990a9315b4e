//! A socket of the system, or one of the simulation, with what the routers do with either.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream as SystemStream;

use super::stream::Stream;

/// As [`tokio::net::TcpStream`].
#[derive(Debug)]
pub(crate) enum TcpStream {
    System(SystemStream),
    Simulated(Stream),
}

/// As [`std::net::TcpStream`].
pub(crate) enum Detached {
    System(std::net::TcpStream),
    Simulated(Stream),
}

impl From<SystemStream> for TcpStream {
    fn from(stream: SystemStream) -> Self {
        TcpStream::System(stream)
    }
}

/// The address of everybody.
pub(super) fn nowhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1))
}

impl TcpStream {
    pub(crate) fn into_std(self) -> io::Result<Detached> {
        match self {
            TcpStream::System(stream) => stream.into_std().map(Detached::System),
            TcpStream::Simulated(stream) => Ok(Detached::Simulated(stream)),
        }
    }

    pub(crate) fn from_std(stream: Detached) -> io::Result<Self> {
        match stream {
            Detached::System(stream) => SystemStream::from_std(stream).map(TcpStream::System),
            Detached::Simulated(stream) => Ok(TcpStream::Simulated(stream)),
        }
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        match self {
            TcpStream::System(stream) => stream.set_nodelay(on),
            TcpStream::Simulated(_) => Ok(()),
        }
    }

    pub(crate) fn set_zero_linger(&self) -> io::Result<()> {
        match self {
            TcpStream::System(stream) => stream.set_zero_linger(),
            TcpStream::Simulated(stream) => {
                stream.set_zero_linger();
                Ok(())
            }
        }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            TcpStream::System(stream) => stream.peer_addr(),
            TcpStream::Simulated(_) => Ok(nowhere()),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            TcpStream::System(stream) => stream.local_addr(),
            TcpStream::Simulated(_) => Ok(nowhere()),
        }
    }

    /// Nothing of the simulation is secured, so nobody looks ahead.
    pub(crate) async fn peek(&self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            TcpStream::System(stream) => stream.peek(octets).await,
            TcpStream::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            TcpStream::System(stream) => stream.readable().await,
            TcpStream::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            TcpStream::System(stream) => Pin::new(stream).poll_read(cx, room),
            TcpStream::Simulated(stream) => Pin::new(stream).poll_read(cx, room),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            TcpStream::System(stream) => Pin::new(stream).poll_write(cx, octets),
            TcpStream::Simulated(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            TcpStream::System(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            TcpStream::Simulated(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            TcpStream::System(stream) => Pin::new(stream).poll_flush(cx),
            TcpStream::Simulated(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            TcpStream::System(stream) => Pin::new(stream).poll_shutdown(cx),
            TcpStream::Simulated(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
