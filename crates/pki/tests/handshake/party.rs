//! Two parties and a handshake between them in memory.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConnection, NamedGroup, ProtocolVersion, ServerConnection};
use rustls_pki_types::UnixTime;
use skupper_pki::tls::{
    Ciphers, ClientOptions, Identity, ServerOptions, Versions, client_config, server_config,
    server_name,
};
use skupper_pki::verify::{HandshakeFailure, PeerRecord, Side};
use skupper_pki::{Credential, TrustBundle};

use super::support::now;

#[derive(Debug)]
pub(crate) struct Clock(Timestamp);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.as_second()).unwrap();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

pub(crate) struct Party {
    pub(crate) identity: Option<Credential>,
    pub(crate) trusts: Vec<u8>,
    pub(crate) at: Timestamp,
    pub(crate) versions: Versions,
    pub(crate) verify_name: bool,
}

impl Party {
    /// With all that a Secret holds.
    pub(crate) fn of(credential: Credential) -> Self {
        Self {
            trusts: credential.ca_crt.clone(),
            identity: Some(credential),
            at: now(),
            versions: Versions::default(),
            verify_name: true,
        }
    }

    pub(crate) fn server(&self) -> Arc<rustls::ServerConfig> {
        let config = server_config(ServerOptions {
            identity: Identity::load(self.identity.as_ref().unwrap()).unwrap(),
            clients: Some(TrustBundle::from_pem(&self.trusts).unwrap()),
            alpn: Vec::new(),
            versions: self.versions,
            ciphers: Ciphers::default(),
            clock: Arc::new(Clock(self.at)),
        });
        Arc::new(config.unwrap())
    }

    pub(crate) fn client(&self) -> Arc<rustls::ClientConfig> {
        let identity = self
            .identity
            .as_ref()
            .map(|own| Identity::load(own).unwrap());
        let config = client_config(ClientOptions {
            identity,
            servers: TrustBundle::from_pem(&self.trusts).unwrap(),
            verify_name: self.verify_name,
            alpn: Vec::new(),
            versions: self.versions,
            ciphers: Ciphers::default(),
            clock: Arc::new(Clock(self.at)),
        });
        Arc::new(config.unwrap())
    }

    pub(crate) fn leaf(&self) -> Option<skupper_pki::Certificate> {
        self.identity.as_ref().and_then(Credential::leaf)
    }
}

/// How a handshake ended on both sides.
pub(crate) struct Outcome {
    pub(crate) client: Result<(), HandshakeFailure>,
    pub(crate) server: Result<(), HandshakeFailure>,
    pub(crate) client_saw: PeerRecord,
    pub(crate) server_saw: PeerRecord,
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) resumed: bool,
}

pub(crate) fn run(client: &Party, server: &Party, host: &str) -> Outcome {
    exchange(client, server, client.client(), server.server(), host)
}

pub(crate) fn exchange(
    client_party: &Party,
    server_party: &Party,
    client_config: Arc<rustls::ClientConfig>,
    server_config: Arc<rustls::ServerConfig>,
    host: &str,
) -> Outcome {
    let mut client = ClientConnection::new(client_config, server_name(host).unwrap()).unwrap();
    let mut server = ServerConnection::new(server_config).unwrap();
    let (mut client_saw, mut server_saw) = (PeerRecord::default(), PeerRecord::default());
    let (mut client_end, mut server_end) = (Ok(()), Ok(()));
    // A flight in each direction, until nobody has anything to say: alerts after the handshake included.
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() && server_end.is_ok() {
            server.read_tls(&mut rest).unwrap();
            server_end = server_saw
                .watch(|| server.process_new_packets())
                .map(|_| ());
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() && client_end.is_ok() {
            client.read_tls(&mut rest).unwrap();
            client_end = client_saw
                .watch(|| client.process_new_packets())
                .map(|_| ());
        }
    }
    let explain = |end: Result<(), rustls::Error>, saw: &PeerRecord, side, own: &Party| {
        end.map_err(|error| HandshakeFailure::explain(&error, saw, side, own.leaf().as_ref()))
    };
    Outcome {
        client: explain(client_end, &client_saw, Side::Client, client_party),
        server: explain(server_end, &server_saw, Side::Server, server_party),
        version: client.protocol_version(),
        group: client
            .negotiated_key_exchange_group()
            .map(|group| group.name()),
        resumed: client.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        client_saw,
        server_saw,
    }
}
