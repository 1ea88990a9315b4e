//! A router with a port of each kind, and somebody who has to be served whatever others do to it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};
use skupper_pki::tls::{Ciphers, ClientOptions, Versions, client_config, server_name};
use skupper_pki::{Credential, TrustBundle};
use tempfile::TempDir;

use super::common::trust::{Ca, Files, Use};
use super::common::{connect, echo, free_port, server, tcp_connector, wait_for};
use super::routers::Router;

/// More than a router has reason to grow by, whoever does what to it.
const MOST_GROWTH: u64 = 96 * 1024 * 1024;

/// A router with a port of each kind.
pub(crate) struct Hub {
    pub(crate) router: Router,
    pub(crate) ports: Ports,
    bystander: TcpStream,
    begun: u64,
    credential: Credential,
    _home: TempDir,
}

/// Its ports.
pub(crate) struct Ports {
    /// Listeners for AMQP without TLS, by role.
    pub(crate) link: u16,
    pub(crate) edge: u16,
    pub(crate) clients: u16,
    /// A listener for routers that demands a certificate.
    pub(crate) secure: u16,
    /// A listener that secures clients who show none.
    pub(crate) private: u16,
    /// A listener for HTTP, without TLS.
    pub(crate) http: u16,
    /// A listener of a service that says what it hears.
    pub(crate) tcp: u16,
    /// The same with TLS.
    pub(crate) tls: u16,
}

impl Hub {
    pub(crate) fn new(more: &[Value]) -> Self {
        Self::started(more, Router::start)
    }

    /// One that may have so many descriptors.
    pub(crate) fn limited(more: &[Value], descriptors: u32) -> Self {
        Self::started(more, |id, sections| {
            Router::limited(id, sections, descriptors)
        })
    }

    /// One that looks every few seconds for what takes nothing.
    pub(crate) fn hasty(more: &[Value]) -> Self {
        Self::started(more, Router::hasty)
    }

    fn started(more: &[Value], start: impl FnOnce(&str, &[Value]) -> Router) -> Self {
        let home = tempfile::tempdir().unwrap();
        let credential = Ca::new("CA").leaf(Use::Server, "hub", &["127.0.0.1"]);
        let files = Files::write(home.path(), "server", &credential);
        let ports = Ports {
            link: free_port(),
            edge: free_port(),
            clients: free_port(),
            secure: free_port(),
            private: free_port(),
            http: free_port(),
            tcp: free_port(),
            tls: free_port(),
        };
        let listener = |name: &str, port: u16| json!({"name": name, "host": "127.0.0.1", "port": port.to_string(), "initialHandshakeTimeoutSeconds": 2});
        let with = |mut listener: Value, more: Value| {
            listener
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!(["listener", listener])
        };
        let mut sections = vec![
            files.profile("server"),
            with(
                listener("link", ports.link),
                json!({"role": "inter-router"}),
            ),
            with(listener("edge", ports.edge), json!({"role": "edge"})),
            with(listener("clients", ports.clients), json!({})),
            with(
                listener("secure", ports.secure),
                json!({"role": "inter-router", "sslProfile": "server", "saslMechanisms": "EXTERNAL", "authenticatePeer": true, "requireSsl": true}),
            ),
            with(
                listener("private", ports.private),
                json!({"sslProfile": "server", "requireSsl": true}),
            ),
            with(listener("http", ports.http), json!({"http": true})),
            json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": ports.tcp.to_string()}]),
            json!(["tcpListener", {"name": "tls", "address": "echo", "host": "127.0.0.1", "port": ports.tls.to_string(), "sslProfile": "server"}]),
            tcp_connector("echo", server(echo)),
        ];
        sections.extend_from_slice(more);
        let router = start("hub", &sections);
        let bystander = reach(address(ports.tcp));
        let mut hub = Hub {
            begun: 0,
            router,
            ports,
            bystander,
            credential,
            _home: home,
        };
        hub.serves_others();
        hub.begun = hub.router.memory();
        hub
    }

    /// Each of its ports.
    pub(crate) fn every_port(&self) -> [u16; 8] {
        let Ports {
            link,
            edge,
            clients,
            secure,
            private,
            http,
            tcp,
            tls,
        } = self.ports;
        [link, edge, clients, secure, private, http, tcp, tls]
    }

    /// Somebody who was there before is served, and somebody new.
    pub(crate) fn serves_others(&mut self) {
        self.serves_the_bystander();
        ping(&mut connect(address(self.ports.tcp)));
    }

    /// Somebody new is served, once what others held is free.
    pub(crate) fn serves_again(&self) {
        wait_for("service", || {
            try_ping(&mut connect(address(self.ports.tcp))).ok()
        });
    }

    pub(crate) fn serves_the_bystander(&mut self) {
        assert!(self.router.lives());
        ping(&mut self.bystander);
    }

    /// Memory is bounded.
    pub(crate) fn has_not_grown(&self) {
        let (begun, now) = (self.begun, self.router.memory());
        assert!(now < begun + MOST_GROWTH, "from {begun} to {now} octets");
    }

    pub(crate) fn connect(&self, port: u16) -> TcpStream {
        connect(address(port))
    }

    /// A connection on which TLS is agreed on.
    pub(crate) fn secured(&self, port: u16) -> StreamOwned<ClientConnection, TcpStream> {
        let config = client_config(ClientOptions {
            identity: None,
            servers: TrustBundle::from_pem(&self.credential.ca_crt).unwrap(),
            verify_name: true,
            alpn: Vec::new(),
            versions: Versions::default(),
            ciphers: Ciphers::default(),
            clock: Arc::new(DefaultTimeProvider),
        });
        let name = server_name("127.0.0.1").unwrap();
        let session = ClientConnection::new(Arc::new(config.unwrap()), name).unwrap();
        let mut stream = StreamOwned::new(session, self.connect(port));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        stream
    }
}

/// A port on loopback.
pub(crate) fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Connects once the port is open.
pub(crate) fn reach(address: SocketAddr) -> TcpStream {
    wait_for("open port", || TcpStream::connect(address).ok());
    connect(address)
}

/// Something goes to an echo and comes back.
pub(crate) fn ping(stream: &mut TcpStream) {
    try_ping(stream).unwrap();
}

/// The same, where it may fail.
pub(crate) fn try_ping(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"ping")?;
    let mut pong = [0; 4];
    stream.read_exact(&mut pong)?;
    assert_eq!(&pong, b"ping");
    Ok(())
}
