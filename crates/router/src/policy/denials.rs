//! Denials in the log, of which a peer can cause any number: some a minute of each, some of all, and of the rest how many there were.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

const MINUTE: Duration = Duration::from_secs(60);
/// Denials of one user from one host that are logged in a minute.
const MOST_OF_ONE: u32 = 20;
/// Denials of all that are logged in a minute.
const MOST_OF_ALL: u32 = 400;

/// Who was told of in this minute.
#[derive(Debug, Default)]
pub(crate) struct DenialLog(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    began: Moment,
    /// By user, host and virtual host: no more of them than denials that are logged.
    by_peer: HashMap<String, u32>,
    all: u32,
    /// Denials that were not logged.
    left_out: u64,
}

/// What the log is told of a denial.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// How many denials of the time before were not logged, if any were not.
    before: Option<u64>,
    now: Now,
}

#[derive(Debug, PartialEq, Eq)]
enum Now {
    /// The denial.
    This,
    /// That no more is said of such.
    NoMore,
    Nothing,
}

impl Said {
    fn judge(&mut self, who: &str, now: Moment) -> Verdict {
        let mut before = None;
        if now.since(self.began) >= MINUTE || self.all == 0 {
            before = Some(self.left_out).filter(|count| *count > 0);
            *self = Said {
                began: now,
                ..Said::default()
            };
        }
        let of_one = self.by_peer.get(who).copied().unwrap_or(0);
        let now = if of_one < MOST_OF_ONE && self.all < MOST_OF_ALL {
            *self.by_peer.entry(who.to_owned()).or_default() += 1;
            self.all += 1;
            Now::This
        } else {
            self.left_out += 1;
            match self.left_out {
                1 => Now::NoMore,
                _ => Now::Nothing,
            }
        };
        Verdict { before, now }
    }
}

impl DenialLog {
    /// Logs a denial of `who` on a connection, if there is room for it.
    pub(crate) fn tell(&self, connection: u64, who: &str, denial: fmt::Arguments<'_>) {
        let verdict = {
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            said.judge(who, Moment::now())
        };
        if let Some(count) = verdict.before {
            tracing::info!(target: "POLICY", "{count} denials of before were not logged");
        }
        match verdict.now {
            Now::This => tracing::info!(target: "POLICY", "[C{connection}] DENY {denial}"),
            Now::NoMore => tracing::info!(
                target: "POLICY",
                "[C{connection}] more than {MOST_OF_ONE} denials of one peer, or {MOST_OF_ALL} of all, within a minute: those that follow are counted and not logged (last: {who})"
            ),
            Now::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after(Duration::from_secs(seconds))
    }

    fn verdict(before: Option<u64>, now: Now) -> Verdict {
        Verdict { before, now }
    }

    #[test]
    fn of_one_peer_some_are_logged_and_the_rest_counted() {
        let mut said = Said::default();
        for _ in 0..MOST_OF_ONE {
            assert_eq!(said.judge("ann", at(5)), verdict(None, Now::This));
        }
        assert_eq!(said.judge("ann", at(6)), verdict(None, Now::NoMore));
        assert_eq!(said.judge("bob", at(6)), verdict(None, Now::This));
        for _ in 0..3 {
            assert_eq!(said.judge("ann", at(64)), verdict(None, Now::Nothing));
        }
        assert_eq!(said.judge("ann", at(65)), verdict(Some(4), Now::This));
        assert_eq!(said.judge("ann", at(65)), verdict(None, Now::This));
    }

    #[test]
    fn of_many_peers_no_more_are_logged_or_remembered_than_of_all() {
        let mut said = Said::default();
        let logged = (0..10 * MOST_OF_ALL)
            .filter(|peer| said.judge(&peer.to_string(), at(1)).now == Now::This)
            .count();
        assert_eq!(logged, MOST_OF_ALL as usize);
        assert_eq!(said.by_peer.len(), MOST_OF_ALL as usize);
        let before = u64::from(9 * MOST_OF_ALL);
        assert_eq!(said.judge("new", at(61)), verdict(Some(before), Now::This));
    }
}
