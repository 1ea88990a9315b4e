//! Management requests to an agent with some entities, one after another, and the same octets as a reply.
//!
//! The input is a list of messages: two octets of length, the message.

use std::ops::ControlFlow;

use skupper_amqp::Message;
use skupper_management::agent::{Failure, LogLine, Store, handle};
use skupper_management::config::Mode;
use skupper_management::plan::{Running, plan};
use skupper_management::protocol::{Reply, Request};
use skupper_management::{Attributes, Kind, RouterConfig};

/// Entities in the order in which they were made.
#[derive(Default)]
struct Rows {
    rows: Vec<(Kind, Attributes)>,
    made: u64,
}

impl Rows {
    fn place(&self, kind: Kind, entity: &Attributes) -> Option<usize> {
        let same = |row: &(Kind, Attributes)| {
            row.0 == kind && row.1.get("identity") == entity.get("identity")
        };
        self.rows.iter().position(same)
    }
}

impl Store for Rows {
    fn mode(&self) -> Mode {
        Mode::Interior
    }

    fn visit(&self, kind: Kind, visit: &mut dyn FnMut(Attributes) -> ControlFlow<()>) {
        for (_, entity) in self.rows.iter().filter(|(of, _)| *of == kind) {
            if visit(entity.clone()).is_break() {
                return;
            }
        }
    }

    fn next_number(&mut self, _: Kind) -> u64 {
        self.made += 1;
        self.made
    }

    fn create(&mut self, kind: Kind, attributes: Attributes) -> Result<Attributes, Failure> {
        self.rows.push((kind, attributes.clone()));
        Ok(attributes)
    }

    fn update(
        &mut self,
        kind: Kind,
        current: &Attributes,
        wanted: Attributes,
    ) -> Result<Attributes, Failure> {
        if let Some(place) = self.place(kind, current) {
            self.rows[place].1 = wanted.clone();
        }
        Ok(wanted)
    }

    fn delete(&mut self, kind: Kind, current: &Attributes) -> Result<(), Failure> {
        if let Some(place) = self.place(kind, current) {
            self.rows.remove(place);
        }
        Ok(())
    }

    fn log(&self, _: Option<usize>) -> Vec<LogLine> {
        Vec::new()
    }
}

pub(crate) fn run(octets: &[u8]) {
    let mut store = Rows::default();
    let mut rest = octets;
    while let [long, short, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*long, *short])).min(after.len());
        let (payload, after) = after.split_at(length);
        rest = after;
        let Ok(message) = Message::decode(payload) else {
            continue;
        };
        let request = Request::decode(&message);
        let reply = handle(&request, &mut store);
        let answer = reply.encode(&request);
        let read = Reply::decode(&answer);
        assert!(read.is_ok(), "{read:?} of {answer:?}");
        if let Ok(reply) = Reply::decode(&message) {
            // A tool takes what a router answers as it comes.
            drop(
                reply
                    .into_rows(&request)
                    .map(|rows| rows.entities().count()),
            );
        }
    }
    let mut running = Running::new();
    for (kind, entity) in store.rows {
        running.insert(kind, [entity]);
    }
    drop(plan(&running, &RouterConfig::default()));
}
