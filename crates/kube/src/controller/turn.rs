//! A namespace's turn: take in what came, reconcile, carry out the plan, and say when the next turn is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use skupper_site::{Memo, ObjectKind, Observed, Plan, Settings, Write, names};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::control::{Control, Ownership};
use super::events;
use super::gauges::Gauges;
use super::kinds::{self, LOG_CONFIG};
use super::sync::lock;
use super::world::{Namespace, State, World};
use super::writes::{Outcome, Writer};
use crate::logging::LogLevel;

/// The model of a site: [`skupper_site::reconcile`].
pub(super) type Reconcile = fn(&Observed, &Settings, Timestamp, &mut Memo) -> Plan;

/// Refusals, by object.
type Failures = BTreeMap<(ObjectKind, String), String>;

/// The pause after a turn that failed, which doubles with every further one, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// Where something fails, a namespace rests between turns as if a reconcile took this long.
const CALM: Duration = Duration::from_millis(30);
/// Turns in a row that write the same objects, after which it is taken for a quarrel with somebody.
const QUARREL: u32 = 10;

/// What every turn needs.
pub(super) struct Context {
    pub(super) world: Arc<World>,
    pub(super) writer: Writer,
    pub(super) settings: Arc<Settings>,
    pub(super) reconcile: Reconcile,
    pub(super) control: Control,
    pub(super) leading: watch::Receiver<bool>,
    pub(super) gauges: Gauges,
    pub(super) log_level: Option<LogLevel>,
}

impl Context {
    /// Works on a namespace once. When it is to be worked on again, if nothing comes up, is scheduled.
    pub(super) async fn turn(self: &Arc<Self>, name: Arc<str>) {
        let Some(namespace) = self.world.get(&name) else {
            return;
        };
        let Some(before) = self.begin(&namespace) else {
            return;
        };
        let began = Instant::now();
        let plan = {
            let (context, namespace) = (Arc::clone(self), Arc::clone(&namespace));
            // Keys may take a while to make, and the watches must not wait for that.
            tokio::task::spawn_blocking(move || context.plan(&namespace)).await
        };
        namespace.took(began.elapsed());
        let plan = match plan {
            Ok(plan) => plan,
            Err(panic) => {
                error!(namespace = %name, "reconciling failed, which is a bug; please report it: {panic}");
                self.after_failure(&namespace, true);
                return;
            }
        };
        for note in &plan.notes {
            info!(namespace = %name, "{note}");
        }
        if plan.is_empty() {
            let mut state = lock(&namespace.state);
            state.failed = 0;
            state.written = Default::default();
            self.sleep_until(&namespace, state.wake_at);
            return;
        }
        let targets: Vec<_> = plan
            .writes
            .iter()
            .map(Write::target)
            .map(|(kind, name)| (kind, name.to_owned()))
            .collect();
        let outcome = Box::pin(self.writer.carry_out(&name, plan.writes, &before)).await;
        if outcome.halted.is_none() {
            events::tell(
                &self.writer,
                &self.settings.controller.name,
                &name,
                plan.events,
            )
            .await;
        }
        self.end(&namespace, &before, targets, outcome);
    }

    /// Takes in what came; the failures known so far if there is something to reconcile.
    fn begin(&self, namespace: &Namespace) -> Option<Failures> {
        let mut state = lock(&namespace.state);
        let news = namespace.take_in(&mut state);
        if news && *namespace.name == *self.settings.controller.namespace {
            self.look_outside(&state.observed);
        }
        if kinds::is_blank(&state.observed) {
            self.gauges.show(&namespace.name, &[], &mut state.gauges);
            self.world.forget(namespace);
            return None;
        }
        if !self.world.is_synced() || !*self.leading.borrow() {
            return None;
        }
        if let Some((until, era)) = state.halted
            && until > Instant::now()
            && era == self.world.era()
        {
            self.world.queue.schedule(&namespace.name, until);
            return None;
        }
        if !self.is_ours(namespace, &mut state) {
            state.changed = false;
            return None;
        }
        let due = state.wake_at.is_some_and(|at| at <= Timestamp::now());
        if !state.changed && !due {
            self.sleep_until(namespace, state.wake_at);
            return None;
        }
        state.changed = false;
        Some(state.observed.failures.clone())
    }

