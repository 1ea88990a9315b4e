use bytes::{BufMut, BytesMut};
use thiserror::Error;

use crate::codec::{DecodeError, Form, Reader, Writer};

/// Bits of [`RouterAnnotations::flags`]. Unknown bits are kept and forwarded.
pub mod flags {
    /// Forward before the message is complete.
    pub const STREAMING: u32 = 0x01;
    /// When the next hop releases it, forward it to another destination.
    pub const RESEND_RELEASED: u32 = 0x02;
    /// Never hold the delivery back for its size.
    pub const Q2_DISABLED: u32 = 0x04;
    /// A client's octets may come with its stream, before the server's end has answered. Sent only to peers that offer
    /// `skupper.early-octets`; upstream has no such bit.
    pub const EARLY: u32 = 0x80;
}

/// Constructor and descriptor of the section. No other encoding of the descriptor is recognised by upstream's routers.
const START: [u8; 10] = [0x00, 0x80, 0x53, 0x4b, 0x50, 0x52, 0x2d, 0x2d, 0x52, 0x41];

/// The routers' own section, before every other section of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterAnnotations {
    /// Bits of [`flags`].
    pub flags: u32,
    /// Address to route on, overriding the properties' `to`.
    pub to_override: Option<String>,
    /// Id (`0/<router>`) of the first interior router.
    pub ingress: Option<String>,
    /// Ids (`0/<router>`) of the routers passed, oldest first.
    pub trace: Vec<String>,
    /// Id of the edge mesh it came from, 15 characters.
    pub ingress_mesh: Option<String>,
}

/// Why the section was refused. The texts are those of upstream's routers; the condition is `amqp:invalid-field` where no other is named.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnnotationsError {
    /// Something else than a list. As with any other section of a wrong type, the condition is `amqp:decode-error`.
    #[error("invalid message format")]
    Malformed,
    /// The empty list, which is written without its elements.
    #[error("Invalid router annotations section: non-list type")]
    NotAList,
    /// Fewer than four elements.
    #[error("Invalid router annotations section: wrong list count")]
    Count,
    /// Element 0.
    #[error("Invalid router flags annotation: wrong type")]
    Flags,
    /// Element 1.
    #[error("Invalid router to-override annotation: wrong type")]
    ToOverride,
    /// Element 2.
    #[error("Invalid router ingress annotation: wrong type")]
    Ingress,
    /// Element 3.
    #[error("Invalid router trace annotation: not a list")]
    Trace,
    /// An element of element 3.
    #[error("Invalid router trace annotation: list contains non-string entries")]
    TraceEntry,
    /// Element 4.
    #[error("Invalid ingress-mesh annotation: wrong type")]
    IngressMesh,
    /// The payload ends inside the section: wait for more of a streaming delivery, refuse a complete one.
    #[error("Invalid router annotations section: incomplete")]
    Incomplete,
}

impl RouterAnnotations {
    /// Whether `payload` begins with the section.
    #[must_use]
    pub fn is_at(payload: &[u8]) -> bool {
        payload.starts_with(&START)
    }

