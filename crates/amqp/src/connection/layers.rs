//! From the first octet to the first frame of AMQP: protocol headers and SASL.

use bytes::{Buf, BytesMut};

use super::{CloseReason, Connection, Event, Sasl, trace::Direction};
use crate::{
    codec::Reader,
    frame::{self, Frame},
    performative::{Condition, Performative, names},
    sasl::SaslFrame,
    sniff::{AMQP_HEADER, SASL_HEADER, TLS_HEADER},
};

/// Largest SASL frame that is taken. The largest that is needed is a list of a few mechanisms.
const MAX_SASL_FRAME: usize = 4096;

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// Listener: a SASL or an AMQP header.
    First,
    /// Connector: the listener's SASL header.
    SaslHeader,
    /// SASL frames.
    Sasl,
    /// The peer's AMQP header; ours has gone out with the open.
    AmqpHeader,
    /// Frames.
    Frames,
}

impl Connection {
    pub(super) fn start(&mut self) {
        match self.config.sasl {
            Sasl::Accept { .. } => self.layer = Layer::First,
            Sasl::Connect(_) => {
                self.output
                    .append(|buf| buf.extend_from_slice(&SASL_HEADER));
                self.layer = Layer::SaslHeader;
            }
            Sasl::Skip => self.send_open(),
        }
    }

    /// Takes one header or one SASL frame; false when more input is needed.
    pub(super) fn handshake(&mut self, input: &mut BytesMut) -> bool {
        if self.layer == Layer::Sasl {
            return self.sasl_frame(input);
        }
        if input.iter().zip(b"AMQP").any(|(a, b)| a != b) {
            self.refuse_header(input);
            return false;
        }
        let Some(&header) = input.first_chunk::<8>() else {
            return false;
        };
        match (self.layer, header) {
            (Layer::First, SASL_HEADER) => {
                let Sasl::Accept { offered, .. } = &self.config.sasl else {
                    return false;
                };
                let mechanisms = SaslFrame::Mechanisms(offered.clone());
                self.output.append(|buf| {
                    buf.extend_from_slice(&SASL_HEADER);
                    frame::write_sasl(buf, &mechanisms);
                });
                self.layer = Layer::Sasl;
            }
            (Layer::First, AMQP_HEADER) => {
                self.send_open();
                self.layer = Layer::Frames;
                if matches!(self.config.sasl, Sasl::Accept { required: true, .. }) {
                    self.fail(Condition::new(
                        names::POLICY_ERROR,
                        "Client skipped authentication - forbidden",
                    ));
                }
            }
            (Layer::SaslHeader, SASL_HEADER) => self.layer = Layer::Sasl,
            (Layer::AmqpHeader, AMQP_HEADER) => self.layer = Layer::Frames,
            _ => {
                self.refuse_header(input);
                return false;
            }
        }
        input.advance(8);
        true
    }

    /// Answers what cannot be understood with the header that would have been, as the specification asks.
    fn refuse_header(&mut self, input: &BytesMut) {
        let expected = match self.layer {
            Layer::First | Layer::SaslHeader => SASL_HEADER,
            _ => AMQP_HEADER,
        };
        if self.layer == Layer::First {
            self.output.append(|buf| buf.extend_from_slice(&expected));
        }
        let found = match input.get(..8) {
            Some(header) if header == TLS_HEADER => "the header of the AMQP TLS layer".to_owned(),
            Some(header) if header == AMQP_HEADER => {
                "the AMQP header (the peer has no SASL layer)".to_owned()
            }
            Some(header) if header == SASL_HEADER => "a second SASL header".to_owned(),
            _ if input.starts_with(&[0x16, 0x03]) => "TLS (this port speaks plain AMQP)".to_owned(),
            _ if input.starts_with(&[0x15, 0x03]) => {
                "a TLS alert (the peer expects TLS)".to_owned()
            }
            _ => format!(
                "\"{}\"",
                input
                    .get(..input.len().min(8))
                    .unwrap_or_default()
                    .escape_ascii()
            ),
        };
        let expected = if expected == SASL_HEADER {
            "the SASL header"
        } else {
            "the AMQP header"
        };
        self.finish(CloseReason::Violation(Condition::new(
            names::FRAMING_ERROR,
            format!("{expected} was expected, {found} came"),
        )));
    }

