//! From a document to the entities that a router makes of it, in the order in which it makes them (reference §2.2).

use std::collections::HashSet;

use super::{Document, DocumentError, Section};
use crate::config::Mode;
use crate::field::{Field, FieldError, bounded, scalar};
use crate::schema::{self, Invalid};
use crate::{Attributes, Kind};

/// Types in the order in which their entities are made. What opens ports and connections comes last.
const ORDER: [Kind; 15] = [
    Kind::Log,
    Kind::Router,
    Kind::Network,
    Kind::Policy,
    Kind::SslProfile,
    Kind::ProxyProfile,
    Kind::ConfigAddress,
    Kind::AutoLink,
    Kind::Vhost,
    Kind::Site,
    Kind::Connector,
    Kind::Listener,
    Kind::TcpListener,
    Kind::TcpConnector,
    Kind::ListenerAddress,
];

/// What a document comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The entities that can be made, in the order in which to make them.
    pub entities: Vec<LoadedEntity>,
    /// What else the document holds, and why it cannot be.
    pub faults: Vec<DocumentError>,
}

/// An entity of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedEntity {
    /// Its type.
    pub kind: Kind,
    /// Its attributes: validated, defaults filled in, without an identity.
    pub attributes: Attributes,
    /// The line of its section; none for a singleton that the document leaves to its defaults.
    pub line: Option<usize>,
}

/// Validates a whole document. Every fault is found, not only the first.
pub fn load(document: &Document) -> Loaded {
    let mut loader = Loader {
        mode: mode(document),
        loaded: Loaded::default(),
    };
    for kind in ORDER {
        loader.take(
            kind,
            document
                .sections
                .iter()
                .filter(|section| section.kind() == Some(kind)),
        );
    }
    for section in &document.sections {
        if !section.kind().is_some_and(|kind| ORDER.contains(&kind)) {
            let message = format!("No such entity type '{}'", bounded(&section.name));
            loader.fault(
                section,
                Invalid {
                    attribute: None,
                    message,
                },
            );
        }
    }
    loader.loaded.faults.sort_by_key(|fault| fault.line);
    loader.loaded
}

/// The router's mode as the document has it; what is wrong with it is found when its section is.
fn mode(document: &Document) -> Mode {
    let router = document
        .sections
        .iter()
        .find(|section| section.kind() == Some(Kind::Router));
    router
        .and_then(|section| section.attributes.get("mode"))
        .and_then(|mode| Mode::read(mode).ok())
        .unwrap_or_default()
}

struct Loader {
    mode: Mode,
    loaded: Loaded,
}

impl Loader {
    fn take<'a>(&mut self, kind: Kind, sections: impl Iterator<Item = &'a Section>) {
        let mut names = HashSet::new();
        for section in sections {
            match self.entity(kind, section, &names) {
                Ok(attributes) => {
                    names.extend(key(kind, &attributes));
                    self.loaded.entities.push(LoadedEntity {
                        kind,
                        attributes,
                        line: Some(section.line),
                    });
                }
                Err(invalid) => self.fault(section, invalid),
            }
        }
        let made = self
            .loaded
            .entities
            .iter()
            .any(|entity| entity.kind == kind);
        if kind.is_singleton()
            && !made
            && let Ok(attributes) = schema::validate(kind, &Attributes::new())
        {
            self.loaded.entities.push(LoadedEntity {
                kind,
                attributes,
                line: None,
            });
        }
    }

    fn entity(
        &self,
        kind: Kind,
        section: &Section,
        names: &HashSet<String>,
    ) -> Result<Attributes, Invalid> {
        for reserved in ["identity", "type"] {
            if section.attributes.contains_key(reserved) {
                let message = format!("'{reserved}' attribute cannot be specified");
                return Err(Invalid {
                    attribute: Some(reserved.to_owned()),
                    message,
                });
            }
        }
        let attributes = schema::validate(kind, &section.attributes)?;
        schema::check(kind, &attributes, Some(self.mode))?;
        // A router is in one site, though its schema does not say so; telemetry has one record of it.
        if (kind.is_singleton() || kind == Kind::Site)
            && let Some(first) = self
                .loaded
                .entities
                .iter()
                .find(|entity| entity.kind == kind)
        {
            let message = format!(
                "Adding {} singleton {} when the one of line {} already exists: leave one of them out",
                kind.full(),
                bounded(&serde_json::Value::from(section.attributes.clone()).to_string()),
                first.line.unwrap_or_default(),
            );
            return Err(Invalid {
                attribute: None,
                message,
            });
        }
        match key(kind, &attributes) {
            Some(name) if names.contains(&name) => {
                let message = format!(
                    "adding {kind} '{name}' duplicates unique attribute 'name' of an earlier one"
                );
                Err(Invalid {
                    attribute: Some("name".to_owned()),
                    message,
                })
            }
            _ => Ok(attributes),
        }
    }

    fn fault(&mut self, section: &Section, invalid: Invalid) {
        let fault = match invalid.attribute {
            Some(attribute) => {
                let expected = invalid.message;
                section.field_error(FieldError {
                    attribute,
                    expected,
                    found: String::new(),
                })
            }
            None => DocumentError {
                line: Some(section.line),
                section: Some(section.describe()),
                attribute: None,
                expected: invalid.message,
                found: String::new(),
            },
        };
        self.loaded.faults.push(fault);
    }
}

/// By what entities of a type are told apart within a document.
fn key(kind: Kind, attributes: &Attributes) -> Option<String> {
    let attribute = if kind == Kind::Log { "module" } else { "name" };
    attributes
        .get(attribute)
        .filter(|name| name.as_str() != Some(""))
        .and_then(scalar)
}
