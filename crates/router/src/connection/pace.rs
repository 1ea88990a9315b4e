//! How long the deliveries of a link take, how fast they are settled, and since when the link has had no credit: what management
//! tells of it beside the counts of outcomes.
//!
//! Nothing here runs by itself. Whoever works on a link says what happens and when, at the time that its connection has for the
//! turn anyhow; what is told of the present (stuck, without credit) is made out when somebody asks.

use std::time::Duration;

use skupper_amqp::DeliveryState;
use skupper_routing::Table;

use crate::clock::Moment;
use crate::spell::Told;

/// A delivery that took longer counts as delayed.
const DELAYED: Duration = Duration::from_secs(1);
/// A delivery that took longer counts as delayed for long.
const LONG_DELAYED: Duration = Duration::from_secs(10);
/// Seconds over which the rate of settlement is the average.
const DEPTH: u64 = 5;
/// Routers that a link counts deliveries of; a peer can name any number of them.
const MOST_ROUTERS: usize = 128;

/// When a delivery came into the router, and whether its age says anything: a stream lasts as long as it lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Age {
    pub(crate) came: Moment,
    pub(crate) streaming: bool,
}

impl Age {
    /// How old the delivery is, if that says anything.
    pub(crate) fn at(self, now: Moment) -> Option<Duration> {
        (!self.streaming).then(|| now.since(self.came))
    }
}

/// What became of a delivery that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome<'a> {
    /// Nobody waited for what becomes of it.
    Presettled,
    /// It was settled with this state.
    Settled(Option<&'a DeliveryState>),
}

impl Outcome<'_> {
    /// Whether it was of use: what comes back is no achievement.
    fn counts_for_rate(self) -> bool {
        match self {
            Outcome::Presettled => true,
            Outcome::Settled(state) => matches!(
                state,
                Some(DeliveryState::Accepted | DeliveryState::Rejected(_))
            ),
        }
    }
}

/// The pace of one link.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Deliveries that took more than a second, and at most ten.
    pub(crate) delayed: u64,
    /// Deliveries that took more than ten seconds.
    pub(crate) long_delayed: u64,
    rate: Rate,
    /// Since when there has been no credit.
    without_credit: Option<Moment>,
    /// Deliveries are stuck.
    told_stuck: Told,
    /// There is no credit.
    told_blocked: Told,
    /// Deliveries are dropped.
    told_dropped: Told,
    /// How many were when that was looked at last.
    dropped: u64,
}

impl Pace {
    /// A delivery is over.
    pub(crate) fn over(&mut self, age: Option<Age>, outcome: Outcome<'_>, now: Moment) {
        match age.and_then(|age| age.at(now)) {
            Some(age) if age > LONG_DELAYED => self.long_delayed += 1,
            Some(age) if age > DELAYED => self.delayed += 1,
            _ => {}
        }
        if outcome.counts_for_rate() {
            self.rate.count(now);
        }
    }

    /// The link has so much credit now.
    pub(crate) fn credit(&mut self, credit: u32, now: Moment) {
        if credit > 0 {
            self.without_credit = None;
        } else if self.without_credit.is_none() {
            self.without_credit = Some(now);
        }
    }

