//! What an agent answers.

use skupper_amqp::{Map, Message, Properties, Value as Amqp, message::Body, message::Header};

use super::values::{from_amqp, text, to_amqp};
use super::{Request, Status};
use crate::{Attributes, Value};

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// How it went.
    pub status: Status,
    /// Why, in a sentence.
    pub description: String,
    /// What was asked for.
    pub body: Value,
    /// A body that is answered as it is, in place of the other.
    pub exact: Option<Amqp>,
}

/// What came back is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The message is no answer of an agent.
    #[error(
        "the router's management agent answered without a status code: expected application property `statusCode`, \
         found {found}"
    )]
    NoStatus {
        /// The application properties that there are.
        found: String,
    },
    /// The agent did not do what was asked.
    #[error("{operation} of {target} was refused with status {status}: {description}")]
    Refused {
        /// What was asked.
        operation: String,
        /// Of what.
        target: String,
        /// How it went.
        status: Status,
        /// Why.
        description: String,
    },
    /// The body is not of the shape that the operation promises.
    #[error("the answer to {operation} of {target}: expected {expected}, found {found}")]
    Shape {
        /// What was asked.
        operation: String,
        /// Of what.
        target: String,
        /// The shape.
        expected: &'static str,
        /// What there is.
        found: String,
    },
}

impl Reply {
    /// A reply with the usual text of its status.
    pub fn new(status: Status, body: impl Into<Value>) -> Self {
        Reply {
            status,
            description: status.text().to_owned(),
            body: body.into(),
            exact: None,
        }
    }

    /// A refusal.
    pub fn refusal(status: Status, description: impl Into<String>) -> Self {
        Reply {
            status,
            description: description.into(),
            body: Value::Object(Attributes::new()),
            exact: None,
        }
    }

    /// The message that answers `request`, to be sent to its `reply_to`.
    pub fn encode(&self, request: &Request) -> Message {
        let mut application = Map::new();
        application.push("statusCode", i32::try_from(self.status.0).unwrap_or(500));
        application.push("statusDescription", self.description.as_str());
        let properties = Properties {
            to: request.reply_to.clone(),
            correlation_id: request.correlation_id.clone(),
            // Up to the correlation id, present or not, as upstream.
            min_fields: 6,
            ..Properties::default()
        };
        Message {
            header: Some(Header::default()),
            application_properties: Some(application),
            ..Message::with_value(
                properties,
                self.exact.clone().unwrap_or_else(|| to_amqp(&self.body)),
            )
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// The message has no status.
    pub fn decode(message: &Message) -> Result<Self, ReplyError> {
        let empty = Map::new();
        let application = message.application_properties.as_ref().unwrap_or(&empty);
        let status = application
            .get("statusCode")
            .and_then(Amqp::as_i64)
            .ok_or_else(|| {
                let keys: Vec<String> = application
                    .iter()
                    .filter_map(|(key, _)| text(key))
                    .collect();
                ReplyError::NoStatus {
                    found: if keys.is_empty() {
                        "none".to_owned()
                    } else {
                        keys.join(", ")
                    },
                }
            })?;
        let description = application
            .get("statusDescription")
            .and_then(text)
            .unwrap_or_default();
        let body = match &message.body {
            Body::Value(value) => from_amqp(value),
            Body::Empty | Body::Data(_) | Body::Sequence(_) => Value::Null,
        };
        Ok(Reply {
            status: Status(status),
            description,
            body,
            exact: None,
        })
    }

    /// The body, if the request was done.
    ///
    /// # Errors
    /// It was refused.
    pub fn into_body(self, request: &Request) -> Result<Value, ReplyError> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        Err(ReplyError::Refused {
            operation: request.operation.clone(),
            target: request.target(),
            status: self.status,
            description: self.description,
        })
    }

    /// The rows that answer a QUERY.
    ///
    /// # Errors
    /// It was refused, or the body is no table.
    pub fn into_rows(self, request: &Request) -> Result<QueryResult, ReplyError> {
        let body = self.into_body(request)?;
        QueryResult::from_value(&body).map_err(|(expected, found)| ReplyError::Shape {
            operation: request.operation.clone(),
            target: request.target(),
            expected,
            found,
        })
    }
}

impl Request {
    /// What the request is about, for messages.
    pub fn target(&self) -> String {
        let kind = self
            .entity_type
            .as_ref()
            .or(self.kind.as_ref())
            .map_or("all types", |kind| {
                kind.strip_prefix(crate::kind::PREFIX).unwrap_or(kind)
            });
        match self.name.as_ref().or(self.identity.as_ref()) {
            Some(name) if self.entity_type.is_none() => format!("{kind} `{name}`"),
            _ => kind.to_owned(),
        }
    }
}

/// The table that answers a QUERY.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryResult {
    /// The columns.
    pub attribute_names: Vec<String>,
    /// The rows, each with a value for each column.
    pub results: Vec<Vec<Value>>,
}

impl QueryResult {
    /// The rows as attributes, nulls left out.
    pub fn entities(&self) -> impl Iterator<Item = Attributes> + '_ {
        self.results.iter().map(|row| {
            let pairs = self
                .attribute_names
                .iter()
                .zip(row)
                .filter(|(_, value)| !value.is_null());
            pairs
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        })
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut body = Attributes::new();
        body.insert(
            "attributeNames".to_owned(),
            self.attribute_names.clone().into(),
        );
        body.insert("results".to_owned(), self.results.clone().into());
        Value::Object(body)
    }

    fn from_value(body: &Value) -> Result<Self, (&'static str, String)> {
        let found = |value: Option<&Value>| {
            value.map_or("nothing".to_owned(), |value| {
                crate::field::bounded(&value.to_string())
            })
        };
        let list = |name: &str| body.get(name).and_then(Value::as_array);
        let names = list("attributeNames")
            .ok_or_else(|| ("a list `attributeNames`", found(body.get("attributeNames"))))?;
        let rows =
            list("results").ok_or_else(|| ("a list `results`", found(body.get("results"))))?;
        let attribute_names = names
            .iter()
            .map(|name| name.as_str().unwrap_or_default().to_owned())
            .collect();
        let results = rows
            .iter()
            .map(|row| {
                row.as_array()
                    .cloned()
                    .ok_or_else(|| ("each row as a list", found(Some(row))))
            })
            .collect::<Result<_, _>>()?;
        Ok(QueryResult {
            attribute_names,
            results,
        })
    }
}
