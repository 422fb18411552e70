//! A real coding agent in front of the gateway's own limits: it stops politely at a spend cap, and comes back after a
//! throttle until it is served.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Stage, scripts, secret};
use crate::process;
use crate::serve::Ask;

/// An agent that slept or tried again at its cap would take longer.
const AT_ONCE: Duration = Duration::from_secs(20);

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

#[test]
fn coding_agent() {
    let stage = Stage::new();
    let dear = r#"{"usage":{"input_tokens":9000000}}"#;
    let spent = Ask::message(dear, false).key(&secret("TROUPE_AGENT_KEY"));
    assert_eq!(spent.status(stage.gateway_address), 200);
    let began = Instant::now();
    let (said, is_content) = say_hello(&stage, "TROUPE_AGENT_KEY");
    assert!(!is_content && began.elapsed() < AT_ONCE, "{said}");
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
