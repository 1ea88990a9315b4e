use bytes::Bytes;
use thiserror::Error;

use super::{MAX_DEPTH, code};
use crate::value::{Array, Described, Map, Symbol, Value};

/// Octets that are not what the AMQP type system, or the type of a field, allows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ends inside a value.
    #[error("the input ends inside a value: {wanted} more octets expected, {left} left")]
    Truncated {
        /// Octets that the value still needs.
        wanted: usize,
        /// Octets there are.
        left: usize,
    },
    /// A constructor octet that the specification does not define.
    #[error("0x{0:02x} is no AMQP constructor")]
    Constructor(u8),
    /// A value of another type than the field has.
    #[error("{field}: {expected} expected, constructor 0x{found:02x} found")]
    Type {
        /// Name of the field in the specification.
        field: &'static str,
        /// Type that it has there.
        expected: &'static str,
        /// Constructor octet that was read.
        found: u8,
    },
    /// A mandatory field that is null or left out.
    #[error("{0}: mandatory, but missing")]
    Missing(&'static str),
    /// A field with a value outside its range.
    #[error("{field}: {found} is not allowed, {expected} expected")]
    Range {
        /// Name of the field in the specification.
        field: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What was read.
        found: u64,
    },
    /// A string that is not UTF-8, or a symbol that is not ASCII.
    #[error("text is not {0}")]
    Text(&'static str),
    /// A `char` that is no Unicode scalar value.
    #[error("0x{0:08x} is no Unicode character")]
    Char(u32),
    /// The size and the elements of a list, map or array do not agree, or a map has a key without a value.
    #[error("a compound value of {size} octets does not hold its {count} elements")]
    Size {
        /// Octets announced.
        size: usize,
        /// Elements announced.
        count: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("values are nested deeper than {MAX_DEPTH}")]
    Depth,
    /// An array announces far more elements than it has octets: it would cost memory that its sender did not pay for.
    #[error("an array announces {0} elements in fewer octets")]
    Elements(usize),
    /// A described value with a descriptor that is unknown here.
    #[error("descriptor 0x{found:x} where {expected} was expected")]
    Descriptor {
        /// What may stand there.
        expected: &'static str,
        /// The descriptor read.
        found: u64,
    },
}

/// Room made in advance for elements: counts are a claim, and nesting multiplies claims.
const PREALLOCATED: usize = 64;

type Result<T> = std::result::Result<T, DecodeError>;

/// Takes AMQP values from the front of a slice.
///
/// After an error the position is unspecified. Memory use is proportional to the input: counts are never trusted.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: u8,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `input`.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self {
            rest: input,
            depth: 0,
        }
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next constructor octet.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever its type. Binaries are copied, so that a small one does not keep a large buffer alive.
    ///
    /// # Errors
    /// [`DecodeError`] when the octets are no value.
    pub fn value(&mut self) -> Result<Value> {
        let constructor = self.octet()?;
        self.body(constructor)
    }

    /// Passes over the next value without building it.
    ///
    /// # Errors
    /// [`DecodeError`] when the octets are no value.
    pub fn skip(&mut self) -> Result<()> {
        for _ in 0..=MAX_DEPTH {
            let constructor = self.octet()?;
            if constructor != code::DESCRIBED {
                let size = match constructor >> 4 {
                    0x4 => 0,
                    0x5 => 1,
                    0x6 => 2,
                    0x7 => 4,
                    0x8 => 8,
                    0x9 => 16,
                    0xa | 0xc | 0xe => self.octet()?.into(),
                    0xb | 0xd | 0xf => self.size32()?,
                    _ => return Err(DecodeError::Constructor(constructor)),
                };
                self.take(size)?;
                return Ok(());
            }
            // The descriptor, then round again for the value.
            self.nested(Self::skip)?;
        }
        Err(DecodeError::Depth)
    }

    /// The descriptor of a described value with a numeric descriptor; the value is next.
    ///
    /// # Errors
    /// [`DecodeError`] when the next value is not described or its descriptor is not a `ulong`.
    pub fn descriptor(&mut self) -> Result<u64> {
        let constructor = self.octet()?;
        if constructor != code::DESCRIBED {
            return Err(DecodeError::Type {
                field: "descriptor",
                expected: "described type",
                found: constructor,
            });
        }
        match self.octet()? {
            code::SMALL_ULONG => Ok(self.octet()?.into()),
            code::ULONG => Ok(u64::from_be_bytes(self.fixed()?)),
            code::ULONG0 => Ok(0),
            found => Err(DecodeError::Type {
                field: "descriptor",
                expected: "ulong",
                found,
            }),
        }
    }

    /// The fields of the list that is next.
    ///
    /// # Errors
    /// [`DecodeError`] when the next value is not a list.
    pub fn list(&mut self, field: &'static str) -> Result<Fields<'a>> {
        let constructor = self.octet()?;
        let (body, count) = match constructor {
            code::LIST0 => (&[][..], 0),
            code::LIST8 | code::LIST32 => self.compound(constructor)?,
            found => {
                return Err(DecodeError::Type {
                    field,
                    expected: "list",
                    found,
                });
            }
        };
        Ok(Fields {
            reader: Reader {
                rest: body,
                depth: self.depth.saturating_add(1),
            },
            left: count,
        })
    }

    /// The map that is next; null is the empty map.
    ///
    /// # Errors
    /// [`DecodeError`] when the next value is neither a map nor null.
    pub fn map(&mut self, field: &'static str) -> Result<Map> {
        match self.octet()? {
            code::NULL => Ok(Map::new()),
            constructor @ (code::MAP8 | code::MAP32) => match self.body(constructor)? {
                Value::Map(map) => Ok(map),
                _ => Err(DecodeError::Constructor(constructor)),
            },
            found => Err(DecodeError::Type {
                field,
                expected: "map",
                found,
            }),
        }
    }

    /// The string or symbol that is next, borrowed; `None` for null.
    ///
    /// # Errors
    /// [`DecodeError`] when the next value is neither string, symbol nor null.
    pub fn text(&mut self, field: &'static str) -> Result<Option<&'a str>> {
        let constructor = self.octet()?;
        let octets = match constructor {
            code::NULL => return Ok(None),
            code::STR8 | code::SYM8 => {
                let size = self.octet()?.into();
                self.take(size)?
            }
            code::STR32 | code::SYM32 => {
                let size = self.size32()?;
                self.take(size)?
            }
            found => {
                return Err(DecodeError::Type {
                    field,
                    expected: "string",
                    found,
                });
            }
        };
        std::str::from_utf8(octets)
            .map(Some)
            .map_err(|_| DecodeError::Text("UTF-8"))
    }

    /// The binary that is next, borrowed; `None` for null.
    ///
    /// # Errors
    /// [`DecodeError`] when the next value is neither binary nor null.
    pub fn binary(&mut self, field: &'static str) -> Result<Option<&'a [u8]>> {
        match self.octet()? {
            code::NULL => Ok(None),
            code::BIN8 => {
                let size = self.octet()?.into();
                self.take(size).map(Some)
            }
            code::BIN32 => {
                let size = self.size32()?;
                self.take(size).map(Some)
            }
            found => Err(DecodeError::Type {
                field,
                expected: "binary",
                found,
            }),
        }
    }

    /// The unsigned integer of any width that is next; `None` for null.
    ///
    /// # Errors
    /// [`DecodeError`] when the next value is neither an unsigned integer nor null.
    pub fn unsigned(&mut self, field: &'static str) -> Result<Option<u64>> {
        Ok(Some(match self.octet()? {
            code::NULL => return Ok(None),
            code::UINT0 | code::ULONG0 => 0,
            code::UBYTE | code::SMALL_UINT | code::SMALL_ULONG => self.octet()?.into(),
            code::USHORT => u16::from_be_bytes(self.fixed()?).into(),
            code::UINT => u32::from_be_bytes(self.fixed()?).into(),
            code::ULONG => u64::from_be_bytes(self.fixed()?),
            found => {
                return Err(DecodeError::Type {
                    field,
                    expected: "unsigned integer",
                    found,
                });
            }
        }))
    }

    /// The boolean that is next; `None` for null.
    ///
    /// # Errors
    /// [`DecodeError`] when the next value is neither a boolean nor null.
    pub fn boolean(&mut self, field: &'static str) -> Result<Option<bool>> {
        match self.octet()? {
            code::NULL => Ok(None),
            code::TRUE => Ok(Some(true)),
            code::FALSE => Ok(Some(false)),
            code::BOOLEAN => Ok(Some(self.octet()? != 0)),
            found => Err(DecodeError::Type {
                field,
                expected: "boolean",
                found,
            }),
        }
    }

    /// The symbols that are next: one alone, an array of them, or null for none.
    ///
    /// # Errors
    /// [`DecodeError`] when the next value is none of these.
    pub fn symbols(&mut self, field: &'static str) -> Result<Vec<Symbol>> {
        let found = self.peek().unwrap_or_default();
        match self.value()? {
            Value::Null => Ok(Vec::new()),
            value @ (Value::Symbol(_) | Value::Array(_)) => Ok(value.symbols()),
            _ => Err(DecodeError::Type {
                field,
                expected: "symbols",
                found,
            }),
        }
    }

    fn body(&mut self, constructor: u8) -> Result<Value> {
        Ok(match constructor {
            code::DESCRIBED => {
                let (descriptor, value) = self.nested(|r| Ok((r.value()?, r.value()?)))?;
                Described { descriptor, value }.into()
            }
            code::NULL => Value::Null,
            code::TRUE => Value::Bool(true),
            code::FALSE => Value::Bool(false),
            code::BOOLEAN => Value::Bool(self.octet()? != 0),
            code::UINT0 => Value::Uint(0),
            code::ULONG0 => Value::Ulong(0),
            code::LIST0 => Value::List(Vec::new()),
            code::UBYTE => Value::Ubyte(self.octet()?),
            code::BYTE => Value::Byte(self.octet()? as i8),
            code::SMALL_UINT => Value::Uint(self.octet()?.into()),
            code::SMALL_ULONG => Value::Ulong(self.octet()?.into()),
            code::SMALL_INT => Value::Int((self.octet()? as i8).into()),
            code::SMALL_LONG => Value::Long((self.octet()? as i8).into()),
            code::USHORT => Value::Ushort(u16::from_be_bytes(self.fixed()?)),
            code::SHORT => Value::Short(i16::from_be_bytes(self.fixed()?)),
            code::UINT => Value::Uint(u32::from_be_bytes(self.fixed()?)),
            code::INT => Value::Int(i32::from_be_bytes(self.fixed()?)),
            code::FLOAT => Value::Float(f32::from_be_bytes(self.fixed()?)),
            code::CHAR => {
                let scalar = u32::from_be_bytes(self.fixed()?);
                Value::Char(char::from_u32(scalar).ok_or(DecodeError::Char(scalar))?)
            }
            code::DECIMAL32 => Value::Decimal32(self.fixed()?),
            code::ULONG => Value::Ulong(u64::from_be_bytes(self.fixed()?)),
            code::LONG => Value::Long(i64::from_be_bytes(self.fixed()?)),
            code::DOUBLE => Value::Double(f64::from_be_bytes(self.fixed()?)),
            code::TIMESTAMP => Value::Timestamp(i64::from_be_bytes(self.fixed()?)),
            code::DECIMAL64 => Value::Decimal64(self.fixed()?),
            code::DECIMAL128 => Value::Decimal128(self.fixed()?),
            code::UUID => Value::Uuid(self.fixed()?),
            code::BIN8 | code::STR8 | code::SYM8 => {
                let size = self.octet()?.into();
                self.variable(constructor, size)?
            }
            code::BIN32 | code::STR32 | code::SYM32 => {
                let size = self.size32()?;
                self.variable(constructor, size)?
            }
            code::LIST8 | code::LIST32 | code::MAP8 | code::MAP32 => {
                let (body, count) = self.compound(constructor)?;
                self.nested(|r| {
                    let mut inner = Reader {
                        rest: body,
                        depth: r.depth,
                    };
                    if matches!(constructor, code::LIST8 | code::LIST32) {
                        inner.items(count)
                    } else {
                        inner.pairs(count)
                    }
                })?
            }
            code::ARRAY8 | code::ARRAY32 => {
                let (body, count) = self.compound(constructor)?;
                self.nested(|r| {
                    Reader {
                        rest: body,
                        depth: r.depth,
                    }
                    .elements(count)
                })?
            }
            other => return Err(DecodeError::Constructor(other)),
        })
    }

    fn variable(&mut self, constructor: u8, size: usize) -> Result<Value> {
        let octets = self.take(size)?;
        Ok(match constructor {
            code::BIN8 | code::BIN32 => Value::Binary(Bytes::copy_from_slice(octets)),
            code::STR8 | code::STR32 => Value::String(
                std::str::from_utf8(octets)
                    .map_err(|_| DecodeError::Text("UTF-8"))?
                    .to_owned(),
            ),
            _ => match std::str::from_utf8(octets) {
                Ok(text) if text.is_ascii() => Value::Symbol(text.into()),
                _ => return Err(DecodeError::Text("ASCII")),
            },
        })
    }

    /// Body (after the count) and count of a list, map or array.
    fn compound(&mut self, constructor: u8) -> Result<(&'a [u8], usize)> {
        let short = matches!(constructor >> 4, 0xc | 0xe);
        let size = if short {
            self.octet()?.into()
        } else {
            self.size32()?
        };
        let mut body = Reader {
            rest: self.take(size)?,
            depth: 0,
        };
        let count = if short {
            body.octet()?.into()
        } else {
            body.size32()?
        };
        // Each element of a list or map takes at least its constructor octet.
        if !matches!(constructor, code::ARRAY8 | code::ARRAY32) && count > body.rest.len() {
            return Err(DecodeError::Size { size, count });
        }
        Ok((body.rest, count))
    }

    fn items(&mut self, count: usize) -> Result<Value> {
        let size = self.rest.len();
        let mut items = Vec::with_capacity(count.min(PREALLOCATED));
        for _ in 0..count {
            items.push(self.value()?);
        }
        self.exhausted(size, count)?;
        Ok(Value::List(items))
    }

    fn pairs(&mut self, count: usize) -> Result<Value> {
        let size = self.rest.len();
        if !count.is_multiple_of(2) {
            return Err(DecodeError::Size { size, count });
        }
        let mut pairs = Vec::with_capacity((count / 2).min(PREALLOCATED));
        for _ in 0..count / 2 {
            pairs.push((self.value()?, self.value()?));
        }
        self.exhausted(size, count)?;
        Ok(Value::Map(Map(pairs)))
    }

    fn elements(&mut self, count: usize) -> Result<Value> {
        let size = self.rest.len();
        // Elements may be of width zero (null, true, list0); their number is bounded all the same.
        if count > size.saturating_add(1024) {
            return Err(DecodeError::Elements(count));
        }
        let mut constructor = self.octet()?;
        let mut descriptor = None;
        if constructor == code::DESCRIBED {
            // It is copied for each element, so it has to be small.
            descriptor = match self.nested(Self::value)? {
                number @ Value::Ulong(_) => Some(number),
                Value::Symbol(name) if name.as_str().len() <= 0xff => Some(name.into()),
                _ => return Err(DecodeError::Constructor(constructor)),
            };
            constructor = self.octet()?;
            if constructor == code::DESCRIBED {
                return Err(DecodeError::Constructor(constructor));
            }
        }
        let mut items = Vec::with_capacity(count.min(PREALLOCATED));
        for _ in 0..count {
            let value = self.body(constructor)?;
            items.push(match &descriptor {
                Some(descriptor) => Described {
                    descriptor: descriptor.clone(),
                    value,
                }
                .into(),
                None => value,
            });
        }
        self.exhausted(size, count)?;
        // One constructor for all makes them one type.
        Array::new(items)
            .map(Value::Array)
            .map_err(|_| DecodeError::Size { size, count })
    }

    fn exhausted(&self, size: usize, count: usize) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Size { size, count })
        }
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(DecodeError::Depth);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(size)
            .ok_or(DecodeError::Truncated {
                wanted: size,
                left: self.rest.len(),
            })?;
        self.rest = rest;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8> {
        Ok(self.fixed::<1>()?[0])
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated {
                wanted: N,
                left: self.rest.len(),
            })?;
        self.rest = rest;
        Ok(*taken)
    }

    fn size32(&mut self) -> Result<usize> {
        Ok(u32::from_be_bytes(self.fixed()?) as usize)
    }
}