    fn sasl_frame(&mut self, input: &mut BytesMut) -> bool {
        let frame = match Frame::peek(input, MAX_SASL_FRAME) {
            Ok(Some(frame)) if input.len() >= frame.size => frame,
            Ok(_) => return false,
            Err(error) => return self.sasl_failed(error.to_string()),
        };
        if frame.kind != frame::TYPE_SASL {
            return self.sasl_failed(format!(
                "a frame of type 1 was expected, one of type {} came",
                frame.kind
            ));
        }
        let body = SaslFrame::read(&mut Reader::new(
            input.get(frame.body..frame.size).unwrap_or_default(),
        ));
        input.advance(frame.size);
        match body {
            Ok(body) => self.sasl(body),
            Err(error) => self.sasl_failed(error.to_string()),
        }
    }

    fn sasl(&mut self, frame: SaslFrame) -> bool {
        match (&self.config.sasl, frame) {
            (Sasl::Connect(choices), SaslFrame::Mechanisms(offered))
                if self.mechanism.is_none() =>
            {
                let Some(choice) = choices
                    .iter()
                    .find(|choice| offered.contains(&choice.name()))
                else {
                    let names = |names: Vec<String>| {
                        if names.is_empty() {
                            "nothing".into()
                        } else {
                            names.join(", ")
                        }
                    };
                    let wanted = names(choices.iter().map(|c| c.name().to_string()).collect());
                    let offered = names(
                        offered
                            .iter()
                            .take(16)
                            .map(|m| m.as_str().escape_debug().to_string())
                            .collect(),
                    );
                    return self.sasl_failed(format!(
                        "the listener offers {offered}, this side can use {wanted}"
                    ));
                };
                let init = SaslFrame::Init {
                    mechanism: choice.name(),
                    initial_response: Some(choice.response()),
                    hostname: None,
                };
                self.mechanism = Some(choice.name());
                self.output.append(|buf| frame::write_sasl(buf, &init));
                true
            }
            (Sasl::Connect(choices), SaslFrame::Challenge(_)) if self.mechanism.is_some() => {
                let chosen = choices
                    .iter()
                    .find(|choice| Some(choice.name()) == self.mechanism);
                let response =
                    SaslFrame::Response(chosen.map(|choice| choice.response()).unwrap_or_default());
                self.output.append(|buf| frame::write_sasl(buf, &response));
                true
            }
            (Sasl::Connect(_), SaslFrame::Outcome { code: 0 }) if self.mechanism.is_some() => {
                self.send_open();
                true
            }
            (Sasl::Connect(_), SaslFrame::Outcome { code }) => self.sasl_failed(format!(
                "the listener refused the authentication (outcome {code})"
            )),
            (Sasl::Accept { offered, .. }, SaslFrame::Init { mechanism, .. }) => {
                let code = u8::from(!offered.contains(&mechanism));
                self.output
                    .append(|buf| frame::write_sasl(buf, &SaslFrame::Outcome { code }));
                if code != 0 {
                    let name = mechanism.as_str().escape_debug();
                    return self
                        .sasl_failed(format!("the connector chose {name}, which was not offered"));
                }
                self.mechanism = Some(mechanism);
                self.send_open();
                true
            }
            (_, frame) => self.sasl_failed(format!("a frame out of turn: {frame:?}")),
        }
    }

    fn sasl_failed(&mut self, reason: String) -> bool {
        self.finish(CloseReason::Sasl(reason));
        false
    }

    /// Header and open go out together, unless the open waits for the peer's.
    fn send_open(&mut self) {
        self.layer = Layer::AmqpHeader;
        self.output
            .append(|buf| buf.extend_from_slice(&AMQP_HEADER));
        self.open_owed = true;
        if !self.config.open_second {
            self.send_owed_open();
        }
    }

    /// Sends the open if it has not been sent.
    pub(super) fn send_owed_open(&mut self) {
        if !std::mem::take(&mut self.open_owed) {
            return;
        }
        let mut open = self.config.open.clone();
        open.idle_time_out = self
            .config
            .idle_timeout
            .map(|idle| u32::try_from(idle.as_millis() / 2).unwrap_or(u32::MAX));
        let open = Performative::Open(Box::new(open));
        if self.trace.is_on() {
            self.trace.add(0, Direction::Out, format_args!("{open}"));
        }
        self.output
            .append(|buf| frame::write_performative(buf, 0, &open));
    }

    pub(super) fn finish(&mut self, reason: CloseReason) {
        if !self.is_closed() {
            self.life = super::Life::Closed;
            self.events.push_back(Event::Closed(reason));
        }
    }
}
