use bytes::{BufMut, BytesMut};

use super::code;
use crate::value::{Array, Map, Symbol, Value};

/// How sizes of lists and maps are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The shortest constructor that holds the value (`45`, `c0`, `c1`): frames.
    Compact,
    /// Always 32-bit sizes (`d0`, `d1`), also for empty ones: message sections, as the routers in the field write them.
    Wide,
}

/// Appends AMQP values to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    buf: &'a mut BytesMut,
    form: Form,
}

/// An open list: counts its fields, holds back nulls until something follows them, so that trailing ones are left out.
#[derive(Debug)]
#[must_use = "an open list must be given to `Writer::end`"]
pub struct ListWriter {
    start: usize,
    count: u32,
    nulls: u32,
}

/// `d0`/`d1`, four octets size, four octets count.
const HEAD32: usize = 9;

impl<'a> Writer<'a> {
    /// A writer at the end of `buf`.
    pub fn new(buf: &'a mut BytesMut, form: Form) -> Self {
        Self { buf, form }
    }

    /// Null.
    pub fn null(&mut self) {
        self.buf.put_u8(code::NULL);
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        self.buf
            .put_u8(if value { code::TRUE } else { code::FALSE });
    }

    /// A `ubyte`.
    pub fn u8(&mut self, value: u8) {
        self.buf.put_slice(&[code::UBYTE, value]);
    }

    /// A `ushort`.
    pub fn u16(&mut self, value: u16) {
        self.buf.put_u8(code::USHORT);
        self.buf.put_u16(value);
    }

    /// A `uint` in its shortest form.
    pub fn u32(&mut self, value: u32) {
        match value {
            0 => self.buf.put_u8(code::UINT0),
            1..=0xff => self.buf.put_slice(&[code::SMALL_UINT, value as u8]),
            _ => {
                self.buf.put_u8(code::UINT);
                self.buf.put_u32(value);
            }
        }
    }

    /// A `ulong` in its shortest form.
    pub fn u64(&mut self, value: u64) {
        match value {
            0 => self.buf.put_u8(code::ULONG0),
            1..=0xff => self.buf.put_slice(&[code::SMALL_ULONG, value as u8]),
            _ => {
                self.buf.put_u8(code::ULONG);
                self.buf.put_u64(value);
            }
        }
    }

    /// An `int` in its shortest form.
    pub fn i32(&mut self, value: i32) {
        match i8::try_from(value) {
            Ok(small) => self.buf.put_slice(&[code::SMALL_INT, small as u8]),
            Err(_) => {
                self.buf.put_u8(code::INT);
                self.buf.put_i32(value);
            }
        }
    }

    /// A `long` in its shortest form.
    pub fn i64(&mut self, value: i64) {
        match i8::try_from(value) {
            Ok(small) => self.buf.put_slice(&[code::SMALL_LONG, small as u8]),
            Err(_) => {
                self.buf.put_u8(code::LONG);
                self.buf.put_i64(value);
            }
        }
    }

    /// A string.
    pub fn str(&mut self, text: &str) {
        self.sized(code::STR8, text.as_bytes());
    }

