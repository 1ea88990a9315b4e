//! Peers that hold the right keys and keep to nothing else.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rustls::crypto::cipher::OutboundChunks;
use rustls::{AlertDescription, ContentType, Error, InvalidMessage, PeerMisbehaved};

use super::super::{CLOSE_NOTIFY, FATAL, KEY_UPDATE, MOST_IDLE, Records, USER_CANCELED, WARNING};
use super::{Side, configs, credential, library};
use crate::connection::handshake::Progress;

const DATA: ContentType = ContentType::ApplicationData;
const HANDSHAKE: ContentType = ContentType::Handshake;

/// Our records as a client, and a server whose records can be made to say anything.
fn pair() -> (Records, Records) {
    let configs = configs(&credential(), 0);
    let mut client = library(Side::Client, &configs);
    let mut server = library(Side::Server, &configs);
    let (mut to_client, mut to_server) = (BytesMut::new(), BytesMut::new());
    let mut plain = BytesMut::new();
    loop {
        let mut send = |octets: Bytes| to_server.extend_from_slice(&octets);
        let (used, of_client) = client
            .advance(&mut to_client, &mut plain, &mut send)
            .unwrap();
        drop(to_client.split_to(used));
        let mut send = |octets: Bytes| to_client.extend_from_slice(&octets);
        let (used, of_server) = server
            .advance(&mut to_server, &mut plain, &mut send)
            .unwrap();
        drop(to_server.split_to(used));
        if (of_client, of_server) == (Progress::Established, Progress::Established) {
            break;
        }
    }
    (
        client.into_records().unwrap(),
        server.into_records().unwrap(),
    )
}

fn record(peer: &mut Records, kind: ContentType, octets: &[u8]) -> Vec<u8> {
    let record = peer.encrypt(kind, OutboundChunks::Single(octets));
    record.unwrap().to_vec()
}

/// What becomes of records; if they are refused, with what the peer reads in the answer.
fn open(
    ours: &mut Records,
    peer: &mut Records,
    mut block: Vec<u8>,
) -> Result<Vec<u8>, Box<(Error, Option<Error>)>> {
    match ours.open(&mut block, 0, 0) {
        Ok(opened) => Ok(block[..opened.plain].to_vec()),
        Err(error) => {
            let mut sealed = VecDeque::new();
            ours.refuse(&error, &mut sealed).unwrap();
            let alert = sealed.pop_front();
            let told = alert.map(|alert| peer.open(&mut alert.to_vec(), 0, 0).unwrap_err());
            Err(Box::new((error, told)))
        }
    }
}

fn refused(
    records: impl FnOnce(&mut Records) -> Vec<u8>,
    wanted: impl Into<Error>,
    alert: AlertDescription,
) {
    let (mut ours, mut peer) = pair();
    let block = records(&mut peer);
    let (error, told) = *open(&mut ours, &mut peer, block).unwrap_err();
    assert_eq!(error, wanted.into());
    assert_eq!(told, Some(Error::AlertReceived(alert)));
}

#[test]
fn records_out_of_order_lost_repeated_or_touched_are_refused() {
    let one = |peer: &mut Records| record(peer, DATA, b"one and some");
    let bad = AlertDescription::BadRecordMac;
    let swapped = |peer: &mut Records| {
        let (first, second) = (one(peer), one(peer));
        [second, first].concat()
    };
    refused(swapped, Error::DecryptError, bad);
    let lost = |peer: &mut Records| {
        drop(one(peer));
        one(peer)
    };
    refused(lost, Error::DecryptError, bad);
    refused(|peer| one(peer).repeat(2), Error::DecryptError, bad);
    for at in [5, 7, 12, 24, 33] {
        let touched = |peer: &mut Records| {
            let mut one = one(peer);
            one[at] ^= 1;
            one
        };
        refused(touched, Error::DecryptError, bad);
    }
}

#[test]
fn what_is_not_encrypted_or_too_long_is_refused() {
    for kind in [20, 21, 22] {
        let (mut ours, mut peer) = pair();
        let (error, told) = *open(&mut ours, &mut peer, vec![kind, 3, 3, 0, 2, 1, 0]).unwrap_err();
        assert!(
            matches!(error, Error::InappropriateMessage { .. }),
            "{error}"
        );
        let alert = AlertDescription::UnexpectedMessage;
        assert_eq!(told, Some(Error::AlertReceived(alert)));
    }
    let [high, low] = (16 * 1024 + 257_u16).to_be_bytes();
    let overflow = AlertDescription::RecordOverflow;
    refused(
        |_| vec![23, 3, 3, high, low],
        Error::PeerSentOversizedRecord,
        overflow,
    );
    // One octet more than a record may hold, although it fits the length that one may have.
    refused(
        |peer| record(peer, DATA, &vec![7; 16 * 1024 + 1]),
        Error::PeerSentOversizedRecord,
        overflow,
    );
}

