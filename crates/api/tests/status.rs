//! The status algebra: how conditions become `status.status`, `status.message` and the `Ready` condition.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use skupper_api::{
    AccessToken, Certificate, Condition, ConditionStatus, Kind, Link, MultiKeyListener,
    RouterAccess, Site, State, StatusFields as _, StatusType, condition,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn site(link_access: &str) -> Site {
    serde_json::from_value(
        json!({ "metadata": { "name": "west", "generation": 3 }, "spec": { "linkAccess": link_access } }),
    )
    .unwrap()
}

/// `status.status`, `status.message`, and the `Ready` condition's status.
fn summary<K: Kind>(object: &K) -> (Option<StatusType>, String, Option<ConditionStatus>) {
    let status = object.status().unwrap();
    let ready = status.condition(condition::READY).map(|ready| ready.status);
    (status.status(), status.message().to_owned(), ready)
}

fn said(
    status: StatusType,
    message: &str,
) -> (Option<StatusType>, String, Option<ConditionStatus>) {
    let ready = if status == StatusType::Ready {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    (Some(status), message.to_owned(), Some(ready))
}

#[test]
fn a_site_on_its_way() {
    let mut site = site("loadbalancer");
    assert!(site.set_condition(condition::CONFIGURED, &State::ready(), at(0)));
    assert_eq!(summary(&site), said(StatusType::Pending, "Not Running"));
    assert!(site.set_condition(
        condition::RUNNING,
        &State::pending("No router pod is ready"),
        at(1)
    ));
    assert_eq!(
        summary(&site),
        said(StatusType::Pending, "No router pod is ready")
    );
    assert!(site.set_condition(condition::RUNNING, &State::ready(), at(2)));
    assert_eq!(summary(&site), said(StatusType::Pending, "Not Resolved"));
    assert!(site.set_condition(condition::RESOLVED, &State::ready_or_pending(false), at(3)));
    assert_eq!(summary(&site), said(StatusType::Pending, "Pending"));
    assert!(site.set_condition(condition::RESOLVED, &State::ready_or_pending(true), at(4)));
    assert_eq!(summary(&site), said(StatusType::Ready, "OK"));
    assert_eq!(
        site.condition(condition::READY)
            .unwrap()
            .last_transition_time,
        at(4)
    );
    assert!(site.is_true(condition::READY));

    let error: Result<(), &str> = Err("no CA");
    assert!(site.set_condition(condition::CONFIGURED, &State::from_result(&error), at(5)));
    assert_eq!(summary(&site), said(StatusType::Error, "no CA"));
}

#[test]
fn a_site_without_link_access_needs_no_address() {
    let mut site = site("none");
    site.set_condition(condition::CONFIGURED, &State::ready(), at(0));
    site.set_condition(condition::RUNNING, &State::ready(), at(0));
    assert_eq!(summary(&site), said(StatusType::Ready, "OK"));
}

#[test]
fn nothing_new_changes_nothing() {
    let mut site = site("");
    site.set_condition(condition::CONFIGURED, &State::ready(), at(0));
    let before = site.clone();
    assert!(!site.set_condition(condition::CONFIGURED, &State::ready(), at(9)));
    assert_eq!(site, before);
    // A new generation is a change, but no transition.
    site.metadata.generation = Some(4);
    assert!(site.set_condition(condition::CONFIGURED, &State::ready(), at(9)));
    let configured = site.condition(condition::CONFIGURED).unwrap();
    assert_eq!(
        (
            configured.observed_generation,
            configured.last_transition_time
        ),
        (Some(4), at(0))
    );
}

#[test]
fn a_condition_beside_the_required_ones_leaves_the_summary_alone() {
    let mut access: RouterAccess = RouterAccess::new("skupper-router", Default::default());
    access.set_condition(condition::CONFIGURED, &State::ready(), at(0));
    access.set_condition(condition::RESOLVED, &State::ready(), at(0));
    assert!(access.set_condition(
        "Refusals",
        &State::error("10.0.0.1 presented nothing (3 times)"),
        at(1)
    ));
    assert_eq!(summary(&access), said(StatusType::Ready, "OK"));
}

#[test]
fn a_certificate_has_one_condition_only() {
    let mut certificate = Certificate::new("skupper-site-server", Default::default());
    let message = "Secret exists but is not controlled by skupper";
    assert!(certificate.set_condition(condition::READY, &State::ready_with(message), at(0)));
    let status = certificate.status.as_ref().unwrap();
    assert_eq!(status.conditions.len(), 1);
    assert_eq!(status.conditions[0].message, message);
    assert_eq!(summary(&certificate).0, Some(StatusType::Ready));
    assert!(certificate.set_condition(
        condition::READY,
        &State::error(format!("{message}: expired")),
        at(1)
    ));
    assert_eq!(
        summary(&certificate),
        said(StatusType::Error, &format!("{message}: expired"))
    );
    assert_eq!(certificate.status.unwrap().conditions.len(), 1);
}

#[test]
fn kinds_without_a_ready_condition_still_have_a_summary() {
    let mut listener = MultiKeyListener::default();
    listener.set_condition(condition::CONFIGURED, &State::ready(), at(0));
    assert_eq!(
        summary(&listener),
        (
            Some(StatusType::Pending),
            "Not Operational".to_owned(),
            None
        )
    );
    let mut token = AccessToken::default();
    token.set_condition(condition::REDEEMED, &State::error("refused"), at(0));
    assert_eq!(
        summary(&token),
        (Some(StatusType::Error), "refused".to_owned(), None)
    );
}

#[test]
fn a_reason_of_somebody_else_counts_as_an_error() {
    let mut link = Link::default();
    link.status_mut().conditions.push(Condition {
        type_: condition::OPERATIONAL.into(),
        status: ConditionStatus::False,
        reason: "TlsFailure".into(),
        message: "m".into(),
        ..Default::default()
    });
    link.set_condition(condition::CONFIGURED, &State::ready(), at(0));
    assert_eq!(summary(&link), said(StatusType::Error, "m"));
}

#[test]
fn times_are_written_in_whole_seconds() {
    let mut link = Link::default();
    link.set_condition(
        condition::CONFIGURED,
        &State::ready(),
        at(0) + SignedDuration::from_millis(250),
    );
    let value = serde_json::to_value(&link).unwrap();
    assert_eq!(
        value["status"]["conditions"][0]["lastTransitionTime"],
        "2027-01-15T08:00:00Z"
    );
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::ready()),
        "[a-z]{1,5}".prop_map(State::error),
        "[a-z]{1,5}".prop_map(State::pending),
        "[a-z]{1,5}".prop_map(State::ready_with),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is set in whatever order: `Ready` and the summary say the same, ready means that all required conditions
    /// hold, times never run backwards, and setting the same again changes nothing.
    #[test]
    fn the_summary_follows_the_conditions(
        link_access in prop_oneof![Just("none"), Just("default")],
        steps in proptest::collection::vec((0usize..4, state()), 1..12),
    ) {
        let types = [condition::CONFIGURED, condition::RUNNING, condition::RESOLVED, "Other"];
        let mut site = site(link_access);
        for (second, (type_, state)) in steps.into_iter().enumerate() {
            let now = at(second as i64);
            let before = site.clone();
            let changed = site.set_condition(types[type_], &state, now);
            prop_assert_eq!(changed, site != before);
            prop_assert!(!site.clone().set_condition(types[type_], &state, now));

            let status = site.status.as_ref().unwrap();
            let ready = status.condition(condition::READY).unwrap();
            prop_assert_eq!(Some(ready.reason.as_str()), status.status.map(StatusType::as_str));
            prop_assert_eq!(&ready.message, &status.message);
            let all = site.required_conditions().iter().all(|type_| site.is_true(type_));
            prop_assert_eq!(site.is_true(condition::READY), all);
            prop_assert!(status.conditions.iter().all(|condition| condition.last_transition_time <= now));
            let mut names: Vec<_> = status.conditions.iter().map(|condition| &condition.type_).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), status.conditions.len());
        }
    }
}

/// The API server refuses a longer one, and with it the whole status.
#[test]
fn a_message_is_no_longer_than_the_api_server_admits() {
    let mut site = site("");
    let endless = State::error("ü".repeat(40_000));
    assert!(site.set_condition(condition::CONFIGURED, &endless, at(0)));
    let message = &site.condition(condition::CONFIGURED).unwrap().message;
    assert_eq!(message.chars().count(), 32_768);
    assert!(message.ends_with("ü…"));
    assert!(!site.set_condition(condition::CONFIGURED, &endless, at(1)));
    let fits = State::error("ü".repeat(32_768));
    assert!(site.set_condition(condition::CONFIGURED, &fits, at(2)));
    assert_eq!(
        site.condition(condition::CONFIGURED).unwrap().message,
        fits.message
    );
}
