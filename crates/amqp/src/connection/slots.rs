/// Numbered places that are used again; a generation tells a place's tenants apart.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    /// Apart, so that places that are not taken cost little: there may have been thousands once.
    value: Option<Box<T>>,
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Index and generation of the place that the next insertion takes.
    pub(super) fn insert(&mut self, value: T) -> (u32, u32) {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.value = Some(Box::new(value));
            return (index, slot.generation);
        }
        self.slots.push(Slot {
            generation: 0,
            value: Some(Box::new(value)),
        });
        (self.slots.len() as u32 - 1, 0)
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(*value)
    }

    pub(super) fn at(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)?.value.as_deref()
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)?.value.as_deref_mut()
    }

    /// Places whose tenant is wanted.
    pub(super) fn indices(&self, wanted: impl Fn(&T) -> bool) -> impl Iterator<Item = u32> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(move |(_, slot)| slot.value.as_deref().is_some_and(&wanted))
            .map(|(index, _)| index as u32)
    }

    pub(super) fn generation(&self, index: u32) -> u32 {
        self.slots
            .get(index as usize)
            .map_or(0, |slot| slot.generation)
    }

    /// Whether the place still has the tenant of that generation.
    pub(super) fn is(&self, index: u32, generation: u32) -> bool {
        self.slots
            .get(index as usize)
            .is_some_and(|slot| slot.generation == generation && slot.value.is_some())
    }
}
