//! `troupe account login`: the page to open, and the code that comes back: to a port of this machine, or by hand.
//!
//! Invariant: the address holds the login's state, so it goes to stdout and into no log.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::account_args::LoginArgs;
use super::account_show::token_ends;
use super::error::CliError;
use super::redirect::Redirect;
use super::target::Target;
use super::{out, secret};
use crate::ops::accounts::{CompleteLogin, LoginHow, StartLogin, StartedLogin};
use crate::ops::secret_json::SecretText;

/// A login lives so long.
const WITHIN: Duration = Duration::from_secs(600);
/// More than any page shows.
const PASTED_MAX_BYTES: u64 = 64 << 10;

pub(super) async fn run(config: Option<PathBuf>, args: LoginArgs) -> Result<(), CliError> {
    let target = Target::find(config)?;
    let name = args.named.name;
    let started = target.run(StartLogin { name }).await?;
    let redirect = match started.how {
        LoginHow::Redirect if !args.paste => listen(&started).await,
        LoginHow::Redirect | LoginHow::Paste => None,
    };
    if args.format.json {
        // Programs read the last object; people need the address first.
        out::note(&started.url);
    } else {
        out::line(format!("Open this page and log in:\n{}", started.url))?;
    }
    let pasted = match redirect {
        Some(redirect) => redirected(redirect).await?,
        None => pasted()?,
    };
    let complete = CompleteLogin {
        login_id: started.login_id,
        pasted: SecretText(pasted),
    };
    let done = target.run(complete).await?;
    if args.format.json {
        return out::json(&done.account);
    }
    let (account, ends) = (&done.account.name, token_ends(&done.account));
    out::line(format!(
        "Account {account} is logged in; its tokens: {ends}"
    ))
}

async fn listen(started: &StartedLogin) -> Option<Redirect> {
    match Redirect::listen(&started.redirect_uri, started.state.as_str().into()).await {
        Ok(redirect) => Some(redirect),
        Err(error) => {
            out::note(format!(
                "cannot listen for the redirect ({error}); paste the address that the browser shows after the login"
            ));
            None
        }
    }
}

/// By the port; what is piped in goes first, so that a script can bring the code too.
async fn redirected(redirect: Redirect) -> Result<SecretString, CliError> {
    let (send, piped) = oneshot::channel();
    if !std::io::stdin().is_terminal() {
        // A thread of its own: it may block for ever, and ends with the process.
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = std::io::stdin()
                .take(PASTED_MAX_BYTES)
                .read_to_string(&mut text);
            if read.is_ok() && !text.trim().is_empty() {
                let _ = send.send(SecretString::from(text));
            }
        });
    }
    let piped = async {
        match piped.await {
            Ok(text) => text,
            // Nothing was piped in.
            Err(_) => std::future::pending().await,
        }
    };
    let arrived = async {
        tokio::select! {
            text = piped => text,
            address = redirect.wait() => address,
        }
    };
    tokio::time::timeout(WITHIN, arrived)
        .await
        .map_err(|_| CliError::failed("nobody logged in within ten minutes; start again"))
}

fn pasted() -> Result<SecretString, CliError> {
    secret::from_stdin("code (code#state, or the address of the page you were sent to)")
}
