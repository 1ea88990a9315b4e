//! The AMQP 1.0 type system on the wire (part 1 of the specification).
//!
//! [`Reader`] takes values from a slice, [`Writer`] appends them to a buffer. Both are used by the typed layers
//! (performatives, message sections) directly, so that no generic [`Value`](crate::Value) is built where a field's type is known.

mod read;
mod write;

pub use read::{DecodeError, Fields, Reader};
pub use write::{Form, ListWriter, Writer};

/// Values may nest this deep; deeper input is refused. Every protocol spoken here stays below ten.
pub const MAX_DEPTH: u8 = 32;

/// Constructor octets (format codes) of the AMQP type system.
pub(crate) mod code {
    pub(crate) const DESCRIBED: u8 = 0x00;
    pub(crate) const NULL: u8 = 0x40;
    pub(crate) const TRUE: u8 = 0x41;
    pub(crate) const FALSE: u8 = 0x42;
    pub(crate) const UINT0: u8 = 0x43;
    pub(crate) const ULONG0: u8 = 0x44;
    pub(crate) const LIST0: u8 = 0x45;
    pub(crate) const UBYTE: u8 = 0x50;
    pub(crate) const BYTE: u8 = 0x51;
    pub(crate) const SMALL_UINT: u8 = 0x52;
    pub(crate) const SMALL_ULONG: u8 = 0x53;
    pub(crate) const SMALL_INT: u8 = 0x54;
    pub(crate) const SMALL_LONG: u8 = 0x55;
    pub(crate) const BOOLEAN: u8 = 0x56;
    pub(crate) const USHORT: u8 = 0x60;
    pub(crate) const SHORT: u8 = 0x61;
    pub(crate) const UINT: u8 = 0x70;
    pub(crate) const INT: u8 = 0x71;
    pub(crate) const FLOAT: u8 = 0x72;
    pub(crate) const CHAR: u8 = 0x73;
    pub(crate) const DECIMAL32: u8 = 0x74;
    pub(crate) const ULONG: u8 = 0x80;
    pub(crate) const LONG: u8 = 0x81;
    pub(crate) const DOUBLE: u8 = 0x82;
    pub(crate) const TIMESTAMP: u8 = 0x83;
    pub(crate) const DECIMAL64: u8 = 0x84;
    pub(crate) const DECIMAL128: u8 = 0x94;
    pub(crate) const UUID: u8 = 0x98;
    pub(crate) const BIN8: u8 = 0xa0;
    pub(crate) const STR8: u8 = 0xa1;
    pub(crate) const SYM8: u8 = 0xa3;
    pub(crate) const BIN32: u8 = 0xb0;
    pub(crate) const STR32: u8 = 0xb1;
    pub(crate) const SYM32: u8 = 0xb3;
    pub(crate) const LIST8: u8 = 0xc0;
    pub(crate) const MAP8: u8 = 0xc1;
    pub(crate) const LIST32: u8 = 0xd0;
    pub(crate) const MAP32: u8 = 0xd1;
    pub(crate) const ARRAY8: u8 = 0xe0;
    pub(crate) const ARRAY32: u8 = 0xf0;
}
