//! Carrying out a plan: requests to the API server, and what their answers teach.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Request;
use kube::core::params::GetParams;
use serde_json::Value;
use skupper_site::{FIELD_MANAGER, ObjectKind, Write};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::kinds::{self, Change, Watched, for_kind};
use super::world::World;
use crate::client::text;

/// Requests under way for one namespace at most: some are left for the others.
const PER_NAMESPACE: usize = 8;
/// Requests under way in all at most.
pub(super) const IN_ALL: usize = 16;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes requests to the API server.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) world: Arc<World>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) leading: watch::Receiver<bool>,
}

/// What became of a plan.
#[derive(Default)]
pub(super) struct Outcome {
    /// What the answers say of the objects.
    pub(super) changes: Vec<Change>,
    /// What the API server refused, by object.
    pub(super) failures: BTreeMap<(ObjectKind, String), String>,
    /// Something did not go as planned, and is to be tried again.
    pub(super) again: bool,
    /// Why nothing more was tried: the API server could not be reached, or this replica may not act.
    pub(super) halted: Option<String>,
}

/// What became of one write.
enum Answer {
    /// It was done, or need not be; what is known now.
    Done(Change),
    /// The object that was to be created is there already; what it is.
    Exists(Change),
    /// The object is another than was thought: look again.
    Stale,
    /// The API server refuses, and says why.
    Refused(String),
    /// There was no answer to make use of.
    Halt(String),
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Done(_) => f.write_str("written"),
            Answer::Exists(_) => f.write_str("exists already"),
            Answer::Stale => f.write_str("changed meanwhile"),
            Answer::Refused(why) => write!(f, "refused: {why}"),
            Answer::Halt(why) => write!(f, "stopped: {why}"),
        }
    }
}

impl Writer {
    /// Carries out writes: those of one object in their order, those of different objects at the same time, statuses last.
    ///
    /// Statuses wait if something was refused that was not refused before: they would not tell of it.
    pub(super) async fn carry_out(
        &self,
        namespace: &Arc<str>,
        writes: Vec<Write>,
        before: &BTreeMap<(ObjectKind, String), String>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let (statuses, objects): (Vec<_>, Vec<_>) = writes
            .into_iter()
            .partition(|write| matches!(write, Write::Status { .. }));
        self.batch(namespace, objects, &mut outcome).await;
        for ((kind, name), failure) in &outcome.failures {
            if before.get(&(*kind, name.clone())) != Some(failure) {
                warn!(%namespace, %kind, name, "the API server refuses: {failure}");
            }
        }
        if outcome.halted.is_none() && outcome.failures == *before {
            let refused = std::mem::take(&mut outcome.failures);
            self.batch(namespace, statuses, &mut outcome).await;
            // A status that is refused has nowhere to be told but in the log.
            for ((kind, name), failure) in std::mem::replace(&mut outcome.failures, refused) {
                warn!(%namespace, %kind, name, "the status was refused: {failure}");
                outcome.again = true;
            }
        } else {
            outcome.again = true;
        }
        outcome
    }

    async fn batch(&self, namespace: &Arc<str>, writes: Vec<Write>, outcome: &mut Outcome) {
        let mut lines: Vec<Vec<Write>> = Vec::new();
        let mut line_of: HashMap<(ObjectKind, String), usize> = HashMap::new();
        for write in writes {
            let (kind, name) = write.target();
            let line = *line_of
                .entry((kind, name.to_owned()))
                .or_insert(lines.len());
            match lines.get_mut(line) {
                Some(line) => line.push(write),
                None => lines.push(vec![write]),
            }
        }
        let halted = AtomicBool::new(false);
        let answers: Vec<_> = stream::iter(lines)
            .map(|line| Box::pin(self.line(namespace, line, &halted)))
            .buffered(PER_NAMESPACE)
            .collect()
            .await;
        for (target, answer) in answers.into_iter().flatten() {
            match answer {
                Answer::Done(change) => outcome.changes.push(change),
                Answer::Exists(change) => {
                    outcome.changes.push(change);
                    outcome.again = true;
                }
                Answer::Stale => outcome.again = true,
                Answer::Refused(failure) => {
                    outcome.failures.insert(target, failure);
                    outcome.again = true;
                }
                Answer::Halt(why) => {
                    outcome.halted.get_or_insert(why);
                    outcome.again = true;
                }
            }
        }
    }

