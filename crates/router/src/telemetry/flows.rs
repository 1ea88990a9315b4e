//! Flows and their records (observability reference §§2.3, 4.4): the client's end keeps the record, the server's end tells it
//! what it knows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use skupper_vanflow::{Attribute, Record, RecordType, co_records};

use super::micros;
use super::records::Change;
use super::requests;
use crate::event::{FlowEvent, FlowRecord, FlowSide};
use crate::tcp::TcpConnector;

/// Characters of a trace beyond which it is cut.
const MAX_TRACE: usize = 1000;

/// The flows that end here. Their records are made only where somebody wants them: a busy router has thousands a second.
#[derive(Default)]
pub(super) struct Flows {
    /// At the client's end, by identity.
    clients: HashMap<String, Arc<FlowRecord>>,
    /// At the server's end, by the source that keeps their records.
    servers: HashMap<String, Served>,
}

/// Flows whose records another source keeps (or this one, where both ends are here).
#[derive(Default)]
struct Served {
    /// Somebody wants that source's flows: it is told of them.
    told: bool,
    flows: HashMap<String, ServedFlow>,
}

/// One flow at the server's end.
struct ServedFlow {
    record: Arc<FlowRecord>,
    /// The source knows the server's latency.
    latency_told: bool,
}

/// What a flow's event leads to.
pub(super) enum FlowChange {
    /// Of a record that is kept here.
    Kept(Change),
    /// For who keeps the record.
    Told(Record),
}

impl Flows {
    /// `wanted` says whether anybody wants the flows whose records are kept here, `is_wanted` says it of any source.
    pub(super) fn event(
        &mut self,
        event: &FlowEvent,
        wanted: bool,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Vec<FlowChange> {
        let (flow, closed) = match event {
            FlowEvent::Opened(flow) => (flow, false),
            FlowEvent::Closed(flow) => (flow, true),
            FlowEvent::Request(request) => {
                let changes = wanted.then(|| requests::changes(request));
                let changes = changes.into_iter().flatten();
                return changes.map(FlowChange::Kept).collect();
            }
        };
        let Some(id) = flow.identity.as_deref() else {
            return Vec::new();
        };
        match &flow.side {
            FlowSide::Client(listener) => {
                let changed = if closed {
                    if self.clients.remove(id).is_none() {
                        return Vec::new();
                    }
                    wanted.then(|| [requests::of(flow), client_closed(id, flow)].concat())
                } else {
                    self.clients.insert(id.to_owned(), flow.clone());
                    wanted.then(|| vec![Change::Set(client_opened(id, flow, listener))])
                };
                changed
                    .into_iter()
                    .flatten()
                    .map(FlowChange::Kept)
                    .collect()
            }
            FlowSide::Server(connector) => {
                let Some(keeper) = co_records::keeper(id) else {
                    return Vec::new();
                };
                let mut served = match self.servers.entry(keeper) {
                    Entry::Occupied(served) => served,
                    Entry::Vacant(place) => {
                        let told = is_wanted(place.key());
                        place.insert_entry(Served {
                            told,
                            ..Served::default()
                        })
                    }
                };
                let (told, flows) = (served.get().told, &mut served.get_mut().flows);
                let record = if closed {
                    let latency_told = flows.remove(id).is_some_and(|known| known.latency_told);
                    let record = told.then(|| server_closed(id, flow, latency_told));
                    let record = record.flatten();
                    if flows.is_empty() {
                        served.remove();
                    }
                    record
                } else {
                    let known = ServedFlow {
                        record: flow.clone(),
                        latency_told: false,
                    };
                    flows.insert(id.to_owned(), known);
                    told.then(|| server_opened(id, flow, connector))
                };
                record.map(FlowChange::Told).into_iter().collect()
            }
        }
    }

    /// Flows that have ended, and of whose end nothing was heard: there was too much to tell.
    pub(super) fn ended_unheard(&self) -> Vec<FlowEvent> {
        let servers = self.servers.values().flat_map(|of| of.flows.values());
        let all = self
            .clients
            .values()
            .chain(servers.map(|flow| &flow.record));
        let ended = all.filter(|flow| {
            let end = flow.end.lock().unwrap_or_else(PoisonError::into_inner);
            end.is_some()
        });
        ended.cloned().map(FlowEvent::Closed).collect()
    }

    /// Looks who has begun to want the flows of which source: those that are open at the server's end are told. And how long
    /// servers took to answer, of flows of which that is news.
    pub(super) fn look(&mut self, is_wanted: impl Fn(&str) -> bool) -> Vec<FlowChange> {
        let mut told = Vec::new();
        for (keeper, served) in &mut self.servers {
            let was = std::mem::replace(&mut served.told, is_wanted(keeper));
            if !served.told {
                continue;
            }
            for (id, flow) in &mut served.flows {
                if let FlowSide::Server(connector) = &flow.record.side
                    && !was
                {
                    flow.latency_told = false;
                    let record = server_opened(id, &flow.record, connector);
                    told.push(FlowChange::Told(record));
                }
                if !flow.latency_told
                    && let Some(record) = latency(id, &flow.record)
                {
                    flow.latency_told = true;
                    told.push(FlowChange::Told(record));
                }
            }
        }
        told
    }

    /// The records of all flows that are open at the client's end, with their requests, for whoever has begun to want them.
    pub(super) fn records(&self) -> impl Iterator<Item = Change> + '_ {
        self.clients.iter().flat_map(|(id, flow)| {
            let FlowSide::Client(listener) = &flow.side else {
                return Vec::new();
            };
            let mut record = client_opened(id, flow, listener);
            record.merge(&progress(id, flow));
            let mut changes = requests::of(flow);
            changes.push(Change::Set(record));
            changes
        })
    }

