//! Conversions from Rust's types, each to the AMQP type of the same range.

use bytes::Bytes;

use super::{Array, Described, Map, Symbol, Value};

macro_rules! from {
    ($($rust:ty => $variant:ident),* $(,)?) => {$(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Value::$variant(value)
            }
        }
    )*};
}

from! {
    bool => Bool, u8 => Ubyte, u16 => Ushort, u32 => Uint, u64 => Ulong, i8 => Byte, i16 => Short, i32 => Int, i64 => Long,
    f32 => Float, f64 => Double, char => Char, Bytes => Binary, String => String, Symbol => Symbol, Vec<Value> => List,
    Map => Map, Array => Array,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

impl From<Described> for Value {
    fn from(described: Described) -> Self {
        Value::Described(Box::new(described))
    }
}

/// `None` is null.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}
