//! What listeners and connectors have in common on the command line: a name and a port, names of what exists, and the texts
//! that say so with the one word or the other.

use crate::arguments::{Removed, Shown};
use crate::failure::Failure;
use crate::validate::{self, Problems};

/// `listener` or `connector`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) &'static str);

/// What the namespace has, as far as it matters for `create` and `update`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// The namespace.
    pub(crate) namespace: &'a str,
    /// Whether the listener or connector of the name given exists.
    pub(crate) exists: bool,
    /// Whether the Secret that was named exists; `true` where none was.
    pub(crate) secret_exists: bool,
}

impl Word {
    /// Name and port of something new.
    pub(crate) fn name_and_port(
        self,
        arguments: &[String],
        problems: &mut Problems,
    ) -> (String, i64) {
        let Self(word) = self;
        let (name, port) = match arguments {
            [] | [_] => {
                problems.add(format!("{word} name and port must be configured"));
                return (String::new(), 0);
            }
            [name, port] => (name, port),
            _ => {
                problems.add("only two arguments are allowed for this command");
                return (String::new(), 0);
            }
        };
        if name.is_empty() {
            problems.add(format!("{word} name must not be empty"));
        } else {
            problems.check(
                &format!("{word} name is not valid"),
                validate::resource_name(name),
            );
        }
        let number = if port.is_empty() {
            problems.add(format!("{word} port must not be empty"));
            None
        } else {
            let number = validate::number(port).and_then(validate::port);
            problems.check(&format!("{word} port is not valid"), number)
        };
        (name.clone(), number.unwrap_or_default())
    }

    /// The name of something that exists.
    pub(crate) fn name(self, names: &[String], missing: &str, problems: &mut Problems) -> String {
        let Self(word) = self;
        match names {
            [] => problems.add(format!("{word} name must be {missing}")),
            [name] if name.is_empty() => problems.add(format!("{word} name must not be empty")),
            [_] => {}
            _ => problems.add("only one argument is allowed for this command"),
        }
        names.first().cloned().unwrap_or_default()
    }

    /// The flags that both have.
    pub(crate) fn flags(
        self,
        routing_key: Option<&str>,
        kind: Option<&str>,
        known: Option<&Known<'_>>,
        credentials: Option<&str>,
        problems: &mut Problems,
    ) {
        let Self(word) = self;
        if let Some(key) = routing_key.filter(|key| !key.is_empty()) {
            problems.check("routing key is not valid", validate::resource_name(key));
        }
        if let Some(credentials) = credentials.filter(|name| !name.is_empty()) {
            match known {
                // Nothing is asked of a cluster.
                None => {
                    problems.check(
                        "tlsCredentials is not valid",
                        validate::resource_name(credentials),
                    );
                }
                Some(known) if !known.secret_exists => {
                    problems.add("tls-secret is not valid: does not exist");
                }
                Some(_) => {}
            }
        }
        if let Some(kind) = kind {
            problems.check(
                &format!("{word} type is not valid"),
                validate::option(kind, &validate::TRANSPORTS),
            );
        }
    }

    /// What must not exist yet.
    pub(crate) fn is_new(self, name: &str, known: &Known<'_>, problems: &mut Problems) {
        if known.exists && !name.is_empty() {
            let (word, namespace) = (self.0, known.namespace);
            problems.add(format!(
                "There is already a {word} {name} created for namespace {namespace}"
            ));
        }
    }

    /// What must exist.
    pub(crate) fn exists(
        self,
        name: &str,
        known: &Known<'_>,
        purpose: &str,
        problems: &mut Problems,
    ) {
        if !known.exists && !name.is_empty() {
            let (word, namespace) = (self.0, known.namespace);
            problems.add(match purpose {
                "" => format!("{word} {name} does not exist in namespace {namespace}"),
                _ => format!("{word} {name} must exist in namespace {namespace} to be {purpose}"),
            });
        }
    }

    /// Which one `status` shows; `None` for all.
    pub(crate) fn shown<'a>(
        self,
        command: &'a Shown,
        known: &Known<'_>,
    ) -> Result<Option<&'a str>, Failure> {
        let Self(word) = self;
        let mut problems = Problems::default();
        if command.names.len() > 1 {
            problems.add("only one argument is allowed for this command");
        }
        let name = command.names.first();
        if name.is_some_and(String::is_empty) {
            problems.add(format!("{word} name must not be empty"));
        }
        self.exists(name.map_or("", String::as_str), known, "", &mut problems);
        let output = command.output.output.as_str();
        if !output.is_empty() {
            problems.check(
                "output type is not valid",
                validate::option(output, &validate::OUTPUTS),
            );
        }
        problems.or(typed(name))
    }

    /// Which one `delete` removes.
    pub(crate) fn delete(self, command: &Removed, known: &Known<'_>) -> Result<String, Failure> {
        let Self(word) = self;
        let mut problems = Problems::default();
        let name = self.name(&command.names, "specified", &mut problems);
        let valid = validate::resource_name(&name);
        if problems.is_empty()
            && problems
                .check(&format!("{word} name is not valid"), valid)
                .is_some()
        {
            self.exists(&name, known, "", &mut problems);
        }
        problems.check("timeout is not valid", validate::timeout(command.timeout));
        problems.or(name)
    }
}

/// Takes the value that was typed, if one was and it says something.
pub(crate) fn typed(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|value| !value.is_empty())
}
