//! Configuration documents: `skrouterd.json` and `.conf` (reference §2.1), whole, with the lines things stand on.

mod conf;
mod error;
mod expand;
mod json;
mod load;
mod print;

pub use conf::parse as parse_conf;
pub use error::{DocumentError, DocumentErrors};
pub use expand::expand;
pub use json::parse as parse_json;
pub use load::{Loaded, LoadedEntity, load};
pub use print::{Indent, json_text, pretty};

use crate::field::{FieldError, scalar};
use crate::{Attributes, Kind};

/// The two ways to write a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// An array of pairs of a section's name and its attributes.
    Json,
    /// Lines: `section {`, `attribute: value`, `}`.
    Conf,
}

impl Dialect {
    /// The dialect of a file: JSON exactly if its name ends so.
    pub fn of_path(path: &str) -> Self {
        if path.ends_with(".json") {
            Dialect::Json
        } else {
            Dialect::Conf
        }
    }
}

/// A document as it was written: nothing is known yet about what its values mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Sections in the order of the text.
    pub sections: Vec<Section>,
}

/// One section of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its name in camelCase.
    pub name: String,
    /// Its attributes, names in camelCase.
    pub attributes: Attributes,
    /// The line it begins on, from 1.
    pub line: usize,
    /// The line of each attribute, in the order of `attributes`.
    attribute_lines: Vec<(String, usize)>,
}

impl Document {
    /// Reads a text.
    ///
    /// # Errors
    /// Every line that is not as the dialect has it.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, DocumentErrors> {
        match dialect {
            Dialect::Json => parse_json(text),
            Dialect::Conf => parse_conf(text),
        }
    }
}

impl Section {
    fn new(name: &str, line: usize) -> Self {
        Section {
            name: section_name(name),
            attributes: Attributes::new(),
            line,
            attribute_lines: Vec::new(),
        }
    }

    fn insert(&mut self, name: &str, value: crate::Value, line: usize) {
        let name = camel_case(name);
        self.attribute_lines.push((name.clone(), line));
        self.attributes.insert(name, value);
    }

    /// The type of entity that the section describes, if there is such a type.
    pub fn kind(&self) -> Option<Kind> {
        Kind::section(&self.name)
    }

    /// The line of an attribute; the section's own line if it has no such attribute.
    pub fn line_of(&self, attribute: &str) -> usize {
        self.attribute_lines
            .iter()
            .rev()
            .find(|(name, _)| name == attribute)
            .map_or(self.line, |(_, line)| *line)
    }

    /// The section for a reader: its name, and the entity's.
    pub fn describe(&self) -> String {
        let own = ["name", "module", "id", "prefix", "pattern", "hostname"];
        match own
            .iter()
            .find_map(|attribute| self.attributes.get(*attribute).and_then(scalar))
        {
            Some(name) => format!("{} `{name}`", self.name),
            None => self.name.clone(),
        }
    }

    /// An error about one attribute of this section.
    pub fn field_error(&self, error: FieldError) -> DocumentError {
        DocumentError {
            line: Some(self.line_of(&error.attribute)),
            section: Some(self.describe()),
            attribute: Some(error.attribute),
            expected: error.expected,
            found: error.found,
        }
    }
}

/// A section's name: camelCase, except that a full type name keeps its dots.
fn section_name(name: &str) -> String {
    if Kind::named(name).is_some() {
        name.to_owned()
    } else {
        camel_case(name)
    }
}

/// `ssl-profile`, `ssl_profile`, `ssl.profile` and `ssl profile` are all `sslProfile`.
fn camel_case(name: &str) -> String {
    let mut words = name.split([' ', '_', '-', '.']);
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.extend(letters.flat_map(char::to_lowercase));
    }
    camel
}

#[cfg(test)]
mod tests;
