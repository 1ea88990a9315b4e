//! AMQP 1.0 without I/O and without a clock.
//!
//! * [`Value`], [`codec`]: the type system.
//! * [`performative`], [`sasl`], [`frame`]: what stands in frames.
//! * [`message`]: sections of messages, and the routers' own section before them.
//! * [`connection`]: the state machine of a connection with its sessions and links, both as connector and as listener.
//!
//! Nothing here opens a socket or asks the time: input and time are given, output is taken. Time is a
//! [`Duration`](std::time::Duration) since a start that the caller chooses.

pub mod codec;
pub mod connection;
pub mod frame;
pub mod message;
pub mod performative;
pub mod sasl;
pub mod sniff;
mod value;

pub use message::{Message, Properties, RouterAnnotations};
pub use performative::{Attach, Condition, DeliveryState, DeliveryTag, Open, Role, Terminus};
pub use value::{Array, Described, Map, MixedArray, Symbol, Value};
