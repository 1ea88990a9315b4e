//! What was found, as text.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use skupper_pki::plan::ExpiryWarning;

/// One thing that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// What, in words.
    pub(crate) title: String,
    /// What is wrong, each with its remedy.
    pub(crate) faults: Vec<Advice>,
    /// What is worth knowing, each with its remedy.
    pub(crate) notes: Vec<Advice>,
}

/// A sentence, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) sentence: String,
    pub(crate) remedy: String,
}

impl Advice {
    pub(crate) fn new(sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            remedy: remedy.into(),
        }
    }
}

/// Everything that was looked at, under headings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) sections: Vec<(&'static str, Vec<Item>)>,
}

impl Report {
    /// How many things are wrong.
    pub(crate) fn faults(&self) -> usize {
        let items = self.sections.iter().flat_map(|(_, items)| items);
        items.map(|item| item.faults.len()).sum()
    }

    fn notes(&self) -> usize {
        let items = self.sections.iter().flat_map(|(_, items)| items);
        items.map(|item| item.notes.len()).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (heading, items) in &self.sections {
            if items.is_empty() {
                continue;
            }
            writeln!(f, "{heading}")?;
            for item in items {
                let mark = match (item.faults.is_empty(), item.notes.is_empty()) {
                    (false, _) => "FAIL",
                    (true, false) => "note",
                    (true, true) => "ok",
                };
                writeln!(f, "  {mark:<4}  {}", item.title)?;
                for advice in item.faults.iter().chain(&item.notes) {
                    writeln!(f, "        {}", advice.sentence)?;
                    if !advice.remedy.is_empty() {
                        writeln!(f, "        -> {}", advice.remedy)?;
                    }
                }
            }
            writeln!(f)?;
        }
        let plural = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        };
        match (self.faults(), self.notes()) {
            (0, 0) => writeln!(f, "Everything fits."),
            (0, notes) => writeln!(f, "Everything fits; {} to read.", plural(notes, "note")),
            (faults, 0) => writeln!(f, "{}.", plural(faults, "problem")),
            (faults, notes) => writeln!(
                f,
                "{}, {}.",
                plural(faults, "problem"),
                plural(notes, "note")
            ),
        }
    }
}

/// When something ends, in words: `ends 2027-11-25 (in 365 days)`.
pub(crate) fn ends(not_after: Timestamp, now: Timestamp) -> String {
    let date = not_after.strftime("%Y-%m-%d");
    let left = not_after.duration_since(now);
    let (count, unit) = match left.as_secs().unsigned_abs() {
        seconds @ 0..172_800 => (seconds / 3_600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if left.is_negative() {
        format!("ended {date} ({count} {unit}{plural} ago)")
    } else {
        format!("ends {date} (in {count} {unit}{plural})")
    }
}

/// What is to be said of an end that is near: a fault within the time that was asked for, else a note 30 days before.
pub(crate) fn near_end(
    item: &mut Item,
    not_after: Timestamp,
    now: Timestamp,
    fail_within: Option<SignedDuration>,
) {
    if not_after < now {
        // Said by the judgement already.
        return;
    }
    let remedy = "issue it again before then; what the controller manages is renewed by itself";
    let left = not_after.duration_since(now);
    if fail_within.is_some_and(|limit| left < limit) {
        item.faults.push(Advice::new(
            format!(
                "it {}, sooner than asked for with --fail-within",
                ends(not_after, now)
            ),
            remedy,
        ));
    } else if let Some(warning) = ExpiryWarning::due(not_after, now) {
        item.notes
            .push(Advice::new(format!("it {warning}"), remedy));
    }
}
