//! Chance: the system's, and in the simulation of whole routers that of its seed.

#[cfg(not(test))]
pub(crate) use rand::rng;

#[cfg(test)]
pub(crate) use crate::simulation::rng;
