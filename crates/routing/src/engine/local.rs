//! The addresses this router has destinations for, and what of them the others have been told (§5.7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::address::{AddressKey, Treatment};
use crate::message::{Descriptor, MobileChange};

/// The sender's side of mobile synchronisation.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// What is.
    present: BTreeMap<AddressKey, Told>,
    /// What stands at `seq`, and so in an absolute update.
    announced: BTreeMap<AddressKey, Told>,
    /// Keys in which the two differ.
    pending: BTreeSet<AddressKey>,
    pub(super) seq: u64,
    due: Option<Duration>,
    sent: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    treatment: Treatment,
    sole_mesh: Option<Arc<str>>,
}

impl Local {
    pub(super) fn set(
        &mut self,
        key: AddressKey,
        state: Option<(Treatment, Option<Arc<str>>)>,
        now: Duration,
        delay: Duration,
        interval: Duration,
    ) {
        match state {
            Some((treatment, sole_mesh)) => self.present.insert(
                key.clone(),
                Told {
                    treatment,
                    sole_mesh,
                },
            ),
            None => self.present.remove(&key),
        };
        if self.present.get(&key) == self.announced.get(&key) {
            self.pending.remove(&key);
        } else {
            self.pending.insert(key);
        }
        if self.pending.is_empty() {
            self.due = None;
        } else if self.due.is_none() {
            let earliest = self.sent.map_or(Duration::ZERO, |sent| sent + interval);
            self.due = Some(earliest.max(now + delay));
        }
    }

    /// When the pending changes are to be announced.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The pending changes, from now on announced under the next sequence.
    pub(super) fn announce(&mut self, now: Duration) -> MobileChange {
        let (mut add, mut del) = (Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.pending) {
            match self.present.get(&key) {
                Some(told) => {
                    add.push(descriptor(&key, told));
                    self.announced.insert(key, told.clone());
                }
                None => {
                    self.announced.remove(&key);
                    del.push(key);
                }
            }
        }
        self.seq += 1;
        self.due = None;
        self.sent = Some(now);
        MobileChange::Difference { add, del }
    }

    /// All that stands at the present sequence.
    pub(super) fn absolute(&self) -> MobileChange {
        MobileChange::Exist(
            self.announced
                .iter()
                .map(|(key, told)| descriptor(key, told))
                .collect(),
        )
    }
}

fn descriptor(key: &AddressKey, told: &Told) -> Descriptor {
    // The count of producers is read by nobody; zero spares an update for each of them.
    Descriptor {
        key: key.clone(),
        treatment: Some(told.treatment),
        producers: 0,
        sole_mesh: told.sole_mesh.clone(),
    }
}
