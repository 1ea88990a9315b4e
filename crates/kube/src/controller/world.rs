//! All that is known of the cluster, by namespace, and the tidings that have not been looked at yet.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use skupper_site::{Memo, ObjectKind, Observed, Outside};
use tokio::sync::watch;
use tokio::time::Instant;

use super::kinds::{self, Change, Watched};
use super::queue::Queue;
use super::sync::lock;

/// How long after a first tiding others are waited for, so that one turn serves them all.
const GATHER: Duration = Duration::from_millis(5);
/// How many times as long as its last reconcile took a namespace rests before the next: with it, a namespace in which
/// much goes on takes an eighth of a processor for it and no more.
const REST: u32 = 8;
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_millis(250);

/// A namespace: what is known, and what came in since.
///
/// Watches only add to `inbox`. Whoever's turn it is takes from it, so that nobody waits for a reconcile.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) name: Arc<str>,
    inbox: Mutex<Inbox>,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
struct Inbox {
    changes: Vec<Change>,
    rest: Duration,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} changes", self.changes.len())
    }
}

/// What is known of a namespace.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) observed: Observed,
    pub(super) memo: Memo,
    /// Something has changed since the last reconcile.
    pub(super) changed: bool,
    /// When the last plan wants to be looked at again.
    pub(super) wake_at: Option<Timestamp>,
    /// It had resources of ours at its last turn.
    pub(super) used: bool,
    /// Turns that failed in a row.
    pub(super) failed: u32,
    /// Until when nothing is tried, because it would be in vain; void in another [`World::era`].
    pub(super) halted: Option<(Instant, u64)>,
    /// What the last turn wrote, and how many turns in a row wrote the same objects.
    pub(super) written: (Vec<(ObjectKind, String)>, u32),
    /// What the last plan noted: what goes on is not told with every turn.
    pub(super) noted: Vec<String>,
    /// What was last said about whose namespace this is.
    pub(super) said: Option<String>,
    /// The labels of its gauges.
    pub(super) gauges: Vec<super::gauges::Credential>,
}

impl Namespace {
    /// Takes in what came since the last turn; tells whether it was news.
    pub(super) fn take_in(&self, state: &mut State) -> bool {
        let changes = std::mem::take(&mut lock(&self.inbox).changes);
        let mut news = false;
        for change in changes {
            news |= change(&mut state.observed);
        }
        state.changed |= news;
        news
    }

    /// A reconcile took this long.
    pub(super) fn took(&self, duration: Duration) {
        lock(&self.inbox).rest = (duration * REST).min(LONGEST_REST);
    }

    /// When the next turn may be, if now is when something came up.
    pub(super) fn next_turn(&self) -> Instant {
        Instant::now() + lock(&self.inbox).rest
    }
}

/// All that is known of the cluster.
#[derive(Debug)]
pub(super) struct World {
    namespaces: Mutex<HashMap<Arc<str>, Arc<Namespace>>>,
    outside: Mutex<Outside>,
    relists: Mutex<HashMap<usize, Relist>>,
    watches: Mutex<BTreeMap<usize, Sync>>,
    synced: watch::Sender<bool>,
    era: AtomicU64,
    pub(super) queue: Queue,
}

/// A list under way.
#[derive(Debug)]
struct Relist {
    kind: ObjectKind,
    seen: HashMap<Arc<str>, HashSet<String>>,
}

/// Whether the objects of a watch are known completely.
#[derive(Debug)]
struct Sync {
    kind: ObjectKind,
    complete: bool,
    trouble: Option<String>,
}

impl World {
    pub(super) fn new(queue: Queue) -> Self {
        World {
            namespaces: Mutex::default(),
            outside: Mutex::default(),
            relists: Mutex::default(),
            watches: Mutex::default(),
            synced: watch::Sender::new(false),
            era: AtomicU64::default(),
            queue,
        }
    }

