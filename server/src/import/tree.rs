//! A document of any format as one tree.
//!
//! Invariant: bounded in depth and in nodes, whatever the input; no key stands twice in one mapping; texts, which may be
//! secrets, are not in `Debug` and are wiped when dropped.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::names::label;

const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 2_000_000;

#[derive(Debug)]
pub(super) enum Tree {
    Null,
    Flag(bool),
    Integer(i128),
    Float(f64),
    Text(SecretString),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Null, or a text, list or mapping with nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.expose_secret().trim().is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Flag(_) | Self::Integer(_) | Self::Float(_) => false,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.expose_secret()),
            _ => None,
        }
    }
}

/// Reads a [`Tree`], and keeps why not: the formats' own errors may quote the source.
#[derive(Debug, Default)]
pub(super) struct TreeReader {
    nodes: Cell<usize>,
    fault: RefCell<Option<String>>,
}

impl TreeReader {
    pub fn seed(&self) -> Seed<'_> {
        Seed {
            reader: self,
            depth: 0,
        }
    }

    /// What this reader, not the format, found wrong.
    pub fn into_fault(self) -> Option<String> {
        self.fault.into_inner()
    }

    fn refuse<E: Error>(&self, reason: String) -> E {
        let error = E::custom(&reason);
        self.fault.borrow_mut().get_or_insert(reason);
        error
    }
}

pub(super) struct Seed<'r> {
    reader: &'r TreeReader,
    depth: usize,
}

impl Seed<'_> {
    fn inner(&self) -> Self {
        Self {
            reader: self.reader,
            depth: self.depth + 1,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Tree, D::Error> {
        let nodes = self.reader.nodes.get() + 1;
        self.reader.nodes.set(nodes);
        if nodes > MAX_NODES {
            let reason = format!("holds more than {MAX_NODES} values");
            return Err(self.reader.refuse(reason));
        }
        if self.depth > MAX_DEPTH {
            let reason = format!("is nested deeper than {MAX_DEPTH} levels");
            return Err(self.reader.refuse(reason));
        }
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, source: D) -> Result<Tree, D::Error> {
        source.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Tree, E> {
        Ok(Tree::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.into()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner())? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut seen = HashSet::new();
        let mut map = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                let reason = format!("`{}` is written twice in one mapping", label(&name));
                return Err(self.reader.refuse(reason));
            }
            map.push((name, entries.next_value_seed(self.inner())?));
        }
        Ok(Tree::Map(map))
    }
}
