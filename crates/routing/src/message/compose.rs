//! Lists and maps with 32-bit sizes that are filled in afterwards: the form the original composes its messages in.

use bytes::{BufMut, BytesMut};
use skupper_amqp::codec::{Form, Writer};

const LIST32: u8 = 0xd0;
const MAP32: u8 = 0xd1;
const LIST0: u8 = 0x45;

/// A message under composition.
pub(super) struct Composer {
    buf: BytesMut,
}

/// What keys of a body are: the engine's messages use strings, the mobile ones symbols (§5.1).
#[derive(Copy, Clone)]
pub(super) enum Keys {
    Strings,
    Symbols,
}

impl Composer {
    pub(super) fn new() -> Self {
        Self {
            buf: BytesMut::with_capacity(256),
        }
    }

    pub(super) fn finish(self) -> bytes::Bytes {
        self.buf.freeze()
    }

    /// Scalars, each in its shortest form.
    pub(super) fn scalar(&mut self) -> Writer<'_> {
        Writer::new(&mut self.buf, Form::Wide)
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.buf.put_slice(octets);
    }

    /// A list of `count` elements that `elements` writes.
    pub(super) fn list(&mut self, count: usize, elements: impl FnOnce(&mut Self)) {
        self.compound(LIST32, count, elements);
    }

    /// The one-octet empty list.
    pub(super) fn empty_list(&mut self) {
        self.buf.put_u8(LIST0);
    }

    /// A map of `count` pairs that `pairs` writes, key and value in turn.
    pub(super) fn map(&mut self, count: usize, pairs: impl FnOnce(&mut Self)) {
        self.compound(MAP32, count * 2, pairs);
    }

    pub(super) fn key(&mut self, keys: Keys, key: &str) {
        match keys {
            Keys::Strings => self.scalar().str(key),
            Keys::Symbols => self.scalar().sym(key),
        }
    }

    /// An int, or a long where it does not fit.
    pub(super) fn integer(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => self.scalar().i32(value),
            Err(_) => self.scalar().i64(value),
        }
    }

    fn compound(&mut self, code: u8, count: usize, contents: impl FnOnce(&mut Self)) {
        self.buf.put_u8(code);
        let start = self.buf.len();
        self.buf.put_u32(0);
        // A message is far from 2^32 of anything: addresses are limited to MAX_ADDRESSES.
        self.buf.put_u32(count as u32);
        contents(self);
        let size = (self.buf.len() - start - 4) as u32;
        self.buf[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }
}
