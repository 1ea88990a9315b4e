//! What an observer sees in a flow, as records of requests (observability reference §4.5).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use skupper_management::entity::Observer as Protocol;
use skupper_observe::{Event, Fault, Observer, Side, Version};

use crate::context::Context;
use crate::event::{FlowRecord, RequestRecord};

/// Flows that are open and in which a protocol has been seen.
#[derive(Debug, Default)]
pub(crate) struct ObservedFlows {
    /// HTTP/1.
    pub(crate) http1: AtomicU64,
    /// HTTP/2.
    pub(crate) http2: AtomicU64,
}

impl ObservedFlows {
    fn of(&self, version: Version) -> &AtomicU64 {
        match version {
            Version::Http10 | Version::Http11 => &self.http1,
            Version::Http2 => &self.http2,
        }
    }
}

/// A flow that may be observed.
#[derive(Default)]
pub(crate) struct Observed(Option<Box<Observation>>);

impl Observed {
    /// Begins to observe a flow for its `record`, if there is something to look for and somebody to tell.
    pub(crate) fn begin(
        context: &Arc<Context>,
        protocol: Protocol,
        number: u64,
        record: Option<&Arc<FlowRecord>>,
    ) -> Self {
        Observed(Observation::begin(context, protocol, number, record))
    }

    /// Sees octets that pass, as long as that makes sense of them.
    pub(crate) fn feed(&mut self, side: Side, octets: &[u8]) {
        if let Some(observation) = &mut self.0
            && !observation.feed(side, octets)
        {
            self.0 = None;
        }
    }
}

/// An observer at a flow.
struct Observation {
    context: Arc<Context>,
    observer: Observer,
    /// The flow's number, by which the log tells it from others.
    number: u64,
    flow: Arc<FlowRecord>,
    /// The identity of the flow's record.
    identity: String,
    /// The protocol that is seen.
    seen: Option<Version>,
    /// Empty between calls.
    events: Vec<Event>,
}

impl Observation {
    fn begin(
        context: &Arc<Context>,
        protocol: Protocol,
        number: u64,
        record: Option<&Arc<FlowRecord>>,
    ) -> Option<Box<Self>> {
        let flow = record?;
        let observer = match protocol {
            Protocol::Auto => Observer::auto(),
            Protocol::Http1 => Observer::http1(),
            Protocol::Http2 => Observer::http2(),
            Protocol::None => {
                tracing::debug!(target: "TCP_ADAPTOR", "[C{number}] no protocol observer setup for this connection");
                return None;
            }
        };
        Some(Box::new(Observation {
            context: context.clone(),
            observer,
            number,
            flow: flow.clone(),
            identity: flow.identity.clone()?,
            seen: None,
            events: Vec::new(),
        }))
    }

    /// Sees octets that pass; false if more of them would tell nothing.
    fn feed(&mut self, side: Side, octets: &[u8]) -> bool {
        let mut events = std::mem::take(&mut self.events);
        self.observer.feed(side, octets, &mut events);
        for event in events.drain(..) {
            self.event(event);
        }
        self.events = events;
        !self.observer.is_over()
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Request {
                id,
                version,
                method,
            } => self.request(id, version, method),
            Event::ForwardedFor { id, host } => {
                self.with(id, |request| request.answer().source_host = Some(host));
            }
            Event::Answered { id } => self.with(id, |request| {
                request.octets.answered_after(request.began.elapsed());
            }),
            Event::Status { id, code, reason } => {
                self.with(id, |request| request.answer().status = Some((code, reason)));
            }
            Event::Body { id, side, octets } => self.with(id, |request| {
                let passed = match side {
                    Side::Client => &request.octets.outward,
                    Side::Server => &request.octets.inward,
                };
                passed.fetch_add(octets, Ordering::Relaxed);
            }),
            Event::Done { id } => self.end(id),
            Event::Over(fault) => self.over(fault),
        }
    }

    fn request(&mut self, id: u64, version: Version, method: String) {
        if self.seen.is_none() {
            self.seen = Some(version);
            self.context
                .observed
                .of(version)
                .fetch_add(1, Ordering::Relaxed);
        }
        let request = Arc::new(RequestRecord {
            identity: self.context.records.next(),
            flow: self.identity.clone(),
            started: SystemTime::now(),
            began: Instant::now(),
            protocol: version.as_str(),
            stream: (version == Version::Http2).then_some(id),
            method,
            octets: Default::default(),
            answer: Default::default(),
        });
        self.flow.requests().insert(id, request);
    }

    fn with(&self, id: u64, note: impl FnOnce(&RequestRecord)) {
        if let Some(request) = self.flow.requests().get(&id) {
            note(request);
        }
    }

    fn end(&mut self, id: u64) {
        let mut requests = self.flow.requests();
        let Some(request) = requests.remove(&id) else {
            return;
        };
        request.answer().ended = Some(SystemTime::now());
        let events = &self.context.events;
        events.tell_request(id, request, &mut requests);
    }

    fn over(&self, fault: Option<Fault>) {
        let Some(fault) = fault else { return };
        let number = self.number;
        if self.observer.is_of_http2() {
            // Who begins as HTTP/2 does means it; but what was looked for at the listener need not be what comes.
            if fault == Fault::Preface {
                tracing::debug!(target: "HTTP2_OBSERVER", "[C{number}] HTTP/2 observer protocol error: {fault}");
            } else {
                tracing::error!(target: "HTTP2_OBSERVER", "[C{number}] HTTP/2 observer disabled due to protocol error: {fault}");
            }
        } else if self.open().is_empty() {
            tracing::debug!(target: "HTTP1_OBSERVER", "[C{number}] HTTP/1.1 observer protocol error: {fault}");
        } else {
            tracing::error!(target: "HTTP1_OBSERVER", "[C{number}] HTTP/1.1 observer disabled due to protocol error: {fault}");
        }
    }

    /// The requests that have not ended.
    fn open(&self) -> Vec<u64> {
        let requests = self.flow.requests();
        let open = requests.iter();
        let open = open.filter(|(_, request)| request.answer().ended.is_none());
        open.map(|(id, _)| *id).collect()
    }
}

impl Drop for Observation {
    /// Nothing more is seen: whatever is open ends with that.
    fn drop(&mut self) {
        for id in self.open() {
            self.end(id);
        }
        if let Some(version) = self.seen {
            self.context
                .observed
                .of(version)
                .fetch_sub(1, Ordering::Relaxed);
        }
    }
}
