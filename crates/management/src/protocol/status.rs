//! How a request went.

use std::fmt;

/// A status code of a reply; those of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub i64);

impl Status {
    /// Done, and the body tells.
    pub const OK: Status = Status(200);
    /// An entity was made; the body has its attributes.
    pub const CREATED: Status = Status(201);
    /// An entity was removed.
    pub const NO_CONTENT: Status = Status(204);
    /// The request cannot be as it is.
    pub const BAD_REQUEST: Status = Status(400);
    /// The request is not allowed.
    pub const FORBIDDEN: Status = Status(403);
    /// There is no such entity.
    pub const NOT_FOUND: Status = Status(404);
    /// The router failed.
    pub const INTERNAL: Status = Status(500);
    /// The type of entity does not know the operation.
    pub const NOT_IMPLEMENTED: Status = Status(501);

    /// Whether the request was done.
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// What the code means where the reply does not say more.
    pub const fn text(self) -> &'static str {
        match self.0 {
            200 => "OK",
            201 => "Created",
            204 => "No Content",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            _ => "Unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
