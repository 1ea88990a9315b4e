//! What an observer tells.

/// Who sent octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who opened the flow: requests come from here.
    Client,
    /// Who answers.
    Server,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// As telemetry writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2",
        }
    }
}

/// Something that the octets of a flow told. A request's `id` is its own within the flow: its place for HTTP/1, its stream for
/// HTTP/2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request began.
    Request {
        /// The request.
        id: u64,
        /// The version that the client speaks.
        version: Version,
        /// The method, at most 300 characters; empty if it named none.
        method: String,
    },
    /// For whom the request was forwarded: the first in its first `X-Forwarded-For`.
    ForwardedFor {
        /// The request.
        id: u64,
        /// A host, as it was written; at most 127 octets of it.
        host: String,
    },
    /// The answer began to come, be it by an informational one (1xx).
    Answered {
        /// The request.
        id: u64,
    },
    /// The status of the answer; of informational ones (1xx) only that which ends HTTP (101).
    Status {
        /// The request.
        id: u64,
        /// From 100 to 999.
        code: u16,
        /// The reason phrase, at most 300 characters; empty if there was none.
        reason: String,
    },
    /// Content passed: what it counts is the content itself, without the framing of chunks.
    Body {
        /// The request.
        id: u64,
        /// Of the request, from the client, or of the answer.
        side: Side,
        /// How many octets.
        octets: u64,
    },
    /// The request and its answer are complete.
    Done {
        /// The request.
        id: u64,
    },
    /// The flow is not observed any more: what follows is another protocol, or cannot be read. Requests that are open stay
    /// as they are.
    Over(Option<Fault>),
}

/// Why a flow cannot be read on. The sentences are upstream's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A start line has octets that no text has.
    #[error("protocol error: non USASCII data")]
    NotText,
    /// A head or a line does not end within [`MAX_HEAD`](crate::MAX_HEAD).
    #[error("protocol error: received line too long")]
    TooLong,
    /// A request line is none.
    #[error("Malformed request line")]
    RequestLine,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("Unsupported HTTP/1.x version")]
    UnsupportedVersion,
    /// A status line without a number from 100 on.
    #[error("Bad response code")]
    ResponseCode,
    /// The server answers what nobody asked.
    #[error("Spurious HTTP response received")]
    SpuriousResponse,
    /// Header lines that cannot be read.
    #[error("Malformed header")]
    Header,
    /// More header lines than are read.
    #[error("too many headers in one message")]
    TooManyHeaders,
    /// `Content-Length` is no number.
    #[error("Malformed Content-Length value")]
    ContentLength,
    /// `Content-Length` stands twice with different values.
    #[error("Invalid duplicate Content-Length header")]
    DuplicateContentLength,
    /// A request whose body has no end that could be known.
    #[error("Unrecognized Transfer-Encoding")]
    TransferEncoding,
    /// The size of a chunk is no number.
    #[error("Invalid chunk length")]
    ChunkLength,
    /// A chunk is followed by something else than a line's end.
    #[error("Unexpected chunk body end")]
    ChunkEnd,
    /// More requests than [`MAX_OPEN`](crate::MAX_OPEN) wait for an answer.
    #[error("more than 1024 requests wait for their answers")]
    TooManyRequests,
    /// The client does not begin as HTTP/2 does.
    #[error(
        "protocol error: client connection prefix is not present or invalid client connection prefix"
    )]
    Preface,
    /// A frame of fields or settings is longer than [`MAX_HEAD`](crate::MAX_HEAD), alone or with what it continues.
    #[error("scratch buffer size exceeded 65535 bytes, stopping decoder")]
    FrameTooLong,
    /// A frame ends before what it must hold.
    #[error("a frame is shorter than its type demands")]
    FrameTooShort,
    /// Padding is longer than its frame.
    #[error("padding is longer than its frame")]
    Padding,
    /// Fields that are not whole are not continued by the next frame, or one continues none.
    #[error("a frame stands within the fields of another")]
    Interleaved,
    /// A frame of a stream names none.
    #[error("a frame of a stream names stream 0")]
    StreamZero,
    /// Fields cannot be unpacked.
    #[error("the fields of a message cannot be unpacked")]
    Compression,
}
