//! Does the upstream accept the credential?

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use troupe_core::account::{AccountAsk, AccountReply, AccountView, Health, Probe};

use super::super::{ErrorCode, OpError, Operation, Operations, credential};

/// Probes an account: through its actor when the gateway runs (which acts on the answer), else directly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestAccount {
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedAccount {
    pub name: String,
    #[serde(flatten)]
    pub result: TestResult,
}

/// What the upstream said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum TestResult {
    Ok {
        latency_ms: u64,
    },
    Rejected {
        status: u16,
        message: String,
    },
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
        let probe = match active {
            Some(active) => match active.handle.ask(AccountAsk::Test).await {
                Ok(AccountReply::Tested(probe)) => probe,
                other => {
                    let why =
                        other.map_or_else(|error| error.to_string(), |_| "an odd answer".into());
                    let message = format!("the account did not answer: {why}; try again");
                    return Err(OpError::new(ErrorCode::Internal, message));
                }
            },
            None => ops.probe_directly(&self.name).await?,
        };
        Ok(TestedAccount {
            name: self.name,
            result: probe.into(),
        })
    }
}

impl Operations {
    async fn probe_directly(&self, name: &str) -> Result<Probe, OpError> {
        let declared = self
            .declared
            .load()
            .account(name)
            .map(|account| account.seed(None));
        let seed = match declared {
            Some(seed) => seed,
            None => credential::seed(&self.vault, self.stored_account(name).await?, None)?,
        };
        let record = seed.record;
        let view = AccountView {
            id: record.id,
            name: record.name.into(),
            kind: record.kind,
            base_url: record.base_url.into(),
            credential: seed.credential,
            headers: Arc::new(record.headers),
            models: Arc::new(record.models),
            enabled: record.enabled,
            health: Health::Active,
            cooldowns: Arc::new([]),
        };
        Ok(self.prober.probe(Arc::new(view)).await)
    }
}

impl From<Probe> for TestResult {
    fn from(probe: Probe) -> Self {
        match probe {
            Probe::Ok { latency_ms } => Self::Ok { latency_ms },
            Probe::Rejected { status, message } => Self::Rejected { status, message },
            Probe::Inconclusive { message } => Self::Inconclusive { message },
        }
    }
}
