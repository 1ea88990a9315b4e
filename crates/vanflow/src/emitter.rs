//! Who tells: keeps a source's records, says what changed, makes the source known and answers requests for everything.
//!
//! A state machine: tell it what is ([`set`](Emitter::set), [`end`](Emitter::end)), who listens ([`watched`](Emitter::watched)), what came
//! ([`handle`](Emitter::handle)) and the time; send what it says ([`poll_message`](Emitter::poll_message)); come back at
//! [`next_timeout`](Emitter::next_timeout). Reference §§4.2, 4.3, 5.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use skupper_amqp::Message;

use crate::record::{Attribute, Record, RecordType};
use crate::source::{BEACONS, Source};
use crate::update::Update;

/// Time between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Heartbeats between beacons.
const BEACON_EVERY: u32 = 5;
/// Time for which changes gather into one message.
const GATHER: Duration = Duration::from_millis(100);
/// Records in one message.
const BATCH: usize = 50;

/// What of a source is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Its being there at all: [`BEACONS`].
    Beacons,
    /// Its records and heartbeats.
    Records,
    /// Its flows.
    Flows,
    /// Its log entries.
    Logs,
}

impl Class {
    fn of(kind: RecordType) -> Self {
        match kind {
            RecordType::Log => Self::Logs,
            kind if kind.is_flow() => Self::Flows,
            _ => Self::Records,
        }
    }
}

/// A source's side.
#[derive(Debug)]
pub struct Emitter {
    source: Source,
    live: BTreeMap<String, Live>,
    /// Records with something to tell, by class.
    dirty: [BTreeSet<String>; 3],
    watched: [bool; 4],
    /// When what is dirty is told.
    gather: Option<Duration>,
    heartbeat: Option<Duration>,
    beats: u32,
    outgoing: VecDeque<(String, Box<Message>)>,
}

#[derive(Debug)]
struct Live {
    record: Record,
    /// Attributes that changed since they were told; everything if `None`.
    changed: Option<BTreeSet<Attribute>>,
}

impl Emitter {
    /// A source without records, to which nobody listens.
    pub fn new(source: Source) -> Self {
        Emitter {
            source,
            live: BTreeMap::new(),
            dirty: Default::default(),
            watched: [false; 4],
            gather: None,
            heartbeat: None,
            beats: 0,
            outgoing: VecDeque::new(),
        }
    }

    /// The source that it speaks for.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Takes over what is known of a record: attributes given replace earlier ones, others stay. What does not change anything
    /// is not told.
    pub fn set(&mut self, record: Record, now: Duration) {
        let class = Class::of(record.kind);
        let id = record.id.clone();
        match self.live.get_mut(&id) {
            Some(live) => {
                let changed: BTreeSet<_> = record
                    .attributes
                    .iter()
                    .filter(|(attribute, datum)| {
                        live.record.attributes.get(attribute) != Some(datum)
                    })
                    .map(|(attribute, _)| *attribute)
                    .collect();
                if changed.is_empty() {
                    return;
                }
                live.record.merge(&record);
                if let Some(already) = &mut live.changed {
                    already.extend(changed);
                }
            }
            None => drop(self.live.insert(
                id.clone(),
                Live {
                    record,
                    changed: None,
                },
            )),
        }
        self.mark(class, id, now);
    }

    /// What a record told of has ended: it is told once more and forgotten.
    pub fn end(&mut self, id: &str, ended_micros: u64, now: Duration) {
        if let Some(live) = self.live.get(id) {
            let ended = Record::new(live.record.kind, id).with(Attribute::END_TIME, ended_micros);
            self.set(ended, now);
        }
    }

    /// A record as it stands.
    pub fn get(&self, id: &str) -> Option<&Record> {
        self.live.get(id).map(|live| &live.record)
    }

    fn mark(&mut self, class: Class, id: String, now: Duration) {
        if let Some(dirty) = self.dirty.get_mut(slot(class)) {
            dirty.insert(id);
        }
        self.gather.get_or_insert(now + GATHER);
    }

