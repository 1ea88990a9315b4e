//! Printing JSON as upstream's controller prints it.

use std::fmt::Write;

use crate::Value;

/// JSON indented by four spaces, without a newline at the end.
pub fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text
}

fn write_value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                begin_item(text, index, depth + 1);
                write_value(text, item, depth + 1);
            }
            end(text, depth);
            text.push(']');
        }
        Value::Object(entries) if !entries.is_empty() => {
            text.push('{');
            for (index, (name, entry)) in entries.iter().enumerate() {
                begin_item(text, index, depth + 1);
                // Writing into a String cannot fail.
                let _ = write!(text, "{}: ", Value::from(name.as_str()));
                write_value(text, entry, depth + 1);
            }
            end(text, depth);
            text.push('}');
        }
        scalar_or_empty => {
            let _ = write!(text, "{scalar_or_empty}");
        }
    }
}

fn begin_item(text: &mut String, index: usize, depth: usize) {
    if index > 0 {
        text.push(',');
    }
    end(text, depth);
}

fn end(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("    ", depth));
}
