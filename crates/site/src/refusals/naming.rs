//! Secrets in the place of the router's profiles: a user knows `ca.crt of Secret X`; the router, which has no Secrets, says
//! `ca.crt of sslProfile X-profile`, and so does its log.

use serde_json::Value;

use super::Report;
use crate::profiles::Profiles;

/// What stands before a profile's name in the router's sentences.
const BEFORE: &str = "sslProfile ";

impl Report {
    /// The same report with the Secret's name wherever a router names a profile.
    pub(crate) fn naming_secrets(mut self, profiles: &Profiles) -> Self {
        for router in self.routers.values_mut() {
            let entities = router
                .connectors
                .values_mut()
                .chain(router.listeners.values_mut())
                .chain(router.ssl_profiles.values_mut());
            for attributes in entities {
                attributes
                    .values_mut()
                    .for_each(|value| rename(value, profiles));
            }
            for problem in &mut router.problems {
                if let Some(renamed) = renamed(problem, profiles) {
                    *problem = renamed;
                }
            }
        }
        self
    }
}

/// Every text in a value. A report is bounded, and so is its depth.
fn rename(value: &mut Value, profiles: &Profiles) {
    match value {
        Value::String(text) => {
            if let Some(renamed) = renamed(text, profiles) {
                *text = renamed;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, profiles)),
        Value::Object(values) => values
            .values_mut()
            .for_each(|value| rename(value, profiles)),
        _ => {}
    }
}

/// The text with Secrets; nothing if it names no profile.
fn renamed(text: &str, profiles: &Profiles) -> Option<String> {
    if !text.contains(BEFORE) {
        return None;
    }
    let mut pieces = text.split(BEFORE);
    let mut renamed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let quote = if piece.starts_with('\'') { "'" } else { "" };
        let rest = &piece[quote.len()..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'))
            .unwrap_or(rest.len());
        // A full stop may belong to the sentence.
        let word = &rest[..end];
        let names = [word, word.trim_end_matches('.')];
        let found = names
            .into_iter()
            .find_map(|name| Some((name, &profiles.get(name)?.secret)));
        match found {
            Some((name, secret)) => {
                renamed.push_str("Secret ");
                renamed.push_str(quote);
                renamed.push_str(secret);
                renamed.push_str(&rest[name.len()..]);
            }
            None => {
                renamed.push_str(BEFORE);
                renamed.push_str(piece);
            }
        }
    }
    Some(renamed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::profiles::Profile;

    fn profiles() -> Profiles {
        let profile = |secret: &str| Profile {
            secret: secret.to_owned(),
            ..Profile::default()
        };
        [
            (
                "skupper-site-server".to_owned(),
                profile("skupper-site-server"),
            ),
            ("east-profile".to_owned(), profile("east")),
        ]
        .into()
    }

    #[test]
    fn secrets_are_named_and_nothing_else_is_changed() {
        let said = |text: &str| renamed(text, &profiles());
        assert_eq!(
            said("not among the CAs of ca.crt of sslProfile east-profile: CN=x. Put it into ca.crt of sslProfile east-profile.")
                .as_deref(),
            Some("not among the CAs of ca.crt of Secret east: CN=x. Put it into ca.crt of Secret east.")
        );
        assert_eq!(
            said("sslProfile 'skupper-site-server': no key").as_deref(),
            Some("Secret 'skupper-site-server': no key")
        );
        // Somebody else's, or a longer name.
        for other in [
            "ca.crt of sslProfile east-profile-2, ü",
            "sslProfile ",
            "an sslProfile 'ü'",
        ] {
            assert_eq!(said(other).as_deref(), Some(other));
        }
        assert_eq!(said("no profile at all"), None);
    }

    #[test]
    fn a_report_names_them_wherever_a_router_does() {
        let text = "ca.crt of sslProfile east-profile";
        let report = |text: &str| -> Report {
            serde_json::from_value(json!({"pod": {
                "connectors": {"l": {"refusals": [{"message": text, "expected": text}]}},
                "listeners": {"l": {"refusals": [{"message": text}]}},
                "sslProfiles": {"east-profile": {"credential": {"findings": [{"message": text}]}}},
                "problems": [text],
            }}))
            .unwrap()
        };
        assert_eq!(
            report(text).naming_secrets(&profiles()),
            report("ca.crt of Secret east")
        );
    }
}
