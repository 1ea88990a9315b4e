//! The controller: processes of their own with the rights that the manifests give.

mod documents;
mod expiry;
mod life;
mod nonsense;
pub mod process;
mod rights;
mod sites;

use crate::Scenario;

/// In their order: documents and missing CRDs come first, later scenarios have controllers that would act on them.
pub fn scenarios() -> Vec<Scenario> {
    [
        documents::SCENARIOS,
        rights::SCENARIOS,
        sites::SCENARIOS,
        expiry::SCENARIOS,
        nonsense::SCENARIOS,
        life::SCENARIOS,
    ]
    .concat()
}
