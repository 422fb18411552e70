//! What an HTTP answer means, and what is wrong with it.
//!
//! Invariant: `/readyz` is read with 503 as well as 200: a gateway that starts or drains says so
//! in the body of a 503.

use troupe_admin_api::{Health, Readiness};

pub(crate) const HEALTH_PATH: &str = "/healthz";
pub(crate) const READINESS_PATH: &str = "/readyz";

/// Why there is no answer to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: &'static str,
    pub(crate) fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing came back within the time allowed.
    NoAnswer,
    /// Something else than the gateway's own answer, such as a proxy's 502.
    Status(u16),
    /// The right status, but a body this page cannot read.
    Unreadable,
}

pub(crate) fn health(status: u16, body: &str) -> Result<Health, Problem> {
    if status != 200 {
        return Err(Problem {
            path: HEALTH_PATH,
            fault: Fault::Status(status),
        });
    }
    serde_json::from_str(body).map_err(|_| Problem {
        path: HEALTH_PATH,
        fault: Fault::Unreadable,
    })
}

pub(crate) fn readiness(status: u16, body: &str) -> Result<Readiness, Problem> {
    match (status, serde_json::from_str(body)) {
        (200 | 503, Ok(readiness)) => Ok(readiness),
        (200, Err(_)) => Err(Problem {
            path: READINESS_PATH,
            fault: Fault::Unreadable,
        }),
        _ => Err(Problem {
            path: READINESS_PATH,
            fault: Fault::Status(status),
        }),
    }
}

#[cfg(test)]
mod tests {
    use troupe_admin_api::ReadyState;

    use super::*;

    #[test]
    fn a_healthy_answer_is_read() {
        let read = health(200, r#"{"status":"ok","version":"0.1.0"}"#).unwrap();
        assert_eq!(read, Health::ok("0.1.0"));
    }

    #[test]
    fn readiness_is_read_from_200_and_503() {
        for (status, body, state) in [
            (200, r#"{"status":"ready","checks":{}}"#, ReadyState::Ready),
            (
                200,
                r#"{"status":"degraded","checks":{"redis":"failed"}}"#,
                ReadyState::Degraded,
            ),
            (
                503,
                r#"{"status":"starting","checks":{}}"#,
                ReadyState::Starting,
            ),
            (
                503,
                r#"{"status":"draining","checks":{}}"#,
                ReadyState::Draining,
            ),
        ] {
            assert_eq!(readiness(status, body).unwrap().status, state);
        }
    }

    #[test]
    fn what_is_not_the_gateways_answer_is_named() {
        for (status, body, fault) in [
            (200, "<html>", Fault::Unreadable),
            (502, "<html>", Fault::Status(502)),
            (502, r#"{"status":"ready"}"#, Fault::Status(502)),
            (503, "Service Unavailable", Fault::Status(503)),
        ] {
            assert_eq!(readiness(status, body).unwrap_err().fault, fault);
        }
        assert_eq!(health(200, "{}").unwrap_err().fault, Fault::Unreadable);
        assert_eq!(health(404, "").unwrap_err().fault, Fault::Status(404));
    }
}
