//! What an interior router tells an edge router of the addresses that the edge router sends to (§2.6).

use std::collections::BTreeMap;

use crate::address::AddressKey;

/// Of one connection from an edge router: the links of its producers whose addresses have a destination, and whether it wants
/// to hear of it.
#[derive(Debug, Default)]
pub struct Tracking {
    listens: bool,
    reachable: BTreeMap<u64, AddressKey>,
    /// How many of those links each address has: what is told is of an address, not of a link.
    links: BTreeMap<AddressKey, usize>,
}

impl Tracking {
    /// The edge router has attached the link by which it is told. Everything that is true is to be told.
    #[must_use]
    pub fn begin(&mut self) -> Vec<(AddressKey, bool)> {
        self.listens = true;
        let reachable = self.reachable.values();
        reachable.map(|key| (key.clone(), true)).collect()
    }

    /// That link is gone.
    pub fn end(&mut self) {
        self.listens = false;
    }

    /// Links whose address has a destination.
    #[must_use]
    pub fn reachable(&self) -> usize {
        self.reachable.len()
    }

    /// The address that a producer's link sends to has a destination now, or has none any more. What is to be told: nothing of
    /// an address that never had one.
    #[must_use]
    pub fn changed(
        &mut self,
        link: u64,
        key: &AddressKey,
        reachable: bool,
    ) -> Option<(AddressKey, bool)> {
        match reachable {
            true => self.add(link, key).then(|| (key.clone(), true)),
            false => self.take(link).map(|key| (key, false)),
        }
        .filter(|_| self.listens)
    }

    /// Whether that is new.
    fn add(&mut self, link: u64, key: &AddressKey) -> bool {
        let is_new = self.reachable.insert(link, key.clone()).is_none();
        if is_new {
            *self.links.entry(key.clone()).or_default() += 1;
        }
        is_new
    }

    /// The address, if it has no other link.
    fn take(&mut self, link: u64) -> Option<AddressKey> {
        let key = self.reachable.remove(&link)?;
        let links = self.links.get_mut(&key)?;
        *links -= 1;
        let was_last = *links == 0;
        if was_last {
            self.links.remove(&key);
        }
        was_last.then_some(key)
    }

    /// The link of a producer is gone. What was told of it is taken back: it may have crossed with the link's end, and a new
    /// link for the address would be taken for one that has a destination.
    #[must_use]
    pub fn gone(&mut self, link: u64) -> Option<(AddressKey, bool)> {
        self.take(link)
            .filter(|_| self.listens)
            .map(|key| (key, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_true_before_anybody_listened_is_told_first() {
        let (echo, more) = (AddressKey::mobile("echo"), AddressKey::mobile("more"));
        let mut tracking = Tracking::default();
        assert_eq!(tracking.changed(1, &echo, true), None);
        assert_eq!(tracking.changed(2, &more, false), None);
        assert_eq!(tracking.begin(), [(echo.clone(), true)]);
        assert_eq!(tracking.changed(1, &echo, true), None);
        assert_eq!(tracking.changed(2, &more, true), Some((more.clone(), true)));
        assert_eq!(tracking.changed(1, &echo, false), Some((echo, false)));
        tracking.end();
        assert_eq!(tracking.changed(2, &more, false), None);
    }

    #[test]
    fn what_was_told_of_a_link_that_goes_is_taken_back() {
        let echo = AddressKey::mobile("echo");
        let mut tracking = Tracking::default();
        assert!(tracking.begin().is_empty());
        assert_eq!(tracking.gone(1), None);
        assert_eq!(tracking.changed(1, &echo, true), Some((echo.clone(), true)));
        assert_eq!(tracking.changed(2, &echo, true), Some((echo.clone(), true)));
        assert_eq!(tracking.gone(1), None, "the other link has a destination");
        assert_eq!(tracking.gone(2), Some((echo, false)));
        assert_eq!(tracking.gone(2), None);
    }
}
