//! The JSON dialect: `[["router", {"id": "A"}], …]`, with lines that begin with `#` as comments.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Document, DocumentError, DocumentErrors, Section};
use crate::Value;
use crate::field::bounded;

/// Reads a document in the JSON dialect.
///
/// # Errors
/// The first place that is not JSON; or every element that is not a pair of a section's name and its attributes.
pub fn parse(text: &str) -> Result<Document, DocumentErrors> {
    if text.trim().is_empty() {
        return Err(DocumentError::syntax(1, "Configuration file was empty", "").into());
    }
    // A comment becomes an empty line, so that lines keep their numbers.
    let text: String = text
        .lines()
        .map(|line| {
            if line.trim_start().starts_with('#') {
                ""
            } else {
                line
            }
        })
        .collect::<Vec<_>>()
        .join("\n");
    let reader = Reader { text: &text };
    let elements: Vec<&RawValue> = serde_json::from_str(&text).map_err(|error| {
        DocumentError::syntax(
            error.line().max(1),
            "a JSON array of [section, {attributes}] pairs",
            error.to_string(),
        )
    })?;

    let mut document = Document::default();
    let mut errors = Vec::new();
    for element in elements {
        match reader.section(element) {
            Ok(section) => document.sections.push(section),
            Err(error) => errors.push(error),
        }
    }
    DocumentErrors::unless_empty(errors).map_or(Ok(document), Err)
}

struct Reader<'a> {
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn section(&self, element: &'a RawValue) -> Result<Section, DocumentError> {
        let line = self.line_of(element);
        let found = || bounded(element.get());
        let pair: [&RawValue; 2] = serde_json::from_str::<Vec<&RawValue>>(element.get())
            .ok()
            .and_then(|pair| pair.try_into().ok())
            .ok_or_else(|| {
                DocumentError::syntax(line, "a pair [section, {attributes}]", found())
            })?;
        let name: String = serde_json::from_str(pair[0].get()).map_err(|_| {
            DocumentError::syntax(line, "the section's name as a text", bounded(pair[0].get()))
        })?;
        let entries: Entries<'a> = serde_json::from_str(pair[1].get()).map_err(|_| {
            DocumentError::syntax(
                self.line_of(pair[1]),
                format!("the attributes of {name} as a map"),
                bounded(pair[1].get()),
            )
        })?;
        let mut section = Section::new(&name, line);
        for (attribute, raw) in entries.0 {
            let value: Value = serde_json::from_str(raw.get()).map_err(|error| {
                DocumentError::syntax(self.line_of(raw), "a JSON value", error.to_string())
            })?;
            section.insert(&attribute, value, self.line_of(raw));
        }
        Ok(section)
    }

    /// The line on which a borrowed part of the text begins.
    fn line_of(&self, part: &RawValue) -> usize {
        let offset = (part.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// A map's entries in the order of the text, their values not yet read.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}
