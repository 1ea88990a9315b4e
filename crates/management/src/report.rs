//! Our own attributes: why peers were refused, and how a credential was judged. `docs/management.md` tells them to users.
//!
//! All are bounded, so that nothing a peer does makes a reply grow: at most [`MAX_REFUSALS`] refusals of a listener or
//! connector, of AMQP or of a TCP service, texts of at most [`MAX_TEXT`] characters, control characters replaced.

use crate::field::{Tristate, record, words};
use crate::{Attributes, Value, field::Record};

/// How many refusals a listener or connector remembers.
pub const MAX_REFUSALS: usize = 16;
/// How many findings of a credential are told.
pub const MAX_FINDINGS: usize = 16;
/// How long a text is at most, in characters.
pub const MAX_TEXT: usize = 512;

words! {
    /// Who refused whom.
    Refuser {
        /// This router refused its peer.
        #[default]
        Us = "us",
        /// The peer refused this router.
        Peer = "peer",
        /// Nobody: there was no conversation (a name that does not resolve, nothing listening, time run out).
        Nobody = "nobody",
    }
}

record! {
    /// A connection that did not come about. One entry of the attribute `refusals` of a listener or connector.
    Connector => Refusal {
        /// Who refused.
        by: Refuser = "by",
        /// What failed, as one word of [`Refusal::CHECKS`].
        check: String = "check",
        /// The peer's address, `host:port`.
        peer: String = "peer",
        /// Of the certificate that was refused: who presented it, its subject, issuer, dates and fingerprint.
        presented: String = "presented",
        /// What would have been accepted.
        expected: String = "expected",
        /// The whole, in a sentence, with the remedy.
        message: String = "message",
        /// How often this happened in a row.
        count: u64 = "count",
        /// Epoch seconds of the first time.
        first_seconds: i64 = "firstSeconds",
        /// Epoch seconds of the last time.
        last_seconds: i64 = "lastSeconds",
        /// The revision of the credential that this side presented or judged by.
        ordinal: u64 = "ordinal",
        /// The host and port as configured, for a connector; as bound, for a listener.
        endpoint: String = "endpoint",
    }
}

impl Refusal {
    /// Words for `check`.
    ///
    /// `resolve`, `connect`, `proxy`: before TLS. `tls`: the peer does not speak TLS, or not this kind. `dates`, `name`,
    /// `issuer`, `signature`, `usage`, `certificate`: what was wrong with a certificate. `missing`: a certificate was
    /// demanded and none presented. `sasl`, `open`, `role`, `protocol`: after TLS. `timeout`: any time. `alert`: the
    /// peer's TLS alert names no check. `credential`: this side has no usable credential.
    pub const CHECKS: &'static [&'static str] = &[
        "resolve",
        "connect",
        "proxy",
        "tls",
        "dates",
        "name",
        "issuer",
        "signature",
        "usage",
        "certificate",
        "missing",
        "sasl",
        "open",
        "role",
        "protocol",
        "timeout",
        "alert",
        "credential",
    ];

    /// The refusal as it stands in the attribute: texts bounded and free of control characters.
    pub fn to_value(&self) -> Value {
        bounded_map(self.attributes())
    }

    /// Reads one entry of the attribute; nothing if it is none.
    pub fn from_value(value: &Value) -> Option<Self> {
        Refusal::from_attributes(value.as_object()?).ok()
    }

    /// Reads the attribute `refusals` of a listener or connector. Entries that are none are left out.
    pub fn of_entity(attributes: &Attributes) -> Vec<Self> {
        let entries = attributes.get("refusals").and_then(Value::as_array);
        entries
            .into_iter()
            .flatten()
            .filter_map(Self::from_value)
            .take(MAX_REFUSALS)
            .collect()
    }

    /// Whether two refusals are the same thing happening again.
    pub fn repeats(&self, earlier: &Refusal) -> bool {
        // The port of a peer that connects to us changes with every try.
        let host = |peer: &str| {
            peer.rsplit_once(':')
                .map_or(peer.to_owned(), |(host, _)| host.to_owned())
        };
        self.by == earlier.by
            && self.check == earlier.check
            && self.presented == earlier.presented
            && self.expected == earlier.expected
            && host(&self.peer) == host(&earlier.peer)
    }
}

