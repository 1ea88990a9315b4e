//! The links that a connection to a container or to another network has because the configuration says so (router protocol
//! reference §2.9).

use std::sync::Arc;

use skupper_amqp::connection::LinkId;
use skupper_amqp::{Attach, Condition, Role as LinkRole, Symbol, Terminus};
use skupper_management::entity::Direction;

use super::handle::Command;
use super::links::{End, Kind};
use super::task::Task;
use crate::auto_link::AutoLink;

impl Task {
    /// Both sides have opened: attaches what belongs on the connection.
    pub(super) fn attach_auto_links(&mut self) {
        if self.settings.role.has_auto_links() {
            for auto in self.context.auto_links.all() {
                self.attach_auto_link(auto);
            }
        }
    }

    /// Attaches a link unless it belongs elsewhere or is there.
    pub(super) fn attach_auto_link(&mut self, auto: Arc<AutoLink>) {
        let number = self.context.numbers.link();
        if !auto.fits(&self.handle) || !auto.attaching(self.handle.number, number) {
            return;
        }
        let asked = Terminus {
            expiry_policy: Some(Symbol::from_static("link-detach")),
            ..Terminus::at(auto.terminus())
        };
        let (role, termini) = match auto.settings.direction {
            Direction::In => (LinkRole::Receiver, [asked, Terminus::default()]),
            Direction::Out => (LinkRole::Sender, [Terminus::default(), asked]),
        };
        let session = match self.auto_session {
            Some(session) => Some(session),
            None => self.amqp.begin().ok(),
        };
        self.auto_session = session;
        // A producer gets its credit when the address is confirmed.
        let attached = session.and_then(|session| {
            self.attach_with(number, session, role, termini, Kind::Endpoint, 0)
        });
        self.say(&auto, "Auto Link Activated");
        match attached.and_then(|id| self.link(id)) {
            Some(link) => link.auto = Some(auto),
            None => self.lose_auto_link(
                number,
                auto,
                Some("the peer takes too few sessions or links for another one"),
            ),
        }
    }

    /// The peer has answered an attach of this router's.
    pub(super) fn on_auto_link_answered(&mut self, id: LinkId, attach: &Attach) {
        let capacity = self.settings.capacity;
        let Some(link) = self.link(id) else { return };
        let number = link.number;
        let Some(auto) = link.auto.clone() else {
            return;
        };
        let terminus = match attach.role {
            LinkRole::Sender => attach.source.as_ref(),
            LinkRole::Receiver => attach.target.as_ref(),
        };
        // A refusal is followed by a detach.
        let Some(terminus) = terminus else { return };
        // As upstream: a peer that leaves the address out has not taken it, and the link stands without one.
        let confirmed = terminus.address.as_deref().is_some_and(|a| !a.is_empty());
        if confirmed {
            auto.confirmed(self.handle.number);
        }
        let address = match auto.settings.address.as_str() {
            address if confirmed && !address.is_empty() => Some(self.address(address)),
            _ => None,
        };
        let end = match auto.settings.direction {
            Direction::In => {
                let end = self.producer(number, address.as_ref());
                if let (Some(external), Some(address)) = (auto.renames(), &address) {
                    let inner = (number, address.clone());
                    self.renamed.insert(external.to_owned(), inner);
                }
                if end.open {
                    // A link that is gone needs no credit.
                    self.grant(id, capacity);
                }
                Some(End::Receiver(end))
            }
            Direction::Out => None,
        };
        let destination = match (&end, &address) {
            (None, Some(address)) => Some(self.add_destination(number, &address.key)),
            _ => None,
        };
        let Some(link) = self.link(id) else { return };
        link.address = address;
        match (end, &mut link.end) {
            (Some(end), place) => *place = end,
            (None, End::Sender(sender)) => sender.destination = destination,
            (None, End::Receiver(_)) => {}
        }
    }

    /// The address under which the peer knows what leaves by a link, where it has another name there.
    pub(super) fn external_address(&self, number: u64) -> Option<Arc<str>> {
        let id = self.by_number.get(&number)?;
        let link = self.links.get(id.index())?.as_deref()?;
        link.auto.as_ref()?.renames().map(Arc::from)
    }

    /// The link is gone although it should be there: it is tried again later.
    pub(super) fn lose_auto_link(&mut self, number: u64, auto: Arc<AutoLink>, error: Option<&str>) {
        self.renamed.retain(|_, (link, _)| *link != number);
        if let Some(delay) = auto.failed(self.handle.number, error) {
            let text = format!("Auto Link Activation Failed. {}", error.unwrap_or_default());
            self.say(&auto, text.trim_end());
            let handle = self.handle.clone();
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                // A connection that has ended needs no links.
                drop(handle.send(Command::AutoLink(auto)));
            });
        } else {
            self.say(&auto, "Auto Link Deactivated");
        }
    }

    /// The connection is over.
    pub(super) fn leave_auto_links(&self) {
        if self.settings.role.has_auto_links() {
            for auto in self.context.auto_links.all() {
                auto.left(self.handle.number);
            }
        }
    }

    fn say(&self, auto: &AutoLink, what: &str) {
        let container = self
            .handle
            .peer
            .get()
            .map_or("", |peer| peer.container.as_str());
        tracing::info!(
            target: "ROUTER_CORE",
            "{what} '{}' on container {container}", auto.settings.name
        );
    }
}

/// What a peer says when it detaches.
pub(super) fn reason(error: Option<&Condition>) -> Option<&str> {
    error.map(|error| match error.description.as_deref() {
        Some(description) => description,
        None => error.condition.as_str(),
    })
}
