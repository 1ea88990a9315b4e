use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes, BytesMut};

/// Payloads below this many octets are copied behind their frame's header: that costs less than a slice of its own.
const COPY_BELOW: usize = 1024;

/// Room made at once for headers and small frames.
const TAIL: usize = 16 * 1024;

/// What is to be written to the peer, in order: a [`Buf`] of slices for vectored writes.
///
/// Bodies of transfers are the slices that the caller gave; only headers and small bodies are copied.
#[derive(Debug, Default)]
pub struct Output {
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
    /// Something was written since the flag was last taken.
    wrote: bool,
}

impl Output {
    /// Octets not written yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether all is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn take_wrote(&mut self) -> bool {
        std::mem::take(&mut self.wrote)
    }

    /// Appends what `write` appends to the buffer.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.tail.capacity() - self.tail.len() < 512 {
            // Reuses the allocation when what was split off it has been written.
            self.tail.reserve(TAIL);
        }
        let before = self.tail.len();
        write(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    /// Appends octets without copying them, unless they are few.
    pub(super) fn payload(&mut self, octets: Bytes) {
        if octets.len() < COPY_BELOW {
            return self.append(|tail| tail.extend_from_slice(&octets));
        }
        if !self.tail.is_empty() {
            self.chunks.push_back(self.tail.split().freeze());
        }
        self.len += octets.len();
        self.chunks.push_back(octets);
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&self.tail, |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.chunks.iter().map(|chunk| &chunk[..]);
        let all = chunks.chain((!self.tail.is_empty()).then_some(&self.tail[..]));
        dst.iter_mut()
            .zip(all)
            .map(|(slot, chunk)| *slot = IoSlice::new(chunk))
            .count()
    }

    fn advance(&mut self, mut count: usize) {
        let count_all = count.min(self.len);
        count = count_all;
        self.wrote |= count > 0;
        while let Some(front) = self.chunks.front_mut() {
            if count < front.len() {
                front.advance(count);
                self.len -= count_all;
                return;
            }
            count -= front.len();
            self.chunks.pop_front();
        }
        self.tail.advance(count);
        self.len -= count_all;
    }
}

/// Octets of a delivery that are still to be sent: a queue of slices, which is reused.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    chunks: VecDeque<Bytes>,
    len: usize,
}

impl Payload {
    /// No octets.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            len: 0,
        }
    }

    /// Appends a slice.
    pub fn push(&mut self, octets: Bytes) {
        if !octets.is_empty() {
            self.len += octets.len();
            self.chunks.push_back(octets);
        }
    }

    /// Octets left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Drops what is left.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.len = 0;
    }

    /// A copy of the first `most` octets.
    #[must_use]
    pub fn head(&self, most: usize) -> Vec<u8> {
        let mut head = Vec::with_capacity(most.min(self.len));
        for chunk in &self.chunks {
            let room = most - head.len();
            head.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
        }
        head
    }

    /// Takes the front slice, or its first `most` octets.
    pub fn pop(&mut self, most: usize) -> Option<Bytes> {
        let front = self.chunks.front_mut()?;
        let taken = if front.len() <= most {
            self.chunks.pop_front()?
        } else {
            front.split_to(most)
        };
        self.len -= taken.len();
        Some(taken)
    }
}

impl From<Bytes> for Payload {
    fn from(octets: Bytes) -> Self {
        let mut payload = Self::new();
        payload.push(octets);
        payload
    }
}
