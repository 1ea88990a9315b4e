//! What the first octets on an accepted socket are.

/// Protocol header of AMQP.
pub const AMQP_HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
/// Protocol header of the AMQP TLS layer, which nobody here opens but a listener understands.
pub const TLS_HEADER: [u8; 8] = *b"AMQP\x02\x01\x00\x00";
/// Protocol header of the SASL layer.
pub const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

/// What a peer that connected begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniff {
    /// Too few octets to tell (at most eight are needed).
    NeedMore,
    /// A TLS ClientHello.
    Tls,
    /// The AMQP header that asks for TLS: take eight octets, send [`TLS_HEADER`], then TLS begins.
    AmqpTls,
    /// AMQP, with or without SASL: [`Connection`](crate::connection::Connection) takes it from here.
    Amqp,
    /// An HTTP request, by its method.
    Http,
    /// None of these.
    Unknown,
}

impl Sniff {
    /// Looks at the first octets; nothing is taken.
    #[must_use]
    pub fn of(input: &[u8]) -> Self {
        let begins = |header: &[u8]| input.iter().zip(header).all(|(a, b)| a == b);
        let is = |header: &[u8]| input.len() >= header.len() && begins(header);
        match input {
            [] => Self::NeedMore,
            [0x16, 0x03, ..=0x03, ..] => Self::Tls,
            [0x16] | [0x16, 0x03] => Self::NeedMore,
            _ if is(&TLS_HEADER) => Self::AmqpTls,
            _ if is(&AMQP_HEADER) || is(&SASL_HEADER) => Self::Amqp,
            // Another version of AMQP: the connection answers with the header that it speaks.
            _ if is(b"AMQP") && input.len() >= 8 => Self::Amqp,
            _ if input.len() < 8 && begins(b"AMQP") => Self::NeedMore,
            _ => {
                let methods: [&[u8]; 7] = [
                    b"GET ",
                    b"PUT ",
                    b"POST ",
                    b"HEAD ",
                    b"DELETE ",
                    b"OPTIONS ",
                    b"PATCH ",
                ];
                if methods.iter().any(|m| is(m)) {
                    Self::Http
                } else if methods.iter().any(|m| begins(m)) {
                    Self::NeedMore
                } else {
                    Self::Unknown
                }
            }
        }
    }
}
