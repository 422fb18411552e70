//! New tokens now, because an operator wants them.

use serde::{Deserialize, Serialize};
use troupe_core::account::{AccountAsk, AccountReply, Auth, Unavailable};

use super::super::{ErrorCode, OpError, Operation, Operations};
use super::AccountInfo;

/// Renews the account's tokens by its actor, which joins a renewal that runs. Only while the gateway runs: a renewal
/// belongs to whoever serves with its outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshAccount {
    pub name: String,
}

impl Operation for RefreshAccount {
    type Outcome = AccountInfo;
    const NAME: &'static str = "account.refresh";

    async fn run(self, ops: &Operations) -> Result<AccountInfo, OpError> {
        let (record, declared) = ops.any_account(&self.name).await?;
        let name = &self.name;
        if record.oauth.is_none() {
            let message = format!("account {name} has no oauth; there is nothing to renew");
            return Err(OpError::invalid(message));
        }
        let active = ops.directory.as_ref().and_then(|d| d.account(record.id));
        let active = active.ok_or_else(|| {
            OpError::new(
                ErrorCode::NotRunning,
                "tokens are renewed by the running gateway; start it with `troupe serve`",
            )
        })?;
        let token = active
            .view
            .load()
            .lane(Auth::Oauth)
            .and_then(|lane| lane.token.clone());
        let ask = AccountAsk::Renew {
            generation: token.map_or(0, |token| token.generation),
            dead: false,
        };
        match active.handle.ask(ask).await {
            Ok(AccountReply::Renewed) => ops.info_of(&record, declared).await,
            Ok(AccountReply::Refused(why)) => Err(refused(name, &why)),
            Ok(_) => Err(OpError::new(
                ErrorCode::Internal,
                "the account gave an odd answer",
            )),
            Err(error) => {
                let message = format!("account {name} did not answer: {error}; try again");
                Err(OpError::new(ErrorCode::Internal, message))
            }
        }
    }
}

fn refused(name: &str, why: &Unavailable) -> OpError {
    let message = match why {
        Unavailable::NeedsLogin => {
            format!("account {name} needs a login; see `troupe account login {name}`")
        }
        Unavailable::Renewing { .. } => format!(
            "account {name} could not renew its tokens now and tries again by itself; `troupe account show {name}` says why"
        ),
        _ => format!(
            "account {name} did not renew its tokens; `troupe account show {name}` says why"
        ),
    };
    OpError::new(ErrorCode::Upstream, message)
}