    /// The writes of one object, one after the other.
    async fn line(
        &self,
        namespace: &Arc<str>,
        line: Vec<Write>,
        halted: &AtomicBool,
    ) -> Vec<((ObjectKind, String), Answer)> {
        let mut answers = Vec::with_capacity(line.len());
        for write in line {
            let (kind, name) = write.target();
            let target = (kind, name.to_owned());
            if halted.load(Ordering::Relaxed) {
                break;
            }
            let Ok(_permit) = self.permits.acquire().await else {
                break;
            };
            let answer = if *self.leading.borrow() {
                let sent = for_kind!(kind, send(self, namespace, &write));
                match &sent {
                    Answer::Done(_) => {
                        debug!(%namespace, %kind, name, verb = verb(&write), "written")
                    }
                    Answer::Stale | Answer::Exists(_) => {
                        debug!(%namespace, %kind, name, verb = verb(&write), "changed meanwhile");
                    }
                    Answer::Refused(why) => {
                        warn!(%namespace, %kind, name, verb = verb(&write), "refused: {why}");
                    }
                    Answer::Halt(_) => {}
                }
                sent
            } else {
                Answer::Halt("another replica leads".to_owned())
            };
            if matches!(answer, Answer::Halt(_)) {
                halted.store(true, Ordering::Relaxed);
            }
            let go_on = matches!(answer, Answer::Done(_));
            answers.push((target, answer));
            if !go_on {
                break;
            }
        }
        answers
    }
}

/// What a write does, for the log.
fn verb(write: &Write) -> &'static str {
    match write {
        Write::Create { .. } => "create",
        Write::Apply { .. } => "apply",
        Write::Patch { .. } => "patch",
        Write::Status { .. } => "status",
        Write::Delete { .. } => "delete",
    }
}

/// Makes one write of an object of type `K`.
async fn send<K: Watched>(writer: &Writer, namespace: &Arc<str>, write: &Write) -> Answer {
    let path = Request::new(K::url_path(&(), Some(namespace)));
    let post = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..Default::default()
    };
    let merge = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..Default::default()
    };
    let (kind, name) = write.target();
    let request = match write {
        Write::Create { body, .. } => {
            path.create(&post, serde_json::to_vec(body).unwrap_or_default())
        }
        Write::Patch { patch, .. } => path.patch(name, &merge, &Patch::Merge(patch)),
        Write::Apply { body, .. } => path.patch(
            name,
            &PatchParams::apply(FIELD_MANAGER).force(),
            &Patch::Apply(body),
        ),
        Write::Status { patch, .. } => {
            let params = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..Default::default()
            };
            path.patch_subresource("status", name, &params, &Patch::Merge(patch))
        }
        Write::Delete {
            uid,
            resource_version,
            ..
        } => {
            let given = |text: &String| (!text.is_empty()).then(|| text.clone());
            let preconditions = Preconditions {
                uid: given(uid),
                resource_version: given(resource_version),
            };
            path.delete(
                name,
                &DeleteParams {
                    preconditions: Some(preconditions),
                    ..DeleteParams::background()
                },
            )
        }
    };
    let request = match request {
        Ok(request) => request,
        Err(error) => return Answer::Refused(error.to_string()),
    };
    if matches!(write, Write::Delete { .. }) {
        // The watch will say that it is gone: an object with finalizers stays for a while.
        return match timeout(PATIENCE, writer.client.request::<Value>(request)).await {
            Ok(Ok(_)) => Answer::Done(Box::new(|_| false)),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                Answer::Done(Box::new(|_| false))
            }
            Ok(Err(error)) => judge(&error),
            Err(_) => Answer::Halt("no answer from the API server".to_owned()),
        };
    }
    match timeout(PATIENCE, writer.client.request::<K>(request)).await {
        Ok(Ok(object)) => {
            writer.world.written(kind, namespace, name);
            Answer::Done(kinds::seen(object))
        }
        Ok(Err(kube::Error::Api(status)))
            if status.code == 409 && matches!(write, Write::Create { .. }) =>
        {
            exists::<K>(writer, namespace, name).await
        }
        Ok(Err(error)) => judge(&error),
        Err(_) => Answer::Halt("no answer from the API server".to_owned()),
    }
}

/// An object that was to be created exists already: it is looked at before anything is decided about it.
async fn exists<K: Watched>(writer: &Writer, namespace: &Arc<str>, name: &str) -> Answer {
    let Ok(request) =
        Request::new(K::url_path(&(), Some(namespace))).get(name, &GetParams::default())
    else {
        return Answer::Stale;
    };
    match timeout(PATIENCE, writer.client.request::<K>(request)).await {
        Ok(Ok(object)) => {
            writer.world.written(K::KIND, namespace, name);
            Answer::Exists(kinds::seen(object))
        }
        _ => Answer::Stale,
    }
}

/// What an error means for the plan.
fn judge(error: &kube::Error) -> Answer {
    match error {
        kube::Error::Api(status) => match status.code {
            404 | 409 => Answer::Stale,
            // Whatever is tried: the namespace and all that is in it will be gone.
            403 if ends(status) => Answer::Halt("the namespace is being deleted".to_owned()),
            401 | 429 | 500..=599 => Answer::Halt(text(error)),
            _ => Answer::Refused(text(error)),
        },
        _ => Answer::Halt(text(error)),
    }
}

/// Whether a refusal is because the namespace is being deleted.
fn ends(status: &kube::core::Status) -> bool {
    let causes = status
        .details
        .as_ref()
        .map(|details| details.causes.as_slice())
        .unwrap_or_default();
    causes
        .iter()
        .any(|cause| cause.reason == "NamespaceTerminating")
}
