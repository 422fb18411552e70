//! How an attempt failed, what may follow, and what the client is told when nothing does.
//!
//! Invariant: *certainly not processed*, *answered* and *unknown* are different variants; an account's fault is never
//! relayed.

use actix_web::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use troupe_core::account::Verdict;
use troupe_upstream::web::WebFault;
use troupe_upstream::{
    AnswerBody, BodyError, ConnectFault, Facts, HeaderList, Retry, SendError, retryable,
};

use super::attempt::Answered;
use crate::error::Problem;

/// Largest error body that is read whole; what is longer is cut off as no error of a Messages upstream.
const MAX_ERROR_BODY: usize = 1 << 20;

/// An upstream's error, read whole.
#[derive(Debug)]
pub struct Whole {
    pub status: StatusCode,
    pub headers: HeaderList,
    pub facts: Facts,
    pub body: Bytes,
    pub verdict: Verdict,
    pub relayable: bool,
    pub retry: Retry,
}

impl Whole {
    /// # Errors
    /// The body was cut.
    pub async fn read_body(mut body: AnswerBody) -> Result<Bytes, BodyError> {
        let Some(first) = body.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = body.next().await.transpose()? else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(&first[..]);
        whole.extend_from_slice(&second);
        while whole.len() < MAX_ERROR_BODY
            && let Some(chunk) = body.next().await.transpose()?
        {
            whole.extend_from_slice(&chunk);
        }
        whole.truncate(MAX_ERROR_BODY);
        Ok(whole.freeze())
    }
}

/// How an attempt failed.
#[derive(Debug)]
pub enum Failure {
    /// The upstream answered with an error.
    Answer(Box<Whole>),
    /// It began to answer with an error and broke off.
    CutError {
        status: StatusCode,
        error: String,
        verdict: Verdict,
    },
    /// A 2xx stream ended before its first event.
    CutBeforeEvent(String),
    /// No answer at all.
    Send(SendError),
    /// The account's address or headers make no request.
    Misconfigured(String),
    /// Its token was refused, and the endpoint that gives new ones could not be asked; or it was asked, and the body
    /// cannot be sent again.
    NotRenewed,
    /// The web surface could not serve.
    Web(Box<WebFault>),
    /// The gateway itself.
    Own(Problem),
}

impl Failure {
    /// What it says about the account.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Answer(whole) => whole.verdict.clone(),
            Self::CutError { verdict, .. } => verdict.clone(),
            // A host that resets or stays silent has a free slot for everybody: others go first.
            Self::Send(
                SendError::Connect(_)
                | SendError::Tls(_)
                | SendError::InvalidResponse(_)
                | SendError::ResetBeforeHead { .. }
                | SendError::Timeout,
            )
            | Self::CutBeforeEvent(_)
            | Self::NotRenewed => Verdict::Platform,
            Self::Web(fault) => fault.verdict.clone(),
            Self::Send(_) | Self::Own(_) | Self::Misconfigured(_) => Verdict::Unknown,
        }
    }

    /// What may follow.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Answer(whole) => whole.retry,
            // What its head says may follow: a client's own fault is not sent again because its text was cut.
            Self::CutError { verdict, .. } => match retryable(verdict) {
                Retry::Relay => Retry::Never,
                retry => retry,
            },
            Self::CutBeforeEvent(_) => Retry::NextAccountOnce,
            Self::Send(error) => error.retry(),
            Self::Misconfigured(_) | Self::NotRenewed => Retry::NextAccount,
            Self::Web(fault) => fault.retry(),
            Self::Own(_) => Retry::Never,
        }
    }

    /// For the row of the log.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        Some(match self {
            Self::Answer(whole) => format!("upstream answered {}", whole.status.as_u16()),
            Self::CutError { status, error, .. } => format!(
                "upstream answered {} and broke off: {error}",
                status.as_u16()
            ),
            Self::CutBeforeEvent(error) => {
                format!("upstream broke off before its first event: {error}")
            }
            Self::Send(error) => error.to_string(),
            Self::Misconfigured(error) => format!("account is misconfigured: {error}"),
            Self::NotRenewed => {
                "the token was refused and not renewed in time for this request".to_owned()
            }
            Self::Web(fault) => fault.message.clone(),
            Self::Own(problem) => problem.message().into_owned(),
        })
    }

    /// What the client is told. `nobody` is why no other account took over, when one was looked for.
    ///
    /// # Errors
    /// Everything that is not an upstream's answer fit to be relayed.
    pub fn conclude(self, nobody: Option<Problem>) -> Result<Answered, Problem> {
        match self {
            Self::Answer(whole) if whole.relayable => Ok(Answered::Whole(whole)),
            Self::Answer(whole) if whole.status.is_redirection() => {
                Err(Problem::Unreachable(format!(
                    "it answered with a redirect ({}), which the gateway does not follow",
                    whole.status.as_u16()
                )))
            }
            Self::Answer(whole) => Err(nobody.unwrap_or_else(|| Problem::NoAccount {
                why: format!(
                    "the account that was tried failed ({})",
                    account_fault(whole.status)
                ),
                retry_after_s: None,
            })),
            Self::CutError { error, .. } | Self::CutBeforeEvent(error) => {
                Err(Problem::Unreachable(error))
            }
            Self::Send(SendError::Timeout) => Err(Problem::TimedOut("first event")),
            Self::Send(SendError::Connect(ConnectFault::TimedOut)) => {
                Err(Problem::TimedOut("connecting"))
            }
            // Whose proxy it is, and where, is the operator's alone; the row has it.
            Self::Send(SendError::Connect(ConnectFault::Proxy { .. })) => Err(
                Problem::Unreachable("the proxy of the account opens no way to it".into()),
            ),
            // A certificate's fault names the host.
            Self::Send(SendError::Tls(_)) => Err(Problem::Unreachable("TLS with it failed".into())),
            Self::Send(SendError::RequestBody(error)) => Err(Problem::Invalid(format!(
                "the request body ended early: {error}"
            ))),
            Self::Send(SendError::InvalidRequest(error)) => Err(Problem::Invalid(error)),
            Self::Send(error) => Err(Problem::Unreachable(error.to_string())),
            Self::Misconfigured(error) => Err(Problem::NoAccount {
                why: format!("the account is misconfigured: {error}"),
                retry_after_s: None,
            }),
            Self::NotRenewed => Err(nobody.unwrap_or_else(|| Problem::NoAccount {
                why: "its token was refused and not renewed in time for this request".into(),
                retry_after_s: Some(5),
            })),
            Self::Web(fault) => web_problem(*fault, nobody),
            Self::Own(problem) => Err(problem),
        }
    }
}

