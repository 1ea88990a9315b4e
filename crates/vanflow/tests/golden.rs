//! Messages recorded from the original: all of them are understood, whole.
#![allow(clippy::unwrap_used)]

use skupper_amqp::Message;
use skupper_vanflow::source::BEACONS;
use skupper_vanflow::{Attribute, Record, RecordType, SourceKind, Update};

fn recorded() -> Vec<(String, String, Update)> {
    let lines = include_str!("data/messages.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (subject, hex) = line.split_once(' ').unwrap();
            let payload: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
                .collect();
            let message = Message::decode(&payload).unwrap();
            let to = message
                .properties
                .as_ref()
                .unwrap()
                .to
                .clone()
                .unwrap_or_default();
            (subject.to_owned(), to, Update::decode(&message).unwrap())
        })
        .collect()
}

fn records() -> Vec<Record> {
    let updates = recorded()
        .into_iter()
        .filter_map(|(_, _, update)| match update {
            Update::Records { records, skipped } => {
                assert_eq!(skipped, []);
                Some(records)
            }
            _ => None,
        });
    updates.flatten().collect()
}

#[test]
fn each_is_what_its_subject_says() {
    let mut kinds = std::collections::BTreeSet::new();
    for (subject, to, update) in recorded() {
        match &update {
            Update::Beacon(source) => {
                assert_eq!(
                    (subject.as_str(), to.as_str(), source.kind),
                    ("BEACON", BEACONS, SourceKind::Router)
                );
                assert_eq!(source.address, format!("mc/sfe.{}", source.id));
                assert_eq!(source.direct, format!("sfe.{}", source.id));
            }
            Update::Heartbeat { source, now } => {
                assert_eq!(
                    (subject.as_str(), to),
                    ("HEARTBEAT", format!("mc/sfe.{source}"))
                );
                assert!(*now > 1_790_000_000_000_000, "microseconds since the epoch");
            }
            Update::Flush => assert!(subject == "FLUSH" && to.starts_with("sfe.")),
            Update::Records { records, .. } => assert!(subject == "RECORD" && !records.is_empty()),
        }
        kinds.insert(subject);
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["BEACON", "FLUSH", "HEARTBEAT", "RECORD"]
    );
}

#[test]
fn what_the_servers_side_tells_of_a_flow() {
    let of_servers = |record: &&Record| !record.text(Attribute::CONNECTOR).is_empty();
    let records = records();
    let told: Vec<&Record> = records.iter().filter(of_servers).collect();
    assert!(!told.is_empty());
    for record in told {
        assert_eq!(record.kind, RecordType::BiflowTport);
        assert!(
            ["0/A", "Local"].contains(&record.text(Attribute::TRACE)),
            "{record:?}"
        );
    }
}

#[test]
fn what_is_read_is_written_again_to_the_same_end() {
    for record in records() {
        assert_eq!(Record::from_value(&record.to_value()).unwrap(), record);
    }
}
