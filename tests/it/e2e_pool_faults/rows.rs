//! The table of WIRE §1 in rows.

use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::json;
use troupe_mock::Scenario;

/// What every upstream error here says.
pub const WORDS: &str = "said by the upstream";

const DAY_S: i64 = 86_400;
const DEFAULT_S: i64 = 30;

/// How the account is that answered so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    Untouched,
    /// In this state.
    Is(&'static str),
    /// The second choice for a while: for the model, or for all.
    Avoided {
        model: bool,
    },
    /// Nothing is sent for so long.
    Cools {
        model: bool,
        seconds: i64,
    },
}

#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub status: u16,
    headers: Vec<(String, String)>,
    message: String,
    error_code: Option<&'static str>,
    /// Requests upstream with one account, and with three that all answer so.
    pub sends_alone: usize,
    pub sends: usize,
    /// The status that the client gets.
    pub told: u16,
    pub then: Then,
}

impl Row {
    fn new(status: u16, then: Then) -> Self {
        Self {
            name: format!("{status}"),
            status,
            headers: Vec::new(),
            message: WORDS.to_owned(),
            error_code: None,
            sends_alone: 1,
            sends: 3,
            told: status,
            then,
        }
    }

    fn with(mut self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        self.name = format!("{} {name}: {value}", self.name);
        self.headers.push((name.to_owned(), value));
        self
    }

    fn saying(self, message: &str) -> Self {
        let message = message.to_owned();
        Self {
            name: format!("{} {message:?}", self.name),
            message,
            ..self
        }
    }

    fn code(self, code: &'static str) -> Self {
        Self {
            name: format!("{} {code}", self.name),
            error_code: Some(code),
            ..self
        }
    }

    /// The client's own fault: sent once, relayed.
    fn once(self) -> Self {
        Self { sends: 1, ..self }
    }

