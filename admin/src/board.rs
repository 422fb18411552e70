//! What the page knows about the gateway, and how an answer changes it.
//!
//! ```text
//!            Answered              Failed
//!  Unknown ───────────▶ Known ◀──────────────▶ Lost (keeps the last answer)
//!     └───────────────────── Failed ─────────────▲
//! ```
//!
//! Invariant: an old answer is never shown as the present state; after a failure it is only
//! "the last known".

use troupe_admin_api::{Health, Readiness};

use crate::decode::Problem;

/// One complete answer of the gateway.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) health: Health,
    pub(crate) readiness: Readiness,
    /// How long `/healthz` took, seen from the browser.
    pub(crate) round_trip_ms: f64,
}

/// Failed, known and not yet known are three different things.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Knowledge {
    #[default]
    Unknown,
    Known(Snapshot),
    Lost {
        problem: Problem,
        last: Option<Snapshot>,
    },
}

/// The state behind the status page.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Board {
    pub(crate) knowledge: Knowledge,
    /// A question is on its way.
    pub(crate) asking: bool,
    /// When the last question came back or failed, in Unix milliseconds.
    pub(crate) checked_at_ms: Option<f64>,
}

/// What happens to a [`Board`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Asked,
    Answered { at_ms: f64, snapshot: Snapshot },
    Failed { at_ms: f64, problem: Problem },
}

// === impl Board ===

impl Board {
    pub(crate) fn next(&self, event: Event) -> Self {
        match event {
            Event::Asked => Self {
                asking: true,
                ..self.clone()
            },
            Event::Answered { at_ms, snapshot } => Self {
                knowledge: Knowledge::Known(snapshot),
                asking: false,
                checked_at_ms: Some(at_ms),
            },
            Event::Failed { at_ms, problem } => Self {
                knowledge: Knowledge::Lost {
                    problem,
                    last: self.last().cloned(),
                },
                asking: false,
                checked_at_ms: Some(at_ms),
            },
        }
    }

    /// The newest answer there ever was, whether or not it still holds.
    pub(crate) fn last(&self) -> Option<&Snapshot> {
        match &self.knowledge {
            Knowledge::Unknown => None,
            Knowledge::Known(snapshot) => Some(snapshot),
            Knowledge::Lost { last, .. } => last.as_ref(),
        }
    }

    /// The version that now runs, when it is not the one this page came with.
    pub(crate) fn other_version(&self, page_version: &str) -> Option<&str> {
        match &self.knowledge {
            Knowledge::Known(snapshot) if snapshot.health.version != page_version => {
                Some(&snapshot.health.version)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use troupe_admin_api::{CheckState, ReadyState};

    use super::*;
    use crate::decode::Fault;

    fn snapshot(status: ReadyState) -> Snapshot {
        Snapshot {
            health: Health::ok("0.1.0"),
            readiness: Readiness {
                status,
                checks: BTreeMap::from([("store".into(), CheckState::Ok)]),
            },
            round_trip_ms: 1.5,
        }
    }

    fn problem() -> Problem {
        Problem {
            path: "/healthz",
            fault: Fault::NoAnswer,
        }
    }

    #[test]
    fn starts_without_knowledge() {
        let board = Board::default();
        assert_eq!(board.knowledge, Knowledge::Unknown);
        assert_eq!(board.last(), None);
    }

    #[test]
    fn asking_keeps_what_is_known() {
        let known = Board::default().next(Event::Answered {
            at_ms: 1.0,
            snapshot: snapshot(ReadyState::Ready),
        });
        let asking = known.next(Event::Asked);
        assert!(asking.asking);
        assert_eq!(asking.knowledge, known.knowledge);
        assert_eq!(asking.checked_at_ms, Some(1.0));
    }

    #[test]
    fn an_answer_ends_the_question() {
        let board = Board::default().next(Event::Asked).next(Event::Answered {
            at_ms: 2.0,
            snapshot: snapshot(ReadyState::Draining),
        });
        assert!(!board.asking);
        assert_eq!(
            board.knowledge,
            Knowledge::Known(snapshot(ReadyState::Draining))
        );
    }

    #[test]
    fn failures_keep_the_last_answer_however_many_there_are() {
        let mut board = Board::default().next(Event::Answered {
            at_ms: 1.0,
            snapshot: snapshot(ReadyState::Ready),
        });
        for at_ms in [2.0, 3.0] {
            board = board.next(Event::Asked).next(Event::Failed {
                at_ms,
                problem: problem(),
            });
            assert!(matches!(board.knowledge, Knowledge::Lost { .. }));
            assert_eq!(board.last(), Some(&snapshot(ReadyState::Ready)));
            assert_eq!(board.checked_at_ms, Some(at_ms));
        }
    }

    #[test]
    fn a_failure_before_any_answer_has_nothing_to_keep() {
        let board = Board::default().next(Event::Failed {
            at_ms: 1.0,
            problem: problem(),
        });
        assert_eq!(
            board.knowledge,
            Knowledge::Lost {
                problem: problem(),
                last: None
            }
        );
    }

    #[test]
    fn another_version_is_noticed_only_while_it_answers() {
        let known = Board::default().next(Event::Answered {
            at_ms: 1.0,
            snapshot: snapshot(ReadyState::Ready),
        });
        assert_eq!(known.other_version("0.1.0"), None);
        assert_eq!(known.other_version("0.0.9"), Some("0.1.0"));
        let lost = known.next(Event::Failed {
            at_ms: 2.0,
            problem: problem(),
        });
        assert_eq!(lost.other_version("0.0.9"), None);
    }
}
