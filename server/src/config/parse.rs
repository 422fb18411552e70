//! YAML text into a [`Node`] tree, with the parser that serde-saphyr stands on.
//!
//! serde-saphyr's own deserializer reads one text into one type and stops at the first fault; here
//! file, environment and flags are merged first and all faults are wanted, so its event parser is
//! used directly. Invariant: anchors are copied under a bound, so no input grows without limit.

use std::collections::HashMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::error::{ConfigError, Origin};
use super::tree::{Node, Scalar, Value};

/// Nodes a file may have, copies of anchors included.
const MAX_NODES: usize = 100_000;
const MAX_DEPTH: usize = 64;

/// Reads one document. An empty one is an empty mapping.
pub(super) fn parse(name: &str, text: &str) -> Result<Node, ConfigError> {
    let mut reader = Reader {
        name: name.into(),
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
    };
    let root = reader.document().map_err(|error| hint(error, text))?;
    Ok(root.filter(|n| !n.is_null()).unwrap_or_else(Node::empty))
}

/// `${VAR}` is plain text between blocks, but not within `{ }` and `[ ]`.
fn hint(mut error: ConfigError, text: &str) -> ConfigError {
    if let Origin::File { line, .. } = error.origin {
        let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        if written.contains("${") {
            error
                .message
                .push_str("; within `{ }` and `[ ]` write `\"${VAR}\"` with its quotes");
        }
    }
    error
}

struct Reader<I> {
    name: Arc<str>,
    events: I,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'t, I: Iterator<Item = Result<(Event<'t>, Span), ScanError>>> Reader<I> {
    fn document(&mut self) -> Result<Option<Node>, ConfigError> {
        let mut root = None;
        loop {
            let Some((event, span)) = self.next()? else {
                return Ok(root);
            };
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(self.fault(
                        span,
                        "",
                        "only one document is read; remove the `---`",
                    ));
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, ConfigError> {
        self.count(1, span, depth)?;
        let origin = self.origin(span);
        let (value, anchor) = match event {
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned();
                let mut node =
                    node.ok_or_else(|| self.fault(span, "", "an anchor inside itself"))?;
                self.count(size(&node), span, depth)?;
                node.origin = origin;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let text = text.into_owned();
                let forced = tag.is_some_and(|t| t.is_yaml_core_schema_tag("str"));
                let scalar = Scalar {
                    written: text.clone(),
                    text,
                    variables: Vec::new(),
                    plain: matches!(style, ScalarStyle::Plain) && !forced,
                };
                (Value::Scalar(scalar), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(span, depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(span, depth)?, anchor),
            _ => return Err(self.fault(span, "", "unexpected YAML here")),
        };
        let node = Node { origin, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, open: Span, depth: usize) -> Result<Value, ConfigError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, _)) => return Ok(Value::List(items)),
                Some((event, span)) => items.push(self.node(event, span, depth + 1)?),
                None => return Err(self.fault(open, "", "this list has no end")),
            }
        }
    }

    fn map(&mut self, open: Span, depth: usize) -> Result<Value, ConfigError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (key, at) = match self.next()? {
                Some((Event::MappingEnd, _)) => break,
                Some((Event::Scalar(key, ..), at)) => (key.into_owned(), at),
                Some((_, at)) => return Err(self.fault(at, "", "a key must be plain text")),
                None => return Err(self.fault(open, "", "this mapping has no end")),
            };
            let Some((event, span)) = self.next()? else {
                return Err(self.fault(at, &key, "has no value"));
            };
            let mut node = self.node(event, span, depth + 1)?;
            node.origin = self.origin(at);
            match node.value {
                Value::Map(inherited) if key == "<<" => merged.extend(inherited),
                _ if entries.iter().any(|(k, _)| *k == key) => {
                    return Err(self.fault(at, &key, "is written twice in one mapping"));
                }
                _ => entries.push((key, node)),
            }
        }
        for (key, node) in merged {
            if !entries.iter().any(|(k, _)| *k == key) {
                entries.push((key, node));
            }
        }
        Ok(Value::Map(entries))
    }

    /// The next event that is not a comment.
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, ConfigError> {
        loop {
            match self.events.next() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(event)) => return Ok(Some(event)),
                None => return Ok(None),
                Some(Err(error)) => {
                    let origin = Origin::File {
                        name: Arc::clone(&self.name),
                        line: error.marker().line(),
                        column: error.marker().col() + 1,
                    };
                    let message = format!("not valid YAML: {}", error.info());
                    return Err(ConfigError::new(origin, "", message));
                }
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span, depth: usize) -> Result<(), ConfigError> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(self.fault(span, "", "the file is too large or nested too deeply"));
        }
        Ok(())
    }

    fn origin(&self, span: Span) -> Origin {
        Origin::File {
            name: Arc::clone(&self.name),
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }

    fn fault(&self, span: Span, path: &str, message: &str) -> ConfigError {
        ConfigError::new(self.origin(span), path, message)
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|(_, n)| size(n)).sum::<usize>(),
        Value::Scalar(_) | Value::Pruned => 1,
    }
}