/// The web surface's fault as the client is told: its own words where the request or the platform is at fault.
fn web_problem(fault: WebFault, nobody: Option<Problem>) -> Result<Answered, Problem> {
    match fault.verdict {
        Verdict::RequestFault | Verdict::NoModel | Verdict::Overloaded => Err(Problem::Web {
            status: StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_GATEWAY),
            kind: fault.kind,
            message: fault.message,
        }),
        Verdict::Throttled { for_ms, .. } => Err(nobody.unwrap_or(Problem::Throttled {
            for_ms: for_ms.unwrap_or(30_000),
        })),
        Verdict::Platform | Verdict::Success => Err(Problem::Unreachable(fault.message)),
        Verdict::Unknown => Err(Problem::TimedOut("first event")),
        _ => Err(nobody.unwrap_or_else(|| Problem::NoAccount {
            why: "the web session that was tried cannot serve".into(),
            retry_after_s: None,
        })),
    }
}

/// The status in words that do not look like a log-out of the client's.
fn account_fault(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "its credential was not accepted",
        402 => "its billing",
        403 => "it lacks a permission",
        _ => "its upstream has it out of service",
    }
}

#[cfg(test)]
mod tests {
    use troupe_upstream::classify;

    use super::*;

    #[test]
    fn what_may_follow_an_error_that_was_cut_is_what_its_head_says() {
        for (status, retry) in [
            (400, Retry::Never),
            (413, Retry::Never),
            (401, Retry::NextAccount),
            (429, Retry::NextAccount),
            (503, Retry::NextAccountAfterPause),
            (529, Retry::NextAccountAfterPause),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let failure = Failure::CutError {
                status,
                error: "cut".into(),
                verdict: classify(status, &Facts::default(), None, 0),
            };
            assert_eq!(failure.retry(), retry, "{status}");
        }
    }

    #[test]
    fn a_client_is_not_told_where_an_account_goes() {
        let proxy = SendError::Connect(ConnectFault::Proxy {
            proxy: "http://p.internal:3128".into(),
            fault: "refused".into(),
        });
        let tls = SendError::Tls("certificate not valid for name \"p.internal\"".into());
        for error in [proxy, tls] {
            let failure = Failure::Send(error);
            assert!(failure.told().unwrap().contains("p.internal"));
            let problem = failure.conclude(None).unwrap_err();
            assert!(!problem.message().contains("p.internal"), "{problem:?}");
        }
    }
}
