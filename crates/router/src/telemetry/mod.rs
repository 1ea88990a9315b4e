//! What the router tells of itself: vanflow records, sent while somebody listens (observability reference §4).
//!
//! The decisions are [`skupper_vanflow::Emitter`]'s; here are the router's events, the addresses, and the clock.

mod flow_events;
mod flows;
mod records;
mod requests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use skupper_amqp::Message;
use skupper_management::Attributes;
use skupper_vanflow::emitter::Class;
use skupper_vanflow::source::BEACONS;
use skupper_vanflow::{
    Attribute, CoRecords, Emitter, Record, RecordType, Source, SourceKind, Update, co_records,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::agent::logging::{Entry, logs};
use crate::context::Context;
use crate::core::Received;
use crate::event::{Event, FlowEvent};
use crate::tcp::Watch;
use flow_events::FlowEvents;
use flows::{FlowChange, Flows};
use records::{Change, Records};

/// How often it is seen who has come to listen, while somebody listens; every second time counters are read.
const LOOK: Duration = Duration::from_secs(1);

/// Starts telling, in a task of `runtime`. It must be called before anything is made that is to be told of.
pub(crate) fn start(context: &Arc<Context>, site: Option<&Attributes>, runtime: &Handle) {
    let events = context.events.subscribe();
    let flow_events = context.events.subscribe_flows();
    let source = Source::new(SourceKind::Router, context.records.router());
    let (audience, changes) = mpsc::unbounded_channel();
    let watch = |class: Class, address: String| {
        let audience = audience.clone();
        let key = context.dispatch.key(&address);
        let watch = Watch::new(key, move |somebody| {
            // The task ends with the router.
            let _ = audience.send((class, somebody));
        });
        context.core.watch(watch.clone());
        watch
    };
    let watches = [
        watch(Class::Beacons, BEACONS.to_owned()),
        watch(Class::Records, source.address.clone()),
        watch(Class::Flows, source.flows()),
        watch(Class::Logs, source.logs()),
    ];
    let teller = Teller {
        records: Records::new(context.clone(), site),
        flows: Flows::default(),
        emitter: Emitter::new(source),
        co_records: CoRecords::default(),
        listeners: BTreeSet::new(),
        lost_requests: 0,
        context: context.clone(),
        started: Instant::now(),
        _watches: watches,
    };
    runtime.spawn(teller.run(events, FlowEvents::new(flow_events), changes));
}

struct Teller {
    context: Arc<Context>,
    emitter: Emitter,
    co_records: CoRecords,
    records: Records,
    flows: Flows,
    /// Who listens to beacons.
    listeners: BTreeSet<Listener>,
    /// How many requests were lost when that was looked at last.
    lost_requests: u64,
    started: Instant,
    /// A watch ends when it is dropped.
    _watches: [Arc<Watch>; 4],
}

/// Somebody who listens to beacons.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Listener {
    /// Another router, for somebody there.
    Router(String),
    /// A destination of this router.
    Here(u64),
}

