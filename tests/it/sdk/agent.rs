//! A real coding agent in front of the gateway's own limits: it stops politely at a spend cap, and comes back after a
//! throttle until it is served.

use std::path::PathBuf;
use std::process::Command;

use super::{Stage, scripts, secret};
use crate::process;
use crate::serve::Ask;

/// One that tries again at its cap is refused ten times before it gives up.
const ASKS_AT_MOST: f64 = 3.0;

fn program() -> PathBuf {
    let packages = scripts().join("agent/node_modules/@anthropic-ai");
    let found = std::fs::read_dir(&packages).into_iter().flatten().flatten();
    let program = found
        .map(|package| package.path().join("claude"))
        .find(|path| path.is_file());
    program.expect("the coding agent is missing: run tests/install")
}

/// What it printed, and whether it was content.
fn say_hello(stage: &Stage, variable: &str) -> (String, bool) {
    let mut agent = Command::new(program());
    agent
        .args(["-p", "Say hello", "--model", "claude-sonnet-5"])
        .env(
            "ANTHROPIC_BASE_URL",
            format!("http://{}", stage.gateway_address),
        )
        .env("ANTHROPIC_API_KEY", secret(variable))
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_AUTOUPDATER", "1");
    let output = process::output(agent, stage.folder.path(), "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        text + &String::from_utf8_lossy(&output.stderr),
        output.status.success(),
    )
}

/// How many requests this limit has refused.
fn refused(stage: &Stage, limit: &str) -> f64 {
    let metrics = Ask::get("/metrics").send(stage.gateway_address).body();
    let name = format!("troupe_limit_rejections_total{{limit=\"{limit}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    value.expect("a refusal").parse().expect("a number")
}

#[test]
fn coding_agent() {
    let stage = Stage::new();
    let dear = r#"{"usage":{"input_tokens":9000000}}"#;
    let spent = Ask::message(dear, false).key(&secret("TROUPE_AGENT_KEY"));
    assert_eq!(spent.status(stage.gateway_address), 200);
    let (said, is_content) = say_hello(&stage, "TROUPE_AGENT_KEY");
    assert!(!is_content, "{said}");
    assert!(refused(&stage, "usd_per_month") <= ASKS_AT_MOST, "{said}");
    assert!(said.contains("spend limit reached"), "{said}");
    assert!(said.contains("ask the operator"), "{said}");
    let lower = said.to_lowercase();
    assert!(
        !lower.contains("login") && !lower.contains("log in"),
        "{said}"
    );

    // The key's only slot is taken for three seconds.
    let long = r#"{"count":30,"event_delay_ms":100}"#;
    let mut holder = Ask::message(long, true)
        .key(&secret("TROUPE_LIMITED_KEY"))
        .send(stage.gateway_address);
    let reader = std::thread::spawn(move || holder.rest().is_ok());
    let (said, is_content) = say_hello(&stage, "TROUPE_LIMITED_KEY");
    assert!(
        is_content && said.contains("scripted answer"),
        "{said}\n{}",
        stage.gateway.log()
    );
    assert!(reader.join().expect("a reader"));
}
