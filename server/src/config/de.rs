//! serde over the merged tree: every fault comes with its place and path.
//!
//! Invariant: a message quotes what was written, never what a variable held, and nothing at all
//! for types that ask for [`HIDDEN`].

use std::cell::RefCell;

use serde::de::{self, Deserializer, Visitor, value::StrDeserializer};
use serde::forward_to_deserialize_any;

use super::access::{Entries, Items};
use super::error::{ConfigError, did_you_mean};
use super::gate;
use super::read::Fault;
use super::tree::{Node, Path, Scalar, Value};

/// A newtype of this name is read as text (null: `visit_none`) and never quoted in a message.
pub(super) const HIDDEN: &str = "troupe::hidden";

/// A struct of this name may be written as one scalar instead (`visit_str`).
pub(super) const SHORT: &str = "troupe::short";

#[derive(Clone)]
pub(super) struct De<'a> {
    node: &'a Node,
    path: Path,
    unknown: &'a RefCell<Vec<ConfigError>>,
}

impl<'a> De<'a> {
    pub fn new(node: &'a Node, path: Path, unknown: &'a RefCell<Vec<ConfigError>>) -> Self {
        Self {
            node,
            path,
            unknown,
        }
    }

    /// Reads a value; a fault that a type finds in what it was given is placed here.
    pub fn read<S: de::DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Fault> {
        let here = self.clone();
        here.here(seed.deserialize(self), true)
    }

    /// Places a fault here, unless a value further in has.
    fn here<T>(&self, result: Result<T, Fault>, quote: bool) -> Result<T, Fault> {
        result.map_err(|mut fault| {
            if !fault.located {
                fault.located = true;
                fault.path = self.path.clone();
                if quote {
                    fault.message.push_str(&self.got());
                }
            }
            fault
        })
    }

    fn got(&self) -> String {
        match &self.node.value {
            Value::Scalar(s) if s.is_null() => ", got nothing".to_owned(),
            Value::Scalar(s) => {
                format!(", got `{}`", s.written.chars().take(60).collect::<String>())
            }
            Value::List(_) => ", got a list".to_owned(),
            Value::Map(_) => ", got a mapping".to_owned(),
            Value::Pruned => String::new(),
        }
    }

    fn expected<T>(&self, what: &str) -> Result<T, Fault> {
        self.here(
            Err(de::Error::custom(format_args!("expected {what}"))),
            true,
        )
    }

    fn scalar(&self, what: &str) -> Result<&'a Scalar, Fault> {
        match &self.node.value {
            Value::Scalar(scalar) => Ok(scalar),
            _ => self.expected(what),
        }
    }

    fn integer<N: std::str::FromStr>(&self) -> Result<N, Fault> {
        let scalar = self.scalar("a whole number")?;
        let number = scalar.plain.then(|| scalar.text.replace('_', "").parse());
        match number {
            Some(Ok(number)) => Ok(number),
            _ => self.expected("a whole number"),
        }
    }

    fn entries(&self, fields: Option<&[&str]>) -> Result<Vec<(&'a str, De<'a>)>, Fault> {
        let entries = match &self.node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Scalar(s) if s.is_null() => &[],
            _ => return self.expected("a mapping of keys"),
        };
        let mut kept = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let path = self.path.key(key);
            if matches!(node.value, Value::Pruned) {
            } else if fields.is_none_or(|f| f.contains(&key.as_str())) {
                kept.push((key.as_str(), De::new(node, path, self.unknown)));
            } else {
                let gated = gate::names_below(&self.path);
                let gated = gated.iter().map(String::as_str);
                let known = fields.unwrap_or_default().iter().copied().chain(gated);
                let message = format!("unknown key{}", did_you_mean(key, known));
                let error = ConfigError::new(node.origin.clone(), path.to_string(), message);
                self.unknown.borrow_mut().push(error);
            }
        }
        Ok(kept)
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let number: $type = self.integer()?;
            self.here(visitor.$visit(number), true)
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'de> {
    type Error = Fault;

    integers! {
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let scalar = self.scalar("true or false")?;
        match scalar.text.as_str() {
            "true" | "True" | "TRUE" if scalar.plain => self.here(visitor.visit_bool(true), true),
            "false" | "False" | "FALSE" if scalar.plain => {
                self.here(visitor.visit_bool(false), true)
            }
            _ => self.expected("true or false"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let scalar = self.scalar("text")?;
        if scalar.is_null() {
            return self.expected("text");
        }
        self.here(visitor.visit_str(&scalar.text), true)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name != HIDDEN {
            return visitor.visit_newtype_struct(self);
        }
        let Value::Scalar(scalar) = &self.node.value else {
            return self.here(Err(de::Error::custom("expected text")), false);
        };
        if scalar.text.is_empty() && !scalar.variables.is_empty() {
            let names = scalar.variables.join("`, `");
            let fault = de::Error::custom(format_args!("variable `{names}` is set but empty"));
            return self.here(Err(fault), false);
        }
        if scalar.is_null() {
            return self.here(visitor.visit_none(), false);
        }
        self.here(visitor.visit_str(&scalar.text), false)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let items = match &self.node.value {
            Value::List(items) => items.as_slice(),
            Value::Scalar(s) if s.is_null() => &[],
            _ => return self.expected("a list"),
        };
        let items = items.iter().enumerate();
        let items = items.filter(|(_, n)| !matches!(n.value, Value::Pruned));
        let items = items.map(|(i, n)| De::new(n, self.path.index(i), self.unknown));
        let items = Items(items.collect::<Vec<_>>().into_iter());
        self.here(visitor.visit_seq(items), false)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let entries = Entries::new(self.entries(None)?);
        self.here(visitor.visit_map(entries), false)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == SHORT && !matches!(self.node.value, Value::Map(_)) {
            let scalar = self.scalar("a value or a mapping of keys")?;
            return self.here(visitor.visit_str(&scalar.text), true);
        }
        let entries = Entries::new(self.entries(Some(fields))?);
        self.here(visitor.visit_map(entries), false)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let scalar = self.scalar(&one_of(variants))?;
        if !variants.contains(&scalar.text.as_str()) {
            return self.expected(&one_of(variants));
        }
        let text: StrDeserializer<'_, Fault> = StrDeserializer::new(&scalar.text);
        self.here(visitor.visit_enum(text), false)
    }

    /// For types that take a word or a list: text, a list or a mapping, by what is written.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar(_) => self.deserialize_str(visitor),
            Value::Pruned => visitor.visit_unit(),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct ignored_any
    }
}

fn one_of(variants: &[&str]) -> String {
    match variants {
        [one] => format!("`{one}`"),
        [rest @ .., last] => format!("`{}` or `{last}`", rest.join("`, `")),
        [] => String::new(),
    }
}
