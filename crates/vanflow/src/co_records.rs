//! What the server's side of flows tells the client's side, which keeps their records (reference §4.4).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use skupper_amqp::Message;

use crate::record::Record;
use crate::update::Update;

/// Time for which changes gather: most flows are over by then, and are told of once.
const GATHER: Duration = Duration::from_millis(500);
/// Records in one message.
const BATCH: usize = 50;
/// Records that may wait; more are lost.
const MAX_WAITING: usize = 10_000;
/// Octets of a source's name; identities with a longer one are nobody's.
const MAX_SOURCE: usize = 64;

/// The source that keeps the record of an identity, by its own record's identity: `abcde:0` for `abcde:7`.
pub fn keeper(identity: &str) -> Option<String> {
    let (source, number) = identity.split_once(':')?;
    let is_identity =
        !source.is_empty() && source.len() <= MAX_SOURCE && number.parse::<u64>().is_ok();
    is_identity.then(|| format!("{source}:0"))
}

/// The address at which a source takes what others tell of its flows.
pub fn address(keeper: &str) -> String {
    format!("vfcr.{keeper}")
}

/// Gathers what there is to tell other sources.
#[derive(Debug, Default)]
pub struct CoRecords {
    /// By keeper and identity.
    waiting: BTreeMap<(String, String), Record>,
    due: Option<Duration>,
    outgoing: VecDeque<(String, Box<Message>)>,
}

impl CoRecords {
    /// Takes a change over; whether there is somebody to tell it to, and room.
    pub fn tell(&mut self, record: Record, now: Duration) -> bool {
        let Some(keeper) = keeper(&record.id).filter(|_| self.waiting.len() < MAX_WAITING) else {
            return false;
        };
        self.due.get_or_insert(now + GATHER);
        match self.waiting.entry((keeper, record.id.clone())) {
            Entry::Vacant(place) => drop(place.insert(record)),
            Entry::Occupied(mut known) => {
                known.get_mut().merge(&record);
            }
        }
        true
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.due
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = None;
        let mut keepers: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for ((keeper, _), record) in std::mem::take(&mut self.waiting) {
            keepers.entry(keeper).or_default().push(record);
        }
        for (keeper, records) in keepers {
            let address = address(&keeper);
            for batch in records.chunks(BATCH) {
                let message = Update::records(batch.to_vec()).encode(&address);
                self.outgoing
                    .push_back((address.clone(), Box::new(message)));
            }
        }
    }

    /// The next message to send, and the address to send it to.
    pub fn poll_message(&mut self) -> Option<(String, Box<Message>)> {
        self.outgoing.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Attribute, RecordType};

    fn record(id: &str) -> Record {
        Record::new(RecordType::BiflowTport, id)
    }

    #[test]
    fn changes_of_one_flow_are_told_once_to_who_keeps_it() {
        let mut co = CoRecords::default();
        assert!(co.tell(
            record("aaaaa:7").with(Attribute::CONNECTOR, "s:4"),
            Duration::ZERO
        ));
        assert!(co.tell(
            record("aaaaa:7").with(Attribute::PROCESS_LATENCY, 9),
            Duration::from_millis(10)
        ));
        assert!(co.tell(record("bbbbb:1"), Duration::from_millis(20)));
        let due = co.next_timeout().unwrap();
        co.handle_timeout(due);
        let sent: Vec<_> = std::iter::from_fn(|| co.poll_message())
            .map(|(address, message)| (address, Update::decode(&message).unwrap()))
            .collect();
        let whole = record("aaaaa:7")
            .with(Attribute::CONNECTOR, "s:4")
            .with(Attribute::PROCESS_LATENCY, 9);
        assert_eq!(
            sent,
            [
                ("vfcr.aaaaa:0".to_owned(), Update::records(vec![whole])),
                (
                    "vfcr.bbbbb:0".to_owned(),
                    Update::records(vec![record("bbbbb:1")])
                ),
            ]
        );
        assert_eq!(co.next_timeout(), None);
    }

    #[test]
    fn what_is_no_identity_is_nobodys() {
        let mut co = CoRecords::default();
        for id in ["", "x", ":1", "x:", "x:y", "x:1:2"] {
            assert!(!co.tell(record(id), Duration::ZERO), "{id}");
        }
        assert_eq!(keeper("TvSUr:3").as_deref(), Some("TvSUr:0"));
    }
}
