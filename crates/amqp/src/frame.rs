//! Frames (2.3): size, data offset, type and channel before a body.

use bytes::BytesMut;

use crate::{
    codec::{Form, Writer},
    performative::Performative,
    sasl::SaslFrame,
};

/// Octets of a frame's header.
pub const HEADER: usize = 8;
/// Type of frames that carry performatives.
pub const TYPE_AMQP: u8 = 0;
/// Type of frames of the SASL layer.
pub const TYPE_SASL: u8 = 1;
/// The least maximum frame size that a peer may ask for.
pub const MIN_MAX_FRAME_SIZE: u32 = 512;

/// Header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Octets of the whole frame.
    pub size: usize,
    /// Offset of the body.
    pub body: usize,
    /// [`TYPE_AMQP`] or [`TYPE_SASL`].
    pub kind: u8,
    /// Channel (AMQP frames only).
    pub channel: u16,
}

/// Octets that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Size or data offset cannot be.
    #[error("a frame of {size} octets with its body at {body} cannot be: the header alone takes 8")]
    Header {
        /// Size announced.
        size: usize,
        /// Offset announced.
        body: usize,
    },
    /// The frame is larger than announced as the limit.
    #[error("a frame of {size} octets exceeds the limit of {limit}")]
    TooLarge {
        /// Size announced.
        size: usize,
        /// Limit.
        limit: usize,
    },
}

impl Frame {
    /// The header of the frame at the front of `input`, once eight octets are there. The whole frame need not have come.
    ///
    /// # Errors
    /// [`FrameError`] when no frame can begin so, or it exceeds `limit` octets.
    pub fn peek(input: &[u8], limit: usize) -> Result<Option<Self>, FrameError> {
        let Some(&[s0, s1, s2, s3, doff, kind, c0, c1]) = input.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
        let body = usize::from(doff) * 4;
        if body < HEADER || size < body {
            return Err(FrameError::Header { size, body });
        }
        if size > limit {
            return Err(FrameError::TooLarge { size, limit });
        }
        Ok(Some(Self {
            size,
            body,
            kind,
            channel: u16::from_be_bytes([c0, c1]),
        }))
    }
}

/// Appends a frame with a performative and nothing after it.
pub fn write_performative(buf: &mut BytesMut, channel: u16, performative: &Performative) {
    write(buf, TYPE_AMQP, channel, |w| performative.write(w));
}

/// Appends a SASL frame.
pub fn write_sasl(buf: &mut BytesMut, frame: &SaslFrame) {
    write(buf, TYPE_SASL, 0, |w| frame.write(w));
}

/// Appends a frame without a body, which says no more than that its sender lives.
pub fn write_empty(buf: &mut BytesMut) {
    write(buf, TYPE_AMQP, 0, |_| {});
}

fn write(buf: &mut BytesMut, kind: u8, channel: u16, body: impl FnOnce(&mut Writer<'_>)) {
    let start = buf.len();
    buf.extend_from_slice(&[0, 0, 0, 0, 2, kind]);
    buf.extend_from_slice(&channel.to_be_bytes());
    body(&mut Writer::new(buf, Form::Compact));
    let size = ((buf.len() - start) as u32).to_be_bytes();
    buf[start..start + 4].copy_from_slice(&size);
}