#[test]
fn handshake_messages_stand_together_and_new_keys_at_the_end_of_a_record() {
    let unexpected = AlertDescription::UnexpectedMessage;
    let undecodable = AlertDescription::DecodeError;
    let interleaved = |peer: &mut Records| {
        let begun = record(peer, HANDSHAKE, &[KEY_UPDATE, 0]);
        [begun, record(peer, DATA, b"in between")].concat()
    };
    refused(
        interleaved,
        PeerMisbehaved::MessageInterleavedWithHandshakeMessage,
        unexpected,
    );
    refused(
        |peer| record(peer, HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0, KEY_UPDATE]),
        PeerMisbehaved::KeyEpochWithPendingFragment,
        unexpected,
    );
    for (message, wanted) in [
        (
            &[KEY_UPDATE, 0, 0, 1, 2][..],
            InvalidMessage::InvalidKeyUpdate,
        ),
        (&[], InvalidMessage::InvalidEmptyPayload),
        (
            &[KEY_UPDATE, 1, 0, 1],
            InvalidMessage::HandshakePayloadTooLarge,
        ),
    ] {
        refused(|peer| record(peer, HANDSHAKE, message), wanted, undecodable);
    }
    // Handshakes are not begun anew, and nobody is asked for a certificate afterwards.
    for kind in [0, 1, 2, 11, 13, 20] {
        let (mut ours, mut peer) = pair();
        let block = record(&mut peer, HANDSHAKE, &[kind, 0, 0, 0]);
        let (error, _) = *open(&mut ours, &mut peer, block).unwrap_err();
        let inappropriate = matches!(error, Error::InappropriateHandshakeMessage { .. });
        assert!(inappropriate, "{error}");
    }
    // A ticket is for clients, and has a form.
    let (mut client, mut server) = pair();
    let block = record(&mut client, HANDSHAKE, &[4, 0, 0, 0]);
    assert!(open(&mut server, &mut client, block).is_err());
    let (mut client, mut server) = pair();
    let block = record(&mut server, HANDSHAKE, &[4, 0, 0, 3, 1, 2, 3]);
    assert!(open(&mut client, &mut server, block).is_err());
}

#[test]
fn alerts_end_the_connection_but_a_cancelling_user() {
    let (mut ours, mut peer) = pair();
    let cancelled = record(&mut peer, ContentType::Alert, &[WARNING, USER_CANCELED]);
    let block = [cancelled, record(&mut peer, DATA, b"after all")].concat();
    assert_eq!(open(&mut ours, &mut peer, block).unwrap(), b"after all");
    let block = record(&mut peer, ContentType::Alert, &[WARNING, 116]);
    let (error, told) = *open(&mut ours, &mut peer, block).unwrap_err();
    let wanted = AlertDescription::CertificateRequired;
    assert_eq!(error, Error::AlertReceived(wanted));
    assert_eq!(told, None);
    for alert in [&[FATAL][..], &[WARNING, CLOSE_NOTIFY, 0], &[]] {
        refused(
            |peer| record(peer, ContentType::Alert, alert),
            InvalidMessage::MessageTooShort,
            AlertDescription::DecodeError,
        );
    }
}

#[test]
fn empty_records_and_new_keys_are_taken_but_not_for_ever() {
    let (mut ours, mut peer) = pair();
    for _ in 0..4 {
        for _ in 0..MOST_IDLE {
            let block = record(&mut peer, DATA, &[]);
            assert_eq!(open(&mut ours, &mut peer, block).unwrap(), b"");
        }
        let block = record(&mut peer, DATA, b"something");
        assert_eq!(open(&mut ours, &mut peer, block).unwrap(), b"something");
    }
    let empty = |peer: &mut Records| record(peer, DATA, &[]);
    let keys = |peer: &mut Records| {
        let mut sealed = VecDeque::new();
        peer.update_keys(&mut sealed).unwrap();
        sealed.into_iter().flatten().collect()
    };
    for nuisance in [empty as fn(&mut Records) -> Vec<u8>, keys] {
        refused(
            |peer| (0..=MOST_IDLE).flat_map(|_| nuisance(peer)).collect(),
            PeerMisbehaved::TooManyEmptyFragments,
            AlertDescription::UnexpectedMessage,
        );
    }
}

#[test]
fn a_record_that_is_cut_off_waits_for_its_rest() {
    let (mut ours, mut peer) = pair();
    let whole = record(&mut peer, DATA, b"some octets");
    for cut in 0..whole.len() {
        let opened = ours.open(&mut whole[..cut].to_vec(), 0, 0).unwrap();
        assert_eq!((opened.plain, opened.rest, opened.closed), (0, 0, false));
    }
    assert_eq!(open(&mut ours, &mut peer, whole).unwrap(), b"some octets");
}
