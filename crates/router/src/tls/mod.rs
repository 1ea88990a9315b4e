//! TLS credentials: loaded from the files of `sslProfile` entities, validated, then published to whoever makes the next
//! handshake. Connections that are open keep what they were made with.

mod loaded;
mod profile;
mod refusals;

use std::time::Duration;

pub(crate) use loaded::judge_files;
pub use loaded::{LoadError, Loaded};
pub use profile::{Profile, Profiles, Revision};
pub use refusals::{Attempt, RefusalLog, With};
pub(crate) use skupper_pki::tls::server_name;

/// How long who is no router has for a TLS handshake: clients and servers of TCP services, browsers and probes.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
