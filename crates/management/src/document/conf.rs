//! The line dialect: `section {`, `attribute: value`, `}`.

use super::{Document, DocumentError, DocumentErrors, Section};
use crate::field::bounded;
use crate::{Attributes, Value};

/// Attributes whose value is the first run of non-blanks, in which `#` is an ordinary character.
const HASH_IS_ORDINARY: [&str; 3] = ["pattern", "bindingKey", "hostname"];
/// Attributes whose value is a map in JSON.
const JSON_VALUED: [&str; 2] = ["openProperties", "groups"];

/// Reads a document in the line dialect.
///
/// # Errors
/// Every line that has no place where it stands.
pub fn parse(text: &str) -> Result<Document, DocumentErrors> {
    if text.trim().is_empty() {
        return Err(DocumentError::syntax(1, "Configuration file was empty", "").into());
    }
    let mut parser = Parser::default();
    for (index, line) in text.lines().enumerate() {
        parser.line(line.trim(), index + 1);
    }
    parser.finish()
}

/// Where the parser is.
#[derive(Default)]
enum Place {
    #[default]
    Top,
    /// In a section.
    Section(Section),
    /// In a map within a section, possibly within maps.
    Map(Section, Vec<Nested>),
    /// In the JSON text of an attribute.
    Json(Section, Nested, String, i64),
}

/// A map attribute that is not yet complete.
struct Nested {
    name: String,
    line: usize,
    entries: Attributes,
}

#[derive(Default)]
struct Parser {
    place: Place,
    document: Document,
    errors: Vec<DocumentError>,
}

