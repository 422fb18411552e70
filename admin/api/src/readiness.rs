//! The body of `GET /readyz`: can the gateway serve?
//!
//! Invariant: names checks and their states, and nothing else; no address, no reason and no
//! secret, because the endpoint asks for no credential.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The body of `GET /readyz`, sorted by name so that two answers compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    pub status: ReadyState,
    #[serde(default)]
    pub checks: BTreeMap<Cow<'static, str>, CheckState>,
}

/// What the gateway as a whole can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyState {
    /// Not serving yet.
    Starting,
    /// Serving.
    Ready,
    /// Serving without something it relies on, such as Redis or PostgreSQL.
    Degraded,
    /// Finishing what is open; nothing new is taken.
    Draining,
    #[serde(other)]
    Unknown,
}

/// What one part of the gateway says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    Ok,
    Starting,
    Degraded,
    Draining,
    Failed,
    #[serde(other)]
    Unknown,
}

// === impl ReadyState ===

impl ReadyState {
    /// Whether new requests are taken; decides between the answers 200 and 503.
    pub const fn serves(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sent_as_the_contract_says() {
        let readiness = Readiness {
            status: ReadyState::Degraded,
            checks: BTreeMap::from([
                ("store".into(), CheckState::Ok),
                ("redis".into(), CheckState::Failed),
            ]),
        };
        assert_eq!(
            serde_json::to_string(&readiness).unwrap(),
            r#"{"status":"degraded","checks":{"redis":"failed","store":"ok"}}"#
        );
    }

    #[test]
    fn every_state_survives_the_way_there_and_back() {
        use ReadyState::{Degraded, Draining, Ready, Starting};
        for state in [Starting, Ready, Degraded, Draining] {
            let sent = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<ReadyState>(&sent).unwrap(), state);
        }
    }

    #[test]
    fn unknown_words_and_missing_checks_are_understood() {
        let read: Readiness = serde_json::from_str(r#"{"status":"dreaming"}"#).unwrap();
        assert_eq!(
            read,
            Readiness {
                status: ReadyState::Unknown,
                checks: BTreeMap::new()
            }
        );
        let read: Readiness =
            serde_json::from_str(r#"{"status":"ready","checks":{"store":"odd"}}"#).unwrap();
        assert_eq!(read.checks["store"], CheckState::Unknown);
    }

    #[test]
    fn only_ready_and_degraded_serve() {
        assert!(ReadyState::Ready.serves() && ReadyState::Degraded.serves());
        assert!(!ReadyState::Starting.serves() && !ReadyState::Draining.serves());
        assert!(!ReadyState::Unknown.serves());
    }
}
