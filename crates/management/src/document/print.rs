//! Printing JSON as upstream's controller and tools print it.

use std::fmt::Write;

use crate::Value;

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indent {
    /// On one line, blanks after colons and commas.
    None,
    /// On lines of their own, indented by so many blanks for each level.
    Spaces(usize),
}

/// JSON indented by four spaces, without a newline at the end.
pub fn pretty(value: &Value) -> String {
    json_text(value, Indent::Spaces(4))
}

/// JSON, without a newline at the end.
pub fn json_text(value: &Value, indent: Indent) -> String {
    let mut printer = Printer {
        text: String::new(),
        indent,
        depth: 0,
    };
    printer.value(value);
    printer.text
}

struct Printer {
    text: String,
    indent: Indent,
    depth: usize,
}

impl Printer {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(items) if !items.is_empty() => {
                self.open('[');
                for (index, item) in items.iter().enumerate() {
                    self.item(index);
                    self.value(item);
                }
                self.close(']');
            }
            Value::Object(entries) if !entries.is_empty() => {
                self.open('{');
                for (index, (name, entry)) in entries.iter().enumerate() {
                    self.item(index);
                    // Writing into a String cannot fail.
                    let _ = write!(self.text, "{}: ", Value::from(name.as_str()));
                    self.value(entry);
                }
                self.close('}');
            }
            scalar_or_empty => {
                let _ = write!(self.text, "{scalar_or_empty}");
            }
        }
    }

    fn open(&mut self, bracket: char) {
        self.text.push(bracket);
        self.depth += 1;
    }

    fn item(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
            if self.indent == Indent::None {
                self.text.push(' ');
            }
        }
        self.line();
    }

    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        self.line();
        self.text.push(bracket);
    }

    fn line(&mut self) {
        if let Indent::Spaces(spaces) = self.indent {
            self.text.push('\n');
            self.text
                .extend(std::iter::repeat_n(' ', spaces * self.depth));
        }
    }
}
