//! A mapping of the source whose every entry is accounted for: taken, left with a reason, or unknown.
//!
//! Invariant: an entry that holds something and was not asked for becomes a note when the reader is done.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::checks;
use super::names::label;
use super::notes::Notes;
use super::tree::Tree;

/// Why an entry that nobody asked for stays behind.
const UNKNOWN: &str = "not known to this version; it is not carried over";

/// Dropping it without [`Fields::finish`] leaves the unknown entries unsaid.
#[derive(Debug)]
#[must_use]
pub(super) struct Fields<'t, 'n> {
    place: String,
    /// The place without what tells items of a list apart, so that what holds for all of them is said once.
    kind: String,
    entries: BTreeMap<&'t str, &'t Tree>,
    pub notes: &'n Notes,
}

impl<'t, 'n> Fields<'t, 'n> {
    /// `None`, and a note, when `tree` is no mapping.
    pub fn of(place: &str, kind: &str, tree: &'t Tree, notes: &'n Notes) -> Option<Self> {
        let Tree::Map(entries) = tree else {
            notes.left(place, "is no mapping of names to values");
            return None;
        };
        Some(Self {
            place: place.to_owned(),
            kind: kind.to_owned(),
            entries: entries
                .iter()
                .map(|(name, value)| (name.as_str(), value))
                .collect(),
            notes,
        })
    }

    /// Where the mapping stands.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub fn at(&self, name: &str) -> String {
        join(&self.place, name)
    }

    /// The mapping is about `item` in particular; what is said of it from now on names it.
    pub fn call(&mut self, item: &str) {
        self.place = format!("{} ({})", self.place, label(item));
    }

    /// Takes an entry. What is empty is absent.
    pub fn value(&mut self, name: &str) -> Option<&'t Tree> {
        self.entries.remove(name).filter(|value| !value.is_empty())
    }

    pub fn text(&mut self, name: &str) -> Option<&'t str> {
        let value = self.value(name)?;
        if value.text().is_none() {
            self.notes
                .left(self.at(name), "is no text; write it in quotes");
        }
        value.text().map(str::trim)
    }

    pub fn secret(&mut self, name: &str) -> Option<SecretString> {
        let text = self.text(name)?;
        match checks::secret(text) {
            Ok(secret) => Some(secret),
            Err(why) => {
                self.notes.left(self.at(name), why);
                None
            }
        }
    }

    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Tree::Flag(value) => Some(*value),
            _ => self.wrong(name, "is neither true nor false"),
        }
    }

    /// Whole and not negative.
    pub fn count(&mut self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Tree::Integer(value) if u64::try_from(*value).is_ok() => u64::try_from(*value).ok(),
            _ => self.wrong(name, "is no whole number from 0 up"),
        }
    }

    /// Finite and not negative.
    pub fn number(&mut self, name: &str) -> Option<f64> {
        match self.value(name)? {
            #[expect(
                clippy::cast_precision_loss,
                reason = "amounts of money and times, far below 2^53"
            )]
            Tree::Integer(value) if *value >= 0 => Some(*value as f64),
            Tree::Float(value) if value.is_finite() && *value >= 0.0 => Some(*value),
            _ => self.wrong(name, "is no number from 0 up"),
        }
    }

    pub fn list(&mut self, name: &str) -> &'t [Tree] {
        match self.value(name) {
            Some(Tree::List(items)) => items,
            Some(_) => {
                self.notes.left(self.at(name), "is no list");
                &[]
            }
            None => &[],
        }
    }

    /// A list of texts; what is none is told.
    pub fn texts(&mut self, name: &str) -> Vec<&'t str> {
        let items = self.list(name);
        let texts: Vec<_> = items.iter().filter_map(Tree::text).map(str::trim).collect();
        if texts.len() < items.len() {
            self.notes
                .left(self.at(name), "holds something that is no text");
        }
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }

    /// A list of texts, or one text with commas.
    pub fn texts_or_commas(&mut self, name: &str) -> Vec<&'t str> {
        match self.entries.get(name) {
            Some(Tree::Text(_)) => {
                let text = self.text(name).unwrap_or_default();
                let parts = text.split(',').map(str::trim);
                parts.filter(|part| !part.is_empty()).collect()
            }
            _ => self.texts(name),
        }
    }

    pub fn inner(&mut self, name: &str) -> Option<Fields<'t, 'n>> {
        let value = self.value(name)?;
        Fields::of(&self.at(name), &join(&self.kind, name), value, self.notes)
    }

    /// Leaves `names` behind because of `why`, where they hold something.
    pub fn leave(&mut self, names: &[&str], why: &str) {
        for name in names {
            if self.value(name).is_some() {
                self.notes.left(join(&self.kind, name), why);
            }
        }
    }

    /// Passes over `names`: they say nothing that another field does not.
    pub fn pass(&mut self, names: &[&str]) {
        for name in names {
            self.entries.remove(*name);
        }
    }

    pub fn finish(self) {
        self.finish_because(UNKNOWN);
    }

    pub fn finish_because(self, why: &str) {
        for (name, value) in &self.entries {
            if !value.is_empty() {
                self.notes.left(join(&self.kind, name), why);
            }
        }
    }

    fn wrong<T>(&self, name: &str, why: &str) -> Option<T> {
        self.notes.left(self.at(name), why);
        None
    }
}

fn join(place: &str, name: &str) -> String {
    let separator = if place.ends_with(": ") { "" } else { "." };
    format!("{place}{separator}{}", label(name))
}
