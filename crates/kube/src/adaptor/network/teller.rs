//! This site as a source of records: when it says what. No I/O and no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use skupper_amqp::Message;
use skupper_vanflow::source::BEACONS;
use skupper_vanflow::{Attribute, Record, Source, SourceKind, Update};

/// How often the site makes itself known.
const BEACON: Duration = Duration::from_secs(10);
/// How often it says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Requests for everything that come within this time are answered together.
const GATHER_FLUSHES: Duration = Duration::from_millis(100);
/// Changes that come within this time are told together.
const GATHER_CHANGES: Duration = Duration::from_millis(250);
/// Somebody new is told of this site at once, but not more often than this.
const BEACON_AT_LEAST: Duration = Duration::from_secs(1);
/// Records in a message at most, as upstream sends them.
const BATCH: usize = 20;

/// A message and where it goes.
pub(super) type Outgoing = (String, Message);

/// A site that tells of itself.
#[derive(Debug)]
pub(super) struct Teller {
    source: Source,
    records: BTreeMap<String, Record>,
    /// What changed and has not been told.
    changes: BTreeMap<String, Record>,
    next_beacon: Duration,
    last_beacon: Option<Duration>,
    next_heartbeat: Duration,
    tell_all: Option<Duration>,
    tell_changes: Option<Duration>,
}

impl Teller {
    /// A site, with nothing to tell of yet but that it is there.
    pub(super) fn new(site_id: &str, now: Duration) -> Self {
        Self {
            source: Source::new(SourceKind::Controller, site_id),
            records: BTreeMap::new(),
            changes: BTreeMap::new(),
            next_beacon: now,
            last_beacon: None,
            next_heartbeat: now,
            tell_all: None,
            tell_changes: None,
        }
    }

    /// Where it takes requests.
    pub(super) fn direct(&self) -> &str {
        &self.source.direct
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.source.id
    }

    /// A record as it is now.
    pub(super) fn set(&mut self, record: Record, now: Duration) {
        let Some(known) = self.records.get_mut(&record.id) else {
            self.changes.insert(record.id.clone(), record.clone());
            self.records.insert(record.id.clone(), record);
            return self.changed(now);
        };
        let mut change = Record::new(record.kind, record.id.as_str());
        for (attribute, datum) in &record.attributes {
            if known.attributes.get(attribute) != Some(datum) {
                change.attributes.insert(*attribute, datum.clone());
            }
        }
        if !change.attributes.is_empty() {
            known.merge(&change);
            match self.changes.get_mut(&change.id) {
                Some(earlier) => drop(earlier.merge(&change)),
                None => drop(self.changes.insert(change.id.clone(), change)),
            }
            self.changed(now);
        }
    }

    /// What a record tells of has ended, at this time in microseconds since the epoch.
    pub(super) fn end(&mut self, id: &str, at: u64, now: Duration) {
        if let Some(record) = self.records.remove(id) {
            let end = Record::new(record.kind, id).with(Attribute::END_TIME, at);
            self.changes.insert(id.to_owned(), end);
            self.changed(now);
        }
    }

    /// Ids of the records that there are.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.records.keys().map(String::as_str)
    }

    /// Somebody asks for everything.
    pub(super) fn flush(&mut self, now: Duration) {
        self.tell_all.get_or_insert(now + GATHER_FLUSHES);
    }

    /// Somebody is there who may not know of this site.
    pub(super) fn somebody_new(&mut self, now: Duration) {
        let soonest = self.last_beacon.map_or(now, |last| last + BEACON_AT_LEAST);
        self.next_beacon = self.next_beacon.min(soonest.max(now));
    }

    /// The connection was made anew: what was told may not have arrived.
    pub(super) fn reconnected(&mut self, now: Duration) {
        self.next_beacon = now;
        self.next_heartbeat = now;
        self.tell_all = Some(now);
    }

    fn changed(&mut self, now: Duration) {
        self.tell_changes.get_or_insert(now + GATHER_CHANGES);
    }

    /// When [`poll`](Self::poll) has something to say.
    pub(super) fn next_timeout(&self) -> Duration {
        let waiting = [self.tell_all, self.tell_changes].into_iter().flatten();
        waiting.fold(self.next_beacon.min(self.next_heartbeat), Duration::min)
    }

    /// What is due. `epoch` is the time in microseconds since the epoch.
    pub(super) fn poll(&mut self, now: Duration, epoch: u64) -> Vec<Outgoing> {
        let mut out = Vec::new();
        if self.next_beacon <= now {
            self.next_beacon = now + BEACON;
            self.last_beacon = Some(now);
            out.push((BEACONS.to_owned(), Update::Beacon(self.source.clone())));
        }
        if self.next_heartbeat <= now {
            self.next_heartbeat = now + HEARTBEAT;
            let source = self.source.id.clone();
            out.push((
                self.source.heartbeats(),
                Update::Heartbeat { source, now: epoch },
            ));
        }
        let due = |at: &mut Option<Duration>| at.take_if(|at| *at <= now).is_some();
        if due(&mut self.tell_all) {
            // What has ended is told once more; the rest of the changes is in what follows.
            let ended = std::mem::take(&mut self.changes)
                .into_values()
                .filter(Record::has_ended);
            let all: Vec<Record> = ended.chain(self.records.values().cloned()).collect();
            self.tell_changes = None;
            out.extend(self.batches(all));
        } else if due(&mut self.tell_changes) {
            let changes = std::mem::take(&mut self.changes).into_values().collect();
            out.extend(self.batches(changes));
        }
        out.into_iter()
            .map(|(address, update)| (address.clone(), update.encode(&address)))
            .collect()
    }

    fn batches(&self, records: Vec<Record>) -> impl Iterator<Item = (String, Update)> {
        let batches: Vec<_> = records
            .chunks(BATCH)
            .map(|batch| Update::records(batch.to_vec()))
            .collect();
        let address = self.source.address.clone();
        batches
            .into_iter()
            .map(move |update| (address.clone(), update))
    }
}

