use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::ClientError;

/// Where a router listens, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS from the first octet; `None` is plain TCP.
    pub tls: Option<Tls>,
    /// How long TCP, TLS and AMQP may take together until the connection can be used.
    pub connect_timeout: Duration,
}

/// TLS towards a router.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Trust and, for SASL EXTERNAL, the client certificate.
    pub config: Arc<ClientConfig>,
    /// Name sent to the router and looked for in its certificate.
    pub server_name: ServerName<'static>,
    /// The configuration has a client certificate, so that SASL EXTERNAL is tried first.
    pub client_certificate: bool,
}

/// A connected stream of octets.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Endpoint {
    /// A plain listener.
    #[must_use]
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: None,
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// A listener with TLS.
    #[must_use]
    pub fn tls(host: impl Into<String>, port: u16, tls: Tls) -> Self {
        Self {
            tls: Some(tls),
            ..Self::tcp(host, port)
        }
    }

    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>, ClientError> {
        let connect = |source: io::Error| ClientError::Connect {
            endpoint: self.to_string(),
            source,
        };
        let socket = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(connect)?;
        socket.set_nodelay(true).map_err(connect)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(socket));
        };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        match connector.connect(tls.server_name.clone(), socket).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(source) => Err(ClientError::Tls {
                endpoint: self.to_string(),
                source,
            }),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "amqps" } else { "amqp" };
        let bracketed = self.host.contains(':');
        let (open, close) = if bracketed { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}
