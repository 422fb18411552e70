//! `troupe demo`: the same gateway as in production, before a scripted upstream, in a data folder that goes with it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use secrecy::ExposeSecret;
use troupe_mock::{Mock, MockConfig};

use super::serve::{FAILED, USAGE, complain, run, say};
use crate::app::{App, FirstKey};
use crate::config::storage::StorageUrl;
use crate::config::telemetry::LogLevel;
use crate::config::{Account, Config, Loaded, Secret, Sources};

const PORT: u16 = 5200;
/// What the scripted upstream takes for a credential.
const UPSTREAM_KEY: &str = "scripted-upstream-key";

/// Runs until a signal; returns the exit code.
#[must_use]
pub fn demo(bind: Option<String>) -> i32 {
    let bind = match address(bind) {
        Ok(bind) => bind,
        Err(error) => {
            complain(&error);
            return USAGE;
        }
    };
    let folder =
        std::env::temp_dir().join(format!("troupe-demo-{}", uuid::Uuid::now_v7().simple()));
    let upstream = Mock::start_on_thread(MockConfig {
        require_keys: vec![UPSTREAM_KEY.into()],
        rate_limit_headers: true,
        ..MockConfig::default()
    });
    let upstream = match upstream {
        Ok(upstream) => upstream,
        Err(error) => {
            complain(&format!("cannot start the scripted upstream: {error}"));
            return FAILED;
        }
    };
    let mut config = Config::default();
    config.server.bind = bind;
    config.server.drain.delay = crate::config::HumanDuration::from_secs(0);
    config.storage.url = StorageUrl::Sled(folder.clone());
    config.secrets.key_file = folder.join("master.key");
    config.telemetry.log.level = LogLevel::Warn;
    let mut account = Account::with_api_key("scripted", Secret::new(UPSTREAM_KEY));
    account.base_url = upstream.url();
    config.accounts.push(account);
    let loaded = Loaded {
        config,
        notes: Vec::new(),
        file: None,
        inputs: Vec::new(),
        env_account: None,
    };
    let code = run(loaded, Sources::default(), announce);
    drop(upstream);
    if let Err(error) = std::fs::remove_dir_all(&folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        complain(&format!("cannot remove {}: {error}", folder.display()));
    }
    code
}

/// The address asked for, or the usual one, or a free one.
fn address(bind: Option<String>) -> Result<SocketAddr, String> {
    if let Some(bind) = bind {
        return bind
            .parse()
            .map_err(|_| format!("--bind {bind}: not an address such as 127.0.0.1:5200"));
    }
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    if TcpListener::bind(usual).is_ok() {
        return Ok(usual);
    }
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// A line that streams an answer when it is pasted.
pub(super) fn curl(url: &str, key: &str) -> String {
    format!(
        "curl -N {url}/v1/messages -H 'x-api-key: {key}' -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
         -d '{{\"model\":\"claude-haiku-4-5\",\"max_tokens\":256,\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'"
    )
}

fn announce(app: &App, url: &str) {
    let FirstKey::Made(secret) = &app.first_key else {
        return;
    };
    let secret = secret.expose_secret();
    let curl = curl(url, secret);
    say(&format!(
        "Troupe demo: answers come from a scripted upstream, nothing leaves this machine.
  base URL   {url}
  API key    {secret}
  admin      {url}/admin

{curl}
"
    ));
}
