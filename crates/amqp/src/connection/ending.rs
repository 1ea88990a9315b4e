//! Links and sessions that the peer ends.

use super::{Connection, Event, input::Result};
use crate::performative::{Condition, Detach, End, Performative, names};

impl Connection {
    pub(super) fn on_detach(&mut self, channel: u16, detach: Detach) -> Result {
        let session = self.session_on(channel)?;
        let index = self.link_on(session, detach.handle)?;
        if !detach.closed {
            // It would let the terminus live on, and nobody here resumes links.
            let text = "Link detach/reattach not supported";
            return Err(Condition::new(names::NOT_IMPLEMENTED, text));
        }
        if self.links.at(index).is_some_and(|link| !link.detach_sent) {
            self.flush();
            self.send_detach(index, None);
        }
        let link = self.link_id(index);
        self.drop_link(index);
        self.events.push_back(Event::Detached {
            link,
            error: detach.error.map(Box::new),
        });
        Ok(())
    }

    pub(super) fn on_end(&mut self, channel: u16, end: End) -> Result {
        let index = self.session_on(channel)?;
        self.channels.set(channel, None);
        if self
            .sessions
            .at(index)
            .is_some_and(|session| session.links > 0)
        {
            let links: Vec<u32> = self.links.indices(|link| link.session == index).collect();
            for link in links {
                let id = self.link_id(link);
                self.drop_link(link);
                self.events.push_back(Event::Detached {
                    link: id,
                    error: end.error.clone().map(Box::new),
                });
            }
        }
        self.flush_disposition();
        if self
            .sessions
            .at(index)
            .is_some_and(|session| !session.end_sent)
        {
            self.write(index, &Performative::End(End::default()));
        }
        let session = self.session_id(index);
        self.sessions.remove(index);
        self.events.push_back(Event::Ended {
            session,
            error: end.error.map(Box::new),
        });
        Ok(())
    }

    /// Forgets a link and all that refers to it.
    fn drop_link(&mut self, index: u32) {
        let Some(link) = self.links.remove(index) else {
            return;
        };
        let Some(session) = self.sessions.at_mut(link.session) else {
            return;
        };
        session.links -= 1;
        session.free_handles.push(link.handle);
        match link.remote_handle {
            Some(handle) => session.remote_handles.clear(handle),
            None => session.pending.retain(|&pending| pending != index),
        }
        session.aborts.retain(|&aborting| aborting != index);
        if link.unsettled > 0 {
            session
                .unsettled(link.role)
                .retain(|_, delivery| delivery.link != index);
        }
    }
}
