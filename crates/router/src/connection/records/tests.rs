//! Against rustls's own record layer as the peer, and against peers that keep to nothing.

mod hostile;
mod program;

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use skupper_pki::issue::{CaRequest, Issuer, LeafRequest, issue_ca};
use skupper_pki::tls::{Ciphers, ClientOptions, Identity, ServerOptions, Versions};
use skupper_pki::tls::{client_config, server_config, server_name};
use skupper_pki::{Credential, KeyAlgorithm, TrustBundle};

use super::super::handshake::{Library, Progress};
use super::Records;

/// One credential for both sides.
pub(super) fn credential() -> Credential {
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let ca = CaRequest {
        subject: "records".to_owned(),
        algorithm: KeyAlgorithm::default(),
        lifetime: days(20),
    };
    let ca = issue_ca(&ca, Timestamp::now() - days(1)).unwrap();
    let leaf = LeafRequest {
        subject: "localhost".to_owned(),
        hosts: vec!["localhost".to_owned()],
        server: true,
        client: true,
        algorithm: KeyAlgorithm::default(),
        lifetime: days(10),
    };
    let leaf = Issuer::of(&ca).issue(&leaf, Timestamp::now() - days(1));
    leaf.unwrap().credential()
}

/// How both sides are configured; the server gives so many tickets.
pub(super) fn configs(
    credential: &Credential,
    tickets: usize,
) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let bundle = TrustBundle::from_pem(&credential.ca_crt).unwrap();
    let identity = Identity::load(credential).unwrap();
    let mut client = client_config(ClientOptions {
        identity: Some(identity.clone()),
        servers: bundle.clone(),
        verify_name: true,
        alpn: Vec::new(),
        versions: Versions::Tls13,
        ciphers: Ciphers::default(),
        clock: Arc::new(DefaultTimeProvider),
    })
    .unwrap();
    client.enable_secret_extraction = true;
    let mut server = server_config(ServerOptions {
        identity,
        clients: Some(bundle),
        alpn: Vec::new(),
        versions: Versions::Tls13,
        ciphers: Ciphers::default(),
        clock: Arc::new(DefaultTimeProvider),
    })
    .unwrap();
    server.enable_secret_extraction = true;
    server.send_tls13_tickets = tickets;
    (Arc::new(client), Arc::new(server))
}

/// Which side is this one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

pub(super) fn library(side: Side, configs: &(Arc<ClientConfig>, Arc<ServerConfig>)) -> Library {
    let (client, server) = configs;
    match side {
        Side::Client => Library::Client(
            UnbufferedClientConnection::new(client.clone(), server_name("localhost").unwrap())
                .unwrap(),
        ),
        Side::Server => Library::Server(UnbufferedServerConnection::new(server.clone()).unwrap()),
    }
}

/// Our records and a peer of rustls's own, with nothing on its way but what is in `to_us`.
pub(super) struct Both {
    pub(super) ours: Records,
    peer: Connection,
    to_us: Vec<u8>,
    /// What this side got so far.
    got: Vec<u8>,
    closed: bool,
}

impl Both {
    pub(super) fn establish(side: Side, tickets: usize) -> Self {
        let configs = configs(&credential(), tickets);
        let mut ours = library(side, &configs);
        let mut peer: Connection = match side {
            Side::Client => ServerConnection::new(configs.1.clone()).unwrap().into(),
            Side::Server => {
                let name = server_name("localhost").unwrap();
                ClientConnection::new(configs.0.clone(), name)
                    .unwrap()
                    .into()
            }
        };
        peer.set_buffer_limit(None);
        let (mut cipher, mut plain) = (BytesMut::new(), BytesMut::new());
        loop {
            let mut sent = Vec::new();
            let (used, progress) = ours
                .advance(&mut cipher, &mut plain, &mut |octets: Bytes| {
                    sent.extend_from_slice(&octets);
                })
                .unwrap();
            cipher.advance(used);
            let mut rest = &sent[..];
            while !rest.is_empty() {
                peer.read_tls(&mut rest).unwrap();
                peer.process_new_packets().unwrap();
            }
            if progress == Progress::Established && !peer.is_handshaking() {
                break;
            }
            let mut answer = Vec::new();
            while peer.wants_write() {
                peer.write_tls(&mut answer).unwrap();
            }
            cipher.extend_from_slice(&answer);
        }
        let mut to_us = cipher.to_vec();
        while peer.wants_write() {
            peer.write_tls(&mut to_us).unwrap();
        }
        Both {
            ours: ours.into_records().unwrap(),
            peer,
            to_us,
            got: Vec::new(),
            closed: false,
        }
    }

    fn peer_writes(&mut self, octets: &[u8]) {
        self.peer.writer().write_all(octets).unwrap();
        self.collect();
    }

    fn collect(&mut self) {
        while self.peer.wants_write() {
            self.peer.write_tls(&mut self.to_us).unwrap();
        }
    }

    /// Brings what the peer sent, cut into pieces of `piece` octets.
    fn deliver(&mut self, piece: usize) {
        let mut rest = Vec::new();
        for piece in std::mem::take(&mut self.to_us).chunks(piece.max(1)) {
            rest.extend_from_slice(piece);
            let opened = self.ours.open(&mut rest, 0, 0).unwrap();
            self.got.extend_from_slice(&rest[..opened.plain]);
            rest.drain(..opened.rest);
            self.closed |= opened.closed;
        }
        assert!(rest.is_empty(), "the peer sent whole records");
    }