    /// Reads the section at the front of `payload`: it and the octets it takes, or `None` when another section is first.
    ///
    /// A null fifth element, which upstream refuses to read, counts as absent.
    ///
    /// # Errors
    /// [`AnnotationsError`]; its text is what the delivery's sender is told.
    pub fn parse(payload: &[u8]) -> Result<Option<(Self, usize)>, AnnotationsError> {
        if !Self::is_at(payload) {
            let cut = !payload.is_empty() && START.starts_with(payload);
            return if cut {
                Err(AnnotationsError::Incomplete)
            } else {
                Ok(None)
            };
        }
        let mut reader = Reader::new(payload.get(START.len()..).unwrap_or_default());
        match reader.peek() {
            None | Some(0xc0 | 0xd0) => {}
            Some(0x45) => return Err(AnnotationsError::NotAList),
            Some(_) => return Err(AnnotationsError::Malformed),
        }
        let mut fields = reader.list("router-annotations").map_err(|e| match e {
            DecodeError::Truncated { .. } => AnnotationsError::Incomplete,
            _ => AnnotationsError::NotAList,
        })?;
        if fields.left() < 4 {
            return Err(AnnotationsError::Count);
        }
        let mut annotations = Self {
            flags: fields
                .number("flags")
                .ok()
                .flatten()
                .ok_or(AnnotationsError::Flags)?,
            to_override: fields
                .text("to-override")
                .map_err(|_| AnnotationsError::ToOverride)?,
            ingress: fields
                .text("ingress")
                .map_err(|_| AnnotationsError::Ingress)?,
            ..Self::default()
        };
        let trace = fields.field().ok_or(AnnotationsError::Count)?;
        let mut trace = trace.list("trace").map_err(|_| AnnotationsError::Trace)?;
        while let Some(entry) = trace.field() {
            let id = entry
                .text("trace")
                .ok()
                .flatten()
                .ok_or(AnnotationsError::TraceEntry)?;
            annotations.trace.push(id.to_owned());
        }
        annotations.ingress_mesh = fields
            .text("ingress-mesh")
            .map_err(|_| AnnotationsError::IngressMesh)?;
        Ok(Some((annotations, payload.len() - reader.rest().len())))
    }

    /// Whether a client's octets come with its stream: what is no stream may have that bit for a reason of its own.
    pub fn is_early(&self) -> bool {
        const EARLY: u32 = flags::EARLY | flags::STREAMING;
        self.flags & EARLY == EARLY
    }

    /// Appends the section as it is.
    pub fn write(&self, buf: &mut BytesMut) {
        self.write_with(
            buf,
            self.ingress.as_deref(),
            None,
            self.ingress_mesh.as_deref(),
        );
    }

    /// Appends the section as the interior router `own` (`0/<id>`) sends it on: ingress is `own` unless there was one, and
    /// `own` ends the trace.
    pub fn write_forwarded(&self, own: &str, buf: &mut BytesMut) {
        self.write_with(
            buf,
            Some(self.ingress.as_deref().unwrap_or(own)),
            Some(own),
            self.ingress_mesh.as_deref(),
        );
    }

    /// Appends the section as an edge router sends it on, or any router to another network: nobody learns where the message has
    /// been, but for the edge mesh.
    pub fn write_untraced(&self, mesh: Option<&str>, buf: &mut BytesMut) {
        buf.put_slice(&START);
        let w = &mut Writer::new(buf, Form::Wide);
        let mut list = w.begin();
        w.field(&mut list, |w| w.u32(self.flags));
        w.field(&mut list, |w| w.str_or_null(self.to_override.as_deref()));
        w.field(&mut list, Writer::null);
        w.field(&mut list, |w| {
            let trace = w.begin();
            w.end(trace);
        });
        w.optional(&mut list, mesh, |w, mesh| w.str(mesh));
        w.end(list);
    }

    fn write_with(
        &self,
        buf: &mut BytesMut,
        ingress: Option<&str>,
        own: Option<&str>,
        mesh: Option<&str>,
    ) {
        buf.put_slice(&START);
        let w = &mut Writer::new(buf, Form::Wide);
        let mut list = w.begin();
        w.field(&mut list, |w| w.u32(self.flags));
        w.field(&mut list, |w| w.str_or_null(self.to_override.as_deref()));
        w.field(&mut list, |w| w.str_or_null(ingress));
        w.field(&mut list, |w| {
            let ids = self.trace.iter().map(String::as_str).chain(own);
            let mut trace = w.begin();
            for id in ids {
                w.field(&mut trace, |w| w.str(id));
            }
            w.end(trace);
        });
        w.optional(&mut list, mesh, |w, mesh| w.str(mesh));
        w.end(list);
    }
}
