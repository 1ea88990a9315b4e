//! Peers that send too much, that never listen, and that never say they do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::json;
use skupper_amqp::connection::{Event, LinkId, Outgoing, Payload, Sent};
use skupper_amqp::{Attach, Message, Properties, Role, Terminus};

use super::common::raw::{Raw, pour};
use super::common::{PATIENCE, echo, free_port, server, tcp_connector, wait_for};
use super::either;
use super::hub::{Hub, address, ping, reach};
use super::routers::Router;

const MEBI: usize = 1024 * 1024;
/// A peer that is not written to for so long is held back.
const HELD: Duration = Duration::from_millis(500);

fn much() -> usize {
    either(64 * MEBI, 1024 * MEBI)
}

#[test]
fn who_is_not_authenticated_sends_a_lot() {
    let mut hub = Hub::new(&[]);
    let sasl = b"AMQP\x03\x01\x00\x00";
    // Empty SASL frames; one frame that is very long; a ClientHello without end; a header line without end.
    let streams: [(u16, &[u8], &[u8]); 7] = [
        (hub.ports.link, sasl, b"\x00\x00\x00\x08\x02\x01\x00\x00"),
        (hub.ports.link, sasl, b"\x7f\xff\xff\xff\x02\x01\x00\x00"),
        (
            hub.ports.clients,
            b"AMQP\x00\x01\x00\x00",
            b"\x00\x00\x00\x08\x02\x00\x00\x00",
        ),
        (
            hub.ports.secure,
            b"\x16\x03\x01\x40\x00\x01\xff\xff\xff",
            &[0; 16 * 1024],
        ),
        (hub.ports.secure, b"", b"\x16\x03\x01\x00\x01\x01"),
        (hub.ports.http, b"GET / HTTP/1.1\r\nX: ", &[b'a'; 4096]),
        (
            hub.ports.http,
            b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\na\r\n",
        ),
    ];
    for (port, front, again) in streams {
        let again = again.repeat(64 * 1024 / again.len());
        let mut stranger = hub.connect(port);
        // A stranger who goes on may be let go on, for a time, or be held back: what counts is memory.
        stranger.set_write_timeout(Some(HELD)).unwrap();
        stranger.write_all(front).unwrap();
        pour(&mut stranger, &again, much());
        hub.has_not_grown();
        hub.serves_others();
        let peer = stranger.local_addr().unwrap();
        drop(stranger);
        // One who asks by HTTP is answered, and what follows is not read.
        if !front.starts_with(b"POST") {
            hub.router.said(&format!(
                "Connection from {peer} (to 127.0.0.1:{port}) failed: "
            ));
        }
    }
}

#[test]
fn a_client_and_a_server_do_not_read() {
    let flood = server(|mut stream| {
        let block = vec![7; 64 * 1024];
        while stream.write_all(&block).is_ok() {}
    });
    let deaf = server(|stream| {
        std::thread::sleep(Duration::from_secs(600));
        drop(stream);
    });
    let ports = [free_port(), free_port()];
    let listener = |name: &str, port: u16| json!(["tcpListener", {"name": name, "address": name, "host": "127.0.0.1", "port": port.to_string()}]);
    let connector = |name: &str, port: u16| json!(["tcpConnector", {"name": format!("c/{name}"), "address": name, "host": "127.0.0.1", "port": port.to_string()}]);
    let mut hub = Hub::hasty(&[
        listener("flood", ports[0]),
        connector("flood", flood),
        listener("deaf", ports[1]),
        connector("deaf", deaf),
    ]);
    let clients: Vec<_> = (0..2).map(|_| reach(address(ports[0]))).collect();
    let mut senders: Vec<_> = (0..2).map(|_| reach(address(ports[1]))).collect();
    for sender in &mut senders {
        sender.set_write_timeout(Some(HELD)).unwrap();
        let written = pour(sender, &[1; 64 * 1024], 512 * MEBI);
        assert!(written < 512 * MEBI, "a sender is never held back");
    }
    hub.serves_others();
    hub.has_not_grown();
    hub.router
        .said("flows stand still: their receivers have taken nothing for 3 seconds");
    // A stream that waited is whole.
    let mut client = &clients[0];
    let mut octets = vec![0; MEBI];
    client.read_exact(&mut octets).unwrap();
    assert!(octets.iter().all(|octet| *octet == 7));
}

