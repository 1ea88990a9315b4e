//! Rules for what is typed (cli.md §1.5). Texts are upstream's, down to their grammar: scripts compare them.

use crate::arguments::GoDuration;

const RESOURCE_NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])*(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])*)*$";
const SELECTOR: &str = "^[A-Za-z0-9=:./-]+$";
const WORKLOAD_NAME: &str = "^[A-Za-z0-9._-]+$";

pub(crate) const OUTPUTS: [&str; 2] = ["json", "yaml"];
pub(crate) const LINK_ACCESS: [&str; 3] = ["route", "loadbalancer", "default"];
pub(crate) const WAITS: [&str; 3] = ["ready", "configured", "none"];
pub(crate) const TRANSPORTS: [&str; 1] = ["tcp"];

/// A DNS subdomain (RFC 1123), as all names of Kubernetes objects.
pub(crate) fn resource_name(text: &str) -> Result<(), String> {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
    };
    match text.split('.').all(label) {
        true => Ok(()),
        false => Err(format!(
            "value does not match this regular expression: {RESOURCE_NAME}"
        )),
    }
}

/// A host name in lower case, or an IP address.
pub(crate) fn host(text: &str) -> Result<(), String> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_name = text.split(['-', '.']).all(part);
    match is_name || text.parse::<std::net::IpAddr>().is_ok() {
        true => Ok(()),
        false => Err("host is not valid: a valid IP address or hostname is expected".to_owned()),
    }
}

/// A label selector. Commas are accepted, unlike upstream: `--workload` itself makes selectors of several labels.
pub(crate) fn selector(text: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"=:./-_,".contains(&byte);
    match !text.is_empty() && text.bytes().all(allowed) {
        true => Ok(()),
        false => Err(format!(
            "value does not match this regular expression: {SELECTOR}"
        )),
    }
}

/// A member of a list.
pub(crate) fn option(text: &str, options: &[&str]) -> Result<(), String> {
    if text.is_empty() {
        return Err("value must not be empty".to_owned());
    }
    match options.contains(&text) {
        true => Ok(()),
        false => Err(format!(
            "value {text} not allowed. It should be one of this options: [{}]",
            options.join(" ")
        )),
    }
}

/// A time to wait, ten seconds at least.
pub(crate) fn timeout(timeout: GoDuration) -> Result<(), String> {
    let least = GoDuration::from_secs(10);
    match timeout >= least {
        true => Ok(()),
        false => Err(format!(
            "duration must not be less than {least}; got {timeout}"
        )),
    }
}

/// A whole number typed as text, with Go's text where it is none.
pub(crate) fn number(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing \"{text}\": invalid syntax"));
    }
    text.parse()
        .map_err(|_| format!("strconv.Atoi: parsing \"{text}\": value out of range"))
}

/// Not below zero.
pub(crate) fn positive(number: i64) -> Result<i64, String> {
    match number >= 0 {
        true => Ok(number),
        false => Err("value is not positive".to_owned()),
    }
}

/// A port. What upstream lets through and the API server or the router would refuse later is refused here.
pub(crate) fn port(number: i64) -> Result<i64, String> {
    match positive(number)? {
        0..=65535 => Ok(number),
        _ => Err("value is not a port: expected 1 to 65535".to_owned()),
    }
}

/// The kind of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkloadKind {
    Deployment,
    Service,
    DaemonSet,
    StatefulSet,
}

/// `<type>/<name>`.
pub(crate) fn workload(text: &str) -> Result<(WorkloadKind, &str), String> {
    let Some((kind, name)) = text.split_once('/') else {
        return Err("workload must include <resource-type>/<resource-name>".to_owned());
    };
    let kind = match kind.to_ascii_lowercase().as_str() {
        "deployment" => WorkloadKind::Deployment,
        "service" => WorkloadKind::Service,
        "daemonset" => WorkloadKind::DaemonSet,
        "statefulset" => WorkloadKind::StatefulSet,
        _ => {
            return Err("resource-type does not match expected value: deployment/service/daemonset/statefulset".to_owned());
        }
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match !name.is_empty() && name.bytes().all(allowed) {
        true => Ok((kind, name)),
        false => Err(format!(
            "value does not match this regular expression: {WORKLOAD_NAME}"
        )),
    }
}

/// Collects everything that is wrong, so that nobody has to mend one thing after the other.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    pub(crate) fn add(&mut self, message: impl Into<String>) {
        self.0.push(message.into());
    }

    /// Keeps the value, or notes `<what>: <error>`.
    pub(crate) fn check<T>(&mut self, what: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|error| self.add(format!("{what}: {error}")))
            .ok()
    }

    pub(crate) fn or<T>(self, value: T) -> Result<T, crate::failure::Failure> {
        match self.0.is_empty() {
            true => Ok(value),
            false => Err(crate::failure::Failure::invalid(self.0)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_that_is_quoted() {
        for good in ["a", "a-b", "a.b-c.1", "0"] {
            assert_eq!(resource_name(good), Ok(()), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a..b", ".a", "a_b", "ä"] {
            assert!(resource_name(bad).is_err(), "{bad}");
        }
        for good in ["backend", "10.0.0.1", "fd00::1", "a.b-c"] {
            assert_eq!(host(good), Ok(()), "{good}");
        }
        for bad in ["", "a--b", "A", "a.", "-a"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_are_those_that_scripts_know() {
        assert_eq!(
            option("x", &OUTPUTS).unwrap_err(),
            "value x not allowed. It should be one of this options: [json yaml]"
        );
        assert_eq!(
            timeout("5s".parse().unwrap()).unwrap_err(),
            "duration must not be less than 10s; got 5s"
        );
        assert_eq!(
            number("x").unwrap_err(),
            "strconv.Atoi: parsing \"x\": invalid syntax"
        );
        assert_eq!(
            number("-1").and_then(positive).unwrap_err(),
            "value is not positive"
        );
        assert_eq!(
            workload("backend").unwrap_err(),
            "workload must include <resource-type>/<resource-name>"
        );
        assert_eq!(
            workload("Deployment/backend"),
            Ok((WorkloadKind::Deployment, "backend"))
        );
        assert!(port(70_000).is_err());
    }
}
