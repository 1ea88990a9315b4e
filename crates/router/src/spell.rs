//! Spells of something that goes wrong again and again: the log has one line for each.

use std::time::Duration;

use tokio::time::Instant;

/// When something that goes wrong again and again is worth a line in the log: when a spell of it begins. A spell ends when
/// nothing has gone wrong for a while.
#[derive(Debug, Default)]
pub(crate) struct Spell(Option<Instant>);

impl Spell {
    const CALM: Duration = Duration::from_secs(10);

    /// It went wrong; whether a spell begins.
    pub(crate) fn begins(&mut self, now: Instant) -> bool {
        let last = self.0.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) > Self::CALM)
    }
}

/// The same where somebody looks now and then: a spell ends when it is not so any more.
#[derive(Debug, Default)]
pub(crate) struct Told(bool);

impl Told {
    /// Whether it is so; whether a spell begins.
    pub(crate) fn begins(&mut self, so: bool) -> bool {
        let told = std::mem::replace(&mut self.0, so);
        so && !told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_is_told_of_once() {
        let (start, mut spell) = (Instant::now(), Spell::default());
        let told: Vec<bool> = [0, 1, 9, 18, 29, 30]
            .map(|second| spell.begins(start + Duration::from_secs(second)))
            .into();
        assert_eq!(told, [true, false, false, false, true, false]);
        let mut looks = Told::default();
        let told = [false, true, true, false, true].map(|so| looks.begins(so));
        assert_eq!(told, [false, true, false, false, true]);
    }
}