fn attach(raw: &mut Raw, role: Role, address: &str) -> LinkId {
    let session = raw.amqp.begin().unwrap();
    let (source, target) = match role {
        Role::Sender => (Terminus::default(), Terminus::at(address)),
        Role::Receiver => (Terminus::at(address), Terminus::default()),
    };
    let attach = Attach::new(format!("{role:?}"), role, source, target);
    let link = raw.amqp.attach(session, attach).unwrap();
    raw.wait("attach", |event| {
        matches!(event, Event::Attached { link: of, .. } if *of == link).then_some(())
    });
    link
}

fn message(to: &str, length: usize) -> Bytes {
    let mut octets = BytesMut::new();
    Message::with_value(Properties::to(to), "x".repeat(length)).encode(&mut octets);
    octets.freeze()
}

#[test]
fn a_consumer_never_grants_credit() {
    let mut hub = Hub::hasty(&[]);
    let mut consumer = Raw::open(hub.connect(hub.ports.clients));
    attach(&mut consumer, Role::Receiver, "queue");
    let mut producer = Raw::open(hub.connect(hub.ports.clients));
    let link = attach(&mut producer, Role::Sender, "queue");
    let mut credit = producer.wait("credit", |event| match event {
        Event::Flow { credit, .. } if *credit > 0 => Some(*credit),
        _ => None,
    });
    let mut sent = 0_u64;
    while credit > 0 {
        let mut payload = Payload::from(message("queue", 64 * 1024));
        let outgoing = Outgoing {
            tag: sent.into(),
            token: sent,
            ..Outgoing::default()
        };
        while !payload.is_empty() {
            match producer.amqp.transfer(link, &outgoing, &mut payload) {
                Ok(Sent::All(_)) => sent += 1,
                Ok(Sent::Credit) => break,
                Ok(Sent::Window(_)) => assert!(producer.turn()),
                Err(error) => panic!("{error}"),
            }
        }
        assert!(producer.turn());
        credit = producer.amqp.credit(link);
        assert!(sent < 10_000, "a producer is never held back");
    }
    hub.has_not_grown();
    hub.serves_others();
    hub.router.said("Link blocked with zero credit for");
    hub.router.said("grants none to receive from address queue");
    hub.router.said("sent to address queue)");
}

