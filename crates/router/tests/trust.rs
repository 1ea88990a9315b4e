//! Links over mutual TLS: credentials that fit, that do not, and that are renewed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use common::trust::{Ca, Files, Use, update_profile};
use common::*;
use serde_json::Value;
use skupper_management::agent::Store;
use skupper_management::report::{Refusal, Refuser};
use skupper_management::{Attributes, Kind};
use skupper_router::Router;

/// Where a test's files are.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The accepting side, with the clients' port.
fn west(files: &Files) -> Router {
    let sections = [
        files.profile("server"),
        secure_listener("link", "server"),
        tcp_listener("echo"),
    ];
    router("west", &sections)
}

/// The connecting side, with the server.
fn east(files: &Files, west: &Router, port: u16) -> Router {
    let link = listener_port(west, "link");
    let sections = [
        files.profile("client"),
        secure_connector("link", link, "client"),
        tcp_connector("echo", port),
    ];
    router("east", &sections)
}

fn server_files(directory: &Path, ca: &Ca) -> Files {
    Files::write(
        directory,
        "server",
        &ca.leaf(Use::Server, "west", &["127.0.0.1"]),
    )
}

fn client_files(directory: &Path, ca: &Ca) -> Files {
    Files::write(directory, "client", &ca.leaf(Use::Client, "east", &[]))
}

fn refusal_at_listener(router: &Router) -> Refusal {
    wait_for("refusal at the listener", || {
        router
            .entities()
            .listener("link")?
            .refusals
            .snapshot()
            .entries()
            .first()
            .cloned()
    })
}

fn refusal_at_connector(router: &Router) -> Refusal {
    wait_for("refusal at the connector", || {
        router
            .entities()
            .connector("link")?
            .refusals
            .snapshot()
            .entries()
            .first()
            .cloned()
    })
}

#[test]
fn users_have_the_names_and_connections_the_ciphers_that_the_profile_wants() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let names = home.path().join("names.json");
    std::fs::write(&names, r#"{"west": "no", "east": "The East"}"#).unwrap();
    let mut profile = server_files(home.path(), &ca).profile("server");
    for (attribute, value) in [
        ("uidFormat", "n"),
        ("uidNameMappingFile", &*names.to_string_lossy()),
        ("protocols", "TLSv1.2"),
        ("ciphers", "HIGH:!AES"),
    ] {
        profile[1][attribute] = value.into();
    }
    let west = router("west", &[profile, secure_listener("link", "server")]);
    let connector = secure_connector("link", listener_port(&west, "link"), "client");
    let files = client_files(home.path(), &ca);
    let east = router("east", &[files.profile("client"), connector]);
    let connection = wait_for("connection of a user", || {
        let mut rows = Vec::new();
        west.entities().visit(Kind::Connection, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        });
        rows.into_iter()
            .find(|row| row.get("user").is_some_and(Value::is_string))
    });
    assert_eq!(connection["user"], "The East");
    assert_eq!(connection["sslCipher"], "ECDHE-ECDSA-CHACHA20-POLY1305");
    let mut rows = Vec::new();
    east.entities().visit(Kind::Connection, &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    });
    let nobody = |row: &Attributes| row.get("user").is_none_or(Value::is_null);
    assert!(
        rows.iter().all(nobody),
        "who it is there is west's affair: {rows:?}"
    );
}

#[test]
fn a_cipher_list_or_names_that_cannot_be_are_told_of() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let names = home.path().join("names.json");
    std::fs::write(&names, "[]").unwrap();
    for (attribute, value, told) in [
        ("ciphers", "RC4", "'RC4'"),
        (
            "uidNameMappingFile",
            &*names.to_string_lossy(),
            "JSON object",
        ),
    ] {
        let mut profile = server_files(home.path(), &ca).profile("server");
        profile[1][attribute] = value.into();
        let west = router("west", &[profile, secure_listener("link", "server")]);
        let link = listener_port(&west, "link");
        let client = client_files(home.path(), &ca).profile("client");
        let _east = router("east", &[client, secure_connector("link", link, "client")]);
        let refusal = refusal_at_listener(&west);
        assert_eq!(refusal.check, "credential");
        assert!(refusal.message.contains(told), "{}", refusal.message);
    }
}

#[test]
fn credentials_of_one_ca_link() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let west = west(&server_files(home.path(), &ca));
    let east = east(&client_files(home.path(), &ca), &west, server(echo));
    let address = open_port(&west, "echo");
    assert_eq!(exchange(address, b"in secret"), b"in secret");
    assert_eq!(stream_through(address, 16 << 20), 16 << 20);
    assert!(
        east.entities()
            .connector("link")
            .unwrap()
            .refusals
            .snapshot()
            .entries()
            .is_empty()
    );
    assert!(
        west.entities()
            .listener("link")
            .unwrap()
            .refusals
            .snapshot()
            .entries()
            .is_empty()
    );
}