    /// Whether a namespace has anything of ours in it, and is this controller's.
    fn is_ours(&self, namespace: &Namespace, state: &mut State) -> bool {
        let used = kinds::has_resources(&state.observed);
        if !used && !state.used {
            return false;
        }
        match self.control.ownership(&state.observed) {
            Ownership::Ours => {
                state.said = None;
                // One more turn after the last resource is gone.
                state.used = used;
                true
            }
            Ownership::NotOurs(why) => {
                if state.said.as_deref() != Some(&why) {
                    info!(namespace = %namespace.name, "{why}");
                    state.said = Some(why);
                }
                self.gauges.show(&namespace.name, &[], &mut state.gauges);
                state.used = false;
                false
            }
        }
    }

    /// Reconciles.
    fn plan(&self, namespace: &Namespace) -> Plan {
        let mut guard = lock(&namespace.state);
        let state = &mut *guard;
        let mut plan = (self.reconcile)(
            &state.observed,
            &self.settings,
            Timestamp::now(),
            &mut state.memo,
        );
        state.wake_at = plan.wake_at;
        let before = std::mem::replace(&mut state.noted, plan.notes.clone());
        plan.notes.retain(|note| !before.contains(note));
        self.gauges
            .show(&namespace.name, &plan.expirations, &mut state.gauges);
        debug!(
            namespace = %namespace.name,
            writes = plan.writes.len(), events = plan.events.len(), wake_at = ?plan.wake_at.map(|at| at.to_string()),
            "reconciled"
        );
        plan
    }

    /// Puts in what the answers taught, and schedules the next turn.
    fn end(
        &self,
        namespace: &Namespace,
        before: &Failures,
        targets: Vec<(ObjectKind, String)>,
        outcome: Outcome,
    ) {
        {
            let mut guard = lock(&namespace.state);
            let state = &mut *guard;
            for change in outcome.changes {
                change(&mut state.observed);
            }
            state.changed = true;
            if let Some(why) = outcome.halted {
                if state.failed == 0 {
                    warn!(namespace = %namespace.name, "writing stopped, to be tried again: {why}");
                }
                drop(guard);
                self.after_failure(namespace, true);
                return;
            }
            let news = outcome.failures != *before;
            state.observed.failures = outcome.failures;
            let (last, turns) = &mut state.written;
            *turns = if *last == targets { *turns + 1 } else { 0 };
            *last = targets;
            if *turns == QUARREL {
                let (kind, name) = &last[0];
                warn!(
                    namespace = %namespace.name,
                    "{kind} {name} is written again and again: does somebody else write it too? Pausing in between"
                );
            }
            // What was refused is told in statuses at once; then it is waited.
            if (news || !outcome.again) && *turns < QUARREL {
                state.failed = 0;
                self.world
                    .queue
                    .schedule(&namespace.name, namespace.next_turn());
                return;
            }
        }
        self.after_failure(namespace, false);
    }

    /// Schedules the next try. `halted`: whatever comes up before, it would be in vain.
    fn after_failure(&self, namespace: &Namespace, halted: bool) {
        let mut state = lock(&namespace.state);
        state.changed = true;
        let pause = PAUSES
            .0
            .saturating_mul(1 << state.failed.min(16))
            .min(PAUSES.1);
        state.failed += 1;
        let next = Instant::now() + pause;
        state.halted = halted.then_some((next, self.world.era()));
        namespace.took(CALM);
        self.world.queue.metrics().retried();
        self.world.queue.schedule(&namespace.name, next);
    }

    fn sleep_until(&self, namespace: &Namespace, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        let pause = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
        // Clocks differ by less than a day; far times are looked at again then.
        let pause = pause.min(Duration::from_secs(24 * 60 * 60));
        self.world.queue.schedule(
            &namespace.name,
            namespace.next_turn().max(Instant::now() + pause),
        );
    }

    /// What stands in the controller's own namespace: sizings, templates, the log level.
    fn look_outside(&self, observed: &Observed) {
        let labelled = |label: &str| {
            let has = |map: &k8s_openapi::api::core::v1::ConfigMap| {
                map.metadata
                    .labels
                    .as_ref()
                    .is_some_and(|labels| labels.contains_key(label))
            };
            let maps = observed.config_maps.iter().filter(|(_, map)| has(map));
            maps.map(|(name, map)| (name.clone(), Arc::clone(map)))
                .collect()
        };
        self.world.change_outside(|outside| {
            outside.sizings = labelled(names::SITE_SIZING);
            outside.templates = labelled(names::LABEL_TEMPLATE);
        });
        if let Some(log_level) = &self.log_level {
            let config = observed
                .config_maps
                .get(LOG_CONFIG)
                .and_then(|map| map.data.as_ref());
            log_level.set(
                config
                    .and_then(|data| data.get("CONTROLLER_LOG_LEVEL"))
                    .map(String::as_str),
            );
        }
    }
}
