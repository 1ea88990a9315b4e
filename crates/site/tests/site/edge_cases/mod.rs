//! The edge cases of the reference (kubernetes.md §9.11), in the column "better", as far as §12 of the issue does not decide
//! otherwise.

mod fitness;
mod handing_over;
mod nonsense;
mod sites;

/// The Secret that most cases are about.
const SERVER: &str = "skupper-site-server";
