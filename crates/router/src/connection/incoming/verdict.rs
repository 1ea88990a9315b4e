//! What is to be done with a delivery, by what of it has come (router protocol reference §6.1, §6.2).

use std::borrow::Cow;

use skupper_amqp::message::{AnnotationsError, Layout, RouterAnnotations, Section, flags};
use skupper_amqp::performative::names;
use skupper_amqp::{Condition, DeliveryState};
use skupper_management::entity::Role;
use skupper_routing::{AddressKey, Table, Treatment};

use super::super::fields::{priority_of, to_of, user_of};
use super::super::links::{Address, Collecting};
use super::super::task::Task;
use super::MOST_WHOLE;
use crate::core::dispatch::Undeliverable;
use crate::transit::message::{Message, Tried};

/// An incomplete message of which more than this has come is passed on as it comes.
const MOST_COLLECTED: usize = 256 * 1024;
/// The sections that a decision needs have to be in so many octets.
const MOST_HEAD: usize = 64 * 1024;

/// What is to be done with a delivery whose front has come.
pub(super) enum Verdict {
    /// More of it is needed.
    Wait,
    /// It goes no further.
    Refuse(DeliveryState),
    /// It goes on: to one destination of the address or to all.
    Forward {
        message: Message,
        key: AddressKey,
        used: usize,
        multicast: bool,
    },
}

impl Task {
    /// Decides on a delivery by what of it has come.
    pub(super) fn examine(
        &self,
        collecting: &Collecting,
        address: Option<&Address>,
        asks: u32,
        more: bool,
    ) -> Verdict {
        let octets = collecting.octets.as_slice();
        let wait_or = |state: DeliveryState| match more && octets.len() < MOST_HEAD {
            true => Verdict::Wait,
            false => Verdict::Refuse(state),
        };
        let (mut annotations, used) = match RouterAnnotations::parse(octets) {
            Ok(found) => found.unwrap_or_default(),
            Err(AnnotationsError::Incomplete) => return wait_or(malformed()),
            Err(AnnotationsError::Malformed) => return Verdict::Refuse(malformed()),
            Err(error) => {
                let condition = Condition::new(names::INVALID_FIELD, error.to_string());
                return Verdict::Refuse(DeliveryState::rejected(condition));
            }
        };
        if self.settings.strip_in {
            annotations = RouterAnnotations::default();
        }
        if self.settings.role == Role::InterNetwork {
            // Another network may have routers called as those here: where the message has been there says nothing.
            (annotations.ingress, annotations.trace) = (None, Vec::new());
        }
        annotations.flags |= asks;
        let addressed = address.is_some() || annotations.to_override.is_some();
        // What a message says of itself is looked at where somebody has to.
        let plain = addressed && !self.looks_at_user();
        let (layout, known) = match Layout::scan(octets) {
            Ok(layout) if plain => {
                let known = layout.passed(Section::Header);
                (layout, known)
            }
            Ok(layout) => {
                let known = layout.passed(Section::Properties);
                (layout, known)
            }
            // Whom it is for is known, and what it is like is its consumer's concern (§6.1).
            Err(_) if plain => (Layout::default(), true),
            Err(_) => return Verdict::Refuse(malformed()),
        };
        if !known && more {
            return wait_or(malformed());
        }
        let forwarding = self.context.dispatch.forwarding.load();
        let edge = self.context.dispatch.edge;
        let own_to = match (address, &annotations.to_override) {
            (Some(_), _) => None,
            (None, Some(to)) => Some(Cow::Borrowed(to.as_str())),
            (None, None) => to_of(octets, &layout).map(Cow::Owned),
        };
        let user = || user_of(octets, &layout);
        if let Some(state) = self.refuses_message(own_to.as_deref(), user) {
            return Verdict::Refuse(state);
        }
        // A stream comes by a link of its own, under the name that the peer was asked for.
        let renamed = own_to.as_deref().and_then(|to| self.renamed.get(to));
        let address = address.or(renamed.map(|(_, inner)| inner));
        let key = match address {
            Some(address) => Some(address.key.clone()),
            None => own_to.map(|to| self.context.dispatch.key(&to)),
        };
        if let Some(address) = address {
            annotations.to_override = Some(address.text.to_string());
        }
        let Some(key) = key else {
            let text = "Routing failure: no address present";
            let condition = Condition::new(names::PRECONDITION_FAILED, text);
            return Verdict::Refuse(DeliveryState::rejected(condition));
        };
        let (treatment, priority) = self.context.dispatch.treated(&forwarding, &key);
        let multicast = treatment == Treatment::Multicast && key.is_synchronised();
        if !edge && goes_round(&forwarding.table, annotations.trace.len(), multicast) {
            return Verdict::Refuse(DeliveryState::Released);
        }
        if multicast && annotations.is_early() {
            return Verdict::Refuse(Undeliverable::TooEarly.state());
        }
        let streaming = more;
        if more {
            let flagged = annotations.flags & flags::STREAMING != 0;
            let locals = forwarding.locals.get(&key);
            let whole = multicast && locals.is_some_and(|local| !local.in_process.is_empty());
            if whole && octets.len() > MOST_WHOLE {
                let text = "the message is longer than 4 MiB, and a consumer inside the router takes whole messages";
                let condition = Condition::new(names::MESSAGE_SIZE_EXCEEDED, text);
                return Verdict::Refuse(DeliveryState::rejected(condition));
            }
            if whole || (!flagged && octets.len() <= MOST_COLLECTED) {
                return Verdict::Wait;
            }
        }
        let priority = priority.unwrap_or_else(|| priority_of(octets, &layout));
        let peer = self.handle.peer.get();
        let roomy = peer.is_some_and(|peer| peer.roomy && peer.began(&annotations));
        let message = Message {
            annotations,
            presettled: collecting.settled,
            streaming,
            priority,
            format: collecting.format,
            roomy,
            came_by: self.handle.beyond().map(|_| self.handle.clone()),
            tried: Tried::default(),
            administers: self.administers(),
            came: collecting.came,
            counted: false,
        };
        Verdict::Forward {
            message,
            key,
            used,
            multicast,
        }
    }
}

/// Whether a delivery has passed too many routers. Copies of a multicast keep to the trees, so the farthest router is their limit; what
/// goes to one destination may have met ways that changed, but no router more than twice.
fn goes_round(table: &Table, passed: usize, multicast: bool) -> bool {
    let far = passed > table.radius() as usize + 1;
    far && (multicast || passed > 2 * (table.routers().count() + 1))
}

fn malformed() -> DeliveryState {
    DeliveryState::rejected(Condition::new(
        names::DECODE_ERROR,
        "invalid message format",
    ))
}
