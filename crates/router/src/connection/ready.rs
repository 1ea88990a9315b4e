//! Links that have something to send, in the order in which they get their turn: control messages first, then by priority (router
//! protocol reference §3.6), and links of one priority as they came. Now and then it is the lowest's turn, so that nobody waits for
//! ever while others fill the connection.

use std::collections::VecDeque;

use skupper_amqp::connection::LinkId;

use super::links::Kind;

/// Behind it are those of other links: nothing that goes by one may hold up the routers' own messages.
const CONTROL: u8 = u8::MAX;
/// The priority of everything that has none of its own, which is nearly all.
const USUAL: u8 = 4;

/// Of so many turns one is that of the lowest.
const LOWEST_EVERY: u8 = 8;

/// The links that wait for their turn.
#[derive(Debug)]
pub(super) struct Ready<T = LinkId> {
    usual: VecDeque<T>,
    /// Those of another priority, of which a connection has few: highest first.
    others: VecDeque<(u8, T)>,
    /// Turns since the lowest had one.
    turns: u8,
}

impl<T> Default for Ready<T> {
    fn default() -> Self {
        Ready {
            usual: VecDeque::new(),
            others: VecDeque::new(),
            turns: 0,
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
        let control = matches!(self.others.front(), Some((CONTROL, _)));
        if !control {
            self.turns += 1;
            if self.turns >= LOWEST_EVERY {
                self.turns = 0;
                return self.pop_lowest();
            }
        }
        match self.others.front() {
            Some((rank, _)) if *rank > USUAL || self.usual.is_empty() => {
                self.others.pop_front().map(|(_, link)| link)
            }
            _ => self.usual.pop_front(),
        }
    }

    fn pop_lowest(&mut self) -> Option<T> {
        match self.others.back() {
            Some((rank, _)) if *rank < USUAL || self.usual.is_empty() => {
                self.others.pop_back().map(|(_, link)| link)
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
            "lowest",
        ];
        assert_eq!(order, wanted);
    }
    #[test]
    fn nobody_waits_for_ever() {
        let mut ready = Ready::default();
        ready.push(Kind::Data(0), 0);
        ready.push(Kind::Stream, 4);
        // One of a higher priority is ready again as soon as it has had its turn, and so are the routers' own messages.
        let mut served = Vec::new();
        for _ in 0..30 {
            ready.push(Kind::Data(9), 9);
            ready.push(Kind::Control, 10);
            assert_eq!(ready.pop(), Some(10));
            served.extend(ready.pop());
        }
        assert!(served.contains(&0) && served.contains(&4), "{served:?}");
    }
}