    /// Whether somebody listens to this class. Who begins to listen to beacons gets one at once.
    pub fn watched(&mut self, class: Class, somebody: bool, now: Duration) {
        let Some(watched) = self.watched.get_mut(class as usize) else {
            return;
        };
        let was = std::mem::replace(watched, somebody);
        if class == Class::Beacons && somebody && !was {
            self.beacon();
            self.beats = 0;
        }
        let [beacons, records, ..] = self.watched;
        if beacons || records {
            self.heartbeat.get_or_insert(now + HEARTBEAT);
        } else {
            self.heartbeat = None;
        }
    }

    fn beacon(&mut self) {
        let message = Update::Beacon(self.source.clone()).encode(BEACONS);
        self.outgoing
            .push_back((BEACONS.to_owned(), Box::new(message)));
    }

    /// Takes a command that came at the source's direct address. Requests within a moment are answered once.
    pub fn handle(&mut self, update: &Update, now: Duration) {
        if *update == Update::Flush {
            let ids: Vec<_> = self
                .live
                .iter()
                .map(|(id, live)| (Class::of(live.record.kind), id.clone()))
                .collect();
            for (class, id) in ids {
                if let Some(live) = self.live.get_mut(&id) {
                    live.changed = None;
                }
                self.mark(class, id, now);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        [self.gather, self.heartbeat].into_iter().flatten().min()
    }

    /// Does what is due. `now_micros` is the wall clock, microseconds since the epoch.
    pub fn handle_timeout(&mut self, now: Duration, now_micros: u64) {
        if self.gather.is_some_and(|due| due <= now) {
            self.gather = None;
            for class in [Class::Records, Class::Flows, Class::Logs] {
                self.tell(class);
            }
        }
        if self.heartbeat.is_some_and(|due| due <= now) {
            self.heartbeat = Some(now + HEARTBEAT);
            self.beats += 1;
            if self.watched[Class::Records as usize] {
                let address = self.source.heartbeats();
                let beat = Update::Heartbeat {
                    source: self.source.id.clone(),
                    now: now_micros,
                };
                self.outgoing
                    .push_back((address.clone(), Box::new(beat.encode(&address))));
            }
            if self.beats >= BEACON_EVERY && self.watched[Class::Beacons as usize] {
                self.beats = 0;
                self.beacon();
            }
        }
    }

    fn tell(&mut self, class: Class) {
        let dirty = self
            .dirty
            .get_mut(slot(class))
            .map(std::mem::take)
            .unwrap_or_default();
        let somebody = self.watched.get(class as usize).copied().unwrap_or(false);
        let mut records = Vec::new();
        for id in dirty {
            let Some(live) = self.live.get_mut(&id) else {
                continue;
            };
            let mut record = live.record.clone();
            if let Some(changed) = &live.changed {
                record
                    .attributes
                    .retain(|attribute, _| changed.contains(attribute));
            }
            live.changed = Some(BTreeSet::new());
            if live.record.has_ended() || live.record.kind == RecordType::Log {
                self.live.remove(&id);
            }
            records.push(record);
        }
        if !somebody {
            return;
        }
        let address = match class {
            Class::Flows => self.source.flows(),
            Class::Logs => self.source.logs(),
            Class::Records | Class::Beacons => self.source.address.clone(),
        };
        for batch in records.chunks(BATCH) {
            let message = Update::records(batch.to_vec()).encode(&address);
            self.outgoing
                .push_back((address.clone(), Box::new(message)));
        }
    }

    /// The next message to send, and the address to send it to. All are multicasts that nobody has to settle.
    pub fn poll_message(&mut self) -> Option<(String, Box<Message>)> {
        self.outgoing.pop_front()
    }
}

fn slot(class: Class) -> usize {
    match class {
        Class::Beacons | Class::Records => 0,
        Class::Flows => 1,
        Class::Logs => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::{Action, Collector};
    use crate::source::SourceKind;

    const MICROS: u64 = 1_795_000_000_000_000;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sent(emitter: &mut Emitter) -> Vec<(String, Update)> {
        std::iter::from_fn(|| emitter.poll_message())
            .map(|(address, message)| (address, Update::decode(&message).unwrap()))
            .collect()
    }

    fn router() -> Emitter {
        Emitter::new(Source::new(SourceKind::Router, "r:0"))
    }

    fn listen(emitter: &mut Emitter) {
        emitter.watched(Class::Beacons, true, at(0));
        emitter.watched(Class::Records, true, at(0));
    }

    #[test]
    fn nothing_is_sent_while_nobody_listens() {
        let mut emitter = router();
        emitter.set(Record::new(RecordType::Router, "r:0"), at(0));
        emitter.handle_timeout(at(100), MICROS);
        assert_eq!(sent(&mut emitter), []);
        assert_eq!(emitter.next_timeout(), None);
    }

    #[test]
    fn a_beacon_comes_at_once_and_then_every_ten_seconds_heartbeats_every_two() {
        let mut emitter = router();
        listen(&mut emitter);
        assert!(
            matches!(sent(&mut emitter).as_slice(), [(address, Update::Beacon(_))] if address == BEACONS)
        );
        let (mut beacons, mut beats) = (0, 0);
        for second in 1..=20 {
            emitter.handle_timeout(at(second * 1000), MICROS);
            for (_, update) in sent(&mut emitter) {
                match update {
                    Update::Beacon(_) => beacons += 1,
                    Update::Heartbeat { .. } => beats += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!((beacons, beats), (2, 10));
    }

    #[test]
    fn only_what_changed_is_told_and_an_end_is_told_once() {
        let mut emitter = router();
        listen(&mut emitter);
        let link = Record::new(RecordType::Link, "r:1")
            .with(Attribute::NAME, "l")
            .with(Attribute::OPER_STATUS, "down");
        emitter.set(link.clone(), at(0));
        emitter.handle_timeout(at(100), MICROS);
        sent(&mut emitter);
        emitter.set(link.clone(), at(200));
        assert_eq!(emitter.next_timeout(), Some(at(2000)), "nothing changed");
        let up = Record::new(RecordType::Link, "r:1").with(Attribute::OPER_STATUS, "up");
        emitter.set(up.clone(), at(200));
        emitter.handle_timeout(at(300), MICROS);
        assert_eq!(
            sent(&mut emitter),
            [("mc/sfe.r:0".to_owned(), Update::records(vec![up]))]
        );
        emitter.end("r:1", MICROS, at(400));
        emitter.handle_timeout(at(500), MICROS);
        assert_eq!(sent(&mut emitter).len(), 1);
        emitter.handle(&Update::Flush, at(600));
        emitter.handle_timeout(at(700), MICROS);
        assert_eq!(sent(&mut emitter), []);
    }

    #[test]
    fn a_collector_that_comes_late_learns_everything() {
        let mut emitter = router();
        for n in 0..120 {
            emitter.set(
                Record::new(RecordType::Link, format!("r:{n}"))
                    .with(Attribute::NAME, format!("l{n}")),
                at(0),
            );
        }
        emitter.handle_timeout(at(100), MICROS);
        let mut collector = Collector::new();
        listen(&mut emitter);
        for step in 0..100 {
            let now = at(200 + step * 100);
            while let Some(action) = collector.poll_action() {
                if let Action::Send { address, message } = action {
                    assert_eq!(address, "sfe.r:0");
                    emitter.handle(&Update::decode(&message).unwrap(), now);
                }
            }
            emitter.handle_timeout(now, MICROS);
            for (address, update) in sent(&mut emitter) {
                collector.handle(&address, update, now);
            }
            collector.handle_timeout(now);
        }
        assert_eq!(collector.records().count(), 120);
    }
}