    /// A string, or null.
    pub fn str_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.str(text),
            None => self.null(),
        }
    }

    /// A symbol.
    pub fn sym(&mut self, text: &str) {
        self.sized(code::SYM8, text.as_bytes());
    }

    /// A binary.
    pub fn binary(&mut self, octets: &[u8]) {
        self.sized(code::BIN8, octets);
    }

    /// The constructor and descriptor of a described value, short where it fits; the value is written next.
    pub fn descriptor(&mut self, descriptor: u64) {
        self.buf.put_u8(code::DESCRIBED);
        self.u64(descriptor);
    }

    /// Octets that are already encoded.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.buf.put_slice(encoded);
    }

    /// Symbols as an array, also when there is but one; none is written as null.
    pub fn symbols(&mut self, symbols: &[Symbol]) {
        if symbols.is_empty() {
            return self.null();
        }
        let long = symbols.iter().any(|s| s.as_str().len() > 0xff);
        let (width, constructor) = if long {
            (4, code::SYM32)
        } else {
            (1, code::SYM8)
        };
        let size: usize = symbols.iter().map(|s| s.as_str().len() + width).sum();
        self.array_head(size + 1, symbols.len());
        self.buf.put_u8(constructor);
        for symbol in symbols {
            let text = symbol.as_str();
            if long {
                self.buf.put_u32(text.len() as u32)
            } else {
                self.buf.put_u8(text.len() as u8)
            }
            self.buf.put_slice(text.as_bytes());
        }
    }

    /// Any value.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Bool(v) => self.bool(*v),
            Value::Ubyte(v) => self.u8(*v),
            Value::Ushort(v) => self.u16(*v),
            Value::Uint(v) => self.u32(*v),
            Value::Ulong(v) => self.u64(*v),
            Value::Byte(v) => self.buf.put_slice(&[code::BYTE, *v as u8]),
            Value::Int(v) => self.i32(*v),
            Value::Long(v) => self.i64(*v),
            Value::Binary(v) => self.binary(v),
            Value::String(v) => self.str(v),
            Value::Symbol(v) => self.sym(v.as_str()),
            Value::List(items) => self.list(items),
            Value::Map(map) => self.map(map),
            Value::Array(array) => self.array(array),
            Value::Described(described) => {
                self.buf.put_u8(code::DESCRIBED);
                self.value(&described.descriptor);
                self.value(&described.value);
            }
            Value::Short(_)
            | Value::Float(_)
            | Value::Double(_)
            | Value::Char(_)
            | Value::Timestamp(_)
            | Value::Uuid(_)
            | Value::Decimal32(_)
            | Value::Decimal64(_)
            | Value::Decimal128(_) => {
                self.buf.put_u8(wide_constructor(value, false));
                self.bare(value, false);
            }
        }
    }

    /// A list of any values.
    pub fn list(&mut self, items: &[Value]) {
        let start = self.reserve();
        for item in items {
            self.value(item);
        }
        self.close(start, items.len() as u32, code::LIST8, code::LIST32);
    }

    /// A map.
    pub fn map(&mut self, map: &Map) {
        let start = self.reserve();
        for (key, value) in map {
            self.value(key);
            self.value(value);
        }
        self.close(start, 2 * map.len() as u32, code::MAP8, code::MAP32);
    }

    /// A map, or null when it is empty.
    pub fn map_or_null(&mut self, map: &Map) {
        if map.is_empty() {
            self.null()
        } else {
            self.map(map)
        }
    }

    /// Opens a list.
    pub fn begin(&mut self) -> ListWriter {
        ListWriter {
            start: self.reserve(),
            count: 0,
            nulls: 0,
        }
    }

    /// Writes the next field of an open list.
    pub fn field(&mut self, list: &mut ListWriter, write: impl FnOnce(&mut Self)) {
        for _ in 0..list.nulls {
            self.null();
        }
        list.count += list.nulls + 1;
        list.nulls = 0;
        write(self);
    }

    /// Writes the next field of an open list, null when there is none.
    pub fn optional<T>(
        &mut self,
        list: &mut ListWriter,
        field: Option<T>,
        write: impl FnOnce(&mut Self, T),
    ) {
        match field {
            Some(value) => self.field(list, |w| write(w, value)),
            None => list.nulls += 1,
        }
    }

    /// Closes a list; nulls at its end are left out.
    pub fn end(&mut self, list: ListWriter) {
        self.close(list.start, list.count, code::LIST8, code::LIST32);
    }

    /// Closes a list that has at least `fields` fields: nulls are written up to there.
    pub fn end_at_least(&mut self, mut list: ListWriter, fields: u32) {
        while list.count < fields {
            self.null();
            list.count += 1;
        }
        self.end(list);
    }

    fn reserve(&mut self) -> usize {
        let start = self.buf.len();
        self.buf.put_bytes(0, HEAD32);
        start
    }

    fn close(&mut self, start: usize, count: u32, short: u8, long: u8) {
        let body = self.buf.len() - start - HEAD32;
        if self.form == Form::Compact && count == 0 && short == code::LIST8 {
            self.buf.truncate(start);
            self.buf.put_u8(code::LIST0);
        } else if self.form == Form::Compact && body < 0xff && count <= 0xff {
            self.buf.copy_within(start + HEAD32.., start + 3);
            self.buf.truncate(start + 3 + body);
            self.buf[start] = short;
            self.buf[start + 1] = (body + 1) as u8;
            self.buf[start + 2] = count as u8;
        } else {
            self.buf[start] = long;
            self.buf[start + 1..start + 5].copy_from_slice(&((body + 4) as u32).to_be_bytes());
            self.buf[start + 5..start + 9].copy_from_slice(&count.to_be_bytes());
        }
    }

    fn sized(&mut self, short: u8, octets: &[u8]) {
        match u8::try_from(octets.len()) {
            Ok(len) => self.buf.put_slice(&[short, len]),
            Err(_) => {
                self.buf.put_u8(short + 0x10);
                self.buf.put_u32(octets.len() as u32);
            }
        }
        self.buf.put_slice(octets);
    }

    /// Constructor, size and count of an array whose element constructor and elements take `size` octets.
    fn array_head(&mut self, size: usize, count: usize) {
        if size < 0xff && count <= 0xff {
            self.buf
                .put_slice(&[code::ARRAY8, (size + 1) as u8, count as u8]);
        } else {
            self.buf.put_u8(code::ARRAY32);
            self.buf.put_u32((size + 4) as u32);
            self.buf.put_u32(count as u32);
        }
    }

    fn array(&mut self, array: &Array) {
        // Written with 32-bit sizes in place, as the elements' size is known only after.
        let start = self.buf.len();
        self.buf.put_bytes(0, HEAD32);
        let items = array.items();
        match items.first() {
            None => self.null(),
            Some(first) => {
                let mut of = first;
                while let Value::Described(described) = of {
                    self.buf.put_u8(code::DESCRIBED);
                    self.value(&described.descriptor);
                    of = &described.value;
                }
                let long = items.iter().any(is_long);
                self.buf.put_u8(wide_constructor(of, long));
                for item in items {
                    self.bare(item, long);
                }
            }
        }
        self.close(start, items.len() as u32, code::ARRAY8, code::ARRAY32);
    }

    /// A value without its constructor, in the form that [`wide_constructor`] names.
    fn bare(&mut self, value: &Value, long: bool) {
        match value {
            Value::Null => {}
            Value::Bool(v) => self.buf.put_u8((*v).into()),
            Value::Ubyte(v) => self.buf.put_u8(*v),
            Value::Ushort(v) => self.buf.put_u16(*v),
            Value::Uint(v) => self.buf.put_u32(*v),
            Value::Ulong(v) => self.buf.put_u64(*v),
            Value::Byte(v) => self.buf.put_i8(*v),
            Value::Short(v) => self.buf.put_i16(*v),
            Value::Int(v) => self.buf.put_i32(*v),
            Value::Long(v) | Value::Timestamp(v) => self.buf.put_i64(*v),
            Value::Float(v) => self.buf.put_f32(*v),
            Value::Double(v) => self.buf.put_f64(*v),
            Value::Decimal32(v) => self.buf.put_slice(v),
            Value::Decimal64(v) => self.buf.put_slice(v),
            Value::Decimal128(v) | Value::Uuid(v) => self.buf.put_slice(v),
            Value::Char(v) => self.buf.put_u32((*v).into()),
            Value::Binary(v) => self.bare_sized(v, long),
            Value::String(v) => self.bare_sized(v.as_bytes(), long),
            Value::Symbol(v) => self.bare_sized(v.as_str().as_bytes(), long),
            Value::List(_) | Value::Map(_) | Value::Array(_) => {
                // With its constructor in wide form, which is then cut out.
                let start = self.buf.len();
                Writer::new(self.buf, Form::Wide).value(value);
                self.buf.copy_within(start + 1.., start);
                self.buf.truncate(self.buf.len() - 1);
            }
            Value::Described(described) => self.bare(&described.value, long),
        }
    }

    fn bare_sized(&mut self, octets: &[u8], long: bool) {
        if long {
            self.buf.put_u32(octets.len() as u32)
        } else {
            self.buf.put_u8(octets.len() as u8)
        }
        self.buf.put_slice(octets);
    }
}

