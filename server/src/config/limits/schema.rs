//! The schema of limits. There are many places for 26 names, so that a rule is described once and referred to.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};
use troupe_core::limit::LimitName;

use super::amount::{MAX, MAX_CONCURRENT, MAX_USD};

const COUNT: &str = "CountLimit";
const USD: &str = "UsdLimit";
const CONCURRENT: &str = "ConcurrentLimit";
const OF_MODELS: &str = "LimitsOfModels";

fn refer(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn definition(name: LimitName) -> &'static str {
    match name {
        LimitName::Concurrent => CONCURRENT,
        name if name.is_spend() => USD,
        LimitName::Per(..) => COUNT,
    }
}

fn properties() -> Map<String, Json> {
    let names = LimitName::all();
    names
        .map(|name| (name.as_str().to_owned(), refer(definition(name))))
        .collect()
}

/// Of a mapping of limits; adds what it refers to.
pub(super) fn of_limits(generator: &mut SchemaGenerator) -> Schema {
    let whole = |most: u64| json!({ "type": "integer", "minimum": 1, "maximum": most });
    let usd = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": MAX_USD });
    let (count, slots) = (whole(MAX), whole(MAX_CONCURRENT));
    let every = json!({ "enum": ["reject", "queue", "downgrade", "shadow", null] });
    let of_slots = json!({ "enum": ["reject", "shadow", null] });
    let definitions = generator.definitions_mut();
    let of_models = json!({
        "type": "object",
        "properties": properties(),
        "additionalProperties": false
    });
    for (name, schema) in [
        (
            COUNT,
            rule("A number in a calendar window (UTC).", &count, &every),
        ),
        (
            USD,
            rule("Dollars in a calendar window (UTC).", &usd, &every),
        ),
        (
            CONCURRENT,
            rule("Requests at the same time.", &slots, &of_slots),
        ),
        (OF_MODELS, of_models),
    ] {
        definitions.insert(name.to_owned(), schema);
    }
    let mut all = properties();
    let models = json!({
        "description": "For the models of a pattern (`*` for any characters), on top of the others.",
        "type": "object",
        "additionalProperties": refer(OF_MODELS)
    });
    all.insert("models".to_owned(), models);
    json_schema!({ "type": "object", "properties": all, "additionalProperties": false })
}

fn rule(description: &str, amount: &Json, on_limit: &Json) -> Json {
    let mut fields = json!({
        "limit": amount,
        "on_limit": on_limit,
        "grant": {
            "description": "So much more, until a date.",
            "type": ["object", "null"],
            "properties": { "extra": amount, "until": { "type": "string" } },
            "required": ["extra", "until"],
            "additionalProperties": false
        }
    });
    let has_all = on_limit["enum"]
        .as_array()
        .is_some_and(|words| words.len() > 3);
    if let Some(fields) = fields.as_object_mut().filter(|_| has_all) {
        let model = json!({ "description": "With `downgrade`: the cheaper one.", "type": ["string", "null"] });
        fields.insert("model".to_owned(), model);
        fields.insert(
            "cap".to_owned(),
            json!({ "enum": ["strict", "soft", null] }),
        );
    }
    json!({
        "description": format!("{description} `null`: none, whatever the default."),
        "anyOf": [
            amount,
            {
                "type": "object",
                "properties": fields,
                "required": ["limit"],
                "additionalProperties": false
            },
            { "type": "null" }
        ]
    })
}
