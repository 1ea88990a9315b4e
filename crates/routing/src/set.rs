//! Growable sets of routers.

/// A router by number, in the sets of one [`Table`](crate::Table). Numbers are given out anew when routers come and go: keep ids, not
/// indices, beyond the table they came from.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouterIndex(pub(crate) u32);

/// A set of routers by index: one bit for each, no upper limit.
#[derive(Clone, Default, Eq)]
pub struct RouterSet(Vec<u64>);

impl RouterSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a router; false where it was in the set already.
    pub fn insert(&mut self, router: RouterIndex) -> bool {
        let (word, bit) = split(router);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let fresh = self.0[word] & bit == 0;
        self.0[word] |= bit;
        fresh
    }

    /// Takes a router out; false where it was not in the set.
    pub fn remove(&mut self, router: RouterIndex) -> bool {
        let (word, bit) = split(router);
        match self.0.get_mut(word) {
            Some(w) if *w & bit != 0 => {
                *w &= !bit;
                true
            }
            _ => false,
        }
    }

    /// Whether the router is in the set.
    pub fn contains(&self, router: RouterIndex) -> bool {
        let (word, bit) = split(router);
        self.0.get(word).is_some_and(|w| w & bit != 0)
    }

    /// Whether no router is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }

    /// How many routers are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// The routers, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = RouterIndex> + '_ {
        self.0.iter().enumerate().flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    RouterIndex(i as u32 * 64 + bit)
                })
            })
        })
    }
}

fn split(router: RouterIndex) -> (usize, u64) {
    (router.0 as usize / 64, 1 << (router.0 % 64))
}

// Sets that differ only in how far they grew are equal.
impl PartialEq for RouterSet {
    fn eq(&self, other: &Self) -> bool {
        let n = self.0.len().max(other.0.len());
        (0..n).all(|i| self.0.get(i).unwrap_or(&0) == other.0.get(i).unwrap_or(&0))
    }
}

impl FromIterator<RouterIndex> for RouterSet {
    fn from_iter<I: IntoIterator<Item = RouterIndex>>(routers: I) -> Self {
        let mut set = Self::new();
        for router in routers {
            set.insert(router);
        }
        set
    }
}

impl std::fmt::Debug for RouterSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(|r| r.0)).finish()
    }
}
