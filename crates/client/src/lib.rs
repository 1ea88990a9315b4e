//! An AMQP client of routers, on tokio.
//!
//! A [`Client`] keeps one connection to a router up, for as long as a clone of it lives: it asks the router's management agent
//! ([`Client::request`], [`Client::query`]), sends messages to addresses ([`Client::send`]) and receives from them
//! ([`Client::subscribe`]). When the connection is lost, it is made anew, with its subscriptions; what was being asked fails with
//! [`ClientError::Lost`], since it is not known whether it was done.
//!
//! ```no_run
//! # async fn example() -> Result<(), skupper_client::ClientError> {
//! use skupper_client::{Client, Endpoint};
//! use skupper_management::Kind;
//!
//! let client = Client::new(Endpoint::tcp("127.0.0.1", 5672), "example");
//! for connection in client.query(Kind::Connection, &["host", "role"]).await? {
//!     println!("{connection:?}");
//! }
//! # Ok(()) }
//! ```

mod command;
mod driver;
mod endpoint;
mod error;
mod handle;
mod messenger;
mod subscription;

pub use command::Incoming;
pub use endpoint::{Endpoint, Tls};
pub use error::ClientError;
pub use handle::{Client, State};
pub use subscription::Subscription;
