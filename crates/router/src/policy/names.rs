//! Which addresses one user may name.

use skupper_management::entity::{LinkNames, USER};
use skupper_routing::address::{Pattern, bare};

/// The addresses of a group for one of its users.
#[derive(Debug)]
pub(crate) enum Names {
    /// Texts; those that are marked stand for all that begin so.
    Texts(Vec<(String, bool)>),
    /// Patterns of tokens.
    Patterns(Vec<Pattern>),
}

impl Names {
    /// The addresses that `user` may name. What the user is called is never a wildcard.
    pub(crate) fn of(names: &LinkNames, user: &str) -> Self {
        // A user without a name, or whose name's ends are separators, would make a rule of its own wider than it was meant.
        let is_nobody = user.is_empty() || user.trim_matches(['.', '/']) != user;
        let usable = |text: &&String| !(is_nobody && text.contains(USER));
        match names {
            LinkNames::Texts(texts) => {
                let own = texts.iter().filter(usable).map(|text| {
                    // What a user is called is put in last: no part of it is taken for a scheme or a host.
                    let (text, open) = match text.strip_suffix('*') {
                        Some(begin) => (begin, true),
                        None => (bare(text), false),
                    };
                    (text.replacen(USER, user, 1), open)
                });
                Names::Texts(own.collect())
            }
            LinkNames::Patterns(patterns) => {
                // One without a token allows nothing, nor does one in which the user is a part of a token.
                let own = patterns
                    .iter()
                    .filter(usable)
                    .filter_map(|text| Pattern::with_literal(text, USER, user).ok());
                Names::Patterns(own.collect())
            }
        }
    }

    /// Whether the user may name an address. No address is nobody's.
    pub(crate) fn allow(&self, address: &str) -> bool {
        // `a:/secret` leads to `secret`, and has nothing to do with `a*`.
        let address = bare(address);
        !address.is_empty()
            && match self {
                Names::Texts(texts) => texts.iter().any(|(text, open)| match open {
                    true => address.starts_with(text.as_str()),
                    false => address == text,
                }),
                Names::Patterns(patterns) => patterns.iter().any(|pattern| pattern.fits(address)),
            }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(names: &[&str], user: &str) -> Names {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Names::of(&LinkNames::Texts(names), user)
    }

    fn patterns(names: &[&str], user: &str) -> Names {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Names::of(&LinkNames::Patterns(names), user)
    }

    #[test]
    fn texts_end_in_a_wildcard_and_hold_the_user() {
        for (names, user, address, expected) in [
            (&["a", "b*"][..], "u", "a", true),
            (&["a", "b*"], "u", "a2", false),
            (&["a", "b*"], "u", "b", true),
            (&["a", "b*"], "u", "big", true),
            (&["*"], "u", "anything/at.all", true),
            (&["*"], "u", "", false),
            (&[], "u", "a", false),
            (&["tmp-${user}"], "ann", "tmp-ann", true),
            (&["tmp-${user}"], "ann", "tmp-ann-5", false),
            (&["tmp-${user}*"], "ann", "tmp-ann-5", true),
            (&["${user}/in"], "ann", "ann/in", true),
            (&["${user}/in"], "ann", "bob/in", false),
            (&["x-${user}-y"], "ann", "x-ann-y", true),
            // Who is called so gets no more than his own.
            (&["tmp-${user}"], "*", "tmp-ann", false),
            (&["tmp-${user}"], "*", "tmp-*", true),
            (&["tmp-${user}"], "${user}", "tmp-ann", false),
            (&["a*b"], "u", "axb", false),
            // An address is what it leads to.
            (&["a*"], "u", "a:/secret", false),
            (&["a*"], "u", "x://host/a1", true),
            (&["tmp-${user}*"], "ann", "tmp-ann:/secret", false),
            (&["tmp-${user}*"], "x:/secret", "tmp-x:/secret", false),
            (&["a", "amqp:/b"], "u", "/a", true),
            (&["a", "amqp:/b"], "u", "b", true),
            // Nobody has nothing of his own.
            (&["${user}*"], "", "secret", false),
            (&["${user}*", "b"], "", "b", true),
            (&["${user}*"], "/", "secret", false),
        ] {
            assert_eq!(
                texts(names, user).allow(address),
                expected,
                "{names:?} {user} {address}"
            );
        }
    }

    #[test]
    fn patterns_have_tokens_and_the_user_is_one_of_them() {
        for (names, user, address, expected) in [
            (
                &["addr/*/queue/*", "simpleaddress", "queue.${user}"][..],
                "anonymous",
                "addr/something/queue/one",
                true,
            ),
            (
                &["addr/*/queue/*", "simpleaddress", "queue.${user}"],
                "anonymous",
                "simpleaddress",
                true,
            ),
            (
                &["addr/*/queue/*", "simpleaddress", "queue.${user}"],
                "anonymous",
                "queue.anonymous",
                true,
            ),
            (
                &["addr/*/queue/*", "simpleaddress", "queue.${user}"],
                "anonymous",
                "addr/queue/one",
                false,
            ),
            (
                &["addr/*/queue/*", "simpleaddress", "queue.${user}"],
                "anonymous",
                "simpleaddress1",
                false,
            ),
            (
                &["addr/*/queue/*", "simpleaddress", "queue.${user}"],
                "anonymous",
                "queue.user",
                false,
            ),
            (&["#"], "u", "any/thing", true),
            (&["#"], "u", "", false),
            (&["${user}/#"], "ann", "ann", true),
            (&["${user}/#"], "ann", "ann/1/2", true),
            (&["${user}/#"], "ann", "anna/1", false),
            (&["${user}/#"], "#", "bob/1", false),
            (&["abc${user}"], "ann", "abcann", false),
            (&["abc${user}"], "ann", "abc.ann", false),
        ] {
            assert_eq!(
                patterns(names, user).allow(address),
                expected,
                "{names:?} {user} {address}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_users_name_opens_nothing_but_its_own(
            user in "[a-z*#${}]{1,3}([./][a-z*#${}]{1,3})?",
            other in "[a-z*#.$/{}]{1,6}",
            before in "[a-z]{0,3}",
        ) {
            let allowed = texts(&[&format!("{before}-${{user}}")], &user);
            let (own, others) = (format!("{before}-{user}"), format!("{before}-{other}"));
            prop_assert!(allowed.allow(&own));
            prop_assert_eq!(allowed.allow(&others), bare(&others) == own);
        }

        #[test]
        fn what_is_listed_is_allowed_and_a_wildcard_allows_what_begins_so(
            names in prop::collection::vec("[a-z/.]{1,8}", 0..5),
            address in "[a-z/.]{1,8}",
        ) {
            let exact: Vec<&str> = names.iter().map(String::as_str).collect();
            let led = bare(&address);
            let listed = names.iter().any(|name| bare(name) == led);
            prop_assert_eq!(texts(&exact, "u").allow(&address), listed && !led.is_empty());
            let open: Vec<String> = names.iter().map(|name| format!("{name}*")).collect();
            let open: Vec<&str> = open.iter().map(String::as_str).collect();
            let expected = !led.is_empty() && names.iter().any(|name| led.starts_with(name));
            prop_assert_eq!(texts(&open, "u").allow(&address), expected);
        }
    }
}
