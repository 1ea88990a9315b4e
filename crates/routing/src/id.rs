//! Names of routers and of the control connections between them.

use std::fmt;
use std::sync::Arc;

/// The area every router is in; the protocol carries it and nothing reads it.
pub(crate) const AREA: &str = "0";

/// A router's id: the container-id of its connections. Cheap to clone; never empty.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouterId(Arc<str>);

impl RouterId {
    /// Longest id that is taken from a peer, in octets.
    pub const MAX_LEN: usize = 512;

    /// An id, or `None` where it is empty or longer than [`RouterId::MAX_LEN`].
    pub fn new(id: impl AsRef<str>) -> Option<Self> {
        let id = id.as_ref();
        (!id.is_empty() && id.len() <= Self::MAX_LEN).then(|| Self(Arc::from(id)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which router annotations name this router: `0/<id>` (§3.1).
    pub fn annotation(&self) -> String {
        format!("{AREA}/{}", self.0)
    }
}

impl std::borrow::Borrow<str> for RouterId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A control connection to a neighbour, numbered by whoever drives the engine. Never reused for another connection.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LinkId(pub u64);
