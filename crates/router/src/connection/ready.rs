//! Links that have something to send, in the order in which they get their turn: control messages first, then by priority (router
//! protocol reference §6.6), and links of one priority as they came.

use std::collections::VecDeque;

use skupper_amqp::connection::LinkId;

use super::links::Kind;

/// Behind it are those of other links: nothing that goes by one may hold up the routers' own messages.
const CONTROL: u8 = u8::MAX;
/// The priority of everything that has none of its own, which is nearly all.
const USUAL: u8 = 4;

/// The links that wait for their turn.
#[derive(Debug)]
pub(super) struct Ready<T = LinkId> {
    usual: VecDeque<T>,
    /// Those of another priority, of which a connection has few: highest first.
    others: VecDeque<(u8, T)>,
}

impl<T> Default for Ready<T> {
    fn default() -> Self {
        Ready {
            usual: VecDeque::new(),
            others: VecDeque::new(),
        }
    }
}

impl<T> Ready<T> {
    pub(super) fn push(&mut self, kind: Kind, link: T) {
        let rank = match kind {
            Kind::Control => CONTROL,
            Kind::Data(priority) => priority,
            _ => USUAL,
        };
        if rank == USUAL {
            return self.usual.push_back(link);
        }
        let at = self.others.partition_point(|(other, _)| *other >= rank);
        self.others.insert(at, (rank, link));
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<T> {
        match self.others.front() {
            Some((rank, _)) if *rank > USUAL || self.usual.is_empty() => {
                self.others.pop_front().map(|(_, link)| link)
            }
            _ => self.usual.pop_front(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_their_turns_by_priority() {
        let mut ready = Ready::default();
        for (name, kind) in [
            ("low", Kind::Data(1)),
            ("first stream", Kind::Stream),
            ("high", Kind::Data(9)),
            ("usual", Kind::Data(4)),
            ("lowest", Kind::Data(0)),
            ("control", Kind::Control),
            ("client", Kind::Endpoint),
            ("higher", Kind::Data(5)),
            ("also low", Kind::Data(1)),
        ] {
            ready.push(kind, name);
        }
        let order: Vec<_> = std::iter::from_fn(|| ready.pop()).collect();
        let wanted = [
            "control",
            "high",
            "higher",
            "first stream",
            "usual",
            "client",
            "low",
            "also low",
            "lowest",
        ];
        assert_eq!(order, wanted);
    }
}