/// Sends a delivery that nobody has to answer.
fn send_presettled(producer: &mut Raw, link: LinkId, number: u64, body: &Bytes) {
    let mut payload = Payload::from(body.clone());
    let outgoing = Outgoing {
        tag: number.into(),
        token: number,
        settled: true,
        ..Outgoing::default()
    };
    loop {
        match producer.amqp.transfer(link, &outgoing, &mut payload) {
            Ok(Sent::All(_)) => return,
            Ok(Sent::Credit | Sent::Window(_)) => assert!(producer.turn()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_consumer_does_not_keep_up_with_what_is_presettled() {
    let mut hub = Hub::hasty(&[]);
    let mut consumer = Raw::open(hub.connect(hub.ports.clients));
    let taken = attach(&mut consumer, Role::Receiver, "queue");
    let mut producer = Raw::open(hub.connect(hub.ports.clients));
    let link = attach(&mut producer, Role::Sender, "queue");
    let body = message("queue", 64 * 1024);
    // Twice as much as the router may take: old ones are dropped for new ones, and the producer is not held back.
    for number in 0..3000 {
        send_presettled(&mut producer, link, number, &body);
    }
    hub.has_not_grown();
    hub.router
        .said("does not take what comes to address queue as fast as it comes");
    consumer.amqp.grant(taken, 1).unwrap();
    consumer.wait("delivery", |event| {
        matches!(event, Event::Transfer(_)).then_some(())
    });
    hub.serves_others();
}

#[test]
fn a_crowd_of_readers_stands_still() {
    const CEILING: u64 = 128 * MEBI as u64;
    const READERS: usize = 150;
    let (link, downloads, echoes) = (free_port(), free_port(), free_port());
    let source = server(|mut stream| {
        let block = vec![1; 64 * 1024];
        while stream.write_all(&block).is_ok() {}
    });
    let end = |kind: &str| json!([kind, {"name": "link", "role": "inter-router", "host": "127.0.0.1", "port": link.to_string()}]);
    let listener = |name: &str, port: u16| json!(["tcpListener", {"name": name, "address": name, "host": "127.0.0.1", "port": port.to_string()}]);
    let far = [
        end("listener"),
        tcp_connector("download", source),
        tcp_connector("echo", server(echo)),
    ];
    let near = [
        end("connector"),
        listener("download", downloads),
        listener("echo", echoes),
    ];
    let _far = Router::start("far", &far);
    let near = Router::with_ceiling("near", &near, CEILING);
    let mut bystander = reach(address(echoes));
    // Each takes an octet, and then nothing more.
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut reader = reach(address(downloads));
            reader.read_exact(&mut [0]).unwrap();
            reader
        })
        .collect();
    near.said("flows are ended whose receivers have taken nothing for 10 seconds");
    wait_for("memory", || {
        (near.memory() < CEILING / 100 * 85).then_some(())
    });
    // Only as many have gone as had to.
    let lives = |mut reader: &TcpStream| {
        let mut octets = vec![0; 64 * 1024];
        (0..1000).all(|_| matches!(reader.read(&mut octets), Ok(count) if count > 0))
    };
    assert!(readers.iter().any(lives), "all have been ended");
    ping(&mut bystander);
    ping(&mut reach(address(echoes)));
}

fn granted(event: &Event) -> Option<u32> {
    match event {
        Event::Flow { credit, drain, .. } if *credit > 0 && !drain => Some(*credit),
        _ => None,
    }
}

/// A producer whose consumer has gone and who is to use its credit or give it back, its link, and how much that is.
fn asked_back(hub: &Hub) -> (Raw, LinkId, u32) {
    let mut consumer = Raw::open(hub.connect(hub.ports.clients));
    let taken = attach(&mut consumer, Role::Receiver, "queue");
    let mut producer = Raw::open(hub.connect(hub.ports.clients));
    let link = attach(&mut producer, Role::Sender, "queue");
    let first = producer.wait("credit", granted);
    consumer.amqp.detach(taken, None).unwrap();
    assert!(consumer.turn());
    producer.wait("drain", |event| {
        matches!(event, Event::Flow { drain: true, .. }).then_some(())
    });
    (producer, link, first)
}

#[test]
fn credit_does_not_grow_with_consumers_that_come_and_go() {
    let hub = Hub::new(&[]);
    let (mut producer, link, first) = asked_back(&hub);
    // It uses some of what it was asked to use or give back, and gives nothing back.
    let body = message("queue", 1000);
    for number in 0..100 {
        send_presettled(&mut producer, link, number, &body);
    }
    let mut other = Raw::open(hub.connect(hub.ports.clients));
    attach(&mut other, Role::Receiver, "queue");
    producer.wait("credit", |event| match event {
        Event::Flow { credit, .. } if *credit >= first => Some(()),
        _ => None,
    });
    assert_eq!(producer.amqp.credit(link), first);
}

#[test]
fn credit_that_was_being_given_up_comes_back_with_the_address() {
    let hub = Hub::new(&[]);
    let (mut producer, link, first) = asked_back(&hub);
    // The address is back before the producer answers, and it need not give anything up any more.
    let mut other = Raw::open(hub.connect(hub.ports.clients));
    attach(&mut other, Role::Receiver, "queue");
    producer.wait("credit", granted);
    // It does so all the same: its answer was on its way.
    producer.amqp.drained(link).unwrap();
    assert_eq!(producer.wait("credit", granted), first);
}

#[test]
fn a_producer_sends_without_credit() {
    let mut hub = Hub::new(&[]);
    let mut producer = Raw::open(hub.connect(hub.ports.clients));
    // Nobody receives from this address: there is no credit.
    attach(&mut producer, Role::Sender, "nobody");
    let mut frames = BytesMut::new();
    let body = message("nobody", 1000);
    for number in 0..1000_u32 {
        let mut frame = vec![0x00, 0x53, 0x14, 0xc0, 0x0e, 0x05, 0x43, 0x70];
        frame.extend_from_slice(&number.to_be_bytes());
        frame.extend_from_slice(&[0xa0, 0x01, 0x01, 0x43, 0x42]);
        frame.extend_from_slice(&body);
        frames.extend_from_slice(&(frame.len() as u32 + 8).to_be_bytes());
        frames.extend_from_slice(&[2, 0, 0, 0]);
        frames.extend_from_slice(&frame);
    }
    let written = producer.write(&frames, much(), HELD);
    assert!(written < much(), "a producer without credit is let go on");
    hub.has_not_grown();
    hub.serves_others();
    hub.router.said("a delivery came without credit");
}

#[test]
fn a_peer_asks_and_never_listens() {
    let mut hub = Hub::hasty(&[]);
    // A session, then a link of it again and again: each attach and each detach is answered.
    let mut asks = Raw::open(hub.connect(hub.ports.clients));
    let session = begin(0);
    asks.write(&session, session.len(), HELD);
    let detach = performative(0, 0x16, 2, &[0x43, 0x41]);
    let octets = [attach_receiver(0), detach].concat().repeat(1000);
    let written = asks.write(&octets, much(), HELD);
    hub.has_not_grown();
    hub.serves_others();
    assert!(
        written < much(),
        "a peer that never reads is never held back"
    );
    hub.router.said("reads too little or nothing");
}

/// A frame of a channel with a performative: its code, how many fields it has, and those.
fn performative(channel: u16, code: u8, count: u8, fields: &[u8]) -> Vec<u8> {
    let length = u8::try_from(fields.len() + 1).unwrap();
    let mut frame = (u32::from(length) + 8 + 5).to_be_bytes().to_vec();
    frame.extend_from_slice(&[2, 0]);
    frame.extend_from_slice(&channel.to_be_bytes());
    frame.extend_from_slice(&[0x00, 0x53, code, 0xc0, length, count]);
    frame.extend_from_slice(fields);
    frame
}

/// The frame that begins a session on a channel: no channel that it answers, next-outgoing-id, windows of 99.
fn begin(channel: u16) -> Vec<u8> {
    performative(channel, 0x11, 4, &[0x40, 0x43, 0x52, 0x63, 0x52, 0x63])
}

/// The frame that attaches a receiver of an address that is named as the link is.
fn attach_receiver(handle: u32) -> Vec<u8> {
    let name = format!("{handle:05}");
    let mut fields = vec![0xa1, 5];
    fields.extend_from_slice(name.as_bytes());
    fields.push(0x70);
    fields.extend_from_slice(&handle.to_be_bytes());
    // It receives, and says nothing of settlement; source and target.
    fields.extend_from_slice(&[0x41, 0x40, 0x40, 0x00, 0x53, 0x28, 0xc0, 8, 1, 0xa1, 5]);
    fields.extend_from_slice(name.as_bytes());
    fields.extend_from_slice(&[0x00, 0x53, 0x29, 0x45]);
    performative(0, 0x12, 7, &fields)
}

/// Sends octets to a hub's clients' port, and reads what comes, until the router closes.
fn sent_away(hub: &Hub, octets: Vec<u8>) {
    let peer = Raw::open(hub.connect(hub.ports.clients)).stream;
    let mut writer = peer.try_clone().unwrap();
    let sender = std::thread::spawn(move || writer.write_all(&octets));
    let mut reader = peer;
    reader.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    while matches!(reader.read(&mut buffer), Ok(count) if count > 0) {}
    // It is closed at some octet of them.
    drop(sender.join().unwrap());
}

#[test]
fn a_peer_attaches_without_end() {
    let mut hub = Hub::new(&[]);
    let mut octets = begin(0);
    octets.extend((0..70_000).flat_map(attach_receiver));
    sent_away(&hub, octets);
    hub.router
        .said("closed: amqp:resource-limit-exceeded too many links");
    hub.has_not_grown();
    hub.serves_others();
}

#[test]
fn a_peer_begins_sessions_without_end() {
    let mut hub = Hub::new(&[]);
    sent_away(&hub, (0..=u16::MAX).flat_map(begin).collect());
    hub.router
        .said("closed: amqp:not-allowed channel 32768 is above channel-max 32767");
    hub.has_not_grown();
    hub.serves_others();
}
