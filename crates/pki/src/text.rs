//! Text that strangers chose, made fit for a status line: bounded and without control characters.

use jiff::Timestamp;

/// Longest text taken from a certificate or a peer into one sentence, in characters.
const LONGEST: usize = 128;
/// How many items of a list are spelled out before the rest is only counted.
const LISTED: usize = 8;

/// Escapes control and direction-changing characters and cuts after [`LONGEST`] characters.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST + 8));
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || hidden {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Lower-case hexadecimal digits, as in `openssl x509 -fingerprint` without colons.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// `a, b and 3 more`; `none` when there is nothing to list.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<&str> = items.iter().take(LISTED).map(AsRef::as_ref).collect();
    match items.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A moment to the second in UTC: certificates know no finer time.
pub(crate) fn moment(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}

/// The distance between two moments in the largest unit that says something: `3 days`, `1 hour`.
pub(crate) fn distance(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.as_second().abs_diff(from.as_second());
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped_and_bounded() {
        assert_eq!(escape("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
        assert_eq!(escape(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn long_lists_are_counted() {
        let items: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        assert_eq!(list(&items), "0, 1, 2, 3, 4, 5, 6, 7 and 3 more");
        assert_eq!(list::<String>(&[]), "none");
    }
}
