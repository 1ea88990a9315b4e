//! `skupper debug check`: every credential and link of a site, judged; every endpoint, tried.

pub(crate) mod credentials;
pub(crate) mod dial;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod trial;
pub(crate) mod uses;

#[cfg(test)]
mod tests;