#[test]
fn old_tls_is_spoken_with_those_who_know_no_other() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let files = server_files(home.path(), &ca);
    let mut profile = files.profile("server");
    profile[1]["protocols"] = "TLSv1.2".into();
    let sections = [
        profile,
        secure_listener("link", "server"),
        tcp_listener("echo"),
    ];
    let west = router("west", &sections);
    let _east = east(&client_files(home.path(), &ca), &west, server(echo));
    let address = open_port(&west, "echo");
    assert_eq!(stream_through(address, 4 << 20), 4 << 20);
    let connections = west.context().connections.all();
    let versions = connections
        .iter()
        .filter_map(|connection| connection.peer.get()?.tls.clone());
    assert!(
        versions
            .map(|(version, _)| version)
            .all(|version| version == "TLSv1.2")
    );
}

#[test]
fn a_client_of_another_ca_is_refused_and_both_sides_say_why() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let west = west(&server_files(home.path(), &ca));
    let stranger = Ca::new("other CA").leaf(Use::Client, "east", &[]);
    // It trusts the server all the same.
    let trusting = skupper_pki::Credential {
        ca_crt: ca.leaf(Use::Client, "any", &[]).ca_crt,
        ..stranger
    };
    let files = Files::write(home.path(), "client", &trusting);
    let east = east(&files, &west, server(echo));
    let here = refusal_at_listener(&west);
    assert_eq!(
        (here.by, here.check.as_str()),
        (Refuser::Us, "issuer"),
        "{}",
        here.message
    );
    assert!(
        here.presented.contains("CN=east") && here.expected.contains("CN=CA"),
        "{here:?}"
    );
    let there = refusal_at_connector(&east);
    assert_eq!(
        (there.by, there.check.as_str()),
        (Refuser::Peer, "issuer"),
        "{}",
        there.message
    );
    assert!(there.presented.contains("CN=east"), "{there:?}");
    let (status, _) = east.entities().connector("link").unwrap().status();
    assert_ne!(status.as_str(), "SUCCESS");
}

#[test]
fn a_server_by_another_name_is_refused_by_the_client() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let files = Files::write(
        home.path(),
        "server",
        &ca.leaf(Use::Server, "west", &["west.example"]),
    );
    let west = west(&files);
    let east = east(&client_files(home.path(), &ca), &west, server(echo));
    let refusal = refusal_at_connector(&east);
    assert_eq!(
        (refusal.by, refusal.check.as_str()),
        (Refuser::Us, "name"),
        "{}",
        refusal.message
    );
    assert!(refusal.expected.contains("127.0.0.1"), "{refusal:?}");
    assert!(refusal.presented.contains("west.example"), "{refusal:?}");
    let refusal = refusal_at_listener(&west);
    assert_eq!(refusal.by, Refuser::Peer, "{}", refusal.message);
}

#[test]
fn a_connector_that_does_not_look_at_the_name_takes_any_server_of_its_ca() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let leaf = ca.leaf(Use::Server, "west", &["west.example"]);
    let west = west(&Files::write(home.path(), "server", &leaf));
    let link = listener_port(&west, "link");
    let client = client_files(home.path(), &ca).profile("client");
    let connector = |port| {
        let mut connector = secure_connector("link", port, "client");
        connector[1]["verifyHostname"] = false.into();
        connector
    };
    let echo = tcp_connector("echo", server(echo));
    let _east = router("east", &[client.clone(), connector(link), echo]);
    assert_eq!(
        exchange(open_port(&west, "echo"), b"in secret"),
        b"in secret"
    );
    // It is the name alone that is not looked at.
    let stranger = Ca::new("other CA").leaf(Use::Server, "west", &["west.example"]);
    let files = Files::write(home.path(), "stranger", &stranger);
    let stranger = router(
        "west",
        &[files.profile("server"), secure_listener("link", "server")],
    );
    let refused = router(
        "east",
        &[client, connector(listener_port(&stranger, "link"))],
    );
    assert_eq!(refusal_at_connector(&refused).check, "issuer");
}

#[test]
fn an_expired_client_is_refused() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let west = west(&server_files(home.path(), &ca));
    let files = Files::write(
        home.path(),
        "client",
        &ca.expired_leaf(Use::Client, "east", &[]),
    );
    let east = east(&files, &west, server(echo));
    assert_eq!(refusal_at_listener(&west).check, "dates");
    assert_eq!(refusal_at_connector(&east).check, "dates");
}