#[cfg(test)]
mod tests {
    use skupper_vanflow::RecordType;

    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn process(id: &str, host: &str) -> Record {
        Record::new(RecordType::Process, id)
            .with(Attribute::NAME, id)
            .with_text(Attribute::SOURCE_HOST, host)
    }

    /// What is said at a time: `beacon`, `heartbeat`, or the ids told with the number of attributes of each.
    fn said(teller: &mut Teller, now: Duration) -> Vec<String> {
        let word = |(address, message): Outgoing| match Update::decode(&message).unwrap() {
            Update::Beacon(_) => format!("beacon {address}"),
            Update::Heartbeat { .. } => format!("heartbeat {address}"),
            Update::Flush => "flush".to_owned(),
            Update::Records { records, .. } => {
                let told: Vec<String> = records
                    .iter()
                    .map(|record| format!("{}:{}", record.id, record.attributes.len()))
                    .collect();
                format!("{address} {}", told.join(" "))
            }
        };
        teller
            .poll(now, 1_800_000_000_000_000)
            .into_iter()
            .map(word)
            .collect()
    }

    #[test]
    fn a_site_makes_itself_known_and_lives() {
        let mut teller = Teller::new("s", at(0));
        assert_eq!(
            said(&mut teller, at(0)),
            ["beacon mc/sfe.all", "heartbeat mc/sfe.s.heartbeats"]
        );
        assert_eq!(teller.next_timeout(), at(2000));
        let mut beacons = 0;
        for second in 1..=20 {
            let said = said(&mut teller, at(second * 1000));
            beacons += said
                .iter()
                .filter(|said| said.starts_with("beacon"))
                .count();
        }
        assert_eq!(beacons, 2);
    }

    #[test]
    fn changes_are_told_by_what_changed_and_everything_on_request() {
        let mut teller = Teller::new("s", at(0));
        said(&mut teller, at(0));
        teller.set(process("a", ""), at(100));
        teller.set(process("b", "10.0.0.2"), at(150));
        assert_eq!(teller.next_timeout(), at(350));
        assert_eq!(said(&mut teller, at(350)), ["mc/sfe.s a:1 b:2"]);
        // Its address is known now; nothing else is said of it again.
        teller.set(process("a", "10.0.0.1"), at(400));
        teller.set(process("b", "10.0.0.2"), at(400));
        assert_eq!(said(&mut teller, at(650)), ["mc/sfe.s a:1"]);
        teller.flush(at(700));
        teller.flush(at(750));
        assert_eq!(said(&mut teller, at(800)), ["mc/sfe.s a:2 b:2"]);
        assert_eq!(said(&mut teller, at(1000)), Vec::<String>::new());
    }

    #[test]
    fn an_end_is_told_even_when_everything_is_asked_for() {
        let mut teller = Teller::new("s", at(0));
        teller.set(process("a", ""), at(0));
        teller.set(process("b", ""), at(0));
        said(&mut teller, at(1000));
        teller.end("a", 1_800_000_000_000_000, at(1100));
        teller.end("unknown", 1, at(1100));
        teller.flush(at(1100));
        assert_eq!(said(&mut teller, at(1200)), ["mc/sfe.s a:1 b:1"]);
        assert_eq!(teller.ids().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn many_records_go_in_batches() {
        let mut teller = Teller::new("s", at(0));
        for number in 0..45 {
            teller.set(process(&number.to_string(), ""), at(0));
        }
        let batches: Vec<usize> = said(&mut teller, at(500))
            .iter()
            .skip(2)
            .map(|said| said.split(' ').count() - 1)
            .collect();
        assert_eq!(batches, [20, 20, 5]);
    }

    #[test]
    fn somebody_new_is_told_at_once_but_crowds_are_told_together() {
        let mut teller = Teller::new("s", at(0));
        said(&mut teller, at(0));
        teller.somebody_new(at(5000));
        assert_eq!(teller.next_timeout(), at(2000).min(teller.next_timeout()));
        assert!(said(&mut teller, at(5000)).contains(&"beacon mc/sfe.all".to_owned()));
        teller.somebody_new(at(5100));
        teller.somebody_new(at(5200));
        assert!(!said(&mut teller, at(5900)).contains(&"beacon mc/sfe.all".to_owned()));
        assert!(said(&mut teller, at(6000)).contains(&"beacon mc/sfe.all".to_owned()));
    }
}
