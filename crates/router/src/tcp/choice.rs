//! Which of several addresses of a listener a client is for (router protocol reference §7.9).

use skupper_management::entity::MultiAddressStrategy;

/// An address that may be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Its priority, or its weight.
    pub(super) value: i64,
    /// Whether somebody would serve the client.
    pub(super) reachable: bool,
}

type Numbered<'a> = (usize, &'a Candidate);

/// The number of the address for the next client; none where there is no address. `draw` gives a number below the one that it is
/// given, each with the same probability.
///
/// By priority it is the highest that can be reached; by weight one of those, each as often as its weight says, and one without
/// (0 or less) where no other can be reached. Where none can, as may be for a moment after the last was lost, it is the
/// highest: the client is told that nobody serves it.
pub(super) fn choose(
    strategy: MultiAddressStrategy,
    candidates: &[Candidate],
    draw: impl FnOnce(u128) -> u128,
) -> Option<usize> {
    let all = candidates.iter().enumerate();
    let reachable = all.clone().filter(|(_, candidate)| candidate.reachable);
    let drawn = match strategy {
        MultiAddressStrategy::Weighted => by_weight(reachable.clone(), draw),
        _ => None,
    };
    let chosen = drawn
        .or_else(|| reachable.max_by_key(value))
        .or_else(|| all.max_by_key(value));
    chosen.map(|(number, _)| number)
}

fn by_weight<'a>(
    mut candidates: impl Iterator<Item = Numbered<'a>> + Clone,
    draw: impl FnOnce(u128) -> u128,
) -> Option<Numbered<'a>> {
    // However great they are configured, their sum is a number.
    let weight = |(_, candidate): &Numbered<'_>| u128::from(candidate.value.max(0).unsigned_abs());
    let total: u128 = candidates.clone().map(|each| weight(&each)).sum();
    let mut before = if total > 0 { draw(total) } else { return None };
    candidates.find(|each| match before.checked_sub(weight(each)) {
        Some(left) => {
            before = left;
            false
        }
        None => true,
    })
}

fn value((_, candidate): &Numbered<'_>) -> i64 {
    candidate.value
}

#[cfg(test)]
mod tests {
    use MultiAddressStrategy::{Priority, Weighted};

    use super::*;

    const UP: bool = true;
    const DOWN: bool = false;

    fn candidates<const N: usize>(all: [(i64, bool); N]) -> [Candidate; N] {
        all.map(|(value, reachable)| Candidate { value, reachable })
    }

    fn by_priority<const N: usize>(all: [(i64, bool); N]) -> Option<usize> {
        choose(Priority, &candidates(all), |_| panic!("nothing is drawn"))
    }

    /// How often each is chosen when every number is drawn once.
    fn shares<const N: usize>(all: [(i64, bool); N]) -> [u128; N] {
        let candidates = candidates(all);
        let (mut shares, mut total, mut drawn) = ([0; N], 1, 0);
        while drawn < total {
            let draw = |below| {
                total = below;
                drawn
            };
            shares[choose(Weighted, &candidates, draw).unwrap()] += 1;
            drawn += 1;
        }
        shares
    }

    #[test]
    fn the_highest_priority_that_can_be_reached() {
        assert_eq!(by_priority([(1, UP), (3, UP), (2, UP)]), Some(1));
        assert_eq!(by_priority([(1, UP), (3, DOWN), (2, UP)]), Some(2));
        assert_eq!(by_priority([(-5, UP), (3, DOWN), (-9, UP)]), Some(0));
        assert_eq!(by_priority([(1, DOWN), (3, DOWN), (2, DOWN)]), Some(1));
        assert_eq!(by_priority([]), None);
    }

    #[test]
    fn each_as_often_as_its_weight_says() {
        assert_eq!(shares([(1, UP), (3, UP), (2, UP)]), [1, 3, 2]);
        assert_eq!(shares([(1, UP), (3, DOWN), (2, UP)]), [1, 0, 2]);
        assert_eq!(
            shares([(0, UP), (-3, UP), (2, UP), (7, DOWN)]),
            [0, 0, 2, 0]
        );
    }

    #[test]
    fn one_without_weight_before_one_that_cannot_be_reached() {
        assert_eq!(shares([(0, UP), (7, DOWN)]), [1, 0]);
        assert_eq!(shares([(-4, UP), (-3, UP), (7, DOWN)]), [0, 1, 0]);
        assert_eq!(shares([(4, DOWN), (7, DOWN)]), [0, 1]);
    }

    #[test]
    fn weights_of_any_size_have_a_sum() {
        let greatest = [(i64::MAX, UP), (i64::MAX, UP), (i64::MIN, UP)];
        let draw = |below| {
            assert_eq!(below, 2 * i64::MAX as u128);
            below - 1
        };
        assert_eq!(choose(Weighted, &candidates(greatest), draw), Some(1));
    }
}