#[test]
fn nothing_listening_and_no_tls_are_told_apart() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let files = client_files(home.path(), &ca);
    let closed = free_port();
    let refused = router(
        "a",
        &[
            files.profile("client"),
            secure_connector("link", closed, "client"),
        ],
    );
    assert_eq!(refusal_at_connector(&refused).check, "connect");
    let clear = server(|mut stream| {
        let _ = stream.write_all(b"220 welcome to another protocol\r\n");
        let _ = stream.read(&mut [0; 64]);
    });
    let confused = router(
        "b",
        &[
            files.profile("client"),
            secure_connector("link", clear, "client"),
        ],
    );
    let refusal = refusal_at_connector(&confused);
    assert_eq!(refusal.check, "tls", "{}", refusal.message);
}

#[test]
fn a_renewed_credential_is_used_and_cuts_nothing() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let server_files = server_files(home.path(), &ca);
    let client_files = client_files(home.path(), &ca);
    let west = west(&server_files);
    let east = east(&client_files, &west, server(echo));
    let address = open_port(&west, "echo");
    let mut open = connect(address);
    let mut ping = |text: &[u8; 4]| {
        open.write_all(text).unwrap();
        let mut pong = [0; 4];
        open.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, text);
    };
    ping(b"one.");
    client_files.replace(&ca.leaf(Use::Client, "renewed", &[]));
    update_profile(&east, client_files.attributes("client", 1, 0)).unwrap();
    wait_for("connection of the new credential", || {
        let connections = west.context().connections.all();
        let renewed = connections.iter().any(|connection| {
            let peer = connection.peer.get();
            peer.is_some_and(|peer| {
                peer.group_ordinal == 1 && peer.user.as_deref() == Some("CN=renewed")
            })
        });
        renewed.then_some(())
    });
    ping(b"two.");
    assert_eq!(exchange(address, b"new flow"), b"new flow");
    server_files.replace(&ca.leaf(Use::Server, "west again", &["127.0.0.1"]));
    update_profile(&west, server_files.attributes("server", 1, 0)).unwrap();
    ping(b"thre");
    // Once the old revision is no longer valid, its connections go, and the flow on them with them.
    update_profile(&east, client_files.attributes("client", 2, 2)).unwrap();
    wait_for("end of the old connections", || {
        let connections = east.context().connections.all();
        connections
            .iter()
            .all(|connection| connection.ordinal == Some(2))
            .then_some(())
    });
    let address = open_port(&west, "echo");
    // A flow that was given to an old connection while that ended is reset; the next goes by a new one.
    wait_for("a flow by the new connections", || {
        let mut flow = std::net::TcpStream::connect(address).ok()?;
        flow.write_all(b"still there").ok()?;
        flow.shutdown(std::net::Shutdown::Write).ok()?;
        let mut answer = Vec::new();
        flow.read_to_end(&mut answer).ok()?;
        (answer == b"still there").then_some(())
    });
}

/// Deletes a profile and makes another of its name.
fn make_again(router: &Router, attributes: Value) {
    let Value::Object(attributes) = attributes else {
        panic!("attributes are a map")
    };
    let mut entities = router.entities();
    let name = attributes["name"].as_str().unwrap();
    let current = entities.find(Kind::SslProfile, "name", name).remove(0);
    entities.delete(Kind::SslProfile, &current).unwrap();
    entities.create(Kind::SslProfile, attributes).unwrap();
}

/// Waits until a router has connections that are open, all of this ordinal, and as far as it knows with this user.
fn all_linked_by(router: &Router, ordinal: u64, user: &str) {
    wait_for("connections of a credential", || {
        let connections = router.context().connections.all();
        let fits = connections.iter().all(|connection| {
            let peer = connection.peer.get();
            let users = peer.map(|peer| peer.user.as_deref().is_none_or(|known| known == user));
            connection.ordinal == Some(ordinal) && users == Some(true)
        });
        (fits && !connections.is_empty()).then_some(())
    });
}

#[test]
fn who_has_used_a_profile_uses_the_one_that_is_made_in_its_place() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let server_files = server_files(home.path(), &ca);
    let client_files = client_files(home.path(), &ca);
    let west = west(&server_files);
    let east = east(&client_files, &west, server(echo));
    open_port(&west, "echo");
    client_files.replace(&ca.leaf(Use::Client, "again", &[]));
    make_again(&east, client_files.attributes("client", 3, 0));
    wait_for("connection of the next revision", || {
        let connections = west.context().connections.all();
        let mut peers = connections
            .iter()
            .filter_map(|connection| connection.peer.get());
        peers
            .any(|peer| peer.group_ordinal == 3 && peer.user.as_deref() == Some("CN=again"))
            .then_some(())
    });
    update_profile(&east, client_files.attributes("client", 4, 4)).unwrap();
    all_linked_by(&east, 4, "");
    all_linked_by(&west, 0, "CN=again");
    // One whose ordinals begin anew: whatever was counted before is older.
    client_files.replace(&ca.leaf(Use::Client, "anew", &[]));
    make_again(&east, client_files.attributes("client", 1, 0));
    all_linked_by(&east, 1, "");
    all_linked_by(&west, 0, "CN=anew");
    make_again(&west, server_files.attributes("server", 1, 1));
    all_linked_by(&west, 1, "CN=anew");
    update_profile(&west, server_files.attributes("server", 2, 2)).unwrap();
    all_linked_by(&west, 2, "CN=anew");
    assert_eq!(exchange(open_port(&west, "echo"), b"then"), b"then");
}

