//! Lines.

use std::fmt::Write;

use super::Entry;

/// What upstream's `timestampFormat` has for microseconds: two percent signs, since it is formatted twice.
const MICROSECONDS: &str = "%%06lu";
const DEFAULT: &str = "%Y-%m-%d %H:%M:%S.%6f %z";

/// How the times of lines are written.
#[derive(Clone, Debug)]
pub struct TimeFormat {
    format: String,
    zone: jiff::tz::TimeZone,
}

impl Default for TimeFormat {
    fn default() -> Self {
        TimeFormat {
            format: DEFAULT.to_owned(),
            zone: jiff::tz::TimeZone::system(),
        }
    }
}

impl TimeFormat {
    /// The format and zone of the router's `timestampFormat` (empty for the usual one) and `timestampsInUTC`.
    pub fn new(format: &str, in_utc: bool) -> Self {
        let mut time = TimeFormat::default();
        if !format.is_empty() {
            time.format = format.replace(MICROSECONDS, "%6f");
        }
        if in_utc {
            time.zone = jiff::tz::TimeZone::UTC;
        }
        time
    }

    fn write(&self, time: jiff::Timestamp) -> String {
        let zoned = time.to_zoned(self.zone.clone());
        let mut text = String::new();
        if write!(text, "{}", zoned.strftime(&self.format)).is_err() {
            // A format that cannot be: better the usual time than none.
            text.clear();
            let _ = write!(text, "{}", zoned.strftime(DEFAULT));
        }
        text
    }
}

/// The line of an entry, with its newline.
pub(super) fn line(entry: &Entry, time: Option<&TimeFormat>, with_source: bool) -> String {
    let mut line = String::with_capacity(entry.text.len() + 64);
    if let Some(format) = time {
        line.push_str(&format.write(entry.time));
        line.push(' ');
    }
    // Writing into a String cannot fail.
    let _ = write!(line, "{} ({}) {}", entry.module, entry.level, entry.text);
    if with_source && let Some((file, number)) = entry.source {
        let _ = write!(line, " ({file}:{number})");
    }
    line.push('\n');
    line
}

/// Text of at most about `longest` octets on one line: control characters are escaped.
pub(super) fn clean(text: &str, longest: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(longest));
    for letter in text.chars() {
        if clean.len() >= longest {
            clean.push('…');
            break;
        }
        if letter.is_control() {
            clean.extend(letter.escape_default());
        } else {
            clean.push(letter);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use skupper_management::entity::Level;

    fn entry() -> Entry {
        Entry {
            module: "SERVER",
            level: Level::Warning,
            text: "[C1] hello".to_owned(),
            source: Some(("a.rs", 3)),
            time: "2026-11-25T03:24:34.731170Z".parse().unwrap(),
        }
    }

    #[test]
    fn lines_are_as_upstreams() {
        let utc = TimeFormat::new("", true);
        assert_eq!(
            line(&entry(), Some(&utc), false),
            "2026-11-25 03:24:34.731170 +0000 SERVER (warning) [C1] hello\n"
        );
        assert_eq!(
            line(&entry(), None, true),
            "SERVER (warning) [C1] hello (a.rs:3)\n"
        );
        let own = TimeFormat::new("%H:%M:%S.%%06lu", true);
        assert_eq!(
            line(&entry(), Some(&own), false),
            "03:24:34.731170 SERVER (warning) [C1] hello\n"
        );
        let nonsense = TimeFormat::new("%Q%!", true);
        assert!(line(&entry(), Some(&nonsense), false).ends_with("SERVER (warning) [C1] hello\n"));
    }

    #[test]
    fn what_a_peer_says_stays_on_one_line() {
        assert_eq!(clean("a\u{1b}[31m\nb", 100), "a\\u{1b}[31m\\nb");
        assert_eq!(clean(&"é".repeat(100), 10), "ééééé…");
    }
}
