//! Who listens: finds sources by their beacons, asks each for everything, keeps what they tell, forgets the silent.
//!
//! A state machine: give it what came ([`handle`](Collector::handle)) and the time, do what it says
//! ([`poll_action`](Collector::poll_action)), come back at [`next_timeout`](Collector::next_timeout). Reference §6.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use skupper_amqp::Message;

use crate::record::{Attribute, Record, RecordType};
use crate::source::{BEACONS, Source, SourceKind};
use crate::update::Update;

/// A source that said nothing for so long is asked for everything all the same.
const FLUSH_AFTER: Duration = Duration::from_secs(5);
/// A source silent for so long is forgotten.
const SILENCE: Duration = Duration::from_secs(30);
/// A source is not forgotten earlier than this after its first silence could have begun.
const GRACE: Duration = Duration::from_secs(30);
/// Sources beyond which beacons of others are not heeded, so that no peer makes a collector grow without bound.
const MAX_SOURCES: usize = 4096;
/// Records of one source beyond which it is given no more.
const MAX_RECORDS: usize = 50_000;

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Receive from this address.
    Subscribe(String),
    /// Receive from it no more.
    Unsubscribe(String),
    /// Send this message to this address.
    Send {
        /// The address.
        address: String,
        /// The message.
        message: Box<Message>,
    },
}

/// Collects the records of a network.
#[derive(Debug)]
pub struct Collector {
    sources: BTreeMap<String, Known>,
    actions: VecDeque<Action>,
    changed: bool,
}

#[derive(Debug)]
struct Known {
    source: Source,
    since: Duration,
    heard: Option<Duration>,
    flushed: bool,
    records: BTreeMap<String, Record>,
}

impl Known {
    fn addresses(&self) -> Vec<String> {
        let mut addresses = vec![self.source.address.clone()];
        if self.source.kind == SourceKind::Controller {
            addresses.push(self.source.heartbeats());
        }
        addresses
    }

    /// Whether the source's own record tells of a later run than the one known.
    fn has_restarted(&self, record: &Record) -> bool {
        let start = record.number(Attribute::START_TIME);
        record.kind == RecordType::Router
            && record.id == self.source.id
            && start != 0
            && self
                .records
                .get(&record.id)
                .is_some_and(|known| known.number(Attribute::START_TIME) != start)
    }

    /// When it will have been silent for too long.
    fn expires(&self) -> Duration {
        let silent = self.heard.unwrap_or(self.since) + SILENCE;
        silent.max(self.since + SILENCE + GRACE)
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector {
    /// A collector that knows nobody yet.
    pub fn new() -> Self {
        Collector {
            sources: BTreeMap::new(),
            actions: VecDeque::from([Action::Subscribe(BEACONS.to_owned())]),
            changed: false,
        }
    }

    /// The connection was made anew: all subscriptions and requests are made again; what is known stays.
    pub fn reconnected(&mut self, now: Duration) {
        self.actions = VecDeque::from([Action::Subscribe(BEACONS.to_owned())]);
        for known in self.sources.values_mut() {
            known.since = now;
            known.heard = None;
            known.flushed = false;
            self.actions
                .extend(known.addresses().into_iter().map(Action::Subscribe));
        }
    }

    /// Takes what came at the subscribed `address`.
    pub fn handle(&mut self, address: &str, update: Update, now: Duration) {
        match update {
            Update::Beacon(source) => self.beacon(source, now),
            Update::Heartbeat { source, .. } => self.heard(&source, now),
            Update::Records { records, .. } => {
                let Some(id) = self
                    .sources
                    .values()
                    .find(|k| k.source.address == address)
                    .map(|k| k.source.id.clone())
                else {
                    return;
                };
                self.heard(&id, now);
                if let Some(known) = self.sources.get_mut(&id) {
                    for record in records {
                        if known.has_restarted(&record) {
                            // It counts its identities from the beginning: what they named before is gone.
                            known.records.clear();
                            known.flushed = false;
                            flush(known, &mut self.actions);
                        }
                        self.changed |= keep(&mut known.records, record);
                    }
                }
            }
            Update::Flush => {}
        }
    }

    fn beacon(&mut self, source: Source, now: Duration) {
        if let Some(known) = self.sources.get_mut(&source.id) {
            if known.source == source {
                known.heard = Some(now);
                return;
            }
            // It moved: what is known of it is told anew.
            let id = source.id.clone();
            self.forget(&id);
        }
        if self.sources.len() >= MAX_SOURCES {
            return;
        }
        let known = Known {
            since: now,
            heard: None,
            flushed: false,
            records: BTreeMap::new(),
            source,
        };
        self.actions
            .extend(known.addresses().into_iter().map(Action::Subscribe));
        self.sources.insert(known.source.id.clone(), known);
    }

    fn heard(&mut self, id: &str, now: Duration) {
        if let Some(known) = self.sources.get_mut(id) {
            known.heard = Some(now);
            flush(known, &mut self.actions);
        }
    }

    fn forget(&mut self, id: &str) {
        if let Some(known) = self.sources.remove(id) {
            self.actions
                .extend(known.addresses().into_iter().map(Action::Unsubscribe));
            self.changed |= !known.records.is_empty();
        }
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        let due = |known: &Known| {
            if known.flushed {
                known.expires()
            } else {
                (known.since + FLUSH_AFTER).min(known.expires())
            }
        };
        self.sources.values().map(due).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        let silent: Vec<_> = self
            .sources
            .values()
            .filter(|known| known.expires() <= now)
            .map(|known| known.source.id.clone())
            .collect();
        for id in silent {
            self.forget(&id);
        }
        for known in self.sources.values_mut() {
            if known.since + FLUSH_AFTER <= now {
                flush(known, &mut self.actions);
            }
        }
    }

    /// Whether a record came, changed or went since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// All records, by source and identity.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.sources
            .values()
            .flat_map(|known| known.records.values())
    }

    /// All sources.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.values().map(|known| &known.source)
    }
}

fn flush(known: &mut Known, actions: &mut VecDeque<Action>) {
    if !known.flushed {
        known.flushed = true;
        let address = known.source.direct.clone();
        actions.push_back(Action::Send {
            message: Box::new(Update::Flush.encode(&address)),
            address,
        });
    }
}

/// Takes a record over; whether anything changed.
fn keep(records: &mut BTreeMap<String, Record>, record: Record) -> bool {
    if !of_interest(record.kind) {
        return false;
    }
    if record.has_ended() {
        return records.remove(&record.id).is_some();
    }
    if let Some(known) = records.get_mut(&record.id) {
        if known.kind == record.kind {
            return known.merge(&record);
        }
        *known = record;
        return true;
    }
    let room = records.len() < MAX_RECORDS;
    if room {
        records.insert(record.id.clone(), record);
    }
    room
}

/// What a network's status is made of. Flows and log entries come in numbers without end and are not kept here.
fn of_interest(kind: RecordType) -> bool {
    !kind.is_flow() && kind != RecordType::Log
}

#[cfg(test)]
mod tests;