    /// For how long there has been no credit; zero if there is some.
    pub(crate) fn without_credit(&self, now: Moment) -> Duration {
        let since = self.without_credit;
        since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Settlements by the second.
    pub(crate) fn settle_rate(&self, now: Moment) -> u64 {
        self.rate.average(now)
    }

    /// Whether the log is to say that deliveries are stuck: when the first is, and then not while any are.
    pub(crate) fn tells_stuck(&mut self, stuck: u64) -> bool {
        self.told_stuck.begins(stuck > 0)
    }

    /// The same for a link that has been without credit for longer than `patience`.
    pub(crate) fn tells_blocked(&mut self, now: Moment, patience: Duration) -> bool {
        let blocked = self.without_credit(now) > patience;
        self.told_blocked.begins(blocked)
    }

    /// The same for deliveries that are dropped for newer ones; so many were so far.
    pub(crate) fn tells_dropped(&mut self, dropped: u64) -> bool {
        let before = std::mem::replace(&mut self.dropped, dropped);
        self.told_dropped.begins(dropped > before)
    }
}

/// Settlements in each of the last seconds.
#[derive(Debug, Default)]
struct Rate {
    /// The newest second.
    second: u64,
    /// Each second's count at its number modulo the depth.
    counts: [u32; DEPTH as usize],
}

impl Rate {
    fn count(&mut self, now: Moment) {
        let second = now.seconds();
        if second > self.second {
            // Of seconds in which nothing was settled, too.
            let passed = (second - self.second).min(DEPTH);
            for past in second + 1 - passed..=second {
                self.counts[(past % DEPTH) as usize] = 0;
            }
            self.second = second;
        }
        let count = &mut self.counts[(self.second % DEPTH) as usize];
        *count = count.saturating_add(1);
    }

    fn average(&self, now: Moment) -> u64 {
        let oldest = (now.seconds() + 1).saturating_sub(DEPTH);
        let first = (self.second + 1).saturating_sub(DEPTH);
        let seconds = first.max(oldest)..=self.second;
        let counts = seconds.map(|second| u64::from(self.counts[(second % DEPTH) as usize]));
        counts.sum::<u64>() / DEPTH
    }
}

/// Deliveries that left by a link and are over, by the router at which they came into the network.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// At this router, or one that it does not know.
    own: u64,
    /// The other routers as annotations name them; who was last seen stands first.
    others: Vec<(Box<str>, u64)>,
}

impl Origins {
    /// Counts a delivery with that trace. `known`: whether the network has the router.
    pub(crate) fn count(&mut self, trace: &[String], known: impl Fn(&str) -> bool) {
        let Some(first) = trace.first() else {
            self.own += 1;
            return;
        };
        if let Some(at) = self.others.iter().position(|(id, _)| **id == **first) {
            self.others[at].1 += 1;
            self.others.swap(0, at);
            return;
        }
        if self.others.len() >= MOST_ROUTERS {
            self.others.retain(|(id, _)| known(id));
        }
        if self.others.len() < MOST_ROUTERS && known(first) {
            self.others.push((first.as_str().into(), 1));
        } else {
            self.own += 1;
        }
    }

    /// The counts at the places that `router.node` gives the routers as `index`.
    pub(crate) fn by_index(&self, table: &Table) -> Vec<u64> {
        let mut counts = vec![self.own];
        counts.extend(table.routers().map(|(_, route)| {
            let own = |(id, _): &&(Box<str>, u64)| annotated(id) == Some(route.id.as_str());
            self.others.iter().find(own).map_or(0, |(_, count)| *count)
        }));
        counts
    }
}