/// The last refusals of a listener or connector, newest first. What repeats the newest is counted, not listed again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    entries: Vec<Refusal>,
    total: u64,
}

impl Refusals {
    /// Takes note of a refusal. `count` and `first_seconds` are set from what is known already.
    pub fn add(&mut self, mut refusal: Refusal) {
        self.total = self.total.saturating_add(1);
        refusal.count = 1;
        refusal.first_seconds = refusal.last_seconds;
        if let Some(at) = self
            .entries
            .iter()
            .position(|earlier| refusal.repeats(earlier))
        {
            let earlier = self.entries.remove(at);
            refusal.count = earlier.count.saturating_add(1);
            refusal.first_seconds = earlier.first_seconds;
        }
        self.entries.insert(0, refusal);
        self.entries.truncate(MAX_REFUSALS);
    }

    /// The refusals, newest first.
    pub fn entries(&self) -> &[Refusal] {
        &self.entries
    }

    /// How many there were in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Sets the attributes `refusals` and `refusalCount`.
    pub fn write_to(&self, attributes: &mut Attributes) {
        let entries: Vec<Value> = self.entries.iter().map(Refusal::to_value).collect();
        attributes.insert("refusals".to_owned(), Value::Array(entries));
        attributes.insert("refusalCount".to_owned(), Value::from(self.total));
    }
}

words! {
    /// What became of a profile's files.
    CredentialState {
        /// Nothing uses the profile, so nobody has looked.
        #[default]
        Unused = "unused",
        /// The files are in use.
        InUse = "inUse",
        /// The files cannot be used; an earlier revision is.
        Previous = "previous",
        /// The files cannot be used, and there is no earlier revision.
        Unusable = "unusable",
    }
}

record! {
    /// The attribute `credential` of an sslProfile, without its findings.
    SslProfile => CredentialSummary {
        /// What became of the files.
        state: CredentialState = "state",
        /// The revision in use; unset if none is.
        ordinal_in_use: Option<i64> = "ordinalInUse",
        /// Epoch seconds of when the revision in use was loaded.
        loaded_seconds: i64 = "loadedSeconds",
        /// The leaf's subject.
        subject: String = "subject",
        /// The leaf's issuer.
        issuer: String = "issuer",
        /// The leaf's names, separated by blanks.
        names: String = "names",
        /// Epoch seconds of when the leaf begins.
        not_before_seconds: Option<i64> = "notBeforeSeconds",
        /// Epoch seconds of when the leaf ends.
        not_after_seconds: Option<i64> = "notAfterSeconds",
        /// SHA-256 of the leaf, in hexadecimal.
        fingerprint: String = "fingerprint",
        /// The subjects of the trust anchors, separated by `; `.
        anchors: String = "anchors",
        /// Whether the private key was found to match; unset if there is none.
        key_matches: Tristate = "keyMatches",
    }
}

record! {
    /// One thing found about a credential.
    SslProfile => Finding {
        /// What was looked at: a word of [`Refusal::CHECKS`].
        check: String = "check",
        /// Whether it keeps the credential from being used.
        fatal: Tristate = "fatal",
        /// What there is.
        presented: String = "presented",
        /// What there should be.
        expected: String = "expected",
        /// The whole, in a sentence, with the remedy.
        message: String = "message",
    }
}

/// The attribute `credential` of an sslProfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// What is in use.
    pub summary: CredentialSummary,
    /// What was found about the newest revision, in use or not.
    pub findings: Vec<Finding>,
}

impl Credential {
    /// The attribute's value.
    pub fn to_value(&self) -> Value {
        let mut value = self.summary.attributes();
        value.insert("state".to_owned(), Value::from(self.summary.state.as_str()));
        let findings: Vec<Value> = self
            .findings
            .iter()
            .take(MAX_FINDINGS)
            .map(|finding| bounded_map(finding.attributes()))
            .collect();
        value.insert("findings".to_owned(), Value::Array(findings));
        bounded_map(value)
    }

