//! What the agent needs of a router.

use std::ops::ControlFlow;

use crate::config::Mode;
use crate::field::scalar;
use crate::protocol::Status;
use crate::{Attributes, Kind, Value};

/// A router's entities. The agent validates before it calls: attributes that arrive here are complete, coerced, in the
/// order of the schema, with a name and an identity.
pub trait Store {
    /// What the router is among others.
    fn mode(&self) -> Mode;

    /// Shows the entities of exactly this type, until told to stop. Attributes without a value may be left out; so may
    /// `type`, and a `name` that equals the identity. Never called for [`Kind::Management`] or abstract types.
    fn visit(&self, kind: Kind, visit: &mut dyn FnMut(Attributes) -> ControlFlow<()>);

    /// The entities of exactly this type whose `attribute`, which is `name` or `identity`, has this value. Routers with
    /// many entities answer this from an index.
    fn find(&self, kind: Kind, attribute: &str, value: &str) -> Vec<Attributes> {
        let mut found = Vec::new();
        self.visit(kind, &mut |entity| {
            let own = entity
                .get(attribute)
                .or_else(|| entity.get("identity"))
                .and_then(scalar);
            if own.as_deref() == Some(value) {
                found.push(entity);
            }
            ControlFlow::Continue(())
        });
        found
    }

    /// A number that no entity of this type has in its identity, for types that are told apart by number.
    fn next_number(&mut self, kind: Kind) -> u64;

    /// Makes an entity. Returns its attributes, operational ones included.
    ///
    /// # Errors
    /// Why it was not made; then nothing has changed.
    fn create(&mut self, kind: Kind, attributes: Attributes) -> Result<Attributes, Failure>;

    /// Changes an entity from `current` to `wanted`. Returns its attributes. Called also when nothing differs, since an
    /// sslProfile's files may have changed.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    fn update(
        &mut self,
        kind: Kind,
        current: &Attributes,
        wanted: Attributes,
    ) -> Result<Attributes, Failure>;

    /// Removes an entity.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    fn delete(&mut self, kind: Kind, current: &Attributes) -> Result<(), Failure>;

    /// The last log entries, oldest first; at most `limit` if there is one.
    fn log(&self, limit: Option<usize>) -> Vec<LogLine>;
}

/// Why a request was not done. The text is the reply's `statusDescription`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The request cannot be as it is.
    #[error("{0}")]
    BadRequest(String),
    /// The request is not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The router failed at it.
    #[error("{0}")]
    Internal(String),
    /// The router does not do this.
    #[error("{0}")]
    NotImplemented(String),
}

impl Failure {
    /// The status of the reply.
    pub const fn status(&self) -> Status {
        match self {
            Failure::BadRequest(_) => Status::BAD_REQUEST,
            Failure::Forbidden(_) => Status::FORBIDDEN,
            Failure::NotFound(_) => Status::NOT_FOUND,
            Failure::Internal(_) => Status::INTERNAL,
            Failure::NotImplemented(_) => Status::NOT_IMPLEMENTED,
        }
    }
}

impl From<crate::schema::Invalid> for Failure {
    fn from(invalid: crate::schema::Invalid) -> Self {
        Failure::BadRequest(invalid.message)
    }
}

/// An entry of the log, as GET-LOG tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The module.
    pub module: String,
    /// The level.
    pub level: String,
    /// The text.
    pub text: String,
    /// The place in the source, if it is told.
    pub source: Option<(String, u32)>,
    /// Epoch seconds.
    pub seconds: i64,
}

impl LogLine {
    pub(super) fn to_value(&self) -> Value {
        let (file, line) = self
            .source
            .as_ref()
            .map_or((Value::Null, Value::Null), |(file, line)| {
                (Value::from(file.as_str()), Value::from(*line))
            });
        Value::Array(vec![
            self.module.as_str().into(),
            self.level.as_str().into(),
            self.text.as_str().into(),
            file,
            line,
            self.seconds.into(),
        ])
    }
}
