//! What a site *is*: resources in; router configuration, certificates wanted and statuses out. No I/O and no clock.
//!
//! [`reconcile`] looks at [`Observed`], all that is known of one namespace, and returns a [`Plan`]: what to write so that
//! everything is as it should be, and when to look again. It is a function: what has to be remembered stands in the objects
//! themselves (conditions and their times, ordinals in the router's ConfigMap, fingerprints on Secrets), so that any replica
//! may go on where another stopped. A plan holds only differences: applied and observed again, the next one is empty.
//!
//! The one thing it takes from elsewhere is randomness, for keys: they are made on the spot by `skupper_pki` (about 50 µs for
//! ECDSA P-256) and stand in the plan, in the Secret's body. At most [`ISSUES_PER_RECONCILE`] are made in one call; where
//! more are needed, [`Plan::wake_at`] is now. RSA keys take tenths of a second, so a shell calls from a thread that may block.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`Observed`], [`Settings`], [`Plan`], [`Memo`] | what goes in and comes out |
//! | [`names`] | names, labels and annotations that are interface |
//! | [`profiles`] | seam to the adaptor: which Secret backs which TLS profile, in which revision |
//! | [`refusals`] | seam to the adaptor: what routers refused, and the sentences made of it |
//! | `site`, `access`, `certificates`, `links`, `services` | the resources, one room each |
//! | `router_config` | the ConfigMap `skupper-router` |
//! | `status` | network status and its propagation |

pub mod access;
mod certificates;
mod compare;
mod credentials;
mod links;
mod memo;
pub mod names;
mod object;
mod observed;
mod pass;
mod plan;
pub mod profiles;
mod quantity;
mod reconcile;
pub mod refusals;
mod router_config;
pub mod selector;
mod services;
mod settings;
mod site;
mod status;
mod templates;

pub use memo::Memo;
pub use object::ObjectKind;
pub use observed::{Objects, Observed, Outside};
pub use plan::{Event, EventType, Expiration, FIELD_MANAGER, Plan, Write};
pub use reconcile::{ISSUES_PER_RECONCILE, reconcile};
pub use settings::{
    AccessSettings, CertificateSettings, ControllerIdentity, EXPIRY_DAYS, Images, Settings,
    parse_lifetime,
};