    /// How far the open flows are, and their requests.
    pub(super) fn counters(&self) -> impl Iterator<Item = Change> + '_ {
        self.clients.iter().flat_map(|(id, flow)| {
            let mut changes = requests::of(flow);
            changes.push(Change::Set(progress(id, flow)));
            changes
        })
    }
}

fn client_opened(id: &str, flow: &FlowRecord, listener: &str) -> Record {
    let record = Record::new(RecordType::BiflowTport, id)
        .with(Attribute::PARENT, listener)
        .with(Attribute::START_TIME, micros(flow.started))
        .with(Attribute::OCTETS, 0)
        .with(Attribute::OCTETS_REVERSE, 0);
    match flow.address {
        Some(client) => record
            .with(Attribute::SOURCE_HOST, client.ip().to_string())
            .with(Attribute::SOURCE_PORT, client.port().to_string()),
        None => record,
    }
}

fn client_closed(id: &str, flow: &FlowRecord) -> Vec<Change> {
    let mut record = progress(id, flow);
    let (end, error) = ended(flow);
    if let Some(error) = error {
        record = record.with(Attribute::ERROR_LISTENER_SIDE, error);
    }
    vec![Change::Set(record), Change::EndAt(id.to_owned(), end)]
}

fn server_opened(id: &str, flow: &FlowRecord, connector: &TcpConnector) -> Record {
    let record = Record::new(RecordType::BiflowTport, id)
        .with(Attribute::CONNECTOR, connector.record.as_str())
        .with(Attribute::TRACE, trace(&flow.trace));
    match flow.address {
        Some(local) => record
            .with(Attribute::PROXY_HOST, local.ip().to_string())
            .with(Attribute::PROXY_PORT, local.port().to_string()),
        None => record,
    }
}

/// What is news at the end, if there is anything.
fn server_closed(id: &str, flow: &FlowRecord, latency_told: bool) -> Option<Record> {
    let mut record = latency(id, flow).filter(|_| !latency_told);
    if let (_, Some(error)) = ended(flow) {
        let told = record.unwrap_or_else(|| Record::new(RecordType::BiflowTport, id));
        record = Some(told.with(Attribute::ERROR_CONNECTOR_SIDE, error));
    }
    record
}

/// How long the server took to answer, once that is known.
fn latency(id: &str, flow: &FlowRecord) -> Option<Record> {
    let micros = flow.latency()?.as_micros() as u64;
    let record = Record::new(RecordType::BiflowTport, id);
    Some(record.with(Attribute::PROCESS_LATENCY, micros))
}

fn progress(id: &str, flow: &FlowRecord) -> Record {
    let record = Record::new(RecordType::BiflowTport, id)
        .with(
            Attribute::OCTETS,
            flow.octets.outward.load(Ordering::Relaxed),
        )
        .with(
            Attribute::OCTETS_REVERSE,
            flow.octets.inward.load(Ordering::Relaxed),
        );
    match flow.latency() {
        Some(latency) => record.with(Attribute::LATENCY, latency.as_micros() as u64),
        None => record,
    }
}

/// When it ended, in microseconds since the epoch, and why if not as it should.
fn ended(flow: &FlowRecord) -> (u64, Option<String>) {
    let end = flow
        .end
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    match end {
        Some((when, why)) => (micros(when), why),
        None => (micros(std::time::SystemTime::now()), None),
    }
}

/// The routers that the client's stream passed, as upstream writes them.
fn trace(routers: &[String]) -> String {
    if routers.is_empty() {
        return "Local".to_owned();
    }
    routers.join("|").chars().take(MAX_TRACE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_flow_of_which_nothing_was_heard_is_found() {
        let flow = |id: &str| {
            Arc::new(FlowRecord {
                side: FlowSide::Client("r:1".into()),
                identity: Some(id.to_owned()),
                started: std::time::SystemTime::now(),
                address: None,
                octets: Arc::default(),
                trace: Vec::new(),
                requests: Default::default(),
                end: Default::default(),
            })
        };
        let mut flows = Flows::default();
        let (open, ended) = (flow("r:2"), flow("r:3"));
        for flow in [&open, &ended] {
            let event = FlowEvent::Opened(flow.clone());
            assert_eq!(flows.event(&event, true, |_| true).len(), 1);
        }
        ended.ended(None);
        let found = flows.ended_unheard();
        assert_eq!(found.len(), 1);
        assert_eq!(flows.event(&found[0], true, |_| true).len(), 2);
        assert!(flows.ended_unheard().is_empty());
        let again = flows.event(&found[0], true, |_| true);
        assert!(again.is_empty(), "it was heard late");
    }

    #[test]
    fn traces() {
        assert_eq!(trace(&[]), "Local");
        assert_eq!(trace(&["0/a".to_owned(), "0/b".to_owned()]), "0/a|0/b");
        assert_eq!(trace(&vec!["0/x".to_owned(); 1000]).len(), 1000);
    }
}
