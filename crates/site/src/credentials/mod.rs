//! How a Secret looks as a credential: whether the router can load it, whether peers will accept it, and why not.
//!
//! `skupper_pki` judges; here it is decided what each finding means for a use. Judgements are kept in the
//! [`Memo`](crate::Memo) until the Secret changes or a date passes.

mod look;
mod sentence;

/// What is said beside a problem of a Secret that is in use already.
pub(crate) const KEPT: &str =
    "the router goes on with the credential that it has, until its pod ends";

pub(crate) use look::{
    Look, Remembered, Use, look, next_edge, of_secret, revision, untrusted_issuer,
};
pub(crate) use sentence::{fault, few, join};