impl Teller {
    async fn run(
        mut self,
        mut events: mpsc::UnboundedReceiver<Event>,
        mut flow_events: FlowEvents,
        mut audience: mpsc::UnboundedReceiver<(Class, bool)>,
    ) {
        let mut commands = self.context.subscribe(&self.emitter.source().direct);
        let told = co_records::address(&self.emitter.source().id);
        let mut told = self.context.subscribe(&told);
        let mut serious = logs().serious();
        let start = self.records.start();
        self.apply(start);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = 0u64;
        let mut lost_before = 0;
        loop {
            let due = [self.emitter.next_timeout(), self.co_records.next_timeout()];
            let due = due
                .into_iter()
                .flatten()
                .min()
                .map(|due| self.started + due);
            let timeout = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let somebody =
                self.emitter.is_watched(Class::Beacons) || self.emitter.is_watched(Class::Records);
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => {
                        let changes = self.records.event(&event);
                        self.apply(changes);
                    }
                    None => return,
                },
                () = flow_events.arrive() => {
                    let all = !flow_events.is_full();
                    self.flow_events(flow_events.drain());
                    let lost = self.context.events.lost_flows();
                    if all && std::mem::replace(&mut lost_before, lost) != lost {
                        let ended = self.flows.ended_unheard();
                        self.flow_events(ended.into_iter());
                    }
                }
                Some((class, somebody)) = audience.recv() => {
                    self.audience(class, somebody);
                }
                Some(command) = commands.next() => {
                    if let Some(update) = read(&command) {
                        let now = self.now();
                        self.emitter.handle(&update, now);
                    }
                }
                Some(records) = told.next() => {
                    if let Some(Update::Records { records, .. }) = read(&records) {
                        // They are of flows that have begun here, of which this task may not know yet.
                        while flow_events.take() {
                            self.flow_events(flow_events.drain());
                        }
                        let now = self.now();
                        for record in records {
                            self.emitter.complete(&record, now);
                        }
                    }
                }
                Some(entry) = serious.recv() => self.log(&entry),
                _ = look.tick(), if somebody => {
                    self.look();
                    looks += 1;
                    if looks.is_multiple_of(2) {
                        self.count();
                    }
                }
                () = timeout => {
                    let now = self.now();
                    self.emitter.handle_timeout(now, micros(SystemTime::now()));
                    self.co_records.handle_timeout(now);
                }
            }
            self.send();
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        let now = self.now();
        for change in changes {
            match change {
                Change::Set(record) => self.emitter.set(record, now),
                Change::End(id) => self.emitter.end(&id, micros(SystemTime::now()), now),
                Change::EndAt(id, ended) => self.emitter.end(&id, ended, now),
            }
        }
    }

    fn audience(&mut self, class: Class, somebody: bool) {
        let now = self.now();
        self.emitter.watched(class, somebody, now);
        if class == Class::Flows {
            // Before what is open is looked at, so that no request is missed that ends meanwhile.
            self.context.events.want_requests(somebody);
        }
        match (class, somebody) {
            (Class::Beacons, _) => self.listeners = self.listeners(),
            (Class::Flows, true) => {
                let records: Vec<Change> = self.flows.records().collect();
                self.apply(records);
            }
            (Class::Flows, false) => self.emitter.forget_flows(),
            (Class::Records | Class::Logs, _) => {}
        }
    }

    /// An entry of the log that somebody should see. Nobody keeps those that nobody listens for.
    fn log(&mut self, entry: &Entry) {
        if !self.emitter.is_watched(Class::Logs) {
            return;
        }
        let at = u64::try_from(entry.time.as_microsecond()).unwrap_or_default();
        let mut record = Record::new(RecordType::Log, self.context.records.next())
            .with(Attribute::START_TIME, at)
            .with(Attribute::END_TIME, at)
            .with(Attribute::PARENT, self.context.records.router())
            .with(Attribute::LOG_SEVERITY, entry.level as u64)
            .with(
                Attribute::LOG_TEXT,
                format!("LOG_{}: {}", entry.module, entry.text),
            );
        if let Some((file, line)) = entry.source {
            record = record
                .with(Attribute::SOURCE_FILE, file)
                .with(Attribute::SOURCE_LINE, u64::from(line));
        }
        self.apply([Change::Set(record)]);
    }

    fn flow_events(&mut self, events: impl Iterator<Item = FlowEvent>) {
        let wanted = self.emitter.is_watched(Class::Flows);
        let is_wanted = is_wanted(&self.context);
        for event in events {
            for change in self.flows.event(&event, wanted, &is_wanted) {
                self.flow(change);
            }
        }
    }

    fn flow(&mut self, change: FlowChange) {
        match change {
            FlowChange::Kept(change) => self.apply([change]),
            FlowChange::Told(record) => {
                let now = self.now();
                // Both ends may be here.
                if co_records::keeper(&record.id).as_ref() == Some(&self.emitter.source().id) {
                    self.emitter.complete(&record, now);
                } else {
                    self.co_records.tell(record, now);
                }
            }
        }
    }

    fn count(&mut self) {
        if self.emitter.is_watched(Class::Records) {
            let counters = self.records.counters();
            self.apply(counters);
        }
        if self.emitter.is_watched(Class::Flows) {
            let counters: Vec<Change> = self.flows.counters().collect();
            self.apply(counters);
        }
    }

    /// Whoever has come to listen to beacons since the last time gets one now and need not wait for the next.
    fn look(&mut self) {
        let listeners = self.listeners();
        if !listeners.is_subset(&self.listeners) {
            self.emitter.announce();
        }
        self.listeners = listeners;
        for change in self.flows.look(is_wanted(&self.context)) {
            self.flow(change);
        }
        let lost = self.context.events.lost_requests();
        let before = std::mem::replace(&mut self.lost_requests, lost);
        if lost > before {
            tracing::warn!(
                target: "VANFLOW",
                "{} requests within observed flows are not told of: more have ended than can be told", lost - before
            );
        }
    }

    fn listeners(&self) -> BTreeSet<Listener> {
        let forwarding = self.context.dispatch.forwarding.load();
        let key = self.context.dispatch.key(BEACONS);
        let here = forwarding.locals.get(&key).into_iter();
        let here = here.flat_map(|local| local.in_process.iter().chain(&local.links));
        let remotes = forwarding.table.remotes(&key).into_iter();
        let routers = remotes.flat_map(|remotes| remotes.routers.iter());
        let routers = routers.filter_map(|router| forwarding.table.route(router));
        let reachable = routers.filter(|route| route.is_reachable());
        let there = reachable.map(|route| Listener::Router(route.id.to_string()));
        here.map(|destination| Listener::Here(destination.id))
            .chain(there)
            .collect()
    }

    fn send(&mut self) {
        while let Some((address, message)) = self
            .emitter
            .poll_message()
            .or_else(|| self.co_records.poll_message())
        {
            let sent = self
                .context
                .dispatch
                .send_message(&address, message.to_bytes());
            if sent.is_err() {
                tracing::debug!(target: "VANFLOW", "nobody listens any more at {address}");
            }
        }
    }
}

/// Whether anybody in the network wants the flows of a source.
fn is_wanted(context: &Arc<Context>) -> impl Fn(&str) -> bool + use<> {
    let (context, forwarding) = (context.clone(), context.dispatch.forwarding.load_full());
    move |source| {
        let flows = Source::new(SourceKind::Router, source).flows();
        forwarding.is_reachable(&context.dispatch.key(&flows))
    }
}

fn read(received: &Received) -> Option<Update> {
    let message = Message::decode(&received.payload).ok()?;
    Update::decode(&message).ok()
}

/// Microseconds since the epoch.
fn micros(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
