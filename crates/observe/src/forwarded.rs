//! For whom a request was forwarded.

/// Octets of a value that are looked at, as upstream does.
const LOOKED_AT: usize = 127;
/// Characters beyond which a text is cut, as upstream does.
const MAX_TEXT: usize = 300;

/// Whether a header's name is that of the header.
pub(crate) fn is_forwarded_for(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"x-forwarded-for")
}

/// The first host of the value of an `X-Forwarded-For`.
pub(crate) fn first(value: &[u8]) -> Option<String> {
    let value = String::from_utf8_lossy(value.get(..LOOKED_AT).unwrap_or(value));
    let first = value.split(',').find(|host| !host.is_empty())?.trim();
    (!first.is_empty()).then(|| first.to_owned())
}

/// A text for telemetry.
pub(crate) fn text(value: &[u8]) -> String {
    // No character has more octets.
    let text = String::from_utf8_lossy(value.get(..4 * MAX_TEXT).unwrap_or(value));
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_whatever_it_is() {
        assert_eq!(text(&[0xff; 100_000]).chars().count(), MAX_TEXT);
        assert_eq!(text("ü".repeat(1_000).as_bytes()), "ü".repeat(MAX_TEXT));
    }

    #[test]
    fn the_first_host_counts() {
        let first = |value: &str| first(value.as_bytes());
        assert_eq!(
            first("192.168.0.1, 203.168.2.2").as_deref(),
            Some("192.168.0.1")
        );
        assert_eq!(first(",, 2001:db8::7").as_deref(), Some("2001:db8::7"));
        assert_eq!((first(""), first(","), first(" ,a")), (None, None, None));
        assert_eq!(first(&"9".repeat(200)).map(|host| host.len()), Some(127));
    }
}
