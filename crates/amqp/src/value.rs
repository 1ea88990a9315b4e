//! Values of the AMQP type system.

mod array;
mod convert;
mod map;
mod symbol;

pub use array::{Array, MixedArray};
pub use map::Map;
pub use symbol::Symbol;

use bytes::Bytes;

/// Any AMQP 1.0 value.
///
/// Maps keep the order of their pairs, because readers in the field depend on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// The absent value.
    #[default]
    Null,
    /// `boolean`.
    Bool(bool),
    /// `ubyte`.
    Ubyte(u8),
    /// `ushort`.
    Ushort(u16),
    /// `uint`.
    Uint(u32),
    /// `ulong`.
    Ulong(u64),
    /// `byte`.
    Byte(i8),
    /// `short`.
    Short(i16),
    /// `int`.
    Int(i32),
    /// `long`.
    Long(i64),
    /// `float`.
    Float(f32),
    /// `double`.
    Double(f64),
    /// `decimal32`, its four octets as on the wire.
    Decimal32([u8; 4]),
    /// `decimal64`, its eight octets as on the wire.
    Decimal64([u8; 8]),
    /// `decimal128`, its sixteen octets as on the wire.
    Decimal128([u8; 16]),
    /// `char`, one Unicode scalar value.
    Char(char),
    /// `timestamp`, milliseconds since the Unix epoch.
    Timestamp(i64),
    /// `uuid`.
    Uuid([u8; 16]),
    /// `binary`.
    Binary(Bytes),
    /// `string`.
    String(String),
    /// `symbol`.
    Symbol(Symbol),
    /// `list`.
    List(Vec<Value>),
    /// `map`.
    Map(Map),
    /// `array`: elements of one type.
    Array(Array),
    /// A value with a descriptor before it.
    Described(Box<Described>),
}

/// A descriptor and the value it describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Usually a [`Value::Ulong`].
    pub descriptor: Value,
    /// What is described.
    pub value: Value,
}

impl Value {
    /// Whether this is [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Text of a string *or* a symbol: peers use both for the same field.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            Value::Symbol(symbol) => Some(symbol.as_str()),
            _ => None,
        }
    }

    /// An integer of any width and signedness that fits an `i64`; timestamps too.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        Some(match *self {
            Value::Ubyte(n) => n.into(),
            Value::Ushort(n) => n.into(),
            Value::Uint(n) => n.into(),
            Value::Ulong(n) => n.try_into().ok()?,
            Value::Byte(n) => n.into(),
            Value::Short(n) => n.into(),
            Value::Int(n) => n.into(),
            Value::Long(n) | Value::Timestamp(n) => n,
            _ => return None,
        })
    }

    /// An integer of any width and signedness that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::Ulong(n) => Some(n),
            _ => self.as_i64()?.try_into().ok(),
        }
    }

    /// A boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Value::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// The elements of a list. (Not of an array: readers in the field tell them apart.)
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// A map.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Octets of a binary.
    #[must_use]
    pub fn as_binary(&self) -> Option<&Bytes> {
        match self {
            Value::Binary(octets) => Some(octets),
            _ => None,
        }
    }

    /// A symbol alone, or the symbols of an array: the "multiple" fields of the specification. Anything else is none.
    #[must_use]
    pub fn symbols(&self) -> Vec<Symbol> {
        match self {
            Value::Symbol(symbol) => vec![symbol.clone()],
            Value::Array(array) => array
                .items()
                .iter()
                .filter_map(|v| {
                    if let Value::Symbol(s) = v {
                        Some(s.clone())
                    } else {
                        None
                    }
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A symbol value.
    #[must_use]
    pub fn symbol(text: impl Into<Symbol>) -> Self {
        Value::Symbol(text.into())
    }

    /// Name of the value's type in the specification.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Ubyte(_) => "ubyte",
            Value::Ushort(_) => "ushort",
            Value::Uint(_) => "uint",
            Value::Ulong(_) => "ulong",
            Value::Byte(_) => "byte",
            Value::Short(_) => "short",
            Value::Int(_) => "int",
            Value::Long(_) => "long",
            Value::Float(_) => "float",
            Value::Double(_) => "double",
            Value::Decimal32(_) => "decimal32",
            Value::Decimal64(_) => "decimal64",
            Value::Decimal128(_) => "decimal128",
            Value::Char(_) => "char",
            Value::Timestamp(_) => "timestamp",
            Value::Uuid(_) => "uuid",
            Value::Binary(_) => "binary",
            Value::String(_) => "string",
            Value::Symbol(_) => "symbol",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Array(_) => "array",
            Value::Described(_) => "described",
        }
    }
}