fn is_long(value: &Value) -> bool {
    match value {
        Value::Binary(v) => v.len() > 0xff,
        Value::String(v) => v.len() > 0xff,
        Value::Symbol(v) => v.as_str().len() > 0xff,
        Value::Described(described) => is_long(&described.value),
        _ => false,
    }
}

/// The constructor of a type that holds every value of it.
fn wide_constructor(value: &Value, long: bool) -> u8 {
    match value {
        Value::Null => code::NULL,
        Value::Bool(_) => code::BOOLEAN,
        Value::Ubyte(_) => code::UBYTE,
        Value::Ushort(_) => code::USHORT,
        Value::Uint(_) => code::UINT,
        Value::Ulong(_) => code::ULONG,
        Value::Byte(_) => code::BYTE,
        Value::Short(_) => code::SHORT,
        Value::Int(_) => code::INT,
        Value::Long(_) => code::LONG,
        Value::Float(_) => code::FLOAT,
        Value::Double(_) => code::DOUBLE,
        Value::Decimal32(_) => code::DECIMAL32,
        Value::Decimal64(_) => code::DECIMAL64,
        Value::Decimal128(_) => code::DECIMAL128,
        Value::Char(_) => code::CHAR,
        Value::Timestamp(_) => code::TIMESTAMP,
        Value::Uuid(_) => code::UUID,
        Value::Binary(_) => {
            if long {
                code::BIN32
            } else {
                code::BIN8
            }
        }
        Value::String(_) => {
            if long {
                code::STR32
            } else {
                code::STR8
            }
        }
        Value::Symbol(_) => {
            if long {
                code::SYM32
            } else {
                code::SYM8
            }
        }
        Value::List(_) => code::LIST32,
        Value::Map(_) => code::MAP32,
        Value::Array(_) => code::ARRAY32,
        Value::Described(_) => code::DESCRIBED,
    }
}
