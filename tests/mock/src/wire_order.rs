//! Writes JSON with its members in the order in which the service sends them.
//!
//! Invariant: the same value as the input; only the order of members is chosen: `type`, `id`,
//! `index` first. Readers with a fast path for the usual order are thereby tested on it.

use serde_json::Value;

const FIRST: [&str; 3] = ["type", "id", "index"];

pub(crate) fn to_text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let first = FIRST.iter().filter_map(|name| members.get_key_value(*name));
            let rest = members
                .iter()
                .filter(|(name, _)| !FIRST.contains(&name.as_str()));
            text.push('{');
            for (at, (name, value)) in first.chain(rest).enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_comes_first() {
        let value =
            serde_json::json!({"a": [1, {"z": "\n", "type": "x"}], "index": 0, "type": "t"});
        assert_eq!(
            to_text(&value),
            r#"{"type":"t","index":0,"a":[1,{"type":"x","z":"\n"}]}"#
        );
    }
}
