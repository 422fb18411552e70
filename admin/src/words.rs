//! What the page says, in one place: titles, sentences and tones.
//!
//! Invariant: colour is never the only carrier of a state; each tone comes with a word.

use troupe_admin_api::{CheckState, ReadyState};

use crate::board::Knowledge;
use crate::decode::{Fault, Problem};

/// How serious a thing is; picks colour and icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Calm,
    Good,
    Busy,
    Warn,
    Bad,
}

/// The headline of the status page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Headline {
    pub(crate) tone: Tone,
    pub(crate) title: &'static str,
    pub(crate) sentence: String,
}

// === impl Tone ===

impl Tone {
    /// The value of `data-tone`, which the style sheet turns into a colour.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

pub(crate) fn headline(knowledge: &Knowledge) -> Headline {
    match knowledge {
        Knowledge::Unknown => Headline {
            tone: Tone::Calm,
            title: "Checking",
            sentence: "Asking the gateway how it is.".to_owned(),
        },
        Knowledge::Known(snapshot) => of_state(snapshot.readiness.status),
        Knowledge::Lost { problem, .. } => Headline {
            tone: Tone::Bad,
            title: title_of(problem.fault),
            sentence: explain(problem),
        },
    }
}

fn of_state(state: ReadyState) -> Headline {
    let (tone, title, sentence) = match state {
        ReadyState::Ready => (Tone::Good, "Ready", "The gateway takes requests."),
        ReadyState::Starting => (
            Tone::Busy,
            "Starting",
            "The gateway does not take requests yet.",
        ),
        ReadyState::Draining => (
            Tone::Busy,
            "Draining",
            "Open streams are finished; nothing new is taken.",
        ),
        ReadyState::Degraded => (
            Tone::Warn,
            "Degraded",
            "The gateway takes requests, but something it relies on is missing.",
        ),
        ReadyState::Unknown => (
            Tone::Warn,
            "Unknown state",
            "The gateway reports a state this page does not know.",
        ),
    };
    Headline {
        tone,
        title,
        sentence: sentence.to_owned(),
    }
}

const fn title_of(fault: Fault) -> &'static str {
    match fault {
        Fault::NoAnswer => "No answer",
        Fault::Status(_) | Fault::Unreadable => "Unexpected answer",
    }
}

fn explain(problem: &Problem) -> String {
    let path = problem.path;
    match problem.fault {
        Fault::NoAnswer => {
            format!("{path} did not answer. Is the gateway running, and can this browser reach it?")
        }
        Fault::Status(status) => format!(
            "{path} answered with status {status}. Something in front of the gateway may have answered in its place."
        ),
        Fault::Unreadable => format!("{path} answered with something this page cannot read."),
    }
}

pub(crate) const fn of_check(state: CheckState) -> (Tone, &'static str) {
    match state {
        CheckState::Ok => (Tone::Good, "OK"),
        CheckState::Starting => (Tone::Busy, "Starting"),
        CheckState::Draining => (Tone::Busy, "Draining"),
        CheckState::Degraded => (Tone::Warn, "Degraded"),
        CheckState::Failed => (Tone::Bad, "Failed"),
        CheckState::Unknown => (Tone::Warn, "Unknown"),
    }
}

/// `under 1 ms`, `7 ms`, `128 ms`, `1.4 s`: browsers blur their clocks to about a millisecond.
pub(crate) fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => "under 1 ms".to_owned(),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_headline() {
        for (state, tone, title) in [
            (ReadyState::Ready, Tone::Good, "Ready"),
            (ReadyState::Starting, Tone::Busy, "Starting"),
            (ReadyState::Draining, Tone::Busy, "Draining"),
            (ReadyState::Degraded, Tone::Warn, "Degraded"),
            (ReadyState::Unknown, Tone::Warn, "Unknown state"),
        ] {
            let headline = of_state(state);
            assert_eq!((headline.tone, headline.title), (tone, title));
        }
    }

    #[test]
    fn a_problem_names_where_it_happened() {
        for (fault, title, part) in [
            (Fault::NoAnswer, "No answer", "did not answer"),
            (Fault::Status(502), "Unexpected answer", "502"),
            (Fault::Unreadable, "Unexpected answer", "cannot read"),
        ] {
            let problem = Problem {
                path: "/readyz",
                fault,
            };
            let headline = headline(&Knowledge::Lost {
                problem,
                last: None,
            });
            assert_eq!((headline.tone, headline.title), (Tone::Bad, title));
            assert!(headline.sentence.contains("/readyz") && headline.sentence.contains(part));
        }
    }

    #[test]
    fn durations_claim_no_more_than_the_clock_knows() {
        for (ms, text) in [
            (0.0, "under 1 ms"),
            (0.99, "under 1 ms"),
            (1.0, "1 ms"),
            (9.96, "10 ms"),
            (128.4, "128 ms"),
            (999.6, "1.0 s"),
            (1430.0, "1.4 s"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
