//! Does the upstream accept the credentials? Each is asked with the smallest real request.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use troupe_actors::account::ActiveAccount;
use troupe_core::account::{
    AccountAsk, AccountReply, AccountView, Auth, LaneView, Probe, ProbeKind, TokenSeed,
};

use super::super::{ErrorCode, OpError, Operation, Operations, credential, now_ms};
use super::still;

/// Tests every credential of an account: through its actor when the gateway runs (which acts on the answer), else
/// directly. Costs a few tokens each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestAccount {
    pub name: String,
}

/// The result of the credential that is tried first, and of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedAccount {
    pub name: String,
    #[serde(flatten)]
    pub result: TestResult,
    /// In the order in which they are tried.
    pub credentials: Vec<TestedCredential>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedCredential {
    pub auth: Auth,
    #[serde(flatten)]
    pub result: TestResult,
}

/// What the upstream said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum TestResult {
    Ok {
        latency_ms: u64,
        /// What came back, in a few words.
        said: String,
    },
    Rejected {
        status: u16,
        message: String,
    },
    /// The web surface asked for a person; an operator must look.
    Challenged,
    /// Nothing was found out about the credential.
    Inconclusive {
        message: String,
    },
}

impl Operation for TestAccount {
    type Outcome = TestedAccount;
    const NAME: &'static str = "account.test";

    async fn run(self, ops: &Operations) -> Result<TestedAccount, OpError> {
        let (record, _) = ops.any_account(&self.name).await?;
        let active = ops.directory.as_ref().and_then(|d| d.account(record.id));
        let view = match &active {
            Some(active) => active.view.load_full(),
            None => Arc::new(ops.still_view(&self.name).await?),
        };
        let mut credentials = Vec::new();
        for lane in &view.lanes {
            let auth = lane.auth;
            let probe = match &active {
                Some(active) => asked(active, lane).await?,
                None => ops.directly(&view, lane).await,
            };
            let result = probe.into();
            credentials.push(TestedCredential { auth, result });
        }
        let Some(first) = credentials.first() else {
            let message = format!("account {} has no credential", self.name);
            return Err(OpError::new(ErrorCode::Internal, message));
        };
        Ok(TestedAccount {
            name: self.name,
            result: first.result.clone(),
            credentials,
        })
    }
}

async fn asked(active: &ActiveAccount, lane: &LaneView) -> Result<Probe, OpError> {
    // A token that has ended says nothing about the account: it is renewed first, as for a request.
    if let Some(token) = lane.token.as_ref().filter(|t| t.stale_ms <= now_ms()) {
        let renew = AccountAsk::Renew {
            generation: token.generation,
            dead: false,
        };
        let _ = active.handle.ask(renew).await;
    }
    let ask = AccountAsk::Test {
        auth: lane.auth,
        kind: ProbeKind::Message,
    };
    match active.handle.ask(ask).await {
        Ok(AccountReply::Tested(probe)) => Ok(probe),
        other => {
            let why = other.map_or_else(|error| error.to_string(), |_| "an odd answer".into());
            let message = format!("the account did not answer: {why}; try again");
            Err(OpError::new(ErrorCode::Internal, message))
        }
    }
}

impl Operations {
    /// Of a stopped gateway's account, with its secrets opened.
    async fn still_view(&self, name: &str) -> Result<AccountView, OpError> {
        let (record, _) = self.any_account(name).await?;
        let secrets = self.opened(&record)?;
        let row = self.stores.accounts.token(record.id).await?;
        let tokens = match &row {
            Some(row) => credential::token_seed(&self.vault, row)?,
            None => TokenSeed::default(),
        };
        Ok(still::view_with(&record, secrets, tokens, None))
    }

    async fn directly(&self, view: &Arc<AccountView>, lane: &LaneView) -> Probe {
        if lane
            .token
            .as_ref()
            .is_some_and(|t| t.generation > 0 && t.stale_ms <= now_ms())
        {
            let message = "its token has ended; the running gateway renews it".into();
            return Probe::Inconclusive { message };
        }
        let (view, auth) = (Arc::clone(view), lane.auth);
        self.prober.probe(view, auth, ProbeKind::Message).await
    }
}

impl From<Probe> for TestResult {
    fn from(probe: Probe) -> Self {
        match probe {
            Probe::Ok { latency_ms, said } => Self::Ok { latency_ms, said },
            Probe::Rejected { status, message } => Self::Rejected { status, message },
            Probe::Challenged => Self::Challenged,
            Probe::Inconclusive { message } => Self::Inconclusive { message },
        }
    }
}
