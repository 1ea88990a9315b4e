//! Coercion of values to what an attribute holds, defaults, and what must and must not be there (reference §3.1).

use super::attribute::{Attribute, Type};
use super::{EntityType, entity_type};
use crate::field::{bounded, scalar, truth, whole};
use crate::{Attributes, Kind, Value};

/// Attributes that an entity cannot have. The text is upstream's where upstream has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The attribute at fault, if it is one's.
    pub attribute: Option<String>,
    /// The sentence.
    pub message: String,
}

impl Invalid {
    pub(super) fn attribute(name: &str, message: String) -> Self {
        Invalid {
            attribute: Some(name.to_owned()),
            message,
        }
    }

    /// Whether one of these attributes is at fault.
    pub fn is_of(&self, attributes: &[&str]) -> bool {
        let own = self.attribute.as_deref();
        own.is_some_and(|own| attributes.contains(&own))
    }
}

/// The attributes of an entity of `kind` for what was given: values coerced, defaults filled in, absent ones left out,
/// in the order of the schema. The empty text means "not given" for a word of a list.
///
/// # Errors
/// An attribute that the type does not have, a value that an attribute cannot have, or a required attribute missing.
pub fn validate(kind: Kind, given: &Attributes) -> Result<Attributes, Invalid> {
    let entity = entity_type(kind);
    if let Some(unknown) = given.keys().find(|name| entity.attribute(name).is_none()) {
        return Err(Invalid::attribute(
            unknown,
            unknown_attribute(entity, unknown),
        ));
    }
    let mut attributes = Attributes::new();
    for attribute in &entity.attributes {
        if attribute.name == "type" {
            attributes.insert("type".to_owned(), Value::from(kind.full()));
            continue;
        }
        let value = match given.get(attribute.name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text))
                if text.is_empty() && matches!(attribute.kind, Type::Enum(_)) =>
            {
                None
            }
            Some(value) => Some(coerce(attribute, value).map_err(|message| {
                Invalid::attribute(attribute.name, format!("{}: {message}", kind.full()))
            })?),
        };
        match value.or_else(|| attribute.default_value()) {
            Some(value) => {
                attributes.insert(attribute.name.to_owned(), value);
            }
            None if attribute.required => {
                let message = format!(
                    "{}: Missing required attribute '{}'",
                    kind.full(),
                    attribute.name
                );
                return Err(Invalid::attribute(attribute.name, message));
            }
            None => {}
        }
    }
    Ok(attributes)
}

pub(super) fn unknown_attribute(entity: &EntityType, name: &str) -> String {
    format!(
        "Unknown attribute '{}' for '{}'",
        bounded(name),
        entity.kind.full()
    )
}

fn coerce(attribute: &Attribute, value: &Value) -> Result<Value, String> {
    let refuse = |what: &str| {
        format!(
            "Invalid value for {what}: {} (attribute '{}')",
            quoted(value),
            attribute.name
        )
    };
    match attribute.kind {
        Type::String | Type::Path | Type::EntityId => scalar(value)
            .map(Value::from)
            .ok_or_else(|| refuse("string")),
        Type::Integer => whole(value)
            .map(Value::from)
            .ok_or_else(|| refuse("integer")),
        Type::Boolean => truth(value).map(Value::from).ok_or_else(|| {
            format!(
                "Invalid Boolean value {} (attribute '{}')",
                quoted(value),
                attribute.name
            )
        }),
        Type::Enum(words) => scalar(value)
            .and_then(|word| {
                let index = whole(value).and_then(|index| usize::try_from(index).ok());
                words
                    .iter()
                    .find(|known| **known == word)
                    .or_else(|| words.get(index?))
            })
            .map(|word| Value::from(*word))
            .ok_or_else(|| {
                let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                refuse(&format!("enum[{}]", words.join(", ")))
            }),
        Type::Map => value
            .is_object()
            .then(|| value.clone())
            .ok_or_else(|| refuse("map")),
        Type::List => value
            .is_array()
            .then(|| value.clone())
            .ok_or_else(|| refuse("list")),
        Type::Properties => match value.as_object() {
            None => Err("Properties must be a map".to_owned()),
            Some(entries) if !entries.keys().all(|key| key.is_ascii()) => {
                Err("Property keys must be ASCII encoded".to_owned())
            }
            Some(_) => Ok(value.clone()),
        },
    }
}

/// A value as it is quoted in messages: texts in single quotes, all else as JSON.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", bounded(text)),
        other => bounded(&other.to_string()),
    }
}
