//! Flows and their records (observability reference §§2.3, 4.4): the client's end keeps the record, the server's end tells it
//! what it knows.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use std::sync::atomic::Ordering;

use skupper_vanflow::{Attribute, Record, RecordType};

use super::micros;
use super::records::Change;
use crate::event::{FlowEvent, FlowRecord, FlowSide};

/// Characters of a trace beyond which it is cut.
const MAX_TRACE: usize = 1000;

/// The flows whose records are kept here, by identity.
#[derive(Default)]
pub(super) struct Flows {
    open: HashMap<String, Arc<FlowRecord>>,
}

/// What a flow's event leads to.
pub(super) enum FlowChange {
    /// Of a record that is kept here.
    Kept(Change),
    /// For who keeps the record.
    Told(Record),
}

impl Flows {
    pub(super) fn event(&mut self, event: &FlowEvent) -> Vec<FlowChange> {
        let (FlowEvent::Opened(flow) | FlowEvent::Closed(flow)) = event;
        let closed = matches!(event, FlowEvent::Closed(_));
        let Some(id) = flow.identity.as_deref() else {
            return Vec::new();
        };
        match (&flow.side, closed) {
            (FlowSide::Client(listener), false) => {
                self.open.insert(id.to_owned(), flow.clone());
                let mut record = Record::new(RecordType::BiflowTport, id)
                    .with(Attribute::PARENT, listener.record.as_str())
                    .with(Attribute::START_TIME, micros(flow.started))
                    .with(Attribute::OCTETS, 0)
                    .with(Attribute::OCTETS_REVERSE, 0);
                if let Some(client) = flow.address {
                    record = record
                        .with(Attribute::SOURCE_HOST, client.ip().to_string())
                        .with(Attribute::SOURCE_PORT, client.port().to_string());
                }
                vec![FlowChange::Kept(Change::Set(record))]
            }
            (FlowSide::Client(_), true) => {
                self.open.remove(id);
                let mut record = progress(id, flow);
                let (end, error) = ended(flow);
                if let Some(error) = error {
                    record = record.with(Attribute::ERROR_LISTENER_SIDE, error);
                }
                vec![
                    FlowChange::Kept(Change::Set(record)),
                    FlowChange::Kept(Change::EndAt(id.to_owned(), end)),
                ]
            }
            (FlowSide::Server(connector), false) => {
                let mut record = Record::new(RecordType::BiflowTport, id)
                    .with(Attribute::CONNECTOR, connector.record.as_str())
                    .with(Attribute::TRACE, trace(&flow.trace));
                if let Some(local) = flow.address {
                    record = record
                        .with(Attribute::PROXY_HOST, local.ip().to_string())
                        .with(Attribute::PROXY_PORT, local.port().to_string());
                }
                vec![FlowChange::Told(record)]
            }
            (FlowSide::Server(_), true) => {
                let mut record = Record::new(RecordType::BiflowTport, id);
                if let Some(latency) = flow.latency() {
                    record = record.with(Attribute::PROCESS_LATENCY, latency.as_micros() as u64);
                }
                if let (_, Some(error)) = ended(flow) {
                    record = record.with(Attribute::ERROR_CONNECTOR_SIDE, error);
                }
                if record.attributes.is_empty() {
                    return Vec::new();
                }
                vec![FlowChange::Told(record)]
            }
        }
    }

    /// How far the open flows are.
    pub(super) fn counters(&self) -> impl Iterator<Item = Change> + '_ {
        self.open
            .iter()
            .map(|(id, flow)| Change::Set(progress(id, flow)))
    }
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
    fn traces() {
        assert_eq!(trace(&[]), "Local");
        assert_eq!(trace(&["0/a".to_owned(), "0/b".to_owned()]), "0/a|0/b");
        assert_eq!(trace(&vec!["0/x".to_owned(); 1000]).len(), 1000);
    }
}
