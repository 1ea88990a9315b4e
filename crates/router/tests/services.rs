//! TLS towards the clients and servers of services.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::trust::{Ca, Files, Use, update_profile};
use common::*;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use skupper_management::Kind;
use skupper_management::agent::Store;
use skupper_management::report::{Refusal, Refuser};
use skupper_pki::tls::{Ciphers, ClientOptions, Identity, ServerOptions, Versions};
use skupper_pki::tls::{client_config, server_config, server_name};
use skupper_pki::{Certificate, Credential, TrustBundle};
use skupper_router::Router;
use socket2::SockRef;

fn bundle(credential: &Credential) -> TrustBundle {
    TrustBundle::from_pem(&credential.ca_crt).unwrap()
}

fn protocols(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// A server that echoes within TLS and says what was negotiated.
fn secure_server(credential: &Credential, alpn: &[&str]) -> u16 {
    telling_server(credential, None, alpn, |connection| {
        let protocol = connection.alpn_protocol().unwrap_or(b"none");
        String::from_utf8(protocol.to_vec()).unwrap()
    })
}

/// A server that echoes within TLS and says something of its connection. With `clients` it demands certificates of their CA.
fn telling_server(
    credential: &Credential,
    clients: Option<&Credential>,
    alpn: &[&str],
    tell: impl Fn(&ServerConnection) -> String + Clone + Send + 'static,
) -> u16 {
    let config = Arc::new(
        server_config(ServerOptions {
            identity: Identity::load(credential).unwrap(),
            clients: clients.map(bundle),
            alpn: protocols(alpn),
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
            let answer = [tell(&stream.conn).as_bytes(), b": ", &buffer[..count]].concat();
            stream.write_all(&answer).unwrap();
        }
        stream.conn.send_close_notify();
        let _ = stream.flush();
    })
}

/// Says something, which is to come back as `answer`.
fn hear(stream: &mut (impl Read + Write), said: &str, answer: &str) {
    stream.write_all(said.as_bytes()).unwrap();
    let mut heard = vec![0; answer.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), answer);
}

/// Whether a socket ends without a word, in order or by a reset.
fn ends(stream: &mut impl Read) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

fn with_profile(mut section: Value, profile: &str) -> Value {
    section[1]["sslProfile"] = json!(profile);
    section
}

/// The name of the connector of an address.
fn connector_of(router: &Router, address: &str) -> String {
    let entities = router.entities();
    let mut connectors = entities.configured(Kind::TcpConnector);
    let own = connectors.find(|connector| connector["address"] == address);
    own.unwrap()["name"].as_str().unwrap().to_owned()
}

