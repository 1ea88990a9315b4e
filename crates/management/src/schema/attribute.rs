//! One attribute of a type of entity.

use crate::{Attributes, Value};

/// What values an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// The name of a file or directory.
    Path,
    /// The identity of another entity.
    EntityId,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// One of the words.
    Enum(&'static [&'static str]),
    /// A map.
    Map,
    /// A list.
    List,
    /// A map whose keys are ASCII.
    Properties,
}

/// What an attribute holds when nobody gave it a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// A text.
    Text(&'static str),
    /// A number.
    Number(i64),
    /// A truth value.
    Flag(bool),
}

/// An attribute of a type of entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What values it has.
    pub kind: Type,
    /// What it holds if not given.
    pub default: Option<Default>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether CREATE may set it.
    pub create: bool,
    /// Whether UPDATE may change it.
    pub update: bool,
    /// Whether its value is a secret, not to be logged.
    pub hidden: bool,
    /// Whether its value is for charts.
    pub graph: bool,
    /// What it means, where the name does not say.
    pub description: &'static str,
}

impl Attribute {
    pub(super) const fn new(name: &'static str, kind: Type) -> Self {
        Attribute {
            name,
            kind,
            default: None,
            required: false,
            create: false,
            update: false,
            hidden: false,
            graph: false,
            description: "",
        }
    }

    pub(super) const fn create(mut self) -> Self {
        self.create = true;
        self
    }

    pub(super) const fn update(mut self) -> Self {
        self.update = true;
        self
    }

    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) const fn default_text(mut self, value: &'static str) -> Self {
        self.default = Some(Default::Text(value));
        self
    }

    pub(super) const fn default_number(mut self, value: i64) -> Self {
        self.default = Some(Default::Number(value));
        self
    }

    pub(super) const fn default_flag(mut self, value: bool) -> Self {
        self.default = Some(Default::Flag(value));
        self
    }

    pub(super) const fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The default as a value.
    pub fn default_value(&self) -> Option<Value> {
        self.default.map(|default| match default {
            Default::Text(text) => Value::from(text),
            Default::Number(number) => Value::from(number),
            Default::Flag(flag) => Value::from(flag),
        })
    }

    /// The attribute as GET-SCHEMA tells it; what is false, empty or zero is left out.
    pub(super) fn describe(&self) -> Value {
        let kind = match self.kind {
            Type::String => Value::from("string"),
            Type::Path => Value::from("path"),
            Type::EntityId => Value::from("entityId"),
            Type::Integer => Value::from("integer"),
            Type::Boolean => Value::from("boolean"),
            Type::Enum(words) => Value::from(words),
            Type::Map => Value::from("map"),
            Type::List => Value::from("list"),
            Type::Properties => Value::from("properties"),
        };
        let mut about = Attributes::new();
        about.insert("type".to_owned(), kind);
        if !matches!(
            self.default,
            None | Some(Default::Text("") | Default::Number(0) | Default::Flag(false))
        ) {
            about.insert(
                "default".to_owned(),
                self.default_value().unwrap_or_default(),
            );
        }
        for (name, flag) in [
            ("required", self.required),
            ("unique", matches!(self.name, "name" | "identity")),
            ("graph", self.graph),
        ] {
            if flag {
                about.insert(name.to_owned(), Value::Bool(true));
            }
        }
        if !self.description.is_empty() {
            about.insert("description".to_owned(), self.description.into());
        }
        Value::Object(about)
    }
}

pub(super) const fn text(name: &'static str) -> Attribute {
    Attribute::new(name, Type::String)
}

pub(super) const fn path(name: &'static str) -> Attribute {
    Attribute::new(name, Type::Path)
}

pub(super) const fn integer(name: &'static str) -> Attribute {
    Attribute::new(name, Type::Integer)
}

/// A number for charts.
pub(super) const fn gauge(name: &'static str) -> Attribute {
    let mut attribute = Attribute::new(name, Type::Integer);
    attribute.graph = true;
    attribute
}

pub(super) const fn boolean(name: &'static str) -> Attribute {
    Attribute::new(name, Type::Boolean)
}

pub(super) const fn word(name: &'static str, words: &'static [&'static str]) -> Attribute {
    Attribute::new(name, Type::Enum(words))
}

pub(super) const fn map(name: &'static str) -> Attribute {
    Attribute::new(name, Type::Map)
}

pub(super) const fn list(name: &'static str) -> Attribute {
    Attribute::new(name, Type::List)
}
