//! Edge routers beside the interior and beside each other, as [`skupper_routing::edge`] has them decide.

mod acts;
mod flows;
mod history;
mod node;
mod truth;
mod ways;
mod wires;
mod world;
