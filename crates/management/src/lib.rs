//! A router's entities: what they are called, what attributes they have, how they are written in a configuration
//! document, how a running router is asked about them and told to change them.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`kind`] | the types of entities and their short and long names |
//! | [`schema`] | attributes of each type: type, default, who may set them; coercion and validation |
//! | [`config`] | [`RouterConfig`]: what a site wants of its router, exactly as it stands in the ConfigMap `skupper-router` |
//! | [`document`] | `skrouterd.json` and `.conf`, whole: sections with their lines, errors that name them |
//! | [`entity`] | typed views of validated attributes, for the router that runs them |
//! | [`protocol`] | requests and replies of the AMQP management protocol |
//! | [`agent`] | what answers them, over a [`Store`](agent::Store) that the router implements |
//! | [`plan`] | from a running router's entities to the wanted configuration: operations in a safe order |
//! | [`tools`] | what `skstat` and `skmanage` ask and print |
//! | [`report`] | our own attributes: refusals of connectors and listeners, the judgement of a profile's credential |
//!
//! Nothing here opens a socket, reads a file or asks the time. Attribute values are [`Value`]s, that is JSON values: the
//! documents are JSON, the tools print JSON, and the AMQP side maps onto it without loss for every attribute that exists.

pub mod agent;
pub mod config;
pub mod document;
pub mod entity;
pub mod field;
pub mod kind;
pub mod plan;
pub mod protocol;
pub mod report;
pub mod schema;
pub mod tools;

pub use config::RouterConfig;
pub use kind::Kind;

/// An attribute's value. Integers are integers whatever their width on the wire.
pub type Value = serde_json::Value;

/// An entity's attributes by name, in the order in which they were given.
pub type Attributes = serde_json::Map<String, Value>;
