//! The body of `GET /healthz`: the process is alive.
//!
//! Invariant: says nothing about whether requests can be served; that is [`crate::Readiness`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The body of `GET /healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub status: Liveness,
    /// The version of the running binary, for example `0.1.0`.
    pub version: Cow<'static, str>,
}

/// A process that cannot answer has no state to report, so there is one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    Ok,
    #[serde(other)]
    Unknown,
}

impl Health {
    /// Alive, with the version of the running binary.
    pub const fn ok(version: &'static str) -> Self {
        Self {
            status: Liveness::Ok,
            version: Cow::Borrowed(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sent_as_the_contract_says() {
        let sent = serde_json::to_string(&Health::ok("0.1.0")).unwrap();
        assert_eq!(sent, r#"{"status":"ok","version":"0.1.0"}"#);
    }

    #[test]
    fn a_newer_gateway_is_understood() {
        let read: Health =
            serde_json::from_str(r#"{"status":"splendid","version":"9.0.0","node":"a"}"#).unwrap();
        assert_eq!(
            read,
            Health {
                status: Liveness::Unknown,
                version: "9.0.0".into()
            }
        );
    }
}
