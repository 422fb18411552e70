//! Text into a [`Tree`]: JSON, TOML, YAML.
//!
//! Invariant: an error tells the line and never the text that stands there: what is malformed may be a secret.

use serde::de::DeserializeSeed;

use super::error::ImportError;
use super::tree::{Tree, TreeReader};

/// The most a file may have: no file of a gateway comes near. Whoever reads one stops one byte after it.
pub const MAX_BYTES: usize = 64 << 20;

pub(super) fn json(source: &'static str, bytes: &[u8]) -> Result<Tree, ImportError> {
    let text = utf8(source, bytes)?;
    let reader = TreeReader::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let tree = reader.seed().deserialize(&mut json);
    match tree.and_then(|tree| json.end().map(|()| tree)) {
        Ok(tree) => Ok(tree),
        Err(error) => {
            // Of serde_json's messages, only those on syntax are free of the source's text.
            let reason = match error.classify() {
                serde_json::error::Category::Eof => "ends in the middle; is the file whole?",
                _ => "is not valid JSON",
            };
            Err(fault(source, reader, reason, Some(error.line())))
        }
    }
}

pub(super) fn toml(source: &'static str, text: &str) -> Result<Tree, ImportError> {
    let text = utf8(source, text.as_bytes())?;
    let reader = TreeReader::default();
    let line_of = |error: &toml::de::Error| error.span().map(|span| line_at(text, span.start));
    let document = toml::Deserializer::parse(text)
        .map_err(|error| (line_of(&error), "is not valid TOML"))
        .and_then(|document| {
            let tree = reader.seed().deserialize(document);
            tree.map_err(|error| (line_of(&error), "is not valid TOML"))
        });
    document.map_err(|(line, reason)| fault(source, reader, reason, line))
}

pub(super) fn yaml(source: &'static str, text: &str) -> Result<Tree, ImportError> {
    let text = utf8(source, text.as_bytes())?;
    if text.trim().is_empty() {
        return Ok(Tree::Map(Vec::new()));
    }
    let reader = TreeReader::default();
    let options = serde_saphyr::options! { with_snippet: false };
    let tree = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        reader.seed().deserialize(yaml)
    });
    tree.map_err(|error| {
        let line = error
            .location()
            .and_then(|at| usize::try_from(at.line()).ok());
        fault(source, reader, "is not valid YAML", line)
    })
}

fn fault(
    source: &'static str,
    reader: TreeReader,
    otherwise: &str,
    line: Option<usize>,
) -> ImportError {
    let reason = reader.into_fault().unwrap_or_else(|| otherwise.to_owned());
    ImportError::new(source, reason).at_line(line.filter(|line| *line > 0))
}

/// Bounded, and without a byte order mark.
fn utf8<'b>(source: &'static str, bytes: &'b [u8]) -> Result<&'b str, ImportError> {
    if bytes.len() > MAX_BYTES {
        let reason = format!("is larger than {} MiB", MAX_BYTES >> 20);
        return Err(ImportError::new(source, reason));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ImportError::new(source, "is not UTF-8 text; save it as UTF-8").at_line(Some(line))
    })
}

fn line_at(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
