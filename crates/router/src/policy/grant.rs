//! What one connection may do: decided when it opens, by the virtual host as that is then.

use std::collections::HashMap;
use std::sync::Arc;

use skupper_management::entity::{LinkNames, VhostGroup};

use super::denial::Denial;
use super::names::Names;
use super::rules::Ruled;

/// What an attach names at this router's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// An address that is to be made up.
    Dynamic,
    /// No address.
    Nothing,
    /// An address.
    Named(&'a str),
}

impl<'a> Asked<'a> {
    /// Reads a terminus.
    pub(crate) fn of(dynamic: bool, address: Option<&'a str>) -> Self {
        match address.filter(|address| !address.is_empty()) {
            _ if dynamic => Asked::Dynamic,
            Some(address) => Asked::Named(address),
            None => Asked::Nothing,
        }
    }
}

/// Which way messages go by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the user.
    Sending,
    /// To the user.
    Receiving,
}

/// What a connection may do, and what it does.
#[derive(Debug)]
pub(crate) struct Grant {
    /// The virtual host as it was when the connection opened.
    pub(crate) vhost: Arc<Ruled>,
    /// The user's group.
    pub(crate) group: String,
    /// Who the user is.
    pub(crate) user: String,
    settings: VhostGroup,
    sources: Names,
    targets: Names,
    /// Octets of a message; `u64::MAX` for any number.
    pub(crate) max_message_size: u64,
    sessions: u64,
    /// The links of the peer, by numbers of the caller's.
    links: HashMap<usize, Way>,
    /// How many of them there are of each way.
    counts: [u64; 2],
}

impl Grant {
    /// What a user of a group may do. `max_message_size` is the router's; zero for any number.
    pub(crate) fn new(
        vhost: Arc<Ruled>,
        group: &str,
        settings: &VhostGroup,
        user: &str,
        max_message_size: u64,
    ) -> Self {
        let most = settings
            .max_message_size
            .or(vhost.vhost.max_message_size)
            .unwrap_or(max_message_size);
        Grant {
            sources: Names::of(&settings.sources, user),
            targets: Names::of(&settings.targets, user),
            max_message_size: if most == 0 { u64::MAX } else { most },
            settings: settings.clone(),
            group: group.to_owned(),
            user: user.to_owned(),
            vhost,
            sessions: 0,
            links: HashMap::new(),
            counts: [0; 2],
        }
    }

    /// Octets of a frame that the peer may send, if the group says so.
    pub(crate) fn frame_size(&self) -> Option<u32> {
        let size = self.settings.max_frame_size;
        // No peer need take less than 512 (AMQP 1.0, §2.3.1).
        (size > 0).then(|| u32::try_from(size).unwrap_or(u32::MAX).max(512))
    }

    /// The highest channel, if the group limits sessions.
    pub(crate) fn channel_max(&self) -> Option<u16> {
        let sessions = self.settings.max_sessions.checked_sub(1)?;
        Some(u16::try_from(sessions).unwrap_or(u16::MAX))
    }

    /// Frames that may be under way on a session, where each has at most `frame_size` octets, if the group says so.
    pub(crate) fn session_window(&self, frame_size: u32) -> Option<u32> {
        let window = self.settings.max_session_window;
        let frames = window / u64::from(self.frame_size().unwrap_or(frame_size).max(1));
        (window > 0).then(|| u32::try_from(frames).unwrap_or(u32::MAX).max(2))
    }

    /// Counts a session that the peer begins in.
    pub(crate) fn begin(&mut self) -> Result<(), Denial> {
        let most = self.settings.max_sessions;
        if most > 0 && self.sessions >= most {
            let group = self.group.clone();
            return Err(Denial::Sessions { most, group });
        }
        self.sessions += 1;
        Ok(())
    }

    /// Counts a session of the peer out.
    pub(crate) fn end(&mut self) {
        self.sessions = self.sessions.saturating_sub(1);
    }

    /// Counts a link that the peer attaches in.
    pub(crate) fn attach(&mut self, link: usize, way: Way, asked: Asked<'_>) -> Result<(), Denial> {
        let (limit, most) = match way {
            Way::Sending => ("maxSenders", self.settings.max_senders),
            Way::Receiving => ("maxReceivers", self.settings.max_receivers),
        };
        if self.count(way) >= most {
            let group = self.group.clone();
            return Err(Denial::Links { limit, most, group });
        }
        let flag = |what, flag| Denial::Flag {
            what,
            flag,
            group: self.group.clone(),
        };
        match (way, asked) {
            (Way::Sending, Asked::Named(target)) => self.target(target, "link target name")?,
            (Way::Receiving, Asked::Named(source)) => self.source(source)?,
            (Way::Sending, Asked::Nothing | Asked::Dynamic) => {
                if !self.settings.allow_anonymous_sender {
                    return Err(flag("a sender without a target", "allowAnonymousSender"));
                }
            }
            (Way::Receiving, Asked::Dynamic) => {
                if !self.settings.allow_dynamic_source {
                    return Err(flag("a dynamic source", "allowDynamicSource"));
                }
            }
            (Way::Receiving, Asked::Nothing) => self.source("")?,
        }
        self.detach(link);
        self.links.insert(link, way);
        self.counts[way as usize] += 1;
        Ok(())
    }

    /// Counts a link of the peer out, if it was counted in.
    pub(crate) fn detach(&mut self, link: usize) {
        if let Some(way) = self.links.remove(&link) {
            self.counts[way as usize] -= 1;
        }
    }

    /// Links of one way now.
    pub(crate) fn count(&self, way: Way) -> u64 {
        self.counts[way as usize]
    }

    /// Sessions of the peer now.
    pub(crate) fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Whether a message that names its address itself may go there.
    pub(crate) fn message(&self, to: &str) -> Result<(), Denial> {
        self.target(to, "target address")
    }

    /// Whether a message may say that it is from that user. Nobody is everybody's.
    pub(crate) fn says(&self, user: &[u8]) -> bool {
        self.settings.allow_user_id_proxy || user.is_empty() || user == self.user.as_bytes()
    }

    /// Whether the user that a message names is to be looked at.
    pub(crate) fn looks_at_user(&self) -> bool {
        !self.settings.allow_user_id_proxy
    }

    /// Whether the user may have the router close connections.
    pub(crate) fn administers(&self) -> bool {
        self.settings.allow_admin_status_update
    }

    fn target(&self, address: &str, what: &'static str) -> Result<(), Denial> {
        match self.targets.allow(address) {
            true => Ok(()),
            false => Err(self.address(
                what,
                ["targets", "targetPattern"],
                &self.settings.targets,
                address,
            )),
        }
    }

    fn source(&self, address: &str) -> Result<(), Denial> {
        match self.sources.allow(address) {
            true => Ok(()),
            false => {
                let attributes = ["sources", "sourcePattern"];
                Err(self.address(
                    "link source name",
                    attributes,
                    &self.settings.sources,
                    address,
                ))
            }
        }
    }

    fn address(
        &self,
        what: &'static str,
        [texts, patterns]: [&'static str; 2],
        expected: &LinkNames,
        asked: &str,
    ) -> Denial {
        Denial::Address {
            what,
            attribute: match expected {
                LinkNames::Texts(_) => texts,
                LinkNames::Patterns(_) => patterns,
            },
            group: self.group.clone(),
            expected: expected.clone(),
            asked: asked.chars().take(256).collect(),
        }
    }
}
