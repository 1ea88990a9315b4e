//! Deliveries that nobody settles, links without credit, peers and flows that take nothing: the log tells of them, since whoever
//! waits for them may not.
//!
//! Connections are asked now and then. How many there are at the moment management learns at any time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::connection::handle::Command;
use crate::context::Context;
use crate::entities::Entities;
use crate::spell::Told;
use crate::still;

/// When a delivery counts as stuck and a link as blocked, and how often that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StuckAfter {
    /// Without a settlement, or without credit, for longer than this.
    pub age: Duration,
    /// The time between two looks.
    pub interval: Duration,
}

impl Default for StuckAfter {
    fn default() -> Self {
        StuckAfter {
            age: Duration::from_secs(10),
            interval: Duration::from_secs(30),
        }
    }
}

impl StuckAfter {
    /// As upstream's router has it with `--test-hooks`, so that tests need not wait for long.
    pub const HASTY: Self = StuckAfter {
        age: Duration::from_secs(3),
        interval: Duration::from_secs(5),
    };
}

/// Starts looking, in a task of `runtime`.
pub(crate) fn start(context: &Arc<Context>, entities: &Arc<Mutex<Entities>>, runtime: &Handle) {
    let StuckAfter { age, interval } = context.stuck_after;
    tracing::info!(
        target: "ROUTER_CORE",
        "Stuck delivery detection: Scan interval: {} seconds, Delivery age threshold: {} seconds", interval.as_secs(), age.as_secs()
    );
    let (context, entities) = (context.clone(), Arc::downgrade(entities));
    runtime.spawn(async move {
        let mut told = Told::default();
        let mut turn = tokio::time::interval(interval);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turn.tick().await;
            for connection in context.connections.all() {
                // One that has ended has nothing that is stuck.
                drop(connection.send(Command::LookForStuck));
            }
            let Some(entities) = entities.upgrade() else {
                return;
            };
            let still = tokio::task::spawn_blocking(move || {
                still::sentence(&still::flows(&entities, age), age)
            });
            let sentence = still.await.unwrap_or_default();
            if told.begins(sentence.is_some())
                && let Some(sentence) = sentence
            {
                tracing::info!(target: "TCP_ADAPTOR", "{sentence}");
            }
        }
    });
}
