//! What is seen of a connection's links when somebody looks: the rows of management, and what the log says of links on which
//! nothing goes on.

use std::time::Duration;

use super::describe::LinkRow;
use super::links::{Link, Seen, age};
use super::task::Task;

impl Task {
    /// The links as management shows them.
    pub(super) fn link_rows(&self) -> Vec<LinkRow> {
        let stuck = self.stuck();
        let links = self.links.iter().zip(stuck);
        let rows = links.filter_map(|(link, stuck)| Some(self.row(link.as_deref()?, stuck)));
        rows.collect()
    }

    /// A link as management shows it.
    pub(super) fn row(&self, link: &Link, stuck: u64) -> LinkRow {
        let forwarding = self.context.dispatch.forwarding.load();
        let seen = Seen {
            capacity: self.settings.capacity,
            credit: self.amqp.credit(link.id),
            stuck,
            now: self.moment,
            table: &forwarding.table,
        };
        link.describe(&self.handle, seen)
    }

    /// How many deliveries nobody has settled for long, by the places of their links.
    fn stuck(&self) -> Vec<u64> {
        let patience = self.context.stuck_after.age;
        let is_old = |age: Option<Duration>| age.is_some_and(|age| age > patience);
        let mut stuck = vec![0; self.links.len()];
        let coming = self.inbound.iter().filter(|inbound| !inbound.settled);
        let coming = coming.map(|inbound| (inbound.link, inbound.age));
        let leaving = self.outbound.iter();
        let leaving = leaving.map(|outbound| (outbound.link, age(outbound.consumer.message())));
        for (link, age) in coming.chain(leaving) {
            if is_old(age.at(self.moment))
                && let Some(count) = stuck.get_mut(link.index())
            {
                *count += 1;
            }
        }
        stuck
    }

    /// Says which links have deliveries that nobody settles, or no credit, for long: once for each time.
    pub(super) fn look_for_stuck(&mut self) {
        let stuck = self.stuck();
        let patience = self.context.stuck_after.age;
        let (connection, now) = (self.handle.number, self.moment);
        let links = self.links.iter_mut().zip(stuck);
        for (link, stuck) in links.filter_map(|(link, stuck)| Some((link.as_deref_mut()?, stuck))) {
            let number = link.number;
            if link.pace.tells_stuck(stuck) {
                tracing::info!(
                    target: "ROUTER_CORE",
                    "[C{connection}][L{number}] Stuck delivery: At least one delivery on this link has been undelivered/unsettled for more than {} seconds",
                    patience.as_secs()
                );
            }
            if link.pace.tells_blocked(now, patience) {
                tracing::info!(
                    target: "ROUTER_CORE",
                    "[C{connection}][L{number}] Link blocked with zero credit for {} seconds",
                    link.pace.without_credit(now).as_secs()
                );
            }
        }
    }
}
