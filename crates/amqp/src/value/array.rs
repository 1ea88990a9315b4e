use super::{Symbol, Value};

/// An AMQP array: elements that share one type (and one descriptor, if described).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array(Vec<Value>);

/// Elements of different types were offered as one array.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "array element {index} is of type {found}, but the first is of type {first}: an AMQP array holds one type"
)]
pub struct MixedArray {
    /// Position of the first element that differs.
    pub index: usize,
    /// Type of element 0.
    pub first: &'static str,
    /// Type of the element at `index`.
    pub found: &'static str,
}

impl Array {
    /// An array of these elements.
    ///
    /// # Errors
    /// When they are not all of the same type and descriptor.
    pub fn new(items: Vec<Value>) -> Result<Self, MixedArray> {
        if let Some((first, others)) = items.split_first() {
            for (at, item) in others.iter().enumerate() {
                if !same_type(first, item) {
                    return Err(MixedArray {
                        index: at + 1,
                        first: first.type_name(),
                        found: item.type_name(),
                    });
                }
            }
        }
        Ok(Self(items))
    }

    /// An array of symbols.
    #[must_use]
    pub fn of_symbols(symbols: impl IntoIterator<Item = Symbol>) -> Self {
        Self(symbols.into_iter().map(Value::Symbol).collect())
    }

    /// The elements.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        &self.0
    }

    /// The elements, owned.
    #[must_use]
    pub fn into_items(self) -> Vec<Value> {
        self.0
    }
}

fn same_type(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Described(a), Value::Described(b)) => {
            a.descriptor == b.descriptor && same_type(&a.value, &b.value)
        }
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}
