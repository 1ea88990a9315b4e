//! Identities of telemetry records: `<source>:<number>`, given out where a thing is made, because peers are told of some of
//! them (`qd.access-id`, a stream's correlation-id) before anybody collects them.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::distr::{Alphanumeric, SampleString};

/// Length of the source's name.
const SOURCE: usize = 5;

/// Gives out identities.
#[derive(Debug)]
pub struct RecordIds {
    source: String,
    next: AtomicU64,
}

impl RecordIds {
    /// A source named after the pod (the last characters of its name, which are random there), else at random. Number 0 is
    /// the router itself.
    pub fn new(hostname: Option<&str>) -> Self {
        let source = match hostname.and_then(pod_suffix) {
            Some(suffix) => suffix.to_owned(),
            None => Alphanumeric.sample_string(&mut crate::random::rng(), SOURCE),
        };
        RecordIds {
            source,
            next: AtomicU64::new(1),
        }
    }

    /// The identity of the router's own record, which also names the source.
    pub fn router(&self) -> String {
        format!("{}:0", self.source)
    }

    /// A new identity.
    pub fn next(&self) -> String {
        format!(
            "{}:{}",
            self.source,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }
}

/// The random end of a pod's name (`skupper-router-7f6c9d9d5b-x2x7q`).
fn pod_suffix(hostname: &str) -> Option<&str> {
    let (rest, suffix) = hostname.rsplit_once('-')?;
    let is_pod = rest.contains('-')
        && suffix.len() == SOURCE
        && suffix.bytes().all(|octet| octet.is_ascii_alphanumeric());
    is_pod.then_some(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_after_pods() {
        let ids = RecordIds::new(Some("skupper-router-7f6c9d9d5b-x2x7q"));
        assert_eq!(ids.router(), "x2x7q:0");
        assert_eq!(
            (ids.next(), ids.next()),
            ("x2x7q:1".to_owned(), "x2x7q:2".to_owned())
        );
        assert_eq!(
            RecordIds::new(Some("laptop")).router().len(),
            "abcde:0".len()
        );
    }
}