/// The last time that the server of an address was not reached.
fn refusal_of_server(router: &Router, address: &str) -> Refusal {
    let name = connector_of(router, address);
    wait_for("refusal", || {
        let connector = router.entities().tcp_connector(&name)?;
        connector.refusals.snapshot().entries().first().cloned()
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
        alpn: protocols(alpn),
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
    let port = secure_server(&leaf, &["h2", "http/1.1"]);
    let listener = with_profile(tcp_listener("secure"), "service");
    let connector = with_profile(tcp_connector("secure", port), "service");
    let router = router("A", &[files.profile("service"), listener, connector]);
    let address = open_port(&router, "secure");
    for (alpn, protocol) in [
        (&["http/1.1"][..], "http/1.1"),
        (&["h2"], "h2"),
        (&[], "none"),
    ] {
        let mut client = secure_client(address, &leaf, false, alpn);
        hear(&mut client, "hello", &format!("{protocol}: hello"));
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
    let listener = with_profile(tcp_listener("secure"), "service");
    let connector = with_profile(tcp_connector("secure", abrupt_server(&leaf)), "service");
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
    let mut listener = with_profile(tcp_listener("echo"), "service");
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
    hear(
        &mut secure_client(address, &leaf, true, &[]),
        "hello",
        "hello",
    );
    let entities = router.entities();
    let listener = entities.tcp_listener("listener/echo").unwrap();
    let refusals = listener.refusals.snapshot();
    let [refusal] = refusals.entries() else {
        panic!("{refusals:?}");
    };
    assert_eq!((refusal.by, &*refusal.check), (Refuser::Us, "missing"));
    assert_eq!(refusal.expected, "a certificate");
}

#[test]
fn a_server_is_who_its_certificate_says_or_is_not_spoken_to() {
    let home = tempfile::tempdir().unwrap();
    let (ca, other) = (Ca::new("CA"), Ca::new("another CA"));
    let leaf = |ca: &Ca, host: &str| ca.leaf(Use::Server, "service", &[host]);
    let (named, misnamed) = (leaf(&ca, "127.0.0.1"), leaf(&ca, "elsewhere.example"));
    let foreign = leaf(&other, "elsewhere.example");
    let files = Files::write(home.path(), "service", &named);
    let to = |address: &str, server: &Credential, verify: bool| {
        let mut connector = with_profile(
            tcp_connector(address, secure_server(server, &[])),
            "service",
        );
        connector[1]["verifyHostname"] = json!(verify);
        connector
    };
    let mut sections = vec![
        files.profile("service"),
        to("named", &named, true),
        to("misnamed", &misnamed, true),
        to("lax", &misnamed, false),
        to("foreign", &foreign, false),
    ];
    let addresses = ["named", "misnamed", "lax", "foreign"];
    sections.extend(addresses.map(tcp_listener));
    let router = router("A", &sections);
    for served in ["named", "lax"] {
        let mut client = connect(open_port(&router, served));
        hear(&mut client, "hello", "none: hello");
    }
    for (refused, check, expected) in [
        ("misnamed", "name", "a certificate for 127.0.0.1"),
        ("foreign", "issuer", "a certificate issued by CN=CA"),
    ] {
        let mut client = connect(open_port(&router, refused));
        // The router may be quicker.
        let _ = client.write_all(b"hello");
        assert!(ends(&mut client), "{refused}");
        let refusal = refusal_of_server(&router, refused);
        assert_eq!((refusal.by, &*refusal.check), (Refuser::Us, check));
        assert!(
            refusal.expected.starts_with(expected),
            "{}",
            refusal.expected
        );
        assert!(
            refusal.presented.contains("elsewhere.example"),
            "{}",
            refusal.presented
        );
    }
}

#[test]
fn a_server_over_a_link_is_offered_what_its_client_has_agreed_on() {
    let home = tempfile::tempdir().unwrap();
    let ca = Ca::new("CA");
    let leaf = ca.leaf(Use::Server, "service", &["127.0.0.1"]);
    let files = Files::write(home.path(), "service", &leaf);
    let listener = |address| with_profile(tcp_listener(address), "service");
    let connector = |address, alpn: &[&str]| {
        with_profile(
            tcp_connector(address, secure_server(&leaf, alpn)),
            "service",
        )
    };
    let west = router(
        "west",
        &[
            files.profile("service"),
            inter_router_listener("link"),
            listener("every"),
            listener("old"),
        ],
    );
    let _east = router(
        "east",
        &[
            files.profile("service"),
            inter_router_connector("link", listener_port(&west, "link")),
            connector("every", &["h2", "http/1.1"]),
            connector("old", &["http/1.1"]),
        ],
    );
    for (address, offered, agreed) in [
        ("every", &["h2"][..], "h2"),
        ("every", &["http/1.1"], "http/1.1"),
        ("every", &[], "none"),
        ("every", &["h2", "http/1.1"], "http/1.1"),
        // What browsers offer, and a server that knows less.
        ("old", &["h2", "http/1.1"], "http/1.1"),
        ("old", &[], "none"),
    ] {
        let mut client = secure_client(open_port(&west, address), &leaf, false, offered);
        hear(&mut client, "hello", &format!("{agreed}: hello"));
        let own = client.conn.alpn_protocol().unwrap_or(b"none");
        assert_eq!(own, agreed.as_bytes(), "{address} {offered:?}");
    }
    // As at upstream's.
    for unknown in ["http/1.0", "unheard-of"] {
        let mut client = secure_client(open_port(&west, "every"), &leaf, false, &[unknown]);
        let refused = client.write_all(b"hello").unwrap_err().to_string();
        assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    }
}

#[test]
fn a_renewed_credential_is_that_of_new_flows_and_cuts_no_old_one() {
    let home = tempfile::tempdir().unwrap();
    let ca = Ca::new("CA");
    let names = |role, subject| ca.leaf(role, subject, &["127.0.0.1"]);
    let front = Files::write(home.path(), "front", &names(Use::Server, "front one"));
    let back = Files::write(home.path(), "back", &names(Use::Client, "back one"));
    let leaf = names(Use::Server, "server");
    // It says who came.
    let port = telling_server(&leaf, Some(&leaf), &[], |connection| {
        let chain = connection.peer_certificates().unwrap();
        Certificate::from_der(&chain[0])
            .unwrap()
            .subject
            .to_string()
    });
    let router = router(
        "A",
        &[
            front.profile("front"),
            back.profile("back"),
            with_profile(tcp_listener("service"), "front"),
            with_profile(tcp_connector("service", port), "back"),
        ],
    );
    let address = open_port(&router, "service");
    // Who the router is for its client, and who it is for the server.
    let begin = |front: &str, back: &str| {
        let mut client = secure_client(address, &leaf, false, &[]);
        hear(&mut client, "hello", &format!("{back}: hello"));
        let chain = client.conn.peer_certificates().unwrap();
        let subject = Certificate::from_der(&chain[0])
            .unwrap()
            .subject
            .to_string();
        assert_eq!(subject, front);
        client
    };
    let mut first = begin("CN=front one", "CN=back one");
    front.replace(&names(Use::Server, "front two"));
    update_profile(&router, front.attributes("front", 1, 0)).unwrap();
    let mut second = begin("CN=front two", "CN=back one");
    back.replace(&names(Use::Client, "back two"));
    update_profile(&router, back.attributes("back", 1, 0)).unwrap();
    let mut third = begin("CN=front two", "CN=back two");
    // That older ones are no longer valid is for links: nobody could make a workload's flow anew.
    update_profile(&router, front.attributes("front", 2, 2)).unwrap();
    update_profile(&router, back.attributes("back", 2, 2)).unwrap();
    let mut fourth = begin("CN=front two", "CN=back two");
    for (client, back) in [
        (&mut first, "one"),
        (&mut second, "one"),
        (&mut third, "two"),
        (&mut fourth, "two"),
    ] {
        hear(client, "still", &format!("CN=back {back}: still"));
    }
}

/// A server that takes connections and says nothing; what tells of each how it ended.
fn silent_server() -> (u16, Receiver<()>, Receiver<bool>) {
    let ((came, comes), (ended, is_over)) = (channel(), channel());
    let port = server(move |mut stream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The first that comes is a hello.
        let heard = stream.read(&mut [0; 4096]);
        assert!(matches!(heard, Ok(1..)), "{heard:?}");
        came.send(()).unwrap();
        let _ = ended.send(ends(&mut stream));
    });
    (port, comes, is_over)
}

#[test]
fn who_does_not_end_a_handshake_is_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let leaf = Ca::new("CA").leaf(Use::Server, "service", &["127.0.0.1"]);
    let files = Files::write(home.path(), "service", &leaf);
    let (port, comes, is_over) = silent_server();
    let router = router(
        "A",
        &[
            files.profile("service"),
            with_profile(tcp_listener("slow"), "service"),
            tcp_connector("slow", server(echo)),
            tcp_listener("silent"),
            with_profile(tcp_connector("silent", port), "service"),
        ],
    );
    let mut client = connect(open_port(&router, "silent"));
    client.write_all(b"hello").unwrap();
    comes.recv_timeout(PATIENCE).unwrap();
    let beginnings: [&[u8]; 3] = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"];
    let slow = beginnings.map(|beginning| {
        let mut slow = connect(open_port(&router, "slow"));
        slow.write_all(beginning).unwrap();
        slow
    });
    assert!(ends(&mut client) && is_over.recv_timeout(PATIENCE).unwrap());
    let refusal = refusal_of_server(&router, "silent");
    assert_eq!((refusal.by, &*refusal.check), (Refuser::Nobody, "timeout"));
    let said = format!(
        "the server at 127.0.0.1:{port} did not finish the TLS handshake within 10s: check"
    );
    assert!(refusal.message.starts_with(&said), "{}", refusal.message);
    for mut slow in slow {
        assert!(ends(&mut slow));
    }
    // The socket ends a moment before that is noted.
    let shown = wait_for("three refusals", || {
        let entities = router.entities();
        let mut found = entities.find(Kind::TcpListener, "name", "listener/slow");
        Some(found.remove(0)).filter(|shown| shown["refusalCount"] == 3)
    });
    let [refusal] = &Refusal::of_entity(&shown)[..] else {
        panic!("{shown:?}");
    };
    assert_eq!((&*refusal.check, refusal.count), ("timeout", 3));
    // Who only looks whether the port is open is none.
    drop(connect(open_port(&router, "slow")));
    let mut client = secure_client(open_port(&router, "slow"), &leaf, false, &[]);
    hear(&mut client, "hello", "hello");
    let listener = router.entities().tcp_listener("listener/slow").unwrap();
    wait_for("end of the probe", || {
        (listener.closed.load(Ordering::Relaxed) == 4).then_some(())
    });
    assert_eq!(listener.refusals.snapshot().total(), 3);
}

#[test]
fn nobody_is_connected_to_for_a_flow_that_is_over() {
    let home = tempfile::tempdir().unwrap();
    let leaf = Ca::new("CA").leaf(Use::Server, "service", &["127.0.0.1"]);
    let files = Files::write(home.path(), "service", &leaf);
    let (port, comes, is_over) = silent_server();
    let west = router(
        "west",
        &[inter_router_listener("link"), tcp_listener("silent")],
    );
    let east = router(
        "east",
        &[
            files.profile("service"),
            inter_router_connector("link", listener_port(&west, "link")),
            with_profile(tcp_connector("silent", port), "service"),
        ],
    );
    let name = connector_of(&east, "silent");
    let connector = east.entities().tcp_connector(&name).unwrap();
    let begin = || {
        let mut client = connect(open_port(&west, "silent"));
        client.write_all(b"hello").unwrap();
        comes.recv_timeout(PATIENCE).unwrap();
        client
    };
    let client = begin();
    SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    assert!(is_over.recv_timeout(PATIENCE).unwrap());
    let mut client = begin();
    {
        let mut entities = east.entities();
        let current = entities.find(Kind::TcpConnector, "name", &name).remove(0);
        entities.delete(Kind::TcpConnector, &current).unwrap();
    }
    assert!(ends(&mut client) && is_over.recv_timeout(PATIENCE).unwrap());
    // Neither was given up because the server took too long.
    assert_eq!(connector.refusals.snapshot().total(), 0);
}
