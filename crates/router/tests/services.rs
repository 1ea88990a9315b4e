//! TLS towards the clients and servers of services.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use common::trust::{Ca, Files, Use};
use common::*;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use serde_json::json;
use skupper_pki::tls::{Ciphers, ClientOptions, Identity, ServerOptions, Versions};
use skupper_pki::tls::{client_config, server_config, server_name};
use skupper_pki::{Credential, TrustBundle};

fn bundle(credential: &Credential) -> TrustBundle {
    TrustBundle::from_pem(&credential.ca_crt).unwrap()
}

/// A server that echoes within TLS and says what was negotiated.
fn secure_server(credential: &Credential) -> u16 {
    let config = Arc::new(
        server_config(ServerOptions {
            identity: Identity::load(credential).unwrap(),
            clients: None,
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            versions: Versions::default(),
            ciphers: Ciphers::default(),
            clock: Arc::new(DefaultTimeProvider),
        })
        .unwrap(),
    );
    server(move |stream| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut buffer = [0; 4096];
        while let Ok(count) = stream.read(&mut buffer) {
            if count == 0 {
                break;
            }
            let protocol = stream.conn.alpn_protocol().unwrap_or(b"none").to_vec();
            stream.write_all(&protocol).unwrap();
            stream.write_all(b": ").unwrap();
            stream.write_all(&buffer[..count]).unwrap();
        }
        stream.conn.send_close_notify();
        let _ = stream.flush();
    })
}

/// A client that trusts the CA of a credential and presents it if it is to.
fn secure_client(
    address: SocketAddr,
    credential: &Credential,
    present: bool,
    alpn: &[&str],
) -> StreamOwned<ClientConnection, TcpStream> {
    let config = client_config(ClientOptions {
        identity: present.then(|| Identity::load(credential).unwrap()),
        servers: bundle(credential),
        verify_name: true,
        alpn: alpn
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect(),
        versions: Versions::default(),
        ciphers: Ciphers::default(),
        clock: Arc::new(DefaultTimeProvider),
    })
    .unwrap();
    let name = server_name("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, connect(address))
}

#[test]
fn tls_at_both_ends_of_a_flow() {
    let home = tempfile::tempdir().unwrap();
    let ca = Ca::new("CA");
    let leaf = ca.leaf(Use::Server, "service", &["127.0.0.1"]);
    let files = Files::write(home.path(), "service", &leaf);
    let port = secure_server(&leaf);
    let mut listener = tcp_listener("secure");
    listener[1]["sslProfile"] = json!("service");
    let mut connector = tcp_connector("secure", port);
    connector[1]["sslProfile"] = json!("service");
    let router = router("A", &[files.profile("service"), listener, connector]);
    let address = open_port(&router, "secure");
    for (alpn, protocol) in [
        (&["http/1.1"][..], "http/1.1"),
        (&["h2"], "h2"),
        (&[], "none"),
    ] {
        let mut client = secure_client(address, &leaf, false, alpn);
        client.write_all(b"hello").unwrap();
        let mut answer = vec![0; protocol.len() + 2 + 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(
            String::from_utf8(answer).unwrap(),
            format!("{protocol}: hello")
        );
        client.conn.send_close_notify();
        client.flush().unwrap();
        assert_eq!(client.read(&mut [0; 16]).unwrap(), 0);
    }
}

/// A server that answers when its client has ended, and then ends by TCP alone.
fn abrupt_server(credential: &Credential) -> u16 {
    let config = Arc::new(
        server_config(ServerOptions {
            identity: Identity::load(credential).unwrap(),
            clients: None,
            alpn: Vec::new(),
            versions: Versions::default(),
            ciphers: Ciphers::default(),
            clock: Arc::new(DefaultTimeProvider),
        })
        .unwrap(),
    );
    server(move |stream| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        heard.reverse();
        stream.write_all(&heard).unwrap();
        stream.flush().unwrap();
    })
}

#[test]
fn an_end_without_close_notify_is_an_end() {
    let home = tempfile::tempdir().unwrap();
    let ca = Ca::new("CA");
    let leaf = ca.leaf(Use::Server, "service", &["127.0.0.1"]);
    let files = Files::write(home.path(), "service", &leaf);
    let mut listener = tcp_listener("secure");
    listener[1]["sslProfile"] = json!("service");
    let mut connector = tcp_connector("secure", abrupt_server(&leaf));
    connector[1]["sslProfile"] = json!("service");
    let router = router("A", &[files.profile("service"), listener, connector]);
    let mut client = secure_client(open_port(&router, "secure"), &leaf, false, &[]);
    let question = vec![b'a'; 100_000].into_iter().chain([b'z']);
    let question: Vec<u8> = question.collect();
    client.write_all(&question).unwrap();
    client.flush().unwrap();
    client.sock.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // The router itself ends with a close_notify: anything else would be an error here.
    client.read_to_end(&mut answer).unwrap();
    assert!(answer.into_iter().rev().eq(question));
}

#[test]
fn a_client_without_a_certificate_is_not_let_in() {
    let home = tempfile::tempdir().unwrap();
    let ca = Ca::new("CA");
    let files = Files::write(
        home.path(),
        "service",
        &ca.leaf(Use::Server, "service", &["127.0.0.1"]),
    );
    let mut listener = tcp_listener("echo");
    listener[1]["sslProfile"] = json!("service");
    listener[1]["authenticatePeer"] = json!(true);
    let connector = tcp_connector("echo", server(echo));
    let router = router("A", &[files.profile("service"), listener, connector]);
    let address = open_port(&router, "echo");
    let leaf = ca.leaf(Use::Client, "client", &[]);
    let mut refused = secure_client(address, &leaf, false, &[]);
    let outcome = refused
        .write_all(b"hello")
        .and_then(|()| refused.read(&mut [0; 16]));
    assert!(!matches!(outcome, Ok(1..)), "{outcome:?}");
    let mut client = secure_client(address, &leaf, true, &[]);
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}
