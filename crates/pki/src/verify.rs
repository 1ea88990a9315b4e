//! Verifying a peer: the judgement of [`judge`](mod@crate::judge) as rustls uses it in handshakes.
//!
//! A path is accepted only if rustls-webpki builds it, so nothing here is laxer than that library, with one exception: a
//! version 1 certificate, as `openssl x509 -req` without extensions makes it, is accepted where a trusted CA signed it
//! directly. On top of webpki: trust anchors are held to their dates, CA bit and usages; key usage is looked at; names are
//! matched by subject alternative names only, an address by an IP name *or* a DNS name of the same text.

mod bundle;
mod failure;
mod name;
mod path;
mod record;
mod refusal;
mod verifier;

pub use bundle::{BundleError, TrustBundle};
pub use failure::{HandshakeFailure, Side};
pub use name::covers;
pub use path::Chain;
pub(crate) use record::accepted_issuers;
pub use record::{PeerRecord, Watched, watch};
pub use refusal::Refusal;
pub use verifier::{ClientVerifier, ServerVerifier};
