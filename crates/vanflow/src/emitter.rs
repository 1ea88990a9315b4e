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
/// An ended flow is told of only after this, so that the server's side has time to tell what it knows (reference §4.4).
const FLOW_HELD: Duration = Duration::from_secs(5);
/// Flows beyond these are not recorded.
const MAX_FLOWS: usize = 50_000;
/// What the server's side of a flow may tell, and whether it is a number.
const CO_ATTRIBUTES: [(Attribute, bool); 6] = [
    (Attribute::TRACE, false),
    (Attribute::CONNECTOR, false),
    (Attribute::PROCESS_LATENCY, true),
    (Attribute::PROXY_HOST, false),
    (Attribute::PROXY_PORT, false),
    (Attribute::ERROR_CONNECTOR_SIDE, false),
];

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
    /// Flows that have ended, by when that is told, and when it was (microseconds since the epoch).
    held: BTreeMap<(Duration, String), u64>,
    flows: usize,
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
            held: BTreeMap::new(),
            flows: 0,
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
            // An identity belongs to one thing as long as that lives.
            Some(live) if live.record.kind != record.kind => return,
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
            None if class == Class::Flows && self.flows >= MAX_FLOWS => return,
            None => {
                self.flows += usize::from(class == Class::Flows);
                self.live.insert(
                    id.clone(),
                    Live {
                        record,
                        changed: None,
                    },
                );
            }
        }
        self.mark(class, id, now);
    }

    /// What a record told of has ended: it is told once more and forgotten.
    pub fn end(&mut self, id: &str, ended_micros: u64, now: Duration) {
        match self.live.get(id).map(|live| live.record.kind) {
            None => {}
            Some(RecordType::BiflowTport) => {
                self.held
                    .insert((now + FLOW_HELD, id.to_owned()), ended_micros);
            }
            Some(kind) => self.set(
                Record::new(kind, id).with(Attribute::END_TIME, ended_micros),
                now,
            ),
        }
    }

    /// Takes over what the server's side tells of a flow whose record is kept here, as far as it is its to tell. Whether
    /// there is such a flow.
    pub fn complete(&mut self, told: &Record, now: Duration) -> bool {
        if told.kind != RecordType::BiflowTport
            || self
                .get(&told.id)
                .is_none_or(|known| known.kind != told.kind)
        {
            return false;
        }
        let mut record = Record::new(told.kind, told.id.as_str());
        for (attribute, is_number) in CO_ATTRIBUTES {
            if let Some(datum) = told
                .attributes
                .get(&attribute)
                .filter(|datum| datum.number().is_some() == is_number)
            {
                record.attributes.insert(attribute, datum.clone());
            }
        }
        self.set(record, now);
        true
    }

    /// Forgets all flows: nobody wants them any more.
    pub fn forget_flows(&mut self) {
        self.live
            .retain(|_, live| Class::of(live.record.kind) != Class::Flows);
        self.held.clear();
        self.flows = 0;
    }

    /// How many flows are live.
    pub fn flows(&self) -> usize {
        self.flows
    }

    /// The live records of a type.
    pub fn of_kind(&self, kind: RecordType) -> impl Iterator<Item = &Record> {
        self.live
            .values()
            .map(|live| &live.record)
            .filter(move |record| record.kind == kind)
    }

    /// Whether anybody listens to this class.
    pub fn is_watched(&self, class: Class) -> bool {
        self.watched.get(class as usize).copied().unwrap_or(false)
    }

    /// Makes the source known at once, because somebody more listens to beacons.
    pub fn announce(&mut self) {
        if self.is_watched(Class::Beacons) {
            self.beacon();
            self.beats = 0;
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

    /// Whether somebody listens to this class. Who begins to listen to beacons gets one at once, who begins to listen to
    /// records a heartbeat.
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
        if class == Class::Records && somebody && !was {
            // A collector asks for everything when it has heard the first message.
            self.heartbeat = Some(now);
        } else if beacons || records {
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
        let held = self.held.first_key_value().map(|((due, _), _)| *due);
        [self.gather, self.heartbeat, held]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due. `now_micros` is the wall clock, microseconds since the epoch.
    pub fn handle_timeout(&mut self, now: Duration, now_micros: u64) {
        while let Some(held) = self.held.first_entry().filter(|held| held.key().0 <= now) {
            let ((_, id), ended) = held.remove_entry();
            self.set(
                Record::new(RecordType::BiflowTport, id).with(Attribute::END_TIME, ended),
                now,
            );
        }
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
        let somebody = self.is_watched(class);
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
                self.flows -= usize::from(class == Class::Flows);
            }
            records.push(record);
        }
        if !somebody {
            return;
        }
        // A request belongs to a flow that has been told of.
        records.sort_by_key(|record| record.kind == RecordType::BiflowApp);
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
mod tests;
