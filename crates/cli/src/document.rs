//! Resources as text (cli.md §1.6): empty fields left out, keys sorted, YAML or JSON as Go's libraries lay them out.

use std::net::Ipv4Addr;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// How resources are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
}

impl Format {
    /// One that has been validated; empty means YAML.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "json" => Self::Json,
            _ => Self::Yaml,
        }
    }

    /// `None` where a table is wanted.
    pub(crate) fn asked(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self::of(name))
    }
}

/// Writes a resource, with a final newline in YAML and without in JSON, as upstream's encoder does. What is printed is
/// followed by one more.
pub(crate) fn encode(resource: &impl Serialize, format: Format) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("the resource cannot be written: {error}"))
    };
    let value = serde_json::to_value(resource).map_err(|error| failed(&error))?;
    let value = cleaned(value);
    match format {
        Format::Json => serde_json::to_string_pretty(&value).map_err(|error| failed(&error)),
        Format::Yaml => yaml(&value).map_err(|error| failed(&error)),
    }
}

/// YAML that reads the same everywhere: what YAML 1.1 takes for something else than text is quoted. Only IPv4 addresses are
/// not, which the rules of 1.1 take for numbers and no reader does; upstream prints them plain.
fn yaml(value: &Value) -> Result<String, serde_saphyr::SerializeError> {
    let render = |yaml_12| {
        let options = serde_saphyr::ser_options! {
            compact_list_indent: true,
            folded_wrap_chars: usize::MAX,
            yaml_12: yaml_12,
            no_lang_directive: true,
        };
        serde_saphyr::to_string_with_options(value, options)
    };
    let (careful, plain) = (render(false)?, render(true)?);
    let is_address = |line: &str| {
        let quoted = line
            .strip_suffix('"')
            .and_then(|line| line.rsplit_once('"'));
        quoted.is_some_and(|(_, text)| text.parse::<Ipv4Addr>().is_ok())
    };
    // Quotes are all that the two differ in, so they have the same lines.
    let lines = careful.lines().zip(plain.lines());
    let chosen = lines.map(
        |(careful, plain)| match careful != plain && is_address(careful) {
            true => plain,
            false => careful,
        },
    );
    Ok(chosen.flat_map(|line| [line, "\n"]).collect())
}

/// Drops every entry of a map that is null, empty, zero or false, through maps but not inside lists, and sorts the keys.
fn cleaned(value: Value) -> Value {
    let Value::Object(map) = value else {
        return sorted(value);
    };
    let mut entries: Vec<(String, Value)> = map
        .into_iter()
        .filter(|(_, value)| !is_empty(value))
        .map(|(key, value)| (key, cleaned(value)))
        .collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(entries.into_iter().collect())
        }
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_is_laid_out_as_gos_library_does() {
        let resource = json!({
            "spec": {"endpoints": [{"port": "55671", "host": "10.0.0.1", "cost": 0}], "cost": 1, "off": false, "none": {}},
            "metadata": {"name": "x", "labels": {}, "creationTimestamp": null},
            "kind": "Link",
            "status": {"message": "a: b # c", "long": "word ".repeat(40).trim(), "yes": "yes", "version": "1.10", "lines": "a\nb\n"},
        });
        insta::assert_snapshot!(encode(&resource, Format::Yaml).unwrap());
        insta::assert_snapshot!(encode(&resource, Format::Json).unwrap());
    }

    #[test]
    fn what_upstream_printed_is_written_byte_for_byte() {
        let observed = include_str!("../tests/data/upstream-link-generate.yaml");
        let documents = observed.split("\n---\n").map(|document| {
            let value: Value = serde_saphyr::from_str(document).unwrap();
            encode(&value, Format::Yaml).unwrap()
        });
        let written: Vec<String> = documents.collect();
        // What is printed ends in one more newline.
        assert_eq!(written.join("\n---\n") + "\n", observed);
    }

    #[test]
    fn a_map_that_becomes_empty_stays() {
        let text = encode(&json!({"spec": {"inner": {"zero": 0}}}), Format::Json).unwrap();
        assert_eq!(text, "{\n  \"spec\": {\n    \"inner\": {}\n  }\n}");
    }
}