    /// Sends octets, or what the records want to send by themselves; what the peer got.
    fn send(&mut self, octets: &[u8]) -> Vec<u8> {
        let (mut output, mut sealed) = (octets, VecDeque::new());
        while output.has_remaining() || self.ours.wants_write() {
            self.ours.seal(&mut output, &mut sealed).unwrap();
        }
        self.peer_reads(sealed)
    }

    fn peer_reads(&mut self, sealed: VecDeque<Bytes>) -> Vec<u8> {
        let mut got = Vec::new();
        for record in sealed {
            let mut record = &record[..];
            while !record.is_empty() {
                self.peer.read_tls(&mut record).unwrap();
                self.peer.process_new_packets().unwrap();
            }
            let mut block = [0; 32 * 1024];
            while let Ok(count) = self.peer.reader().read(&mut block)
                && count > 0
            {
                got.extend_from_slice(&block[..count]);
            }
        }
        self.collect();
        got
    }
}

#[derive(Debug, Clone)]
enum Step {
    WeSend(Vec<u8>),
    PeerSends(Vec<u8>),
    WeUpdateKeys,
    PeerUpdatesKeys,
    Deliver(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let octets = || {
        let long = (any::<u8>(), 1..70_000_usize).prop_map(|(seed, length)| {
            (0..length)
                .map(|at| (at as u8).wrapping_mul(31) ^ seed)
                .collect()
        });
        prop_oneof![prop::collection::vec(any::<u8>(), 1..200), long]
    };
    let step = prop_oneof![
        4 => octets().prop_map(Step::WeSend),
        4 => octets().prop_map(Step::PeerSends),
        1 => Just(Step::WeUpdateKeys),
        1 => Just(Step::PeerUpdatesKeys),
        3 => prop_oneof![1..20_usize, 1_000..40_000_usize].prop_map(Step::Deliver),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_octets_cross_in_order_whatever_happens_between(
        steps in steps(),
        client in any::<bool>(),
        tickets in 0..3_usize,
    ) {
        let side = if client { Side::Client } else { Side::Server };
        let mut both = Both::establish(side, tickets);
        let (mut sent, mut peer_got, mut peer_sent) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::WeSend(octets) => {
                    peer_got.extend(both.send(&octets));
                    sent.extend(octets);
                }
                Step::PeerSends(octets) => {
                    both.peer_writes(&octets);
                    peer_sent.extend(octets);
                }
                Step::WeUpdateKeys => both.ours.update_wanted = true,
                Step::PeerUpdatesKeys => {
                    both.peer.refresh_traffic_keys().unwrap();
                    both.collect();
                }
                Step::Deliver(piece) => both.deliver(piece),
            }
        }
        both.deliver(16 * 1024);
        // The answer to new keys asked for goes out by itself.
        peer_got.extend(both.send(&[]));
        prop_assert!(peer_got == sent, "what the peer got is not what was sent");
        prop_assert!(both.got == peer_sent, "what came is not what the peer sent");
    }
}

#[test]
fn a_key_seals_so_many_records_and_no_more() {
    let mut both = Both::establish(Side::Client, 0);
    both.ours.limit = 3;
    let mut most = 0;
    for round in 0..100_u8 {
        assert_eq!(both.send(&[round; 100]), [round; 100]);
        most = most.max(both.ours.sent);
    }
    assert!(most <= 4, "{most} records by one key");
    // The peer's keys are its own affair.
    both.peer_writes(b"still here");
    both.deliver(7);
    assert_eq!(both.got, b"still here");
}

#[test]
fn new_keys_are_taken_for_as_long_as_something_moves() {
    let mut both = Both::establish(Side::Server, 2);
    for round in 0..1_000_u16 {
        both.peer.refresh_traffic_keys().unwrap();
        both.peer_writes(&round.to_be_bytes());
        both.deliver(64);
        // rustls, too, wants something to move.
        both.send(&[7]);
    }
    assert_eq!(both.got.len(), 2_000);
}

#[test]
fn a_good_bye_is_heard_and_said() {
    for side in [Side::Client, Side::Server] {
        let mut both = Both::establish(side, 1);
        both.peer_writes(b"last words");
        both.peer.send_close_notify();
        both.collect();
        // What follows a good-bye is nobody's.
        both.to_us.extend_from_slice(&[23, 3, 3, 0, 1, 0]);
        let mut block = std::mem::take(&mut both.to_us);
        let opened = both.ours.open(&mut block, 0, 0).unwrap();
        assert_eq!(&block[..opened.plain], b"last words");
        assert!(opened.closed && both.ours.is_closed());
        let again = both.ours.open(&mut block[opened.rest..], 0, 0).unwrap();
        assert!(again.closed && again.plain == 0);

        let mut sealed = VecDeque::new();
        both.ours.close(&mut sealed).unwrap();
        let mut record = &sealed[0][..];
        both.peer.read_tls(&mut record).unwrap();
        assert!(both.peer.process_new_packets().unwrap().peer_has_closed());
    }
}
