//! Keeping what routers say from becoming a write each time they say it.

use std::time::Duration;

use jiff::SignedDuration;
use skupper_api::{Condition, State};

use crate::ObjectKind;
use crate::pass::Pass;

/// The state that is to be told: the wanted one, or the one that stands there already if only its text would change and that
/// changed less than `pause` ago.
///
/// What is new is told at once. When a text last changed is remembered in the [`Memo`](crate::Memo), so a controller that
/// starts anew may tell once more.
pub(crate) fn steady(
    pass: &mut Pass<'_>,
    kind: ObjectKind,
    name: &str,
    seen: Option<&Condition>,
    wanted: State,
    pause: Duration,
) -> State {
    let same =
        |seen: &Condition| seen.status == wanted.status && seen.reason == wanted.reason.as_str();
    if seen.is_some_and(|seen| same(seen) && seen.message == wanted.message) {
        return wanted;
    }
    let key = (kind, name.to_owned());
    let pause = SignedDuration::try_from(pause).unwrap_or_default();
    if let (Some(seen), Some(last)) = (seen.filter(|seen| same(seen)), pass.memo.said.get(&key)) {
        let next = last.checked_add(pause).unwrap_or(*last);
        if (*last..next).contains(&pass.now) {
            pass.plan.wake(next);
            return State {
                message: seen.message.clone(),
                ..wanted
            };
        }
    }
    pass.memo.said.insert(key, pass.now);
    wanted
}
