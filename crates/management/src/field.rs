//! Attributes as fields of Rust structs, and back.

use crate::{Attributes, Kind, Value};

/// An attribute that does not hold what its field takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute `{attribute}`: expected {expected}, found {found}")]
pub struct FieldError {
    /// The attribute's name.
    pub attribute: String,
    /// What would have been accepted.
    pub expected: String,
    /// What is there, as JSON, or `nothing`.
    pub found: String,
}

/// A struct whose fields are attributes of one type of entity.
pub trait Record: Sized {
    /// The type of entity.
    const KIND: Kind;
    /// The names of the attributes, in the order in which they are written.
    const ATTRIBUTES: &'static [&'static str];

    /// The attributes; those that hold nothing are left out.
    fn attributes(&self) -> Attributes;

    /// Reads the attributes that the struct has, and ignores others. Values are taken as the schema takes them:
    /// `"3"` is a number, `"yes"` is true.
    ///
    /// # Errors
    /// The first attribute whose value the field cannot hold.
    fn from_attributes(attributes: &Attributes) -> Result<Self, FieldError>;
}

/// A Rust type that an attribute's value can have.
pub trait Field: Sized {
    /// What the field holds when the attribute is absent or null; nothing if it must be present.
    fn absent() -> Option<Self>;

    /// # Errors
    /// What was expected.
    fn read(value: &Value) -> Result<Self, String>;

    /// The attribute's value; nothing if it is to be left out.
    fn write(&self) -> Option<Value>;
}

/// Reads one field.
///
/// # Errors
/// The value is not what the field takes, or is absent where it must be present.
pub fn read<T: Field>(attributes: &Attributes, attribute: &str) -> Result<T, FieldError> {
    let error = |expected: String, found: String| FieldError {
        attribute: attribute.to_owned(),
        expected,
        found,
    };
    match attributes.get(attribute) {
        None | Some(Value::Null) => {
            T::absent().ok_or_else(|| error("a value".to_owned(), "nothing".to_owned()))
        }
        Some(value) => {
            T::read(value).map_err(|expected| error(expected, bounded(&value.to_string())))
        }
    }
}

/// Text for an error: at most 80 characters of what was given.
pub(crate) fn bounded(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text of a scalar; nothing for a list, a map or null.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A whole number, given as one or as its text.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A truth value: itself, its usual words in any case, or a number that is or is not zero.
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

impl Field for String {
    fn absent() -> Option<Self> {
        Some(String::new())
    }
    fn read(value: &Value) -> Result<Self, String> {
        scalar(value).ok_or_else(|| "a text".to_owned())
    }
    fn write(&self) -> Option<Value> {
        (!self.is_empty()).then(|| Value::from(self.as_str()))
    }
}

impl Field for bool {
    fn absent() -> Option<Self> {
        Some(false)
    }
    fn read(value: &Value) -> Result<Self, String> {
        truth(value).ok_or_else(|| "true or false".to_owned())
    }
    fn write(&self) -> Option<Value> {
        self.then_some(Value::Bool(true))
    }
}

macro_rules! whole_field {
    ($($type:ty: $expected:literal, $absent:expr, $write:expr;)*) => {$(
        impl Field for $type {
            fn absent() -> Option<Self> {
                $absent
            }
            fn read(value: &Value) -> Result<Self, String> {
                whole(value).and_then(|number| number.try_into().ok()).ok_or_else(|| $expected.to_owned())
            }
            fn write(&self) -> Option<Value> {
                $write(*self)
            }
        }
    )*};
}

whole_field! {
    // A port is written always, even zero; a count or a revision when it is not zero.
    u16: "a port between 0 and 65535", None, |port: u16| Some(Value::from(port));
    i64: "a whole number", None, |number: i64| Some(Value::from(number));
    u32: "a whole number between 0 and 4294967295", Some(0), |number: u32| (number != 0).then(|| Value::from(number));
    u64: "a whole number not below 0", Some(0), |number: u64| (number != 0).then(|| Value::from(number));
}

impl<T: Field> Field for Option<T> {
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn read(value: &Value) -> Result<Self, String> {
        T::read(value).map(Some)
    }
    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(Field::write)
    }
}