/// What one line says.
enum Line<'a> {
    Open(&'a str),
    OpenMap(&'a str),
    Item(&'a str, &'a str),
    Close,
    Blank,
    Other,
}

impl Parser {
    fn line(&mut self, line: &str, number: usize) {
        self.place = match (std::mem::take(&mut self.place), read_line(line)) {
            (Place::Json(section, map, text, depth), _) => {
                self.json_line(section, map, text, depth, line, number)
            }
            (place, Line::Blank) => place,
            (Place::Top, Line::Open(name)) => Place::Section(Section::new(name, number)),
            (Place::Top, _) => self.refuse(
                Place::Top,
                number,
                "a section that begins with `name {`",
                line,
            ),
            (Place::Section(mut section), Line::Item(name, value)) => {
                section.insert(name, Value::from(value), number);
                Place::Section(section)
            }
            (Place::Section(section), Line::OpenMap(name)) => {
                let map = Nested {
                    name: name.to_owned(),
                    line: number,
                    entries: Attributes::new(),
                };
                if JSON_VALUED.contains(&super::camel_case(name).as_str()) {
                    Place::Json(section, map, "{".to_owned(), 1)
                } else {
                    Place::Map(section, vec![map])
                }
            }
            (Place::Section(section), Line::Close) => {
                self.document.sections.push(section);
                Place::Top
            }
            (Place::Section(section), _) => self.refuse(
                Place::Section(section),
                number,
                "`attribute: value` or `}`",
                line,
            ),
            (Place::Map(section, maps), read) => self.map_line(section, maps, read, line, number),
        };
    }

    fn map_line(
        &mut self,
        mut section: Section,
        mut maps: Vec<Nested>,
        read: Line<'_>,
        line: &str,
        number: usize,
    ) -> Place {
        match read {
            Line::Item(name, value) => {
                if let Some(map) = maps.last_mut() {
                    map.entries.insert(name.to_owned(), Value::from(value));
                }
                Place::Map(section, maps)
            }
            Line::OpenMap(name) => {
                maps.push(Nested {
                    name: name.to_owned(),
                    line: number,
                    entries: Attributes::new(),
                });
                Place::Map(section, maps)
            }
            Line::Close => {
                let Some(map) = maps.pop() else {
                    return Place::Section(section);
                };
                match maps.last_mut() {
                    Some(outer) => {
                        outer.entries.insert(map.name, Value::Object(map.entries));
                        Place::Map(section, maps)
                    }
                    None => {
                        section.insert(&map.name, Value::Object(map.entries), map.line);
                        Place::Section(section)
                    }
                }
            }
            _ => self.refuse(
                Place::Map(section, maps),
                number,
                "`key: value` or `}`",
                line,
            ),
        }
    }

    fn json_line(
        &mut self,
        mut section: Section,
        map: Nested,
        mut text: String,
        depth: i64,
        line: &str,
        number: usize,
    ) -> Place {
        if line.starts_with('#') {
            return Place::Json(section, map, text, depth);
        }
        let depth = depth + depth_of(line);
        text.push('\n');
        text.push_str(line);
        if depth > 0 {
            return Place::Json(section, map, text, depth);
        }
        match serde_json::from_str::<Value>(&without_spare_commas(&text)) {
            Ok(value) => section.insert(&map.name, value, map.line),
            Err(error) => self.errors.push(DocumentError::syntax(
                number,
                format!("the value of `{}` as a JSON map", map.name),
                error.to_string(),
            )),
        }
        Place::Section(section)
    }

    fn refuse(&mut self, place: Place, number: usize, expected: &str, found: &str) -> Place {
        self.errors.push(DocumentError::syntax(
            number,
            expected,
            format!("`{}`", bounded(found)),
        ));
        place
    }

    fn finish(mut self) -> Result<Document, DocumentErrors> {
        let open = match &self.place {
            Place::Top => None,
            Place::Section(section) => Some((section.line, section.describe())),
            Place::Map(section, maps) => maps
                .last()
                .map(|map| (map.line, format!("{}: {}", section.describe(), map.name))),
            Place::Json(section, map, ..) => {
                Some((map.line, format!("{}: {}", section.describe(), map.name)))
            }
        };
        if let Some((line, what)) = open {
            let expected = format!(
                "Configuration file: invalid entity nesting detected: {what} has no closing `}}`"
            );
            self.errors.push(DocumentError::syntax(line, expected, ""));
        }
        DocumentErrors::unless_empty(self.errors).map_or(Ok(self.document), Err)
    }
}

fn read_line(line: &str) -> Line<'_> {
    if line.is_empty() || line.starts_with('#') {
        return Line::Blank;
    }
    if let Some((name, value)) = item(line)
        && HASH_IS_ORDINARY.contains(&name)
    {
        return Line::Item(name, value.split_whitespace().next().unwrap_or_default());
    }
    let line = line.split('#').next().unwrap_or_default().trim_end();
    if line == "}" {
        return Line::Close;
    }
    if let Some(before) = line.strip_suffix('{') {
        let before = before.trim_end();
        return match before.strip_suffix(':').map(str::trim_end) {
            Some(name) if is_word(name.trim_start_matches('$')) => Line::OpenMap(name),
            None if is_word(before) => Line::Open(before),
            _ => Line::Other,
        };
    }
    item(line).map_or(Line::Other, |(name, value)| Line::Item(name, value))
}

/// `name: value`, where the value does not begin with a brace.
fn item(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let (name, value) = (name.trim_end(), value.trim());
    (is_word(name) && !value.is_empty() && !value.starts_with('{')).then_some((name, value))
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}

/// By how much a line of JSON opens more braces than it closes, those within texts aside.
/// The text without commas behind which a map or a list ends: files that upstream's router takes have some.
fn without_spare_commas(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut in_text = false;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        let ends = || text[at + 1..].trim_start().starts_with(['}', ']']);
        match letter {
            '\\' if in_text => {
                plain.push(letter);
                plain.extend(letters.next().map(|(_, escaped)| escaped));
                continue;
            }
            '"' => in_text = !in_text,
            ',' if !in_text && ends() => continue,
            _ => {}
        }
        plain.push(letter);
    }
    plain
}

fn depth_of(line: &str) -> i64 {
    let mut depth = 0;
    let mut in_text = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if in_text => {
                letters.next();
            }
            '"' => in_text = !in_text,
            '{' if !in_text => depth += 1,
            '}' if !in_text => depth -= 1,
            _ => {}
        }
    }
    depth
}
