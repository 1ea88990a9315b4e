//! What is seen of a connection's links when somebody looks: the rows of management, and what the log says of links on which
//! nothing goes on.

use std::time::Duration;

use super::describe::LinkRow;
use super::links::{End, Link, Seen, age};
use super::task::{MOST_OUTPUT_TO_READ, Task};
use crate::spell::Told;

/// Whether a peer does not read, so that it is not read from either.
#[derive(Debug, Default)]
pub(super) struct Deaf {
    /// It was so when that was looked at last.
    before: bool,
    told: Told,
}

impl Deaf {
    /// Whether it is so now; whether the log is to say it: it has been so at two looks, and was not said yet.
    fn begins(&mut self, so: bool) -> bool {
        let before = std::mem::replace(&mut self.before, so);
        self.told.begins(so && before)
    }

    /// Whether the log is to say it at the end of the connection: it is so, and was not said yet.
    fn ends(&mut self, so: bool) -> bool {
        self.told.begins(so)
    }
}

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

    /// The connection ends: who has not read is not heard either, so that it may be given up as one who says nothing.
    pub(super) fn look_at_end(&mut self) {
        if self.deaf.ends(self.is_held_back()) {
            self.tell_deaf();
        }
    }

    fn is_held_back(&self) -> bool {
        self.amqp.buffered_output() >= MOST_OUTPUT_TO_READ
    }

    fn tell_deaf(&self) {
        tracing::warn!(
            target: "SERVER",
            "[C{}] {} reads too little or nothing: {} octets wait to be written to it, and nothing more is read from it before it takes them. See why it does not read",
            self.handle.number, self.settings.address, self.amqp.buffered_output()
        );
    }

    /// Says which links have deliveries that nobody settles, or no credit, for long, and whether the peer reads: once for each
    /// time.
    pub(super) fn look_for_stuck(&mut self) {
        if self.deaf.begins(self.is_held_back()) {
            self.tell_deaf();
        }
        let peer = &self.settings.address;
        let stuck = self.stuck();
        let patience = self.context.stuck_after.age;
        let (connection, now) = (self.handle.number, self.moment);
        let links = self.links.iter_mut().zip(stuck);
        for (link, stuck) in links.filter_map(|(link, stuck)| Some((link.as_deref_mut()?, stuck))) {
            let number = link.number;
            let address = link
                .address
                .as_ref()
                .map_or("any", |address| &*address.text);
            let leaves = matches!(link.end, End::Sender(_));
            if link.pace.tells_stuck(stuck) {
                let who = match leaves {
                    true => format!("{peer} has not settled what it got of address {address}"),
                    false => format!("of what {peer} sent to address {address}"),
                };
                tracing::info!(
                    target: "ROUTER_CORE",
                    "[C{connection}][L{number}] Stuck delivery: At least one delivery on this link has been undelivered/unsettled for more than {} seconds ({who})",
                    patience.as_secs()
                );
            }
            if link.pace.tells_blocked(now, patience) {
                let who = match leaves {
                    true => format!("{peer} grants none to receive from address {address}"),
                    false => format!("nobody takes what {peer} may send to address {address}"),
                };
                tracing::info!(
                    target: "ROUTER_CORE",
                    "[C{connection}][L{number}] Link blocked with zero credit for {} seconds ({who})",
                    link.pace.without_credit(now).as_secs()
                );
            }
            if leaves && link.pace.tells_dropped(link.counts.dropped) {
                tracing::info!(
                    target: "ROUTER_CORE",
                    "[C{connection}][L{number}] {peer} does not take what comes to address {address} as fast as it comes: the oldest that was sent settled is dropped for the newest, {} so far",
                    link.counts.dropped
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_read_is_told_of_at_the_second_look() {
        let mut deaf = Deaf::default();
        let told = [true, false, true, true, true, false, true, true].map(|so| deaf.begins(so));
        let expected = [false, false, false, true, false, false, false, true];
        assert_eq!(told, expected);
        assert!(!deaf.ends(true) && Deaf::default().ends(true));
    }
}
