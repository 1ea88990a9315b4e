//! What the router tells of itself: vanflow records, sent while somebody listens (observability reference §4).
//!
//! The decisions are [`skupper_vanflow::Emitter`]'s; here are the router's events, the addresses, and the clock.

mod records;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use skupper_amqp::Message;
use skupper_management::Attributes;
use skupper_vanflow::emitter::Class;
use skupper_vanflow::source::BEACONS;
use skupper_vanflow::{Emitter, Source, SourceKind, Update};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::event::Event;
use crate::tcp::Watch;
use records::Records;

/// How often counters are read.
const COUNT: Duration = Duration::from_secs(2);

/// Starts telling, in a task of `runtime`. It must be called before anything is made that is to be told of.
pub(crate) fn start(context: &Arc<Context>, site: Option<&Attributes>, runtime: &Handle) {
    let events = context.events.subscribe();
    let source = Source::new(SourceKind::Router, context.records.router());
    let (audience, changes) = mpsc::unbounded_channel();
    let watch = |class: Class, address: String| {
        let audience = audience.clone();
        let key = context.dispatch.naming.key(&address);
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
        watch(Class::Logs, source.logs()),
    ];
    let teller = Teller {
        records: Records::new(context.clone(), site),
        emitter: Emitter::new(source),
        context: context.clone(),
        started: Instant::now(),
        _watches: watches,
    };
    runtime.spawn(teller.run(events, changes));
}

struct Teller {
    context: Arc<Context>,
    emitter: Emitter,
    records: Records,
    started: Instant,
    /// A watch ends when it is dropped.
    _watches: [Arc<Watch>; 3],
}

impl Teller {
    async fn run(
        mut self,
        mut events: mpsc::UnboundedReceiver<Event>,
        mut audience: mpsc::UnboundedReceiver<(Class, bool)>,
    ) {
        let mut commands = self.context.subscribe(&self.emitter.source().direct);
        self.tell(|records| records.start());
        let mut count = tokio::time::interval(COUNT);
        let mut watched = false;
        loop {
            let due = self.emitter.next_timeout().map(|due| self.started + due);
            let timeout = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.tell(|records| records.event(&event)),
                    None => return,
                },
                Some((class, somebody)) = audience.recv() => {
                    watched = if class == Class::Records { somebody } else { watched };
                    let now = self.now();
                    self.emitter.watched(class, somebody, now);
                }
                Some(command) = commands.next() => {
                    let update = Message::decode(&command.payload).ok().and_then(|m| Update::decode(&m).ok());
                    if let Some(update) = update {
                        let now = self.now();
                        self.emitter.handle(&update, now);
                    }
                }
                _ = count.tick(), if watched => self.tell(|records| records.counters()),
                () = timeout => {
                    let now = self.now();
                    self.emitter.handle_timeout(now, micros(SystemTime::now()));
                }
            }
            self.send();
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn tell(&mut self, what: impl FnOnce(&mut Records) -> Vec<records::Change>) {
        let now = self.now();
        for change in what(&mut self.records) {
            match change {
                records::Change::Set(record) => self.emitter.set(record, now),
                records::Change::End(id) => self.emitter.end(&id, micros(SystemTime::now()), now),
            }
        }
    }

    fn send(&mut self) {
        while let Some((address, message)) = self.emitter.poll_message() {
            if self
                .context
                .dispatch
                .send_message(&address, message.to_bytes())
                .is_err()
            {
                tracing::debug!(target: "VANFLOW", "nobody listens any more at {address}");
            }
        }
    }
}

/// Microseconds since the epoch.
fn micros(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
