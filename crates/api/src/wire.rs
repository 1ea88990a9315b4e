//! How single values stand on the wire where serde's own way would be too strict or too precise.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// For `skip_serializing_if`: `false` is not written, as upstream does not.
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

/// For `skip_serializing_if`: zero means unset.
pub(crate) fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Reads a value that another writer may have filled with something unknown: that reads as the default, because one
/// odd status must not hide the object (and, in a list, all others) from us.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Known<T> {
        Value(T),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Known::deserialize(deserializer)? {
        Known::Value(value) => value,
        Known::Other(_) => T::default(),
    })
}

/// Times in a status: RFC 3339 with whole seconds in UTC, as the API machinery writes them.
pub(crate) mod seconds {
    use super::{Deserializer, Serializer, Timestamp};

    pub(crate) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        // Whole seconds: `Timestamp` prints no fraction where there is none.
        let whole = Timestamp::from_second(time.as_second()).map_err(serde::ser::Error::custom)?;
        serializer.collect_str(&whole)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        super::or_default(deserializer)
    }
}

/// The same for a time that may be absent.
pub(crate) mod optional_seconds {
    use super::{Deserializer, Serializer, Timestamp};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::seconds::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        super::or_default(deserializer)
    }
}