/// The fields of a composite type: a list of which trailing fields may be left out and any may be null.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Fields<'a> {
    /// The reader at the next field, or `None` when it was left out. The caller reads exactly one value.
    pub fn field(&mut self) -> Option<&mut Reader<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(&mut self.reader)
    }

    /// Fields not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left
    }

    /// An optional field of any type.
    ///
    /// # Errors
    /// [`DecodeError`] of the value.
    pub fn value(&mut self) -> Result<Value> {
        self.field().map_or(Ok(Value::Null), Reader::value)
    }

    /// Passes over one field.
    ///
    /// # Errors
    /// [`DecodeError`] of the value.
    pub fn skip(&mut self) -> Result<()> {
        self.field().map_or(Ok(()), Reader::skip)
    }

    /// An optional string (a symbol is taken too).
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type.
    pub fn text(&mut self, field: &'static str) -> Result<Option<String>> {
        self.field()
            .map_or(Ok(None), |r| Ok(r.text(field)?.map(str::to_owned)))
    }

    /// An optional symbol (a string is taken too).
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type.
    pub fn symbol(&mut self, field: &'static str) -> Result<Option<Symbol>> {
        self.field()
            .map_or(Ok(None), |r| Ok(r.text(field)?.map(Symbol::from)))
    }

    /// An optional binary, borrowed.
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type.
    pub fn binary(&mut self, field: &'static str) -> Result<Option<&'a [u8]>> {
        self.field().map_or(Ok(None), |r| r.binary(field))
    }

    /// An optional unsigned integer that fits `T`, on the wire of any width.
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type or too large.
    pub fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<Option<T>> {
        let Some(reader) = self.field() else {
            return Ok(None);
        };
        match reader.unsigned(field)? {
            None => Ok(None),
            Some(found) => T::try_from(found)
                .map(Some)
                .map_err(|_| DecodeError::Range {
                    field,
                    expected: "a smaller number",
                    found,
                }),
        }
    }

    /// A mandatory unsigned integer that fits `T`.
    ///
    /// # Errors
    /// [`DecodeError`] when it is missing, of another type or too large.
    pub fn need<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T> {
        self.number(field)?.ok_or(DecodeError::Missing(field))
    }

    /// An optional boolean; absent is false.
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type.
    pub fn flag(&mut self, field: &'static str) -> Result<bool> {
        Ok(self.optional_flag(field)?.unwrap_or(false))
    }

    /// An optional boolean.
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type.
    pub fn optional_flag(&mut self, field: &'static str) -> Result<Option<bool>> {
        self.field().map_or(Ok(None), |r| r.boolean(field))
    }

    /// An optional map; absent is empty.
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type.
    pub fn map(&mut self, field: &'static str) -> Result<Map> {
        self.field().map_or(Ok(Map::new()), |r| r.map(field))
    }

    /// Optional symbols: one, an array, or none.
    ///
    /// # Errors
    /// [`DecodeError`] when it is of another type.
    pub fn symbols(&mut self, field: &'static str) -> Result<Vec<Symbol>> {
        self.field().map_or(Ok(Vec::new()), |r| r.symbols(field))
    }

    /// An optional described value, read by `read` from its descriptor on.
    ///
    /// # Errors
    /// [`DecodeError`] of `read`.
    pub fn described<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.field() {
            None => Ok(None),
            Some(reader) if reader.peek() == Some(code::NULL) => reader.skip().map(|()| None),
            Some(reader) => read(reader).map(Some),
        }
    }
}