    /// An account's fault: never relayed.
    fn own(self, told: u16) -> Self {
        Self { told, ..self }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// In an order and with spaces that no program would give it again.
    pub fn body(&self) -> String {
        let message = json!(self.message);
        let code = self
            .error_code
            .map(|code| format!(r#","details":{{"error_code":"{code}"}}"#))
            .unwrap_or_default();
        format!(
            "{{\"error\": {{\"message\":{message},\"type\":\"x\"{code}}},\"type\":\"error\",\"n\":1.0}}\r\n"
        )
    }

    pub fn scenario(&self) -> Scenario {
        Scenario {
            name: Some(self.name.clone()),
            headers: self.headers.clone(),
            body: Some(self.body()),
            ..Scenario::status(self.status)
        }
    }
}

pub fn now_s() -> i64 {
    Timestamp::now().as_second()
}

pub fn rows() -> Vec<Row> {
    let mut rows = requests();
    rows.extend(accounts());
    rows.extend(throttles());
    rows.extend(spend_limits());
    rows.extend(platforms());
    rows
}

/// What the client did wrong.
fn requests() -> Vec<Row> {
    let of = |status| Row::new(status, Then::Untouched).once();
    vec![
        of(400),
        of(400).saying("prompt is too long: 200001 tokens > 200000 maximum"),
        of(400).saying("tools.0.name: credit balance is too low"),
        of(400)
            .with("retry-after", 5)
            .with("x-should-retry", "true"),
        of(405),
        of(409),
        of(413),
        of(413).with("x-should-retry", "false"),
        of(422),
    ]
}

/// What the account cannot do.
fn accounts() -> Vec<Row> {
    let out = |status| Row::new(status, Then::Is("out_of_service")).own(503);
    let of_model = |status| Row::new(status, Then::Avoided { model: true });
    vec![
        out(400).saying("Your credit balance is too low to access the API."),
        out(400).saying("This organization has been disabled."),
        out(400).saying("This credential is only authorized for use with one client."),
        out(400).saying("You have reached your specified workspace API usage limits."),
        out(400).saying("Your organization spend limit was reached."),
        out(402),
        out(402)
            .with("retry-after", 5)
            .with("x-should-retry", "true"),
        Row::new(401, Then::Is("rejected")).own(503),
        Row::new(401, Then::Is("rejected"))
            .own(503)
            .with("retry-after", 5),
        of_model(403).own(503),
        of_model(403).own(503).with("retry-after", 1_555_200),
        of_model(404),
        of_model(404)
            .with("retry-after", 5)
            .with("x-should-retry", "true"),
    ]
}

fn throttles() -> Vec<Row> {
    let status = "anthropic-ratelimit-unified-status";
    let reset = "anthropic-ratelimit-unified-reset";
    let cools = |seconds| {
        Row::new(
            429,
            Then::Cools {
                model: false,
                seconds,
            },
        )
    };
    let of_model = |seconds| {
        Row::new(
            429,
            Then::Cools {
                model: true,
                seconds,
            },
        )
    };
    let in_an_hour = now_s() + 3_600;
    vec![
        cools(DEFAULT_S),
        cools(7).with("retry-after", 7),
        cools(900)
            .with("retry-after", 900)
            .with("x-should-retry", "false"),
        cools(90).with("retry-after", http_date(now_s() + 90)),
        Row::new(429, Then::Untouched).with("retry-after", http_date(now_s() - 90)),
        cools(DEFAULT_S).with("retry-after", "soon"),
        cools(DEFAULT_S).with("retry-after", "-5"),
        cools(DEFAULT_S).with("retry-after", "1.5"),
        cools(DEFAULT_S).with("retry-after", "2026-02-24T10:00:00Z"),
        // Eighteen days, and more than there are.
        cools(8 * DAY_S).with("retry-after", 18 * DAY_S),
        cools(8 * DAY_S).with("retry-after", "99999999999999999999999"),
        cools(3_600)
            .with("retry-after", 18 * DAY_S)
            .with(status, "rejected")
            .with(reset, in_an_hour),
        cools(3_600)
            .with(status, "rejected")
            .with(reset, in_an_hour),
        cools(7)
            .with("retry-after", 7)
            .with(status, "rejected")
            .with(reset, in_an_hour),
        cools(DEFAULT_S)
            .with(status, "rejected")
            .with(reset, now_s() - 3_600),
        cools(DEFAULT_S)
            .with(status, "rejected")
            .with(reset, "tomorrow"),
        cools(DEFAULT_S)
            .with(status, "rejected")
            .with(reset, now_s() * 1_000),
        cools(DEFAULT_S)
            .with(status, "allowed")
            .with(reset, in_an_hour),
        cools(3_600)
            .with("anthropic-ratelimit-unified-5h-status", "rejected")
            .with("anthropic-ratelimit-unified-5h-reset", in_an_hour),
        of_model(50)
            .with("retry-after", 50)
            .with("anthropic-ratelimit-unified-7d_opus-status", "rejected"),
        of_model(3_600)
            .with("anthropic-ratelimit-unified-7d_opus-status", "rejected")
            .with("anthropic-ratelimit-unified-7d_opus-reset", in_an_hour),
        // A window of the account's is full as well.
        cools(50)
            .with("retry-after", 50)
            .with("anthropic-ratelimit-unified-7d_opus-status", "rejected")
            .with("anthropic-ratelimit-unified-5h-status", "rejected"),
    ]
}

/// Out until the date in the message, and never told as a pause of days.
fn spend_limits() -> Vec<Row> {
    let code = "enforced_spend_limit_reached";
    let in_ten_days = date(now_s() + 10 * DAY_S);
    let until = unix_s(&format!("{in_ten_days}T00:00:00Z")) - now_s();
    let of = |then| Row::new(429, then).code(code);
    vec![
        of(Then::Cools {
            model: false,
            seconds: until,
        })
        .saying(&format!(
            "Your spend limit is reached. Access returns on {in_ten_days}."
        )),
        of(Then::Cools {
            model: false,
            seconds: 32 * DAY_S,
        })
        .saying("Your spend limit is reached. Access returns on 2099-01-01."),
        of(Then::Is("out_of_service")).saying("Your spend limit is reached."),
        of(Then::Cools {
            model: false,
            seconds: 20,
        })
        .with("retry-after", 20),
    ]
}

fn platforms() -> Vec<Row> {
    let of = |status| Row::new(status, Then::Avoided { model: false });
    let overloaded = |row: Row| Row {
        sends_alone: 3,
        ..row
    };
    vec![
        of(500),
        of(500)
            .with("retry-after", 18 * DAY_S)
            .with("x-should-retry", "true"),
        of(502),
        of(503).with("retry-after", 3),
        of(504),
        of(520),
        of(302)
            .own(502)
            .with("location", "http://127.0.0.1:9/elsewhere"),
        overloaded(of(529)),
        overloaded(of(529))
            .with("retry-after", 18 * DAY_S)
            .with("x-should-retry", "true"),
    ]
}

// === dates ===

fn instant(unix_s: i64) -> Timestamp {
    Timestamp::from_second(unix_s).expect("a date")
}

/// RFC 9110 §5.6.7.
fn http_date(unix_s: i64) -> String {
    let written = DateTimePrinter::new().timestamp_to_rfc9110_string(&instant(unix_s));
    written.expect("a date")
}

fn date(unix_s: i64) -> String {
    instant(unix_s).to_string()[..10].to_owned()
}

/// Seconds since the Unix epoch of an RFC 3339 time.
pub fn unix_s(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a date").as_second()
}
