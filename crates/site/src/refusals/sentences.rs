//! From a router's report to what is said in conditions.

use jiff::Timestamp;
use skupper_api::State;
use skupper_management::Attributes;
use skupper_management::report::{Credential, CredentialState, Refusal, Refuser, bounded_text};

use super::Report;

/// Type of the condition of a RouterAccess that tells of peers that were refused. It has no influence on `Ready`, so that
/// strangers (port scans, health probes) have none either.
pub const REFUSALS: &str = "Refusals";

/// Why a link is not up, by its connector's name: the newest refusal, or what upstream's router says.
pub(crate) fn link_message(report: &Report, connector: &str) -> Option<String> {
    let mut entries = report
        .routers
        .values()
        .filter_map(|router| router.connectors.get(connector))
        .peekable();
    entries.peek()?;
    let mut newest: Option<Refusal> = None;
    let mut status = None;
    for attributes in entries {
        for refusal in Refusal::of_entity(attributes) {
            if newest
                .as_ref()
                .is_none_or(|newest| refusal.last_seconds > newest.last_seconds)
            {
                newest = Some(refusal);
            }
        }
        status = status.or_else(|| connection_message(attributes));
    }
    newest.map(|refusal| sentence(&refusal)).or(status)
}

/// What upstream's router says of a connector that is not connected.
fn connection_message(attributes: &Attributes) -> Option<String> {
    let text = attributes
        .get("connectionMsg")
        .and_then(|text| text.as_str())
        .unwrap_or_default();
    // A success that is past is no reason.
    let failed = !text.is_empty() && !text.contains("Connection Opened");
    failed.then(|| format!("the router says: {}", bounded_text(text)))
}

/// The refusal in one sentence: its own, or one made of its parts.
fn sentence(refusal: &Refusal) -> String {
    if !refusal.message.is_empty() {
        return without_now(&bounded_text(&refusal.message));
    }
    let who = match refusal.by {
        Refuser::Us => format!("this site refused {}", refusal.peer),
        Refuser::Peer => format!("{} refused this site", refusal.peer),
        Refuser::Nobody => format!("no connection to {}", refusal.endpoint),
    };
    let part = |name: &str, value: &str| {
        if value.is_empty() {
            String::new()
        } else {
            format!("; {name} {value}")
        }
    };
    bounded_text(&format!(
        "{who}: check {}{}{}",
        refusal.check,
        part("presented", &refusal.presented),
        part("expected", &refusal.expected)
    ))
}

/// The condition of a RouterAccess whose listeners are these; `None` if nobody was refused.
///
/// Only the newest refusals are told, with the time of the last, so that the text changes no more often than the report.
pub(crate) fn listener_state<'a>(
    report: &Report,
    listeners: impl Iterator<Item = &'a str>,
) -> Option<State> {
    let mut total: u64 = 0;
    let mut refusals = Vec::new();
    for name in listeners {
        for attributes in report
            .routers
            .values()
            .filter_map(|router| router.listeners.get(name))
        {
            total = total.saturating_add(
                attributes
                    .get("refusalCount")
                    .and_then(|count| count.as_u64())
                    .unwrap_or(0),
            );
            refusals.extend(Refusal::of_entity(attributes));
        }
    }
    if refusals.is_empty() {
        return None;
    }
    refusals.sort_by_key(|refusal| std::cmp::Reverse(refusal.last_seconds));
    let told: Vec<String> = refusals
        .iter()
        .take(TOLD)
        .map(|refusal| {
            let at = Timestamp::from_second(refusal.last_seconds)
                .map(|at| at.to_string())
                .unwrap_or_default();
            format!(
                "{} ({}, last {at})",
                sentence(refusal),
                times(refusal.count.max(1))
            )
        })
        .collect();
    let total = total.max(refusals.len() as u64);
    Some(State {
        status: skupper_api::ConditionStatus::True,
        reason: skupper_api::StatusType::Error,
        message: format!("{} refused. {}", peers(total), told.join(" ")),
    })
}

/// How many refusals a condition tells.
const TOLD: usize = 3;

fn times(count: u64) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("{count} times")
    }
}

fn peers(count: u64) -> String {
    if count == 1 {
        "1 connection was".to_owned()
    } else {
        format!("{count} connections were")
    }
}

/// Without what changes with every try: `, now is <time> (<span> too late)`.
fn without_now(text: &str) -> String {
    let Some((before, rest)) = text.split_once(", now is ") else {
        return text.to_owned();
    };
    let after = rest
        .find([')', ';'])
        .map_or("", |end| rest[end..].trim_start_matches(')'));
    format!("{before}{after}")
}

