//! Addresses: from text to routing key (§4.1), and how deliveries to them are treated (§4.3, §4.4).

mod key;
mod pattern;
mod treatment;

pub use key::{AddressKey, Class, Naming, bare};
pub use pattern::{Pattern, PatternError, Patterns};
pub use treatment::{Treatment, TreatmentRules};
