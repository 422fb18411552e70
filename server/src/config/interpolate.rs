//! `${VAR}` and `${VAR:-default}` in plain and quoted scalars; `$${` writes a literal `${`.
//!
//! serde-saphyr's properties expand plain scalars only, or also bare `$NAME` (which passwords
//! hold), hence this step on the tree. Invariant: keys and comments are never touched, and what a
//! variable holds is never read as YAML structure nor expanded again.

use super::error::ConfigError;
use super::tree::{Node, Path, Scalar, Value};

/// Looks a variable up; `None` when it is not set.
pub(super) type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Expands every scalar below `node`; a faulty one is reported and pruned.
pub(super) fn interpolate(
    node: &mut Node,
    path: &Path,
    lookup: &Lookup<'_>,
    errors: &mut Vec<ConfigError>,
) {
    match &mut node.value {
        Value::Scalar(scalar) => {
            if let Err(message) = expand(scalar, lookup) {
                errors.push(ConfigError::new(
                    node.origin.clone(),
                    path.to_string(),
                    message,
                ));
                node.value = Value::Pruned;
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                interpolate(item, &path.index(index), lookup, errors);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                interpolate(value, &path.key(key), lookup, errors);
            }
        }
        Value::Pruned => {}
    }
}

fn expand(scalar: &mut Scalar, lookup: &Lookup<'_>) -> Result<(), String> {
    let written = scalar.written.clone();
    let (mut text, mut rest) = (String::new(), written.as_str());
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            text.push_str(&rest[..at - 1]);
            text.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        text.push_str(&rest[..at]);
        let body = &rest[at + 2..];
        let end = body.find('}').ok_or_else(|| {
            "`${` without its `}`; write `$${` for the two characters themselves".to_owned()
        })?;
        let (name, default) = match body[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&body[..end], None),
        };
        text.push_str(&resolve(name, default, lookup)?);
        scalar.variables.push(name.to_owned());
        rest = &body[end + 1..];
    }
    text.push_str(rest);
    scalar.text = text;
    Ok(())
}

fn resolve(name: &str, default: Option<&str>, lookup: &Lookup<'_>) -> Result<String, String> {
    let mut letters = name.chars();
    let first = letters
        .next()
        .is_some_and(|c| c == '_' || c.is_ascii_alphabetic());
    if !first || !letters.all(|c| c == '_' || c.is_ascii_alphanumeric()) {
        return Err(
            "only `${VAR}` and `${VAR:-default}` are understood; write `$${` for the two characters \
             themselves"
                .to_owned(),
        );
    }
    match (lookup(name), default) {
        (Some(value), _) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (Some(empty), None) => Ok(empty),
        (None, None) => Err(format!(
            "variable `{name}` is not set; set it or write `${{{name}:-default}}`"
        )),
    }
}