/// The id of a router in its annotation, `0/<id>`.
pub(crate) fn annotated(entry: &str) -> Option<&str> {
    entry.strip_prefix("0/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after(Duration::from_millis(millis))
    }

    fn settled(state: &DeliveryState) -> Outcome<'_> {
        Outcome::Settled(Some(state))
    }

    #[test]
    fn deliveries_are_delayed_by_how_long_they_were_here() {
        let mut pace = Pace::default();
        for (millis, streaming) in [
            (1000, false),
            (1001, false),
            (10_000, false),
            (10_001, false),
            (60_000, true),
        ] {
            let age = Age {
                came: at(500),
                streaming,
            };
            pace.over(
                Some(age),
                settled(&DeliveryState::Accepted),
                at(500 + millis),
            );
        }
        pace.over(None, Outcome::Presettled, at(0));
        assert_eq!((pace.delayed, pace.long_delayed), (2, 1));
    }

    #[test]
    fn the_rate_is_that_of_five_seconds() {
        let mut pace = Pace::default();
        let accepted = DeliveryState::Accepted;
        for second in 100..105 {
            for _ in 0..10 {
                pace.over(None, settled(&accepted), at(second * 1000));
            }
        }
        assert_eq!(pace.settle_rate(at(104_999)), 10);
        assert_eq!(pace.settle_rate(at(106_000)), 6, "of two no longer");
        assert_eq!(pace.settle_rate(at(109_000)), 0);
        for _ in 0..5 {
            pace.over(None, Outcome::Presettled, at(107_000));
        }
        assert_eq!(pace.settle_rate(at(107_000)), (20 + 5) / 5);
        for state in [DeliveryState::Released, DeliveryState::failed()] {
            pace.over(None, settled(&state), at(107_000));
        }
        pace.over(None, Outcome::Settled(None), at(107_000));
        assert_eq!(pace.settle_rate(at(107_000)), 5, "nobody used those");
        pace.over(None, Outcome::Presettled, at(1_000_000));
        assert_eq!(pace.settle_rate(at(1_000_000)), 0, "one in five seconds");
    }

    #[test]
    fn a_rate_at_the_very_beginning_is_right_too() {
        let mut pace = Pace::default();
        for _ in 0..20 {
            pace.over(None, Outcome::Presettled, at(0));
        }
        assert_eq!(
            (pace.settle_rate(at(0)), pace.settle_rate(at(5000))),
            (4, 0)
        );
    }

    #[test]
    fn the_time_without_credit_begins_when_the_last_is_used() {
        let mut pace = Pace::default();
        pace.credit(0, at(1000));
        pace.credit(0, at(2000));
        assert_eq!(pace.without_credit(at(3000)), Duration::from_secs(2));
        pace.credit(1, at(3000));
        assert_eq!(pace.without_credit(at(9000)), Duration::ZERO);
        pace.credit(0, at(9000));
        assert_eq!(pace.without_credit(at(9500)), Duration::from_millis(500));
    }

    #[test]
    fn the_log_is_told_once_of_each_time() {
        let mut pace = Pace::default();
        let told: Vec<bool> = [0, 2, 1, 0, 1].map(|stuck| pace.tells_stuck(stuck)).into();
        assert_eq!(told, [false, true, false, false, true]);
        let patience = Duration::from_secs(10);
        pace.credit(0, at(0));
        assert!(!pace.tells_blocked(at(10_000), patience));
        assert!(pace.tells_blocked(at(10_001), patience));
        assert!(!pace.tells_blocked(at(20_000), patience));
        pace.credit(1, at(20_000));
        assert!(!pace.tells_blocked(at(20_000), patience));
        pace.credit(0, at(20_000));
        assert!(pace.tells_blocked(at(30_001), patience));
        let told = [0, 3, 5, 5, 6].map(|dropped| pace.tells_dropped(dropped));
        assert_eq!(told, [false, true, false, false, true]);
    }

    #[test]
    fn origins_are_counted_of_known_routers_and_no_more_than_there_may_be() {
        let mut origins = Origins::default();
        let known = |id: &str| id != "0/made-up";
        let trace = |id: &str| vec![id.to_owned(), "0/between".to_owned()];
        origins.count(&[], known);
        for id in ["0/B", "0/made-up", "0/C", "0/B"] {
            origins.count(&trace(id), known);
        }
        assert_eq!(origins.own, 2);
        assert_eq!(origins.others, [("0/B".into(), 2), ("0/C".into(), 1)]);
        for number in 0..2 * MOST_ROUTERS {
            origins.count(&trace(&format!("0/{number}")), known);
        }
        assert_eq!(origins.others.len(), MOST_ROUTERS);
        assert_eq!(origins.own, 2 + MOST_ROUTERS as u64 + 2);
        origins.count(&trace("0/D"), |id| id == "0/D");
        assert_eq!(origins.others, [("0/D".into(), 1)], "the others are gone");
    }
}
