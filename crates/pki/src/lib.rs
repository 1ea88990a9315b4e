//! Keys, certificates, chains and bundles: issue, inspect, judge, plan. No I/O and no clock: time comes in as
//! [`jiff::Timestamp`], or in a handshake from the [`rustls::time_provider::TimeProvider`] of the configuration.
//!
//! One judgement serves everywhere. [`judge::judge`] looks at a [`Credential`] as a Secret holds it;
//! the verifiers of [`verify`] look at what a peer presents in a handshake; both give the same typed
//! [`Finding`]s with expected and presented values, a sentence and a remedy.
//!
//! * [`pem`], [`key`], [`certificate`], [`credential`]: reading and writing.
//! * [`issue`]: making CAs, server and client certificates; renewing a CA.
//! * [`mod@judge`]: everything that is wrong with a credential for a role, at a time.
//! * [`verify`]: trust bundles and the verifiers of both sides; what a handshake showed; why it failed.
//! * [`tls`]: rustls configurations from a credential.
//! * [`plan`]: when to renew, what belongs into `ca.crt`, when to warn.

pub mod certificate;
pub mod credential;
mod der;
pub mod issue;
pub mod judge;
pub mod key;
pub mod pem;
pub mod plan;
mod text;
pub mod tls;
pub mod verify;

pub use certificate::Certificate;
pub use credential::Credential;
pub use judge::{Expectation, Finding, Role, Severity, judge};
pub use key::{KeyAlgorithm, PrivateKey};
pub use verify::TrustBundle;
