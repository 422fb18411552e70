use serde_json::{Value, json};

use super::postgres::Postgres;
use super::{LitellmRows, read_telling};

const TABLES: &str = include_str!("litellm.sql");
const ROWS: &str = r#"
    INSERT INTO "LiteLLM_BudgetTable" VALUES ('b1', 5.5, null, null, null, 7, null, '1d', null, '{}', now(), 'a', now(), 'a');
    INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, models, tpm_limit, admins) VALUES ('t1', 'Plattform ü', '{claude-*}', 9007199254740993, '{}');
    INSERT INTO "LiteLLM_UserTable" (user_id, user_email, password) VALUES ('u1', 'ann@example.org', 'hash-of-a-password');
    INSERT INTO "LiteLLM_ProxyModelTable" VALUES ('m1', 'claude', '{"model": "c2VhbGVk", "api_key": "c2VhbGVk"}', null, false, now(), 'a', now(), 'a');
    INSERT INTO "LiteLLM_VerificationToken" (token, key_alias, expires, models, rpm_limit, metadata)
        SELECT encode(sha256(('sk-key-' || n)::bytea), 'hex'), 'key ' || n, '2027-01-31 12:00:00', '{a,b}', n, '{"n": 1}'
        FROM generate_series(1, 1203) AS n;
    INSERT INTO "LiteLLM_VerificationToken" (token, metadata) VALUES ('large', jsonb_build_object('x', repeat('y', 2000000)));
"#;

fn values(rows: &[super::super::Row]) -> Vec<Value> {
    rows.iter()
        .map(|row| serde_json::from_str(row.json()).unwrap())
        .collect()
}

fn left(rows: &LitellmRows) -> Vec<&str> {
    rows.left.iter().map(|left| left.what.as_str()).collect()
}

#[tokio::test]
async fn a_database_of_today_in_a_schema_of_its_own() {
    let postgres = Postgres::start();
    postgres
        .run(&format!(
            "CREATE SCHEMA \"my \"\"llm\"; SET search_path TO \"my \"\"llm\"; {TABLES} {ROWS}"
        ))
        .await;
    // With what Prisma's URLs carry besides.
    let url = postgres.url("postgres?schema=my%20%22llm&connection_limit=10&pool_timeout=5&pgbouncer=true&sslmode=prefer");
    let (rows, told) = read_telling(&url).await;
    let rows = rows.unwrap();

    let keys = values(&rows.keys);
    assert_eq!(keys.len(), 1203);
    let tokens: std::collections::BTreeSet<_> = keys
        .iter()
        .map(|key| key["token"].as_str().unwrap())
        .collect();
    assert_eq!(tokens.len(), 1203, "each once");
    let first = keys.iter().find(|key| key["key_alias"] == "key 1").unwrap();
    assert_eq!(
        first["token"],
        "17ddf38fa9076eca9696c937998432d3ade02599907f0bfa3bb9886c22701c37"
    );
    assert_eq!(first["expires"], "2027-01-31T12:00:00");
    assert_eq!(first["models"], json!(["a", "b"]));
    assert_eq!(first["rpm_limit"], 1);
    assert_eq!(first["metadata"], json!({"n": 1}));
    assert!(first.get("created_at").is_none() && first.get("a_new_column").is_none());

    assert_eq!(
        values(&rows.teams)[0]["tpm_limit"].to_string(),
        "9007199254740993"
    );
    assert_eq!(values(&rows.teams)[0]["team_alias"], "Plattform ü");
    assert_eq!(values(&rows.budgets)[0]["max_budget"], 5.5);
    assert_eq!(
        values(&rows.models)[0]["litellm_params"]["model"],
        "c2VhbGVk"
    );
    assert!(
        values(&rows.users)[0].get("password").is_none(),
        "passwords are not copied"
    );

    assert_eq!(
        left(&rows),
        [
            "LiteLLM_VerificationToken.a_new_column",
            "LiteLLM_VerificationToken: a row",
            "LiteLLM_TagTable",
            "LiteLLM_DailyTagSpend, LiteLLM_SpendLogs"
        ]
    );
    let of_keys: Vec<_> = told
        .iter()
        .filter(|told| told.table == "LiteLLM_VerificationToken")
        .map(|told| (told.rows, told.of))
        .collect();
    assert_eq!(of_keys.len(), 3, "{of_keys:?}");
    assert_eq!(of_keys.last(), Some(&(1203, 1204)));
    assert!(
        !format!("{rows:?}").contains("key 1"),
        "rows are not in Debug"
    );
}

#[tokio::test]
async fn a_database_of_an_old_version() {
    let postgres = Postgres::start();
    postgres
        .run(
            "CREATE TABLE \"LiteLLM_VerificationToken\" (token text primary key, expires timestamptz, spend float8, models text[]); \
             CREATE TABLE \"LiteLLM_UserTable\" (name text); \
             INSERT INTO \"LiteLLM_VerificationToken\" VALUES ('a', '2027-01-31 12:00:00+02', 0, '{}')",
        )
        .await;
    let rows = read_telling(&postgres.url("postgres")).await.0.unwrap();
    assert_eq!(values(&rows.keys).len(), 1);
    assert_eq!(
        left(&rows),
        [
            "LiteLLM_BudgetTable",
            "LiteLLM_TeamTable",
            "LiteLLM_UserTable.user_id",
            "LiteLLM_ProxyModelTable"
        ]
    );
}
