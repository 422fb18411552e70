//! A field of a change, as in a JSON merge patch (RFC 7396): left out it stays, `null` removes it, a value replaces it.
//!
//! Use with `#[serde(default, skip_serializing_if = "Patch::is_keep")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What becomes of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    #[default]
    Keep,
    Remove,
    Set(T),
}

impl<T> Patch<T> {
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Changes `field`, where absence is a value of its own.
    pub(super) fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Remove => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// Changes `field`, whose default stands for absence.
    pub(super) fn apply_or(self, field: &mut T, default: T) {
        match self {
            Self::Keep => {}
            Self::Remove => *field = default,
            Self::Set(value) => *field = value,
        }
    }

    /// The same of a value that is read first.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Self::Keep => Patch::Keep,
            Self::Remove => Patch::Remove,
            Self::Set(value) => Patch::Set(read(value)?),
        })
    }

    /// The value, where one is set.
    #[must_use]
    pub fn set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Remove => None,
        }
    }
}

impl<T> From<Option<T>> for Patch<T> {
    /// What is not there is not changed.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.set().serialize(to)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(|value| value.map_or(Self::Remove, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Some2 {
        #[serde(skip_serializing_if = "Patch::is_keep")]
        a: Patch<u8>,
        #[serde(skip_serializing_if = "Patch::is_keep")]
        b: Patch<Vec<u8>>,
    }

    #[test]
    fn absence_null_and_value_are_three_things() {
        for (json, a) in [
            ("{}", Patch::Keep),
            (r#"{"a":null}"#, Patch::Remove),
            (r#"{"a":7}"#, Patch::Set(7)),
        ] {
            let read: Some2 = serde_json::from_str(json).unwrap();
            assert_eq!(read, Some2 { a, b: Patch::Keep });
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
    }

    #[test]
    fn fields_change_accordingly() {
        let (mut maybe, mut always) = (Some(1), 5);
        for (patch, then, and) in [
            (Patch::Keep, Some(1), 5),
            (Patch::Set(2), Some(2), 2),
            (Patch::Remove, None, 9),
        ] {
            patch.clone().apply(&mut maybe);
            patch.apply_or(&mut always, 9);
            assert_eq!((maybe, always), (then, and));
        }
    }
}
