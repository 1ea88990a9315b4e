//! Header compression of HTTP/2 (RFC 7541), as far as one who reads along needs it.
//!
//! The crates that there are do not do on the way of other people's octets: they build the code's table anew for each string, panic on
//! integers that are cut short, or are part of a whole implementation of HTTP/2; and none bounds what a block may unfold to.

mod fields;
mod huffman;

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::MAX_TABLE;
use crate::event::Fault;

/// The size of a table of which nothing was said (RFC 9113 section 6.5.2).
const FIRST_SIZE: usize = 4096;
/// What a field counts besides its octets (RFC 7541 section 4.1).
const OVERHEAD: usize = 32;
/// What the fields of one block may count together.
const MAX_BLOCK: usize = 256 * 1024;

/// Name and value of a field that is kept.
type Kept = (Box<[u8]>, Box<[u8]>);
/// Name and value of a field that stands in a block, or for part in the table.
type Literal<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The reader of what one side sends.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The newest first.
    table: VecDeque<Kept>,
    size: usize,
    limit: usize,
    /// To what the limit may be raised.
    allowed: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder {
            table: VecDeque::new(),
            size: 0,
            limit: FIRST_SIZE,
            allowed: FIRST_SIZE,
        }
    }
}

impl Decoder {
    /// The other side allows a table of that size.
    pub(crate) fn allow(&mut self, size: u32) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        self.allowed = self.allowed.max(size.min(MAX_TABLE));
    }

    /// Reads a block and shows its fields.
    pub(crate) fn decode(
        &mut self,
        mut block: &[u8],
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Fault> {
        let mut room = MAX_BLOCK;
        let mut show = |name: &[u8], value: &[u8]| {
            let size = name.len() + value.len() + OVERHEAD;
            room = room.checked_sub(size).ok_or(Fault::TooManyHeaders)?;
            field(name, value);
            Ok(())
        };
        while let Some(first) = block.first() {
            // The highest bits tell what follows (RFC 7541 section 6).
            match first.leading_zeros() {
                0 => {
                    let (name, value) = self.get(integer(&mut block, 7)?)?;
                    show(name, value)?;
                }
                1 => {
                    let (name, value) = self.literal(&mut block, 6)?;
                    show(&name, &value)?;
                    let kept = (name.into(), value.into());
                    self.insert(kept);
                }
                2 => {
                    let limit = integer(&mut block, 5)?;
                    if limit > self.allowed {
                        return Err(Fault::Compression);
                    }
                    self.limit = limit;
                    self.evict(0);
                }
                _ => {
                    let (name, value) = self.literal(&mut block, 4)?;
                    show(&name, &value)?;
                }
            }
        }
        Ok(())
    }

    fn get(&self, index: usize) -> Result<(&[u8], &[u8]), Fault> {
        let place = index.checked_sub(1).ok_or(Fault::Compression)?;
        if let Some(known) = fields::FIELDS.get(place) {
            return Ok(*known);
        }
        let own = self.table.get(place - fields::FIELDS.len());
        let (name, value) = own.ok_or(Fault::Compression)?;
        Ok((name, value))
    }

    fn literal<'a, 'b: 'a>(
        &'a self,
        block: &mut &'b [u8],
        prefix: u32,
    ) -> Result<Literal<'a>, Fault> {
        let name = match integer(block, prefix)? {
            0 => string(block)?,
            index => Cow::Borrowed(self.get(index)?.0),
        };
        Ok((name, string(block)?))
    }

    fn insert(&mut self, (name, value): Kept) {
        let size = name.len() + value.len() + OVERHEAD;
        self.evict(size);
        // A field that is larger than the table empties it, and that is all (RFC 7541 section 4.4).
        if size <= self.limit {
            self.size += size;
            self.table.push_front((name, value));
        }
    }

    /// Makes room for a field.
    fn evict(&mut self, size: usize) {
        while self.size + size > self.limit {
            let Some((name, value)) = self.table.pop_back() else {
                break;
            };
            self.size -= name.len() + value.len() + OVERHEAD;
        }
    }
}

/// Reads an integer that begins in the lowest `prefix` bits.
fn integer(block: &mut &[u8], prefix: u32) -> Result<usize, Fault> {
    let (first, mut rest) = block.split_first().ok_or(Fault::Compression)?;
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (octet, after) = rest.split_first().ok_or(Fault::Compression)?;
            rest = after;
            // Nothing that is read here is larger than four such octets can say.
            if shift > 21 {
                return Err(Fault::Compression);
            }
            value += usize::from(octet & 0x7f) << shift;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    Ok(value)
}

/// Reads a string.
fn string<'a>(block: &mut &'a [u8]) -> Result<Cow<'a, [u8]>, Fault> {
    let encoded = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(block, 7)?;
    let (octets, rest) = block.split_at_checked(length).ok_or(Fault::Compression)?;
    *block = rest;
    if encoded {
        huffman::decode(octets)
            .map(Cow::Owned)
            .ok_or(Fault::Compression)
    } else {
        Ok(Cow::Borrowed(octets))
    }
}

#[cfg(test)]
mod tests;
