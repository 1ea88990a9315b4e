//! `skmanage`: what its words ask, and how the answers are printed.

use crate::document::{Indent, json_text};
use crate::field::bounded;
use crate::kind::PREFIX;
use crate::protocol::{Request, Status};
use crate::schema::{Type, entity_type};
use crate::{Attributes, Kind, Value};

/// The words that the command takes, apart from those about the connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Invocation {
    /// The first word: the operation.
    pub operation: String,
    /// The other words: columns of a query, else `name=value`.
    pub words: Vec<String>,
    /// `--type`
    pub kind: Option<String>,
    /// `--name`
    pub name: Option<String>,
    /// `--identity`
    pub identity: Option<String>,
    /// `--body`, for operations of one's own.
    pub body: Option<String>,
    /// `--properties`, for operations of one's own.
    pub properties: Option<String>,
    /// What came on standard input, with `--stdin`.
    pub stdin: Option<String>,
}

/// What the command asks, and what it prints of the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Ask for all rows, page by page, and print them as a list of maps.
    Query(Request),
    /// Ask once; any status but `expected` is an error; print as `print` says.
    Ask {
        /// The request.
        request: Request,
        /// The status of success.
        expected: Status,
        /// What is printed.
        print: Print,
    },
    /// Ask each, and print the bodies as a list.
    Each {
        /// The requests.
        requests: Vec<Request>,
        /// The status of success.
        expected: Status,
    },
}

/// What of an answer's body is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// The body as JSON.
    Json,
    /// A text as it is, all else as JSON, and nothing of nothing.
    Plain,
    /// Nothing.
    Nothing,
}

/// Words that make no sense; the command prints how it is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

/// The full name of a type as the command's users write it: `link` and `node` are a router's, `address` and `autoLink` are
/// configured ones.
pub fn type_name(name: &str) -> String {
    match name {
        _ if name.contains('.') || name.is_empty() => name.to_owned(),
        "link" | "node" => format!("{PREFIX}router.{name}"),
        "address" | "autoLink" => format!("{PREFIX}router.config.{name}"),
        _ => format!("{PREFIX}{name}"),
    }
}

/// What the words ask.
///
/// # Errors
/// Words that make no sense.
pub fn task(invocation: &Invocation) -> Result<Task, UsageError> {
    let operation = invocation.operation.to_ascii_uppercase();
    let kind = invocation.kind.as_deref().map(type_name);
    match operation.as_str() {
        "" => Err(UsageError("No operation specified".to_owned())),
        "QUERY" => {
            let names: Vec<Value> = invocation
                .words
                .iter()
                .map(|word| Value::from(word.as_str()))
                .collect();
            let mut body = Attributes::new();
            body.insert("attributeNames".to_owned(), Value::Array(names));
            let request = Request {
                entity_type: kind,
                body: Value::Object(body),
                ..Request::of_agent("QUERY")
            };
            Ok(Task::Query(request))
        }
        "CREATE" => change(invocation, kind, "CREATE", Status::CREATED),
        "UPDATE" => change(invocation, kind, "UPDATE", Status::OK),
        "READ" | "DELETE" => {
            no_words(invocation, 0)?;
            let (expected, print) = if operation == "READ" {
                (Status::OK, Print::Json)
            } else {
                (Status::NO_CONTENT, Print::Nothing)
            };
            Ok(Task::Ask {
                request: of_entity(invocation, kind, &operation),
                expected,
                print,
            })
        }
        "GET-TYPES" | "GET-OPERATIONS" | "GET-ATTRIBUTES" | "GET-ANNOTATIONS" => {
            no_words(invocation, 1)?;
            let entity_type = kind.or_else(|| invocation.words.first().map(|word| type_name(word)));
            ask_agent(
                Request {
                    entity_type,
                    ..Request::of_agent(&operation)
                },
                Print::Json,
            )
        }
        "GET-MGMT-NODES" => {
            no_words(invocation, 0)?;
            ask_agent(Request::of_agent("GET-MGMT-NODES"), Print::Json)
        }
        _ => custom(invocation, kind),
    }
}

fn ask_agent(request: Request, print: Print) -> Result<Task, UsageError> {
    Ok(Task::Ask {
        request,
        expected: Status::OK,
        print,
    })
}

fn no_words(invocation: &Invocation, most: usize) -> Result<(), UsageError> {
    match invocation.words.get(most..) {
        Some(extra) if !extra.is_empty() => Err(UsageError(format!(
            "Unexpected arguments: {}",
            extra.join(" ")
        ))),
        _ => Ok(()),
    }
}

fn of_entity(invocation: &Invocation, kind: Option<String>, operation: &str) -> Request {
    // An identity says more than a name.
    let name = invocation
        .name
        .clone()
        .filter(|_| invocation.identity.is_none());
    Request {
        operation: operation.to_owned(),
        kind,
        name,
        identity: invocation.identity.clone(),
        body: Value::Object(Attributes::new()),
        ..Request::default()
    }
}

