//! What an entity asks for and does not get: attributes that are taken for the sake of files and scripts, and can have no effect.

use crate::entity::PasswordSource;
use crate::field::scalar;
use crate::{Attributes, Kind};

/// Mechanisms of SASL that a listener can offer, and those that a connector can use.
const OFFERED: &[&str] = &["EXTERNAL", "ANONYMOUS"];
const USED: &[&str] = &["EXTERNAL", "PLAIN", "ANONYMOUS"];

/// A sentence for each attribute that is set and has no effect: which, of what, why, and what to do instead.
pub fn without_effect(kind: Kind, attributes: &Attributes) -> Vec<String> {
    match kind {
        Kind::Router => router(attributes),
        Kind::Listener => mechanisms(
            kind,
            attributes,
            OFFERED,
            "this router has no database of users: give the listener an sslProfile and clients a certificate, and use EXTERNAL",
        ),
        Kind::Connector => mechanisms(
            kind,
            attributes,
            USED,
            "this router does not speak it: use EXTERNAL with an sslProfile, or PLAIN with saslUsername and saslPassword",
        ),
        _ => Vec::new(),
    }
}

/// What is said of a password that stands in the configuration itself, in upstream's words.
pub fn plain_password(kind: Kind, attributes: &Attributes) -> Option<String> {
    let name = match kind {
        Kind::Connector => "saslPassword",
        Kind::SslProfile | Kind::ProxyProfile => "password",
        _ => return None,
    };
    let password = text(attributes, name);
    if password.is_empty()
        || !matches!(PasswordSource::parse(&password), PasswordSource::Literal(_))
    {
        return None;
    }
    let own = text(attributes, "name");
    Some(format!(
        "It is unsafe to provide plain text passwords in the config file: {kind} '{own}': attribute `{name}`: say where the password is, by file:PATH or env:NAME"
    ))
}

fn text(attributes: &Attributes, name: &str) -> String {
    attributes.get(name).and_then(scalar).unwrap_or_default()
}

fn router(attributes: &Attributes) -> Vec<String> {
    let cyrus = "this router has no Cyrus SASL and no database of users: have clients authenticate by certificate (saslMechanisms EXTERNAL and an sslProfile), and leave it out";
    let dump = "this router has no logger that could be missing: its log goes where the log entities say, and memory to /metrics; leave it out";
    let reasons = [
        ("saslConfigDir", "", cyrus),
        ("saslConfigName", "skrouterd", cyrus),
        ("debugDumpFile", "", dump),
    ];
    let id = text(attributes, "id");
    let set = reasons.into_iter().filter_map(|(name, default, why)| {
        let value = text(attributes, name);
        let is_set = !value.is_empty() && value != default;
        is_set.then(|| format!("router '{id}': attribute `{name}`: '{value}' has no effect: {why}"))
    });
    let mut told: Vec<String> = set.collect();
    if !text(attributes, "vanId").is_empty() {
        told.push(format!(
            "router '{id}': attribute `vanId` is deprecated, and means what `tenantId` of `network` does: set that instead"
        ));
    }
    told
}

fn mechanisms(kind: Kind, attributes: &Attributes, known: &[&str], why: &str) -> Vec<String> {
    let name = text(attributes, "name");
    let listed = text(attributes, "saslMechanisms");
    let unknown = listed.split_whitespace();
    let unknown = unknown.filter(|mechanism| !known.contains(mechanism));
    unknown
        .map(|mechanism| {
            format!(
                "{kind} '{name}': attribute `saslMechanisms`: expected some of {}, found '{mechanism}', which has no effect: {why}",
                known.join(", ")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: Kind, attributes: serde_json::Value) -> Vec<String> {
        without_effect(kind, attributes.as_object().unwrap())
    }

    #[test]
    fn what_has_no_effect_is_told_with_what_to_do() {
        let quiet = json!({"id": "A", "saslConfigName": "skrouterd", "metadata": "x"});
        assert_eq!(told(Kind::Router, quiet), Vec::<String>::new());
        let all = json!({"id": "A", "saslConfigDir": "/sasl", "saslConfigName": "other", "debugDumpFile": "dump", "vanId": "v"});
        let all = told(Kind::Router, all);
        assert_eq!(all.len(), 4);
        assert!(
            all[0].starts_with("router 'A': attribute `saslConfigDir`: '/sasl' has no effect: ")
        );
        assert!(all[3].contains("`tenantId`"));
    }

    #[test]
    fn passwords_that_stand_in_the_configuration_are_told() {
        let told = |kind, value| {
            plain_password(
                kind,
                json!({"name": "n", "password": value}).as_object().unwrap(),
            )
        };
        for unsafe_one in ["secret", "pass:secret", "literal:secret"] {
            let told = told(Kind::SslProfile, unsafe_one).unwrap();
            assert!(
                told.starts_with("It is unsafe to provide plain text passwords in the config file")
                    && told.contains("sslProfile 'n': attribute `password`")
                    && !told.contains("secret"),
                "{told}"
            );
        }
        for place in ["file:/secret", "env:SECRET", ""] {
            assert_eq!(told(Kind::ProxyProfile, place), None);
        }
        assert_eq!(told(Kind::Listener, "secret"), None);
        let connector = json!({"name": "n", "saslPassword": "pass:secret"});
        assert!(plain_password(Kind::Connector, connector.as_object().unwrap()).is_some());
    }

    #[test]
    fn mechanisms_that_need_a_database_are_told() {
        let listed = json!({"name": "in", "saslMechanisms": "EXTERNAL PLAIN SCRAM-SHA-256"});
        let of_listener = told(Kind::Listener, listed.clone());
        assert_eq!(of_listener.len(), 2);
        assert!(of_listener[0].contains("found 'PLAIN'"), "{of_listener:?}");
        assert_eq!(told(Kind::Connector, listed).len(), 1);
        assert!(told(Kind::Listener, json!({"name": "in"})).is_empty());
    }
}
