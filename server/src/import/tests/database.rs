use serde_json::{Value, json};
use troupe_storage::foreign::litellm::{Left, LitellmRows, Row};

use super::{left, shown};
use crate::import::litellm_database;

fn row(value: Value) -> Row {
    Row::new(value.to_string())
}

fn hash(digit: char) -> String {
    digit.to_string().repeat(64)
}

#[test]
fn keys_with_teams_users_and_budgets() {
    let rows = LitellmRows {
        budgets: vec![row(
            json!({"budget_id": "b1", "rpm_limit": 7, "max_budget": 5.5, "budget_duration": "1d"}),
        )],
        teams: vec![
            row(
                json!({"team_id": "t1", "team_alias": "Platform", "models": ["claude-*"], "tpm_limit": 1000, "blocked": false, "spend": 1.0, "metadata": {}, "members_with_roles": [{"role": "admin"}]}),
            ),
            row(json!({"team_id": "t2", "team_alias": "Platform", "models": [], "blocked": true})),
        ],
        users: vec![row(
            json!({"user_id": "u1", "user_email": "ann@example.org", "max_budget": 3, "user_role": "internal_user"}),
        )],
        models: vec![
            row(
                json!({"model_id": "m1", "model_name": "claude", "litellm_params": {"model": "c2VhbGVkLXNlYWxlZC1zZWFsZWQtc2VhbGVkLXNlYWxlZA==", "api_key": "c2VhbGVk"}}),
            ),
            row(
                json!({"model_id": "m2", "model_name": "haiku", "litellm_params": {"model": "anthropic/claude-haiku-4-5", "api_key": "sk-ant-api03-FAKE"}, "model_info": {"id": "m2"}, "blocked": false}),
            ),
        ],
        keys: vec![
            row(
                json!({"token": hash('a'), "key_name": "sk-...ab12", "key_alias": "ci build", "user_id": "u1", "team_id": "t1", "models": ["claude-haiku-4-5", "gpt-4o"], "rpm_limit": 100, "tpm_limit": 50000, "max_parallel_requests": 4, "max_budget": 100.0, "budget_duration": "30d", "expires": "2027-01-31T12:00:00", "blocked": null, "spend": 0.25, "metadata": {"note": "x"}, "permissions": {}, "aliases": {}, "config": {}}),
            ),
            row(
                json!({"token": hash('b'), "key_alias": "ci build", "team_id": "t2", "models": ["all-team-models"], "budget_id": "b1"}),
            ),
            row(
                json!({"token": hash('c'), "models": [], "max_budget": 10, "user_id": "u9", "allowed_routes": ["llm_api_routes"], "model_max_budget": {"gpt-4o": 1}}),
            ),
            row(
                json!({"token": hash('d'), "models": ["no-default-models"], "rpm_limit": 0, "team_id": "gone", "max_budget": 5, "budget_duration": "45d"}),
            ),
            row(json!({"token": hash('e'), "team_id": "litellm-dashboard", "user_id": "u1"})),
            row(json!({"token": hash('f'), "allowed_routes": ["management_routes"]})),
            row(
                json!({"token": "sk-FAKE-PLAIN-KEY-0000000", "expires": "2027-01-31T12:00:00+02:00", "a_new_column": 1}),
            ),
            row(json!({"token": "neither"})),
            Row::new("{".into()),
        ],
        left: vec![Left {
            what: "LiteLLM_SpendLogs".into(),
            why: "a table".into(),
        }],
    };
    let plan = litellm_database(rows);
    insta::assert_json_snapshot!(shown(&plan));
}

/// The master key of the file, and the same one stored by its hash, are one key.
#[test]
fn a_key_is_the_same_in_file_and_database() {
    use sha2::{Digest, Sha256};
    let secret = "sk-FAKE-MASTER-KEY-000000";
    let text = format!("general_settings: {{ master_key: {secret} }}");
    let file = crate::import::litellm_yaml(&text, &|_| None).unwrap();
    let token = crate::import::names::hex(&Sha256::digest(secret.as_bytes()));
    let rows = |token: &str| LitellmRows {
        keys: vec![row(json!({ "token": token }))],
        ..LitellmRows::default()
    };
    for token in [token.as_str(), secret, &token.to_uppercase()] {
        let database = litellm_database(rows(token));
        assert_eq!(database.keys[0].source_id, file.keys[0].source_id);
    }
}

#[test]
fn nothing_of_nothing() {
    let plan = litellm_database(LitellmRows::default());
    assert!(plan.keys.is_empty() && plan.accounts.is_empty() && plan.notes.is_empty());
}

#[test]
fn ten_thousand_keys_of_one_alias_get_names_of_their_own() {
    let keys = (0..10_000).map(|at| row(json!({"token": format!("{at:064x}"), "key_alias": "same", "spend": 1, "project_id": "p"})));
    let plan = litellm_database(LitellmRows {
        keys: keys.collect(),
        ..LitellmRows::default()
    });
    let names: std::collections::BTreeSet<_> = plan.keys.iter().map(|key| &key.name).collect();
    let ids: std::collections::BTreeSet<_> = plan.keys.iter().map(|key| &key.source_id).collect();
    assert_eq!((names.len(), ids.len()), (10_000, 10_000));
    assert!(left(&plan, "[].spend (10000 times)"));
}
