//! The scripted upstream as a program, for clients in other languages.

use std::net::SocketAddr;

use clap::Parser;
use troupe_mock::{Mock, MockConfig, Scenario};

/// A scripted upstream that speaks the Messages API. Example: troupe-mock --bind 127.0.0.1:8099
#[derive(Parser)]
#[command(name = "troupe-mock", version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// Credential that requests must carry; may be given more than once
    #[arg(long = "require-key")]
    require_keys: Vec<String>,
    /// Scenario of requests that name none: a name or JSON
    #[arg(long, default_value = "default", value_parser = Scenario::parse)]
    scenario: Scenario,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let config = MockConfig {
        bind: arguments.bind,
        require_keys: arguments.require_keys,
        default_scenario: arguments.scenario,
        ..MockConfig::default()
    };
    let server = Mock::start(config).await?;
    announce(&server.url());
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "the first line tells the caller the port"
)]
fn announce(url: &str) {
    println!("listening on {url}");
}
