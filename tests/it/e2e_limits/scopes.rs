//! Whose limit it is: every dimension in every scope, and several at once.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{PRICES, asking, assert_throttled, line, lines, settled, using};
use crate::gateway::{Pool, api, keys};

const DIMENSIONS: [&str; 5] = ["requests", "input_tokens", "output_tokens", "tokens", "usd"];
const SCOPES: [&str; 6] = [
    "gateway",
    "group",
    "key",
    "keymodel",
    "account",
    "accountmodel",
];

/// One limit that two requests fit exactly, and a third does not.
struct Case {
    scope: &'static str,
    dimension: &'static str,
    /// Of its key, its group, its account, and in its model.
    name: String,
    model: String,
    body: String,
}

impl Case {
    fn all() -> Vec<Self> {
        let of = |scope| DIMENSIONS.map(|dimension| Self::new(scope, dimension));
        SCOPES.into_iter().flat_map(of).collect()
    }

    fn new(scope: &'static str, dimension: &'static str) -> Self {
        let name = format!("{scope}-{}", dimension.replace('_', "-"));
        let model = format!("claude-{name}-1");
        let body = asking(&model, 60, &using(100, 50));
        Self {
            scope,
            dimension,
            name,
            model,
            body,
        }
    }

    fn limit(&self) -> String {
        format!("{}_per_month", self.dimension)
    }

    /// The limit as it is written: what the first used, and what the second may need at most.
    fn rule(&self) -> String {
        let input = self.body.len() as u64;
        let value = match self.dimension {
            "requests" => 2,
            "input_tokens" => 100 + input,
            "output_tokens" => 50 + 60,
            "tokens" => 150 + input + 60,
            _ => return format!("{}: 0.{:06}", self.limit(), 200 + input + 120),
        };
        format!("{}: {value}", self.limit())
    }

    /// What two requests use.
    fn used(&self) -> Value {
        match self.dimension {
            "requests" => json!(2),
            "input_tokens" => json!(200),
            "output_tokens" => json!(100),
            "tokens" => json!(300),
            _ => json!(0.0004),
        }
    }

    fn of_models(&self) -> String {
        format!(
            "{{ models: {{ \"claude-{}-*\": {{ {} }} }} }}",
            self.name,
            self.rule()
        )
    }

    /// What somebody asks whom the limit does not concern: with which key, and of which model.
    fn untouched(&self) -> (&str, &str) {
        match self.scope {
            "gateway" | "keymodel" | "accountmodel" => (&self.name, "claude-other-1"),
            _ => ("free", &self.model),
        }
    }
}

fn pool(cases: &[Case]) -> Pool {
    let (mut gateway, mut groups, mut accounts) = (String::new(), String::new(), api("spare", ""));
    let mut list = vec![("free".to_owned(), ", accounts: [spare]".to_owned())];
    for case in cases {
        let (name, rule) = (&case.name, case.rule());
        let mut more = ", accounts: [spare]".to_owned();
        match case.scope {
            "gateway" => {
                let _ = write!(gateway, "\"claude-{name}-*\": {{ {rule} }}, ");
            }
            "group" => {
                let _ = write!(groups, "{name}: {{ limits: {{ {rule} }} }}, ");
                let _ = write!(more, ", group: {name}");
            }
            "key" => {
                let _ = write!(more, ", limits: {{ {rule} }}");
            }
            "keymodel" => {
                let _ = write!(more, ", limits: {}", case.of_models());
            }
            of_account => {
                let limits = match of_account {
                    "account" => format!("{{ {rule} }}"),
                    _ => case.of_models(),
                };
                accounts += &api(name, &format!(", limits: {limits}"));
                more = format!(", accounts: [{name}]");
            }
        }
        list.push((name.clone(), more));
    }
    let list: Vec<_> = list.iter().map(|(name, more)| (&**name, &**more)).collect();
    Pool::serving(&format!(
        "accounts:\n{accounts}{PRICES}limits: {{ gateway: {{ models: {{ {gateway} }} }}, groups: {{ {groups} }} }}\n{}",
        keys(&list)
    ))
}

