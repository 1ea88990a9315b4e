//! What need not be computed, or told, twice.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::certificates::Verdict;
use crate::credentials::{Remembered, Use};
use crate::{ObjectKind, Observed};

/// What one namespace's reconciles remember of each other: judgements of Secrets that have not changed, and Events that
/// were returned. A new one is always correct, it only costs time (and tells of an approaching expiry once more).
#[derive(Debug, Default)]
pub struct Memo {
    /// Names of the Events that were returned.
    pub(crate) told: BTreeSet<String>,
    /// How Secrets looked, by name and use.
    pub(crate) looks: BTreeMap<(String, Use), Remembered>,
    /// When the text of a condition last followed what a router says.
    pub(crate) said: BTreeMap<(ObjectKind, String), Timestamp>,
    /// How Secrets fared as what a Certificate wants, by name.
    pub(crate) verdicts: BTreeMap<String, Verdict>,
}

impl Memo {
    /// Forgets what concerns objects that are gone, so that it does not grow.
    pub(crate) fn prune(&mut self, observed: &Observed) {
        self.looks
            .retain(|(secret, _), _| observed.secrets.contains_key(secret));
        self.said.retain(|(kind, name), _| match kind {
            ObjectKind::Link => observed.links.contains_key(name),
            _ => observed.router_accesses.contains_key(name),
        });
        self.verdicts
            .retain(|certificate, _| observed.certificates.contains_key(certificate));
        // Uses change with the names of endpoints; what is not asked for any more is judged anew if it is.
        if self.looks.len() > 4 * observed.secrets.len() + 16 {
            self.looks.clear();
        }
        // Names of Events are small, but a namespace may live for years.
        if self.told.len() > 10_000 {
            self.told.clear();
        }
    }
}
