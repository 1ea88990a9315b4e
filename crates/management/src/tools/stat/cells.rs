//! Attributes as the text of cells.

use crate::{Attributes, Value};

/// An attribute's text; empty if there is none. Truth values begin with a capital, as upstream's tool prints them.
pub(super) fn text(entity: &Attributes, name: &str) -> String {
    entity.get(name).map(of_value).unwrap_or_default()
}

pub(super) fn of_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An attribute's number; zero if there is none.
pub(super) fn number(entity: &Attributes, name: &str) -> i64 {
    entity.get(name).and_then(Value::as_i64).unwrap_or(0)
}

/// Whether an attribute is true.
pub(super) fn flag(entity: &Attributes, name: &str) -> bool {
    entity.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// Texts of several attributes.
pub(super) fn texts(entity: &Attributes, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| text(entity, name)).collect()
}

/// Days, hours, minutes and seconds.
pub(super) fn duration(seconds: i64) -> String {
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    format!(
        "{:03}:{:02}:{minute:02}:{second:02}",
        hours / 24,
        hours % 24
    )
}

/// A number with its thousands apart.
pub(super) fn with_commas(number: i64) -> String {
    let digits = number.to_string();
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits.as_str()), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Octets in KiB, MiB and so on, three digits of them.
pub(super) fn octets(number: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = number as f64;
    if value < 1024.0 {
        return number.to_string();
    }
    let mut unit = UNITS[0];
    for next in UNITS {
        value /= 1024.0;
        unit = next;
        if value < 1024.0 {
            break;
        }
    }
    let decimals = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.decimals$} {unit}")
}