impl Field for Attributes {
    fn absent() -> Option<Self> {
        Some(Attributes::new())
    }
    fn read(value: &Value) -> Result<Self, String> {
        value.as_object().cloned().ok_or_else(|| "a map".to_owned())
    }
    fn write(&self) -> Option<Value> {
        (!self.is_empty()).then(|| Value::Object(self.clone()))
    }
}

/// A truth value of which "unset" differs from "false": left out, or written whichever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tristate(pub Option<bool>);

impl Field for Tristate {
    fn absent() -> Option<Self> {
        Some(Tristate(None))
    }
    fn read(value: &Value) -> Result<Self, String> {
        bool::read(value).map(|flag| Tristate(Some(flag)))
    }
    fn write(&self) -> Option<Value> {
        self.0.map(Value::Bool)
    }
}

/// A number that is written as text, as upstream's controller writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Textual(pub u32);

impl Field for Textual {
    fn absent() -> Option<Self> {
        None
    }
    fn read(value: &Value) -> Result<Self, String> {
        u32::read(value).map(Textual)
    }
    fn write(&self) -> Option<Value> {
        Some(Value::from(self.0.to_string()))
    }
}

/// Declares a [`Record`]: a struct, the type of entity, and for each field its attribute.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $kind:ident => $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $attribute:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::field::Record for $name {
            const KIND: $crate::Kind = $crate::Kind::$kind;
            const ATTRIBUTES: &'static [&'static str] = &[$($attribute,)*];

            fn attributes(&self) -> $crate::Attributes {
                let mut attributes = $crate::Attributes::new();
                $(if let Some(value) = $crate::field::Field::write(&self.$field) {
                    attributes.insert($attribute.to_owned(), value);
                })*
                attributes
            }

            fn from_attributes(attributes: &$crate::Attributes) -> Result<Self, $crate::field::FieldError> {
                Ok(Self { $($field: $crate::field::read(attributes, $attribute)?,)* })
            }
        }
    };
}

/// Declares an enumeration whose values are texts.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
        }

        impl $name {
            /// Every value, in the order of the schema.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word that stands for the value.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }

            /// The value that a word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::field::Field for $name {
            fn absent() -> Option<Self> {
                Some(Self::default())
            }
            fn read(value: &$crate::Value) -> Result<Self, String> {
                $crate::field::scalar(value)
                    .and_then(|word| Self::from_word(&word))
                    .ok_or_else(|| format!("one of {}", [$($word,)*].join(", ")))
            }
            fn write(&self) -> Option<$crate::Value> {
                Some($crate::Value::from(self.as_str()))
            }
        }
    };
}

pub(crate) use {record, words};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_taken_as_the_schema_takes_them() {
        assert_eq!(u16::read(&json!("55671")), Ok(55671));
        assert_eq!(u16::read(&json!(55671)), Ok(55671));
        assert!(u16::read(&json!(70000)).is_err());
        assert_eq!(String::read(&json!(5671)), Ok("5671".to_owned()));
        assert_eq!(bool::read(&json!("Yes")), Ok(true));
        assert_eq!(bool::read(&json!(0)), Ok(false));
        assert!(bool::read(&json!("perhaps")).is_err());
    }

    #[test]
    fn errors_name_the_attribute_and_both_values() {
        let attributes = json!({"port": "amqp"});
        let error = read::<u16>(attributes.as_object().unwrap(), "port").unwrap_err();
        assert_eq!(
            error.to_string(),
            "attribute `port`: expected a port between 0 and 65535, found \"amqp\""
        );
        let error = read::<u16>(attributes.as_object().unwrap(), "other").unwrap_err();
        assert_eq!(
            error.to_string(),
            "attribute `other`: expected a value, found nothing"
        );
    }
}
