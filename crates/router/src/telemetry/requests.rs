//! Requests within flows and their records (observability reference §2.3, BIFLOW_APP).

use std::sync::atomic::Ordering;

use skupper_vanflow::{Attribute, Record, RecordType};

use super::micros;
use super::records::Change;
use crate::event::{FlowRecord, RequestRecord};

/// What there is to tell of the requests of a flow. Those that have ended and whose end could not be told then are forgotten
/// with this.
pub(super) fn of(flow: &FlowRecord) -> Vec<Change> {
    let mut requests = flow.requests();
    let changes = requests.values().flat_map(|request| changes(request));
    let changes = changes.collect();
    requests.retain(|_, request| request.answer().ended.is_none());
    changes
}

/// What there is to tell of a request.
pub(super) fn changes(request: &RequestRecord) -> Vec<Change> {
    let answer = request.answer().clone();
    let octets = &request.octets;
    let mut record = Record::new(RecordType::BiflowApp, request.identity.as_str())
        .with(Attribute::PARENT, request.flow.as_str())
        .with(Attribute::START_TIME, micros(request.started))
        .with(Attribute::PROTOCOL, request.protocol)
        .with_text(Attribute::METHOD, &request.method)
        .with(Attribute::OCTETS, octets.outward.load(Ordering::Relaxed))
        .with(
            Attribute::OCTETS_REVERSE,
            octets.inward.load(Ordering::Relaxed),
        );
    if let Some(stream) = request.stream {
        record = record.with(Attribute::STREAM_ID, stream);
    }
    if let Some(host) = &answer.source_host {
        record = record.with_text(Attribute::SOURCE_HOST, host);
    }
    if let Some(latency) = octets.latency() {
        record = record.with(Attribute::LATENCY, latency.as_micros() as u64);
    }
    if let Some((code, reason)) = &answer.status {
        record = record
            .with(Attribute::RESULT, code.to_string())
            .with_text(Attribute::REASON, reason);
    }
    let ended = answer.ended.map(micros);
    let end = ended.map(|ended| Change::EndAt(request.identity.clone(), ended));
    [Change::Set(record)].into_iter().chain(end).collect()
}
