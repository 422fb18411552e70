//! The JSON schema of `troupe.yaml`: the types', plus `version` and the gated keys.
//!
//! Invariant: whatever the loader accepts by name is in here, so the environment's names and the
//! checked-in `docs/config.schema.json` are taken from this one place.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use super::Config;
use super::gate;

/// What stands at a path of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    List,
    /// A mapping whose keys are free.
    Names,
    Section,
}

/// The JSON schema (draft 2020-12). Only limits are referred to, since they stand in many places.
pub fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let mut root = settings
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value();
    insert(&mut root, &["version"], json!({ "const": 1 }));
    for gate in gate::GATES {
        let path: Vec<&str> = gate.path.split('.').collect();
        insert(&mut root, &path, gate::schema(gate.accepts));
    }
    if let Some(root) = root.as_object_mut() {
        root.insert("title".to_owned(), json!("troupe.yaml"));
        root.insert("required".to_owned(), json!(["version"]));
    }
    root
}

fn insert(at: &mut Json, path: &[&str], schema: Json) {
    let Some((key, rest)) = path.split_first() else {
        *at = schema;
        return;
    };
    let Some(object) = at.as_object_mut() else {
        return;
    };
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    let Some(properties) = properties.as_object_mut() else {
        return;
    };
    let next = properties.entry(*key).or_insert_with(section);
    insert(next, rest, schema);
}

fn section() -> Json {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

/// Every path of keys below the root with its shape; what is inside lists is left out.
pub(super) fn paths(schema: &Json) -> Vec<(Vec<String>, Shape)> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found);
    found
}

fn collect(schema: &Json, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, Shape)>) {
    if !path.is_empty() {
        found.push((path.clone(), shape(schema)));
    }
    let properties = schema.get("properties").and_then(Json::as_object);
    for (key, below) in properties.into_iter().flat_map(Map::iter) {
        path.push(key.clone());
        collect(below, path, found);
        path.pop();
    }
}

fn shape(schema: &Json) -> Shape {
    let accepts = schema.pointer("/enum/0");
    if schema.get("properties").is_some() {
        Shape::Section
    } else if schema["type"] == "array" || accepts.is_some_and(Json::is_array) {
        Shape::List
    } else if schema["type"] == "object" || accepts.is_some_and(Json::is_object) {
        Shape::Names
    } else {
        Shape::Scalar
    }
}