/// What adaptors could not do for their routers.
pub(crate) fn adaptor_problems(report: &Report) -> impl Iterator<Item = String> + '_ {
    let problems = report
        .routers
        .iter()
        .flat_map(|(pod, router)| router.problems.iter().map(move |problem| (pod, problem)));
    problems
        .take(16)
        .map(|(pod, problem)| format!("router pod {pod}: {}", without_now(&bounded_text(problem))))
}

/// Why a router does not listen for clients, by the name of its `tcpListener`.
pub(crate) fn listen_problem(report: &Report, listener: &str) -> Option<String> {
    let text = |attributes: &Attributes| {
        attributes
            .get("connectionMsg")
            .and_then(|text| text.as_str())
            .map(bounded_text)
    };
    let message = report
        .routers
        .values()
        .filter_map(|router| router.tcp_listeners.get(listener))
        .find_map(text)?;
    (!message.is_empty()).then(|| format!("the router cannot listen: {message}"))
}

/// What the router says of a credential that it could not load, by its profile's name.
pub(crate) fn profile_problem(report: &Report, profile: &str) -> Option<String> {
    report
        .routers
        .values()
        .filter_map(|router| router.ssl_profiles.get(profile))
        .find_map(|attributes| {
            let credential = Credential::of_entity(attributes)?;
            let state = match credential.summary.state {
                CredentialState::Unused | CredentialState::InUse => return None,
                CredentialState::Previous => {
                    "the router cannot use the new credential and keeps the earlier one"
                }
                CredentialState::Unusable => "the router cannot use the credential",
            };
            let why: Vec<&str> = credential
                .findings
                .iter()
                .map(|finding| finding.message.as_str())
                .collect();
            Some(bounded_text(&format!("{state}: {}", why.join("; "))))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(value: serde_json::Value) -> Report {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_newest_refusal_explains_a_link() {
        let report = report(
            json!({"pod": {"connectors": {"l": {"connectionMsg": "old", "refusals": [
            {"by": "peer", "check": "alert", "peer": "h:1", "message": "earlier", "firstSeconds": 1, "lastSeconds": 5},
            {"by": "us", "check": "name", "peer": "h:1", "message": "later", "firstSeconds": 1, "lastSeconds": 6}]}}}}),
        );
        assert_eq!(link_message(&report, "l").as_deref(), Some("later"));
        assert_eq!(link_message(&report, "other"), None);
    }

    #[test]
    fn a_sentence_does_not_change_with_every_try() {
        let text = "the certificate presented (CN=a) has expired: valid until 2026-11-23T00:00:00Z, now is \
            2026-11-25T00:00:00Z (2 days too late); issue it again";
        let steady = "the certificate presented (CN=a) has expired: valid until 2026-11-23T00:00:00Z; issue it again";
        assert_eq!(without_now(text), steady);
        assert_eq!(without_now("valid until x, now is y"), "valid until x");
        assert_eq!(without_now(steady), steady);
    }

    #[test]
    fn with_upstreams_router_the_connection_message_explains() {
        let text = "Connection to h:55671 failed: amqp:connection:framing-error SSL Failure: certificate verify failed";
        let report = report(
            json!({"pod": {"connectors": {"l": {"connectionStatus": "CONNECTING", "connectionMsg": text}}}}),
        );
        assert_eq!(
            link_message(&report, "l"),
            Some(format!("the router says: {text}"))
        );
    }

    #[test]
    fn a_router_access_tells_how_many_were_refused_and_why() {
        let report = report(
            json!({"pod": {"listeners": {"skupper-router-inter-router": {"refusalCount": 7, "refusals": [
            {"by": "us", "check": "tls", "peer": "10.0.0.9:1", "message": "no TLS", "count": 6, "firstSeconds": 1, "lastSeconds": 1_795_000_000},
            {"by": "us", "check": "missing", "peer": "10.0.0.8:1", "expected": "a certificate", "firstSeconds": 1, "lastSeconds": 1}]}}}}),
        );
        let state =
            listener_state(&report, ["skupper-router-inter-router", "x"].into_iter()).unwrap();
        let expected = "7 connections were refused. no TLS (6 times, last 2026-11-18T09:06:40Z) this site refused 10.0.0.8:1: \
            check missing; expected a certificate (once, last 1970-01-01T00:00:01Z)";
        assert_eq!(
            state.message.split_once("last 2026").map(|(head, _)| head),
            expected.split_once("last 2026").map(|(head, _)| head)
        );
        assert!(
            state
                .message
                .ends_with(expected.split_once(") ").unwrap().1),
            "{}",
            state.message
        );
        assert_eq!(listener_state(&report, ["x"].into_iter()), None);
    }
}
