//! What is asked of an agent.

use skupper_amqp::{Map, Message, Properties, Value as Amqp, message::Body};

use super::values::{from_amqp, text, to_amqp};
use crate::field::{scalar, whole};
use crate::{Attributes, Kind, Value};

/// A request. The constructors make what a client sends; [`Request::decode`] reads what any client sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// What to do, in upper case: `QUERY`, `CREATE`, …
    pub operation: String,
    /// The type of the entity that it is asked of.
    pub kind: Option<String>,
    /// Of QUERY and its like: the type of entities asked about.
    pub entity_type: Option<String>,
    /// The entity's name.
    pub name: Option<String>,
    /// The entity's identity.
    pub identity: Option<String>,
    /// Of QUERY: how many rows to leave out.
    pub offset: Option<i64>,
    /// Of QUERY: how many rows to answer at most; none or below zero for all.
    pub count: Option<i64>,
    /// All other application properties.
    pub properties: Attributes,
    /// What comes with it.
    pub body: Value,
    /// Where to answer.
    pub reply_to: Option<String>,
    /// What the answer must carry so that it is found again; of any type.
    pub correlation_id: Option<Amqp>,
    /// The application properties as they came.
    pub asked: Map,
}

impl Request {
    fn new(operation: &str) -> Self {
        Request {
            operation: operation.to_owned(),
            body: Value::Object(Attributes::new()),
            ..Self::default()
        }
    }

    /// Asks the agent itself, which answers QUERY and the operations that begin with GET.
    pub fn of_agent(operation: &str) -> Self {
        Request {
            name: Some("self".to_owned()),
            kind: Some(Kind::ManagementNode.short().to_owned()),
            ..Self::new(operation)
        }
    }

    /// Asks for attributes of all entities of a type; none asks for all attributes.
    pub fn query(kind: Kind, attribute_names: &[&str]) -> Self {
        let mut body = Attributes::new();
        body.insert("attributeNames".to_owned(), attribute_names.into());
        Request {
            entity_type: Some(kind.full()),
            body: Value::Object(body),
            ..Self::of_agent("QUERY")
        }
    }

    /// The same for a part of the rows.
    #[must_use]
    pub fn page(mut self, offset: i64, count: i64) -> Self {
        (self.offset, self.count) = (Some(offset), Some(count));
        self
    }

    /// Makes an entity.
    pub fn create(kind: Kind, name: &str, attributes: Attributes) -> Self {
        Request {
            body: Value::Object(attributes),
            ..Self::of_entity("CREATE", kind, name)
        }
    }

    /// Changes attributes of an entity; null takes one away.
    pub fn update(kind: Kind, name: &str, attributes: Attributes) -> Self {
        Request {
            body: Value::Object(attributes),
            ..Self::of_entity("UPDATE", kind, name)
        }
    }

    /// Removes an entity.
    pub fn delete(kind: Kind, name: &str) -> Self {
        Self::of_entity("DELETE", kind, name)
    }

    /// Asks for the attributes of one entity.
    pub fn read(kind: Kind, name: &str) -> Self {
        Self::of_entity("READ", kind, name)
    }

    /// Asks for the last log entries; zero for all that are kept.
    pub fn log(limit: i64) -> Self {
        let mut request = Self::of_agent("GET-LOG");
        request.properties.insert("limit".to_owned(), limit.into());
        request
    }

    fn of_entity(operation: &str, kind: Kind, name: &str) -> Self {
        Request {
            kind: Some(kind.full()),
            name: Some(name.to_owned()),
            ..Self::new(operation)
        }
    }

    /// The message to send to an agent's address.
    pub fn encode(&self, to: &str, reply_to: &str, correlation_id: impl Into<Amqp>) -> Message {
        let mut application = Map::new();
        application.push("operation", self.operation.as_str());
        let texts = [
            ("name", &self.name),
            ("type", &self.kind),
            ("identity", &self.identity),
            ("entityType", &self.entity_type),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                application.push(key, value.as_str());
            }
        }
        for (key, value) in [("offset", self.offset), ("count", self.count)] {
            if let Some(value) = value {
                application.push(key, value);
            }
        }
        for (key, value) in &self.properties {
            application.push(key.as_str(), to_amqp(value));
        }
        let properties = Properties {
            reply_to: Some(reply_to.to_owned()),
            correlation_id: Some(correlation_id.into()),
            ..Properties::to(to)
        };
        Message {
            application_properties: Some(application),
            ..Message::with_value(properties, to_amqp(&self.body))
        }
    }

    /// Reads a message that came to an agent's address. Nothing is missing from a request as far as this function is
    /// concerned: what an operation needs, the agent demands.
    pub fn decode(message: &Message) -> Self {
        let mut request = Request {
            body: match &message.body {
                Body::Value(value) => from_amqp(value),
                Body::Empty | Body::Data(_) | Body::Sequence(_) => Value::Null,
            },
            ..Request::default()
        };
        if let Some(properties) = &message.properties {
            request.reply_to.clone_from(&properties.reply_to);
            request
                .correlation_id
                .clone_from(&properties.correlation_id);
        }
        request.asked = message.application_properties.clone().unwrap_or_default();
        for (key, value) in &request.asked.clone() {
            let Some(key) = text(key) else { continue };
            match key.as_str() {
                "operation" => {
                    request.operation = text(value).unwrap_or_default().to_ascii_uppercase()
                }
                "type" => request.kind = naming(value),
                "entityType" => request.entity_type = naming(value),
                "name" => request.name = naming(value),
                "identity" => request.identity = naming(value),
                "offset" => request.offset = whole(&from_amqp(value)),
                "count" => request.count = whole(&from_amqp(value)),
                _ => {
                    request.properties.insert(key, from_amqp(value));
                }
            }
        }
        request
    }

    /// The operation as whoever asks has written it.
    pub fn spelled(&self) -> String {
        let asked = self.asked.get("operation").and_then(text);
        asked.unwrap_or_else(|| self.operation.clone())
    }

    /// The body as a map; no body is an empty one.
    pub fn body_map(&self) -> Option<Attributes> {
        match &self.body {
            Value::Null => Some(Attributes::new()),
            Value::Object(map) => Some(map.clone()),
            _ => None,
        }
    }
}

/// What a property names a type or an entity by. A number is as good as its text, and what names nothing that there is must not be
/// taken for no name: that is the agent's own.
fn naming(value: &Amqp) -> Option<String> {
    match from_amqp(value) {
        Value::Null => None,
        value => Some(scalar(&value).unwrap_or_else(|| value.to_string())),
    }
}
