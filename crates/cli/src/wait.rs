//! Waiting for what was asked for to become true (cli.md §1.7).

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use skupper_api::{ConditionStatus, Kind, condition};

use crate::arguments::GoDuration;
use crate::cluster::{Cluster, Object};
use crate::failure::{Failure, Outcome};

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Ready,
    Configured,
    /// Nothing.
    None,
}

impl Until {
    /// One that has been validated.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "configured" => Self::Configured,
            "none" => Self::None,
            _ => Self::Ready,
        }
    }

    /// The word on the command line and in sentences.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Configured => "configured",
            Self::None => "none",
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Self::Configured => condition::CONFIGURED,
            _ => condition::READY,
        }
    }
}

/// What an object says of what is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It holds, for the object as it is now.
    Reached,
    /// Not yet, and why not if somebody has said.
    NotYet(Option<String>),
}

/// Looks at an object. A condition that speaks of an earlier generation says nothing of this one.
pub(crate) fn progress(object: &impl Kind, until: Until) -> Progress {
    let Some(found) = object.condition(until.condition()) else {
        return Progress::NotYet(None);
    };
    let stale = match (found.observed_generation, object.meta().generation) {
        (Some(observed), Some(generation)) => observed < generation,
        _ => false,
    };
    match found.status {
        ConditionStatus::True if !stale => Progress::Reached,
        _ if stale => Progress::NotYet(None),
        _ => Progress::NotYet(Some(found.message.clone())),
    }
}

/// The sentence at the end of patience.
pub(crate) fn too_late(kind: &str, name: &str, until: Until, why: Option<&str>) -> Failure {
    let until = until.word();
    let failure = match why {
        None => Failure::failed(format!(
            "{kind} \"{name}\" is not yet {until}, check the status for more information"
        )),
        Some(why) => Failure::failed(format!("{kind} \"{name}\" is not yet {until}: {why}")),
    };
    let command = kind.to_ascii_lowercase();
    match (why, command.as_str()) {
        // Nobody has looked at it at all.
        (None, _) => failure.next("check that a Skupper controller runs and serves this namespace"),
        (_, "link") => failure.next(format!(
            "skupper link status {name}, or skupper debug check"
        )),
        (_, "site") => failure.next("skupper site status, or skupper debug check"),
        _ => failure.next(format!("skupper {command} status {name}")),
    }
}

/// Waits until the object is so far.
pub(crate) async fn until<K: Object + Kind>(
    cluster: &Cluster,
    name: &str,
    until: Until,
    timeout: GoDuration,
    text: &'static str,
) -> Outcome {
    if until == Until::None {
        return Ok(());
    }
    let mut why = None;
    let reached = poll(timeout, text, async || match cluster.get::<K>(name).await {
        // What was made may not be seen at once everywhere, and the API server may be away for a moment.
        Ok(None) => false,
        Err(failure) => {
            why = failure.messages.into_iter().next();
            false
        }
        Ok(Some(object)) => match progress(&object, until) {
            Progress::Reached => true,
            Progress::NotYet(reason) => {
                why = reason;
                false
            }
        },
    })
    .await;
    match reached {
        true => Ok(()),
        false => Err(too_late(K::KIND, name, until, why.as_deref())),
    }
}

/// Waits until there is no such object any more.
pub(crate) async fn gone<K: Object>(
    cluster: &Cluster,
    name: &str,
    timeout: GoDuration,
) -> Result<bool, Failure> {
    let mut failure = None;
    let gone = poll(
        timeout,
        "Waiting for deletion to complete...",
        async || match cluster.get::<K>(name).await {
            Ok(found) => found.is_none(),
            Err(error) => {
                failure = Some(error);
                false
            }
        },
    )
    .await;
    match failure {
        Some(failure) if !gone => Err(failure),
        _ => Ok(gone),
    }
}

/// Asks again and again until the answer is yes, or time is up. On a terminal a line says what is waited for.
pub(crate) async fn poll(
    timeout: GoDuration,
    text: &'static str,
    mut ask: impl AsyncFnMut() -> bool,
) -> bool {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(1);
    if std::io::stderr().is_terminal() && !text.is_empty() {
        eprintln!("{text}");
    }
    let end = Instant::now() + timeout.to_std();
    let mut pause = FIRST;
    loop {
        if ask().await {
            return true;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skupper_api::{Site, State};

    fn site(generation: i64) -> Site {
        let mut site = Site::default();
        site.metadata.generation = Some(generation);
        site
    }

    #[test]
    fn a_condition_counts_for_its_generation_only() {
        let mut object = site(1);
        assert_eq!(progress(&object, Until::Ready), Progress::NotYet(None));
        object.set_condition(
            condition::CONFIGURED,
            &State::ready(),
            jiff::Timestamp::UNIX_EPOCH,
        );
        assert_eq!(progress(&object, Until::Configured), Progress::Reached);
        assert_eq!(
            progress(&object, Until::Ready),
            Progress::NotYet(Some("Not Running".to_owned()))
        );
        object.metadata.generation = Some(2);
        assert_eq!(progress(&object, Until::Configured), Progress::NotYet(None));
    }

    #[test]
    fn the_last_sentence_says_why_and_what_next() {
        let late = too_late("Site", "west", Until::Ready, Some("Not Running"));
        assert_eq!(
            late.to_string(),
            "Error: Site \"west\" is not yet ready: Not Running\nNext: skupper site status, or skupper debug check\n"
        );
    }
}
