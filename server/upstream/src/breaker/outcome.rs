//! What an attempt says about the host it went to (WIRE §1).

use actix_http::StatusCode;

use crate::error::{ConnectFault, SendError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answers; also with a refusal, or that it is overloaded: its own answer serves the client better than ours.
    Success,
    Failure,
    /// Says nothing about the host.
    Neither,
}

// === impl Outcome ===

impl Outcome {
    /// Of an answer's head.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            500 | 502..=504 => Self::Failure,
            _ => Self::Success,
        }
    }

    /// Of an attempt without one.
    #[must_use]
    pub fn of_error(error: &SendError) -> Self {
        match error {
            // An account's proxy is not its upstream; what a client does wrong is nobody's.
            SendError::Connect(ConnectFault::Proxy { .. })
            | SendError::InvalidRequest(_)
            | SendError::RequestBody(_)
            // An idle connection was closed as it was taken; the next attempt tells.
            | SendError::ResetBeforeHead { reused: true } => Self::Neither,
            SendError::Connect(_)
            | SendError::Tls(_)
            | SendError::ResetBeforeHead { reused: false }
            | SendError::Timeout
            | SendError::InvalidResponse(_) => Self::Failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts() {
        use Outcome::{Failure, Neither, Success};
        for (status, outcome) in [
            (200, Success),
            (302, Success),
            (400, Success),
            (401, Success),
            (429, Success),
            (500, Failure),
            (501, Success),
            (502, Failure),
            (503, Failure),
            (504, Failure),
            (529, Success),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Outcome::of_status(status), outcome, "{status}");
        }
        let proxy = ConnectFault::Proxy {
            proxy: "http://h:1".into(),
            fault: "x".into(),
        };
        for (error, outcome) in [
            (SendError::Connect(ConnectFault::TimedOut), Failure),
            (SendError::Connect(ConnectFault::Name("x".into())), Failure),
            (SendError::Connect(ConnectFault::Io("x".into())), Failure),
            (SendError::Connect(proxy), Neither),
            (SendError::Tls("x".into()), Failure),
            (SendError::InvalidRequest("x".into()), Neither),
            (SendError::ResetBeforeHead { reused: false }, Failure),
            (SendError::ResetBeforeHead { reused: true }, Neither),
            (SendError::Timeout, Failure),
            (SendError::InvalidResponse("x".into()), Failure),
            (SendError::RequestBody("x".into()), Neither),
        ] {
            assert_eq!(Outcome::of_error(&error), outcome, "{error:?}");
        }
    }
}