    /// Reads the attribute of a profile's attributes; nothing if there is none, as with upstream's router.
    pub fn of_entity(attributes: &Attributes) -> Option<Self> {
        let value = attributes.get("credential")?.as_object()?;
        let findings = value.get("findings").and_then(Value::as_array);
        Some(Credential {
            summary: CredentialSummary::from_attributes(value).ok()?,
            findings: findings
                .into_iter()
                .flatten()
                .filter_map(|finding| Finding::from_attributes(finding.as_object()?).ok())
                .take(MAX_FINDINGS)
                .collect(),
        })
    }
}

/// Bounds the texts of a map and frees them of control characters, which a peer's certificate may hold.
fn bounded_map(mut map: Attributes) -> Value {
    for value in map.values_mut() {
        if let Value::String(text) = value {
            *text = bounded_text(text);
        }
    }
    Value::Object(map)
}

/// At most [`MAX_TEXT`] characters, control characters replaced.
pub fn bounded_text(text: &str) -> String {
    let clean = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    let mut bounded: String = text.chars().take(MAX_TEXT).map(clean).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        bounded.push('…');
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(peer: &str, check: &str, at: i64) -> Refusal {
        Refusal {
            peer: peer.to_owned(),
            check: check.to_owned(),
            last_seconds: at,
            ..Refusal::default()
        }
    }

    #[test]
    fn repeats_are_counted_and_others_listed_newest_first() {
        let mut refusals = Refusals::default();
        refusals.add(refusal("10.0.0.1:40001", "dates", 10));
        refusals.add(refusal("10.0.0.2:40002", "missing", 11));
        refusals.add(refusal("10.0.0.1:40003", "dates", 12));
        assert_eq!(refusals.total(), 3);
        let [first, second] = refusals.entries() else {
            panic!("two entries, not {:?}", refusals.entries())
        };
        assert_eq!(
            (first.count, first.first_seconds, first.last_seconds),
            (2, 10, 12)
        );
        assert_eq!(first.peer, "10.0.0.1:40003");
        assert_eq!(second.count, 1);
    }

    #[test]
    fn strangers_cannot_make_the_attribute_grow() {
        let mut refusals = Refusals::default();
        for stranger in 0..1000 {
            let mut refusal = refusal(
                &format!("10.0.{}.{}:1", stranger / 250, stranger % 250),
                "tls",
                stranger,
            );
            refusal.presented = "\u{1b}[31mA".repeat(10_000);
            refusals.add(refusal);
        }
        let mut attributes = Attributes::new();
        refusals.write_to(&mut attributes);
        assert_eq!(attributes["refusalCount"], 1000);
        assert_eq!(
            attributes["refusals"].as_array().unwrap().len(),
            MAX_REFUSALS
        );
        let text = Value::Object(attributes.clone()).to_string();
        assert!(
            text.len() < MAX_REFUSALS * 4 * MAX_TEXT
                && !text.contains('\u{1b}')
                && !text.contains("\\u001b")
        );
        assert_eq!(Refusal::of_entity(&attributes).len(), MAX_REFUSALS);
    }

    #[test]
    fn a_credential_reads_back() {
        let credential = Credential {
            summary: CredentialSummary {
                state: CredentialState::Previous,
                ordinal_in_use: Some(0),
                subject: "CN=west".to_owned(),
                not_after_seconds: Some(1_800_000_000),
                key_matches: Tristate(Some(false)),
                ..CredentialSummary::default()
            },
            findings: vec![Finding {
                check: "certificate".to_owned(),
                fatal: Tristate(Some(true)),
                message: "the key does not match".to_owned(),
                ..Finding::default()
            }],
        };
        let mut attributes = Attributes::new();
        attributes.insert("credential".to_owned(), credential.to_value());
        assert_eq!(Credential::of_entity(&attributes), Some(credential));
        assert_eq!(Credential::of_entity(&Attributes::new()), None);
    }
}