#[tokio::test]
async fn every_dimension_is_kept_in_every_scope() {
    let cases = Case::all();
    let pool = pool(&cases);
    for case in &cases {
        let (name, body) = (&case.name, &case.body);
        let reached = pool.entries().len();
        for _ in 0..2 {
            let answer = pool.ask(name, body).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            if !case.scope.starts_with("account") {
                // What is reserved comes back a moment after the answer.
                settled_of(&pool, name, &case.limit());
            }
        }
        let refused = pool.ask(name, body).await;
        assert_throttled(&refused, &whose(&pool, case));
        assert_eq!(pool.entries().len() - reached, 2, "{name}");
        if !case.scope.starts_with("account") {
            assert!(
                refused.text().contains(&per_month(case)),
                "{name}: {}",
                refused.text()
            );
            settled(&pool, name, &case.limit(), case.used());
            let told = &refused.json()["limits"][case.dimension];
            assert_eq!(told["window"], "month", "{name}: {}", refused.text());
        }
        let (key, model) = case.untouched();
        let other = pool.ask(key, asking(model, 60, &using(100, 50))).await;
        assert_eq!(other.status, 200, "{name}: {}", other.text());
    }
}

fn settled_of(pool: &Pool, key: &str, limit: &str) {
    let is_idle = || line(pool, key, limit)["open"] == 0;
    assert!(crate::process::until(super::PATIENCE, is_idle));
}

/// How the text of the refusal names whose limit it is.
fn whose(pool: &Pool, case: &Case) -> String {
    let prefix = || {
        let shown = pool
            .operate("key.show", json!({"name": case.name}))
            .expect("a key");
        let prefix = shown["prefix"]
            .as_str()
            .or_else(|| shown["key"]["prefix"].as_str());
        format!("key {}", prefix.expect("a prefix"))
    };
    let models = || format!("models claude-{}-*", case.name);
    match case.scope {
        "gateway" => format!("for {} of this gateway", models()),
        "group" => format!("for group {}", case.name),
        "key" => format!("for {}", prefix()),
        "keymodel" => format!("for {} of {}", models(), prefix()),
        _ => "every account is throttled".to_owned(),
    }
}

fn per_month(case: &Case) -> String {
    match case.dimension {
        "usd" => " per month for ".to_owned(),
        other => format!("{} per month for ", other.replace('_', " ")),
    }
}

/// Of many limits the one that lasts longest speaks, and what one of them refuses is counted by none.
#[tokio::test]
async fn refused_by_one_counted_by_none() {
    let limits = "limits: { requests_per_day: 3, requests_per_hour: 3, requests_per_minute: 100, tokens_per_day: 1000000, usd_per_month: 50, concurrent: 9, models: { \"claude-*\": { requests_per_week: 90 } } }";
    let pool = Pool::serving(&format!(
        "accounts:\n{}{PRICES}limits: {{ gateway: {{ requests_per_month: 100, concurrent: 50 }}, groups: {{ team: {{ limits: {{ requests_per_week: 50, usd_per_day: 9 }}, multiplier: 1.25 }} }} }}\n{}",
        api("a", ""),
        keys(&[
            ("many", &format!(", group: team, {limits}")),
            ("next", ", group: team")
        ])
    ));
    for _ in 0..3 {
        let answer = pool.ask("many", super::small()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let answers = pool.burst(40, "many", &super::small()).await;
    for refused in &answers {
        assert_throttled(refused, "3 requests per day for key");
        let told = &refused.json()["limits"];
        assert_eq!(told["requests"]["limit"], 3, "{told}");
        assert_eq!(told["requests"]["remaining"], 0, "{told}");
        assert_eq!(told["requests"]["window"], "day", "{told}");
        assert_eq!(told["tokens"]["limit"], 1_000_000, "{told}");
        assert!(
            told["usd"]["limit"].is_number() && told["concurrent"]["remaining"].is_u64(),
            "{told}"
        );
    }
    settled(&pool, "many", "requests_per_day", 3);
    for line in lines(&pool, "many") {
        let name = line["name"].as_str().unwrap_or_default();
        let used = match name {
            "concurrent" => json!(0),
            "tokens_per_day" => json!(450),
            // What a key of the group is charged: a quarter more.
            "usd_per_day" | "usd_per_month" => json!(0.00075),
            _ => json!(3),
        };
        assert_eq!(
            (&line["used"], &line["reserved"]),
            (&used, &json!(0)),
            "{line}"
        );
    }
    assert_eq!(pool.entries().len(), 3);
    let answer = pool.ask("next", super::small()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    settled(&pool, "next", "requests_per_month", 4);
}
