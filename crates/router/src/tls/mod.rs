//! TLS credentials: loaded from the files of `sslProfile` entities, validated, then published to whoever makes the next
//! handshake. Connections that are open keep what they were made with.

mod loaded;
mod profile;
mod refusals;

pub(crate) use loaded::judge_files;
pub use loaded::{LoadError, Loaded};
pub use profile::{Profile, Profiles, Revision};
pub use refusals::{Attempt, RefusalLog};
pub(crate) use skupper_pki::tls::server_name;
