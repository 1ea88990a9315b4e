//! Time: idle peers, idle output, a handshake or a close that does not end.

use std::time::Duration;

use super::{CloseReason, Connection, Life, layers::Layer};
use crate::{
    frame,
    performative::{Condition, names},
};

/// How long the peer's answer to our close is waited for.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Keep-alive is checked no more often, whatever a peer asks for.
const MIN_KEEP_ALIVE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Timers {
    pub(super) handshake: Option<Duration>,
    pub(super) close: Option<Duration>,
    /// Next check whether something was written, and the time between checks.
    pub(super) keep_alive: Option<(Duration, Duration)>,
}

impl Connection {
    /// The peer gives up after `idle` milliseconds without input. A check every quarter of that, which writes when nothing was
    /// written since the one before, leaves no more than half of it silent.
    pub(super) fn keep_alive(&mut self, idle: Option<u32>, now: Duration) {
        self.timers.handshake = None;
        self.timers.keep_alive = idle.filter(|&idle| idle > 0).map(|idle| {
            let every = (Duration::from_millis(idle.into()) / 4).max(MIN_KEEP_ALIVE);
            (now + every, every)
        });
    }

    pub(super) fn timers_next(&self) -> Option<Duration> {
        if self.is_closed() {
            return None;
        }
        let idle = self
            .config
            .idle_timeout
            .map(|timeout| self.last_input + timeout);
        let keep_alive = self.timers.keep_alive.map(|(at, _)| at);
        [self.timers.handshake, self.timers.close, keep_alive, idle]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn timers_passed(&mut self, now: Duration) {
        let passed = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if self.is_closed() {
            return;
        }
        if passed(self.timers.close)
            && let Life::Closing(error) = std::mem::replace(&mut self.life, Life::Active)
        {
            return self.finish(CloseReason::Local(error));
        }
        if passed(self.timers.handshake) {
            let condition =
                Condition::new(names::NOT_ALLOWED, "Timeout waiting for initial handshake");
            return self.give_up(condition);
        }
        if passed(
            self.config
                .idle_timeout
                .map(|timeout| self.last_input + timeout),
        ) {
            let condition =
                Condition::new(names::RESOURCE_LIMIT_EXCEEDED, "local-idle-timeout expired");
            return self.give_up(condition);
        }
        if let Some((at, every)) = self.timers.keep_alive
            && at <= now
        {
            self.timers.keep_alive = Some((now + every, every));
            if !self.output.take_wrote() && self.output.is_empty() {
                self.output.append(frame::write_empty);
            }
        }
    }

    fn give_up(&mut self, condition: Condition) {
        if matches!(self.layer, Layer::AmqpHeader | Layer::Frames) {
            self.fail(condition);
        } else {
            self.finish(CloseReason::Violation(condition));
        }
    }
}
