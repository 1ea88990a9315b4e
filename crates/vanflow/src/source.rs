//! Who tells, and at which addresses (reference §1).

/// The address at which every source makes itself known.
pub const BEACONS: &str = "mc/sfe.all";

/// What kind of program a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A router.
    Router,
    /// A controller (in Kubernetes, the adaptor beside the router).
    Controller,
}

impl SourceKind {
    /// The word in a beacon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Router => "ROUTER",
            Self::Controller => "CONTROLLER",
        }
    }
}

/// A source of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is.
    pub kind: SourceKind,
    /// Its id: of a router, the identity of its ROUTER record; of a controller, the site's id.
    pub id: String,
    /// Where its records go.
    pub address: String,
    /// Where it takes commands.
    pub direct: String,
}

impl Source {
    /// A source with the usual addresses.
    pub fn new(kind: SourceKind, id: impl Into<String>) -> Self {
        let id = id.into();
        Source {
            kind,
            address: format!("mc/sfe.{id}"),
            direct: format!("sfe.{id}"),
            id,
        }
    }

    /// Where its flows go.
    pub fn flows(&self) -> String {
        format!("{}.flows", self.address)
    }

    /// Where its log entries go.
    pub fn logs(&self) -> String {
        format!("{}.logs", self.address)
    }

    /// Where its heartbeats go: routers send them with their records.
    pub fn heartbeats(&self) -> String {
        match self.kind {
            SourceKind::Router => self.address.clone(),
            SourceKind::Controller => format!("{}.heartbeats", self.address),
        }
    }
}
