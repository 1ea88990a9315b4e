//! Which parts of messages are logged (`messageLoggingComponents`).

/// The parts, as they are called, in the order in which they are told.
const NAMES: [&str; 14] = [
    "message-id",
    "user-id",
    "to",
    "subject",
    "reply-to",
    "correlation-id",
    "content-type",
    "content-encoding",
    "absolute-expiry-time",
    "creation-time",
    "group-id",
    "group-sequence",
    "reply-to-group-id",
    "app-properties",
];

/// A set of parts of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageComponents(u16);

impl MessageComponents {
    /// Reads `none`, `all` or names separated by commas. A name that is none is left alone, as upstream's router does.
    pub fn parse(text: &str) -> Self {
        if text.trim() == "all" {
            return MessageComponents(u16::MAX);
        }
        let given = text.split(',').map(str::trim);
        let known = given.filter_map(|given| NAMES.iter().position(|name| *name == given));
        MessageComponents(known.fold(0, |bits, at| bits | 1 << at))
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it has a part.
    pub fn has(self, name: &str) -> bool {
        let at = NAMES.iter().position(|known| *known == name);
        at.is_some_and(|at| self.0 & (1 << at) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_others_left_alone() {
        let some = MessageComponents::parse("user-id, subject,colour");
        assert!(
            some.has("user-id") && some.has("subject") && !some.has("to") && !some.has("colour")
        );
        for none in ["", "none", "colour"] {
            assert!(MessageComponents::parse(none).is_empty());
        }
        assert!(
            NAMES
                .iter()
                .all(|name| MessageComponents::parse("all").has(name))
        );
    }
}