    /// A namespace that is known.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Namespace>> {
        lock(&self.namespaces).get(name).cloned()
    }

    /// Hands a change to a namespace, which is made known if it was not, and makes that due.
    fn deliver(&self, name: &str, change: Change) -> Arc<str> {
        let mut namespaces = lock(&self.namespaces);
        if let Some(namespace) = namespaces.get(name) {
            self.tell(namespace, change);
            return Arc::clone(&namespace.name);
        }
        let name: Arc<str> = name.into();
        let observed = Observed {
            namespace: name.to_string(),
            outside: lock(&self.outside).clone(),
            ..Default::default()
        };
        let namespace = Arc::new(Namespace {
            name: Arc::clone(&name),
            inbox: Mutex::default(),
            state: Mutex::new(State {
                observed,
                ..Default::default()
            }),
        });
        self.tell(&namespace, change);
        namespaces.insert(Arc::clone(&name), namespace);
        name
    }

    /// Hands a change to every namespace.
    fn deliver_all(&self, change: impl Fn(&Namespace) -> Option<Change>) {
        // The lock is held, so that no namespace is forgotten between the look-up and the delivery.
        for namespace in lock(&self.namespaces).values() {
            if let Some(change) = change(namespace) {
                self.tell(namespace, change);
            }
        }
    }

    /// Forgets a namespace of which nothing is known any more, unless something just came in.
    pub(super) fn forget(&self, namespace: &Namespace) {
        let mut namespaces = lock(&self.namespaces);
        if lock(&namespace.inbox).changes.is_empty() {
            namespaces.remove(&namespace.name);
        }
    }

    /// Puts a change into the inbox of a namespace and makes that due. The lock on all namespaces must be held.
    fn tell(&self, namespace: &Namespace, change: Change) {
        let at = {
            let mut inbox = lock(&namespace.inbox);
            inbox.changes.push(change);
            Instant::now() + GATHER.max(inbox.rest)
        };
        self.queue.schedule(&namespace.name, at);
    }

    /// Makes every namespace due, as after a change of what concerns all. What was in vain before is tried again.
    pub(super) fn wake_all(&self) {
        self.era.fetch_add(1, Ordering::Relaxed);
        self.deliver_all(|_| Some(Box::new(|_| true)));
    }

    /// Goes up whenever what was in vain may work now: this replica leads again, say, after the API server was away.
    pub(super) fn era(&self) -> u64 {
        self.era.load(Ordering::Relaxed)
    }

    /// Changes what stands outside the namespaces; they are told if it is another then.
    pub(super) fn change_outside(&self, change: impl FnOnce(&mut Outside)) {
        let outside = {
            let mut known = lock(&self.outside);
            let before = known.clone();
            change(&mut known);
            if *known == before {
                return;
            }
            known.clone()
        };
        self.deliver_all(|_| {
            let outside = outside.clone();
            Some(Box::new(move |observed| {
                observed.outside = outside;
                true
            }))
        });
    }

    /// An object was seen by a watch.
    pub(super) fn seen<K: Watched>(&self, object: K) {
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        self.deliver(&namespace, kinds::seen(object));
    }

    /// An object was deleted.
    pub(super) fn gone<K: Watched>(&self, object: &K) {
        let name = object.meta().namespace.as_deref().unwrap_or_default();
        if let Some(namespace) = lock(&self.namespaces).get(name) {
            self.tell(namespace, kinds::gone(object));
        }
    }

    /// A watch is to be complete before anything is decided.
    pub(super) fn expect<K: Watched>(&self, watch: usize) {
        lock(&self.watches).insert(
            watch,
            Sync {
                kind: K::KIND,
                complete: false,
                trouble: None,
            },
        );
    }

    /// A watch begins to list all its objects.
    pub(super) fn list_begins<K: Watched>(&self, watch: usize) {
        lock(&self.relists).insert(
            watch,
            Relist {
                kind: K::KIND,
                seen: HashMap::new(),
            },
        );
    }

    /// An object of that list.
    pub(super) fn listed<K: Watched>(&self, watch: usize, object: K) {
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        let name = object.meta().name.clone().unwrap_or_default();
        let namespace = self.deliver(&namespace, kinds::seen(object));
        if let Some(relist) = lock(&self.relists).get_mut(&watch) {
            relist.seen.entry(namespace).or_default().insert(name);
        }
    }

    /// An object was written by us: a list that began before need not have it.
    pub(super) fn written(&self, kind: ObjectKind, namespace: &Arc<str>, name: &str) {
        for relist in lock(&self.relists)
            .values_mut()
            .filter(|relist| relist.kind == kind)
        {
            relist
                .seen
                .entry(Arc::clone(namespace))
                .or_default()
                .insert(name.to_owned());
        }
    }

    /// The list is complete: what it lacks is gone. `only` is the namespace that is watched, if it is one.
    pub(super) fn list_ends<K: Watched>(&self, watch: usize, only: Option<&str>) {
        let Some(relist) = lock(&self.relists).remove(&watch) else {
            return;
        };
        self.deliver_all(|namespace| {
            let watched = only.is_none_or(|only| *namespace.name == *only);
            watched.then(|| {
                kinds::only::<K>(
                    relist
                        .seen
                        .get(&namespace.name)
                        .cloned()
                        .unwrap_or_default(),
                )
            })
        });
        let complete = {
            let mut watches = lock(&self.watches);
            if let Some(sync) = watches.get_mut(&watch) {
                sync.complete = true;
                sync.trouble = None;
            }
            watches.values().all(|sync| sync.complete)
        };
        if complete && !self.synced.send_replace(true) {
            self.wake_all();
        }
    }

    /// A watch has trouble; tells whether it is another one than before.
    pub(super) fn trouble(&self, watch: usize, trouble: Option<String>) -> bool {
        let mut watches = lock(&self.watches);
        let Some(sync) = watches.get_mut(&watch) else {
            return false;
        };
        let news = sync.trouble != trouble;
        sync.trouble = trouble;
        news
    }

    /// Whether all objects are known, so that a missing one does not exist.
    pub(super) fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// What is not known completely yet, and why.
    pub(super) fn missing(&self) -> Vec<String> {
        lock(&self.watches)
            .values()
            .filter(|sync| !sync.complete)
            .map(|sync| match &sync.trouble {
                Some(trouble) => format!("{}: {trouble}", sync.kind.plural()),
                None => format!("{}: being listed", sync.kind.plural()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
