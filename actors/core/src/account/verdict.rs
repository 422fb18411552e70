//! What an upstream's answer means for the account that gave it. Made by `upstream::classify`, acted on by the machine.

/// How far a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every model of the account.
    Account,
    /// Only the model that was asked for.
    Model,
}

/// The meaning of one attempt (WIRE §1, fault table).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A 2xx.
    Success,
    /// The client's own fault; says nothing about the account.
    RequestFault,
    /// 401: the credential is not accepted.
    Unauthorized,
    /// 402, or a 400 whose wording says that the account cannot pay or is disabled: out until an operator acts.
    OutOfService { reason: String },
    /// 403: the account, or this account with this model.
    Forbidden,
    /// 404: the account lacks the model; no cool-down.
    NoModel,
    /// 429; `for_ms` from `retry-after`, `None` when the upstream did not say.
    Throttled { for_ms: Option<u64>, scope: Scope },
    /// The web surface asks whether a person is there: an operator must look, the gateway does not answer for one.
    Challenged,
    /// 5xx without overload, or a connection that failed: not the account's fault.
    Platform,
    /// 529.
    Overloaded,
    /// No answer in time, or the client left first: nothing is known.
    Unknown,
}

impl Verdict {
    /// Is it the account that failed? Only then may another credential of it, or another account, help.
    #[must_use]
    pub fn is_account_fault(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::OutOfService { .. }
                | Self::Forbidden
                | Self::NoModel
                | Self::Throttled { .. }
                | Self::Challenged
        )
    }
}

/// What is asked of an upstream to find out whether a credential works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A plain authenticated read.
    Read,
    /// The smallest real request: one message, one token.
    Message,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The credential works. `latency_ms` of the whole call; `said` is what came back, in a few words.
    Ok { latency_ms: u64, said: String },
    /// The upstream answered and does not accept the credential.
    Rejected { status: u16, message: String },
    /// The web surface asked for a person.
    Challenged,
    /// Nothing can be said about the credential: unreachable, timed out, 5xx, 429.
    Inconclusive { message: String },
}
