//! What the tests of whole sites share: a cluster with our controller on it, namespaces with sites, and credentials of every
//! kind, good and bad.

pub mod application;
pub mod faults;
pub mod flows;
pub mod ground;
pub mod material;
pub mod passthrough;
pub mod sentences;
pub mod space;
pub mod stage;
pub mod watch;