fn change(
    invocation: &Invocation,
    kind: Option<String>,
    operation: &str,
    expected: Status,
) -> Result<Task, UsageError> {
    let of_attributes = |mut attributes: Attributes| {
        let text = |attributes: &Attributes, name: &str| {
            attributes.get(name).and_then(crate::field::scalar)
        };
        if let Some(short) = text(&attributes, "type") {
            attributes.insert("type".to_owned(), type_name(&short).into());
        }
        let mut request = of_entity(
            invocation,
            kind.clone().or_else(|| text(&attributes, "type")),
            operation,
        );
        if request.name.is_none() && request.identity.is_none() {
            request.name = text(&attributes, "name");
        }
        Request {
            body: Value::Object(attributes),
            ..request
        }
    };
    let Some(stdin) = &invocation.stdin else {
        let attributes = assignments(&invocation.words, kind.as_deref())?;
        return Ok(Task::Ask {
            request: of_attributes(attributes),
            expected,
            print: Print::Json,
        });
    };
    match serde_json::from_str(stdin) {
        Ok(Value::Object(attributes)) => Ok(Task::Ask {
            request: of_attributes(attributes),
            expected,
            print: Print::Json,
        }),
        Ok(Value::Array(items)) => {
            let request = |item: Value| match item {
                Value::Object(attributes) => Ok(of_attributes(attributes)),
                other => Err(UsageError(format!(
                    "stdin: expected a list of JSON maps, found {}",
                    bounded(&other.to_string())
                ))),
            };
            let requests = items.into_iter().map(request).collect::<Result<_, _>>()?;
            Ok(Task::Each { requests, expected })
        }
        Ok(_) => Err(UsageError("stdin is not a JSON map or list".to_owned())),
        Err(error) => Err(UsageError(format!("stdin is not JSON: {error}"))),
    }
}

/// `name=value`, or a name alone for no value. Values are what the type's attribute takes.
fn assignments(words: &[String], kind: Option<&str>) -> Result<Attributes, UsageError> {
    let entity = kind.and_then(Kind::named).map(entity_type);
    let assignment = |word: &String| -> Result<(String, Value), UsageError> {
        let Some((name, value)) = word.split_once('=') else {
            return Ok((word.clone(), Value::Null));
        };
        let attribute = entity.and_then(|entity| entity.attribute(name));
        let value = match (value, attribute.map(|attribute| attribute.kind)) {
            ("true", _) => Value::Bool(true),
            ("false", _) => Value::Bool(false),
            (value, Some(Type::Integer)) => {
                let whole = value.parse::<i64>().map_err(|_| {
                    UsageError(format!(
                        "{name}: expected a whole number, found '{}'",
                        bounded(value)
                    ))
                })?;
                Value::from(whole)
            }
            (value, Some(Type::Map | Type::List | Type::Properties)) => json_word(value)?,
            (value, _) => Value::from(value),
        };
        Ok((name.to_owned(), value))
    };
    words.iter().map(assignment).collect()
}

/// An operation of the user's own: its words are properties of the request.
fn custom(invocation: &Invocation, kind: Option<String>) -> Result<Task, UsageError> {
    let mut properties = assignments(&invocation.words, kind.as_deref())?;
    if let Some(text) = &invocation.properties {
        match json_word(text)? {
            Value::Object(more) => properties.extend(more),
            other => {
                return Err(UsageError(format!(
                    "--properties: expected a JSON map, found {}",
                    bounded(&other.to_string())
                )));
            }
        }
    }
    let body = invocation.body.as_deref().map(json_word).transpose()?;
    let request = Request {
        properties,
        body: body.unwrap_or(Value::Object(Attributes::new())),
        ..of_entity(invocation, kind, &invocation.operation)
    };
    ask_agent(request, Print::Plain)
}

/// JSON, or a text that does not look as if it were meant to be JSON.
fn json_word(text: &str) -> Result<Value, UsageError> {
    serde_json::from_str(text).or_else(|error| {
        if text.contains(['"', '{', '}', '[', ']']) {
            return Err(UsageError(format!(
                "Invalid JSON '{}': {error}",
                bounded(text)
            )));
        }
        Ok(Value::from(text))
    })
}

/// What is printed of a body, newline included. `indent` below zero prints on one line.
pub fn print(body: &Value, print: Print, indent: i64) -> String {
    let indent = usize::try_from(indent).map_or(Indent::None, Indent::Spaces);
    match (print, body) {
        (Print::Nothing, _) => String::new(),
        (Print::Plain, Value::Null) => String::new(),
        (Print::Plain, Value::Array(items)) if items.is_empty() => String::new(),
        (Print::Plain, Value::Object(entries)) if entries.is_empty() => String::new(),
        (Print::Plain, Value::String(text)) => format!("{text}\n"),
        (_, body) => json_text(body, indent) + "\n",
    }
}

#[cfg(test)]
mod tests;
