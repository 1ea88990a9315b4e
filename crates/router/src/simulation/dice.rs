//! Chance by a seed: what a history does, and what the routers in it draw.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

use rand::rngs::ThreadRng;
use rand::{Rng, TryRng};

thread_local! {
    /// What the routers of this thread's history draw from.
    static DRAWN: RefCell<Option<Dice>> = const { RefCell::new(None) };
}

/// Small, and the same everywhere.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // The first numbers of seeds that are neighbours resemble each other.
        for _ in 0..4 {
            dice.next();
        }
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Others that go their own way from here on.
    pub(super) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }

    pub(super) fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn ms(&mut self, least: usize, most: usize) -> Duration {
        Duration::from_millis(self.between(least, most) as u64)
    }
}

/// Has the routers of this thread draw from a seed until the guard is dropped.
pub(super) fn seed(seed: u64) -> Seeded {
    DRAWN.set(Some(Dice::new(seed)));
    Seeded
}

/// A history is under way on this thread.
pub(super) struct Seeded;

impl Drop for Seeded {
    fn drop(&mut self) {
        DRAWN.set(None);
    }
}

/// What routers draw from: the history's dice, elsewhere the system.
pub(crate) struct Drawn(ThreadRng);

/// As [`rand::rng`].
pub(crate) fn rng() -> Drawn {
    Drawn(rand::rng())
}

impl Drawn {
    fn draw(&mut self) -> u64 {
        let drawn = DRAWN.with_borrow_mut(|dice| dice.as_mut().map(Dice::next));
        // The lowest bits of such dice are not worth much.
        drawn.map_or_else(
            || self.0.next_u64(),
            |drawn| drawn.wrapping_mul(0x2545_f491_4f6c_dd1d),
        )
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.draw() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.draw())
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for chunk in octets.chunks_mut(8) {
            let drawn = self.draw().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        Ok(())
    }
}
