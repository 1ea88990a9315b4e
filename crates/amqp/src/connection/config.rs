use std::time::Duration;

use crate::{performative::Open, sasl, value::Symbol};

/// What a connection is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// What we announce. `max_frame_size` is the largest frame that the peer may send after its open; `channel_max` bounds its
    /// sessions; `idle_time_out` is set from [`Config::idle_timeout`].
    pub open: Open,
    /// How the peer is authenticated, which also says which side we are.
    pub sasl: Sasl,
    /// We give up when nothing came for so long. Half of it is announced.
    pub idle_timeout: Option<Duration>,
    /// A peer that has not sent its open by then is closed.
    pub handshake_timeout: Option<Duration>,
    /// Frames are sent no larger than this, whatever the peer would take.
    pub max_send_frame: u32,
    /// Frames of transfers that the peer may send on each session before we [release](super::Connection::release) some.
    pub session_window: u32,
    /// Who releases them.
    pub release: Release,
    /// Links that may be attached at once, of both sides.
    pub max_links: usize,
    /// Our open waits for the peer's, and then for the owner's [answer](super::Connection::answer_open). Client libraries take a
    /// connection for made when the listener's open has come, and may not have sent their own by then.
    pub open_second: bool,
}

/// What a peer gets that is not what the configuration has for all: with [`Connection::answer_open`](super::Connection::answer_open).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Octets of a frame that it may send.
    pub max_frame_size: Option<u32>,
    /// Its highest channel.
    pub channel_max: Option<u16>,
    /// Frames of transfers that it may send on each session before some are released.
    pub session_window: Option<u32>,
}

/// Who opens a session's incoming window again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// A transfer counts as consumed as soon as its event was queued.
    #[default]
    Auto,
    /// The owner says so with [`Connection::release`](super::Connection::release), which makes back-pressure.
    Manual,
}

/// The SASL layer.
#[derive(Clone, Debug)]
pub enum Sasl {
    /// Connector: no SASL layer.
    Skip,
    /// Connector: the first of these mechanisms that the listener offers is used.
    Connect(Vec<Mechanism>),
    /// Listener.
    Accept {
        /// Mechanisms offered: `ANONYMOUS`; `EXTERNAL` only when TLS has verified the peer's certificate.
        offered: Vec<Symbol>,
        /// A peer that begins with the plain AMQP header is refused.
        required: bool,
    },
}

/// A mechanism that a connector may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The TLS client certificate speaks.
    External,
    /// User and password.
    Plain {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// No credential; the text identifies the program to a person.
    Anonymous(String),
}

impl Mechanism {
    pub(super) fn name(&self) -> Symbol {
        match self {
            Self::External => sasl::EXTERNAL,
            Self::Plain { .. } => sasl::PLAIN,
            Self::Anonymous(_) => sasl::ANONYMOUS,
        }
    }

    pub(super) fn response(&self) -> Vec<u8> {
        match self {
            Self::External => Vec::new(),
            Self::Plain { user, password } => {
                [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat()
            }
            Self::Anonymous(text) => text.clone().into_bytes(),
        }
    }
}

impl Config {
    /// A connector that uses the first of `mechanisms` that the listener offers.
    #[must_use]
    pub fn connector(open: Open, mechanisms: Vec<Mechanism>) -> Self {
        Self::new(open, Sasl::Connect(mechanisms))
    }

    /// A listener that offers these mechanisms.
    #[must_use]
    pub fn listener(open: Open, offered: Vec<Symbol>, required: bool) -> Self {
        Self::new(open, Sasl::Accept { offered, required })
    }

    fn new(mut open: Open, sasl: Sasl) -> Self {
        if open.max_frame_size == u32::MAX {
            open.max_frame_size = 16384;
        }
        if open.channel_max == u16::MAX {
            open.channel_max = 32767;
        }
        Self {
            open,
            sasl,
            idle_timeout: Some(Duration::from_secs(16)),
            handshake_timeout: None,
            max_send_frame: 64 * 1024,
            session_window: 8192,
            release: Release::Auto,
            max_links: 65536,
            open_second: false,
        }
    }
}
