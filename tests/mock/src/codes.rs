//! Authorization codes that were given out and not yet exchanged.
//!
//! Invariant: a code is taken at most once, and at most [`LIMIT`] wait; the oldest go first. Every
//! page that gives codes out and the token endpoint that takes them share this list.

use std::collections::VecDeque;

const LIMIT: usize = 1_000;

/// What a code was given out for (RFC 6749 §4.1.2, RFC 7636 §4.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PendingCode {
    /// `code_challenge`, by method S256.
    pub(crate) challenge: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) state: String,
    /// The organisation that a web session chose.
    pub(crate) organization: Option<String>,
}

/// Codes in the order in which they were given out.
#[derive(Default)]
pub(crate) struct PendingCodes {
    list: VecDeque<(String, PendingCode)>,
}

impl PendingCodes {
    /// Gives out a code; `serial` makes it unique.
    pub(crate) fn issue(&mut self, serial: u64, pending: PendingCode) -> String {
        let code = format!("code_mock{serial:08}");
        self.list.push_back((code.clone(), pending));
        if self.list.len() > LIMIT {
            self.list.pop_front();
        }
        code
    }

    /// Takes a code away, so that it cannot be exchanged twice.
    pub(crate) fn take(&mut self, code: &str) -> Option<PendingCode> {
        let at = self.list.iter().position(|(found, _)| found == code)?;
        self.list.remove(at).map(|(_, pending)| pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_once_and_the_oldest_are_forgotten() {
        let mut codes = PendingCodes::default();
        let first = codes.issue(0, PendingCode::default());
        let pending = PendingCode {
            challenge: "c".into(),
            ..PendingCode::default()
        };
        let second = codes.issue(1, pending.clone());
        assert_eq!(codes.take(&second), Some(pending));
        assert_eq!(codes.take(&second), None);
        for serial in 2..=LIMIT as u64 + 1 {
            codes.issue(serial, PendingCode::default());
        }
        assert_eq!(codes.take(&first), None);
    }
}