#[test]
fn an_ordinal_that_comes_back_makes_one_set() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let west = west(&server_files(home.path(), &ca));
    let files = client_files(home.path(), &ca);
    let east = east(&files, &west, server(echo));
    open_port(&west, "echo");
    let of = |ordinal| -> Vec<u64> {
        let mut all = east.context().connections.all();
        all.retain(|connection| connection.ordinal == Some(ordinal));
        all.iter().map(|connection| connection.number).collect()
    };
    let first = of(0);
    // The old ones stay while the new ones are made, and are there when it is their ordinal's turn again.
    update_profile(&east, files.attributes("client", 1, 0)).unwrap();
    wait_for("the next set", || {
        (of(1).len() == first.len()).then_some(())
    });
    update_profile(&east, files.attributes("client", 0, 0)).unwrap();
    let look = || {
        let mut numbers = of(0);
        numbers.sort_unstable();
        numbers
    };
    // Two sets of one ordinal would take each other's place for ever.
    let mut last = look();
    wait_for("one set that stays", || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let now = look();
        let stays = now == last && now.len() >= first.len() && of(1).is_empty();
        last = now;
        stays.then_some(())
    });
    assert_eq!(exchange(open_port(&west, "echo"), b"then"), b"then");
}

#[test]
fn a_profile_that_could_not_be_loaded_is_made_anew() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let west = west(&server_files(home.path(), &ca));
    let files = client_files(home.path(), &ca);
    let mut nothing = files.profile("client");
    nothing[1]["certFile"] = "nothing.crt".into();
    let link = listener_port(&west, "link");
    let sections = [nothing, secure_connector("link", link, "client")];
    let east = router("east", &sections);
    assert_eq!(refusal_at_connector(&east).check, "credential");
    make_again(&east, files.attributes("client", 0, 0));
    all_linked_by(&east, 0, "");
}

#[test]
fn a_listener_closes_what_an_old_credential_has_let_in() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let files = server_files(home.path(), &ca);
    let west = west(&files);
    let _east = east(&client_files(home.path(), &ca), &west, server(echo));
    open_port(&west, "echo");
    let ordinals = || {
        let connections = west.context().connections.all();
        let ordinals = connections.iter().map(|connection| connection.ordinal);
        ordinals.collect::<Vec<_>>()
    };
    assert!(ordinals().iter().all(|ordinal| *ordinal == Some(0)));
    // What is newer is for who comes, and what is there stays.
    update_profile(&west, files.attributes("server", 1, 0)).unwrap();
    assert!(ordinals().contains(&Some(0)));
    update_profile(&west, files.attributes("server", 2, 2)).unwrap();
    wait_for("connections of the valid credential alone", || {
        let ordinals = ordinals();
        let renewed = ordinals.iter().all(|ordinal| *ordinal == Some(2));
        (renewed && !ordinals.is_empty()).then_some(())
    });
}

#[test]
fn what_cannot_be_loaded_leaves_the_old_in_use() {
    let (home, ca) = (directory(), Ca::new("CA"));
    let server_files = server_files(home.path(), &ca);
    let west = west(&server_files);
    let first = east(&client_files(home.path(), &ca), &west, server(echo));
    open_port(&west, "echo");
    let mut broken = ca.leaf(Use::Server, "west", &["127.0.0.1"]);
    broken.tls_key = ca.leaf(Use::Server, "another", &[]).tls_key;
    server_files.replace(&broken);
    let refused = update_profile(&west, server_files.attributes("server", 1, 0));
    assert!(refused.unwrap_err().contains("key"));
    let shown = west
        .entities()
        .find(Kind::SslProfile, "name", "server")
        .remove(0);
    assert_eq!(shown["credential"]["state"], "previous", "{shown:?}");
    drop(first);
    closed_port(&west, "echo");
    let _second = east(&client_files(home.path(), &ca), &west, server(echo));
    assert_eq!(
        exchange(open_port(&west, "echo"), b"as before"),
        b"as before"
    );
}
