//! A request that a limit keeps out, as its caller is told.
//!
//! ```text
//!  what is short             status  type                   retry-after            x-should-retry
//!  never fits                400     invalid_request_error  –                      false
//!  only reservations         429     rate_limit_error       1 s (slots), 1–5 s     –
//!  requests, tokens; some
//!  money is left             429     rate_limit_error       to the window's end    false above a minute
//!  money: all spent          429     billing_error          to the window's end    false
//! ```
//!
//! Invariant: `retry-after` is the same number in the header, in the body and in the text; it is never earlier than the
//! moment at which the request would fit. A spread wait stays at a minute when it was at most a minute, so that SDKs go on
//! waiting for it; the reset of money is told unspread, because people read it.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use troupe_core::RequestId;
use troupe_core::limit::{Dimension, LimitName, Scope, Shortage, Why};

use super::LONGEST_SLEEP_S;
use super::balance::Balances;
use super::spend;
use super::words::{amount, amount_per_window, day};

/// The longest wait for what others have reserved: nobody knows when they end.
const LONGEST_RESERVED_S: u64 = 5;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    short: Box<Shortage>,
    retry_after_s: Option<u64>,
    balances: Balances,
}

impl Refusal {
    /// `balances` are the caller's limits at `unix_ms`; `id` spreads the waits of many who are refused at once.
    #[must_use]
    pub fn new(short: Box<Shortage>, balances: Balances, unix_ms: u64, id: RequestId) -> Self {
        let until_s = || {
            let ms = short.span.end_ms.saturating_sub(unix_ms);
            ms.div_ceil(1_000).max(1)
        };
        let retry_after_s = match short.why {
            Why::Never => None,
            Why::Reserved if short.name == LimitName::Concurrent => Some(1),
            Why::Reserved => Some(1 + chance(id, LONGEST_RESERVED_S)),
            Why::Spent if short.name.is_spend() => Some(until_s()),
            Why::TooLittle | Why::Spent => Some(spread(until_s(), id)),
        };
        let mut refusal = Self {
            short,
            retry_after_s,
            balances,
        };
        refusal.balances.speak(&refusal.short);
        refusal
    }

    /// The limit that refuses.
    #[must_use]
    pub fn limit(&self) -> LimitName {
        self.short.name
    }

    /// What is short.
    #[must_use]
    pub fn shortage(&self) -> &Shortage {
        &self.short
    }

    #[must_use]
    pub fn balances(&self) -> &Balances {
        &self.balances
    }

    /// Whole seconds; `None` when waiting is of no use.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.short.why {
            Why::Never => StatusCode::BAD_REQUEST,
            _ => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.short.why {
            Why::Never => "invalid_request_error",
            Why::Spent if self.is_spent() => "billing_error",
            _ => "rate_limit_error",
        }
    }

    /// Is it worth no retry, or none that an SDK should sleep for?
    #[must_use]
    pub fn should_not_retry(&self) -> bool {
        self.is_spent() || self.retry_after_s.is_none_or(|s| s > LONGEST_SLEEP_S)
    }

    fn is_spent(&self) -> bool {
        self.short.name.is_spend() && self.short.why == Why::Spent
    }

    /// `spend_message` is what the operator has to say to those whose money is spent.
    #[must_use]
    pub fn message(&self, spend_message: Option<&str>) -> String {
        let Self { short, .. } = self;
        if self.is_spent() {
            let spent = self.spent();
            return match spend_message.filter(|text| !text.is_empty()) {
                Some(text) => format!("{spent} · {text}"),
                None => spent,
            };
        }
        let (limit, whose) = (self.limit_text(), self.whose());
        let needs = amount(short.name, short.need);
        let Some(seconds) = self.retry_after_s else {
            let way_out = way_out(short.name).map_or(String::new(), |way| format!("; {way}"));
            return format!(
                "this request can never fit: it may need up to {needs}, and the limit is {limit} for {whose}{way_out}"
            );
        };
        let exceeded = format!("Rate limit exceeded: {limit} for {whose}; retry in {seconds} s");
        let left = amount(short.name, short.capacity.saturating_sub(short.taken));
        match (short.why, way_out(short.name)) {
            (Why::Reserved, Some(_)) => {
                format!(
                    "{exceeded}, when requests that run now have given back what they do not use"
                )
            }
            (Why::TooLittle, Some(way)) => format!(
                "{exceeded}, or {way}: this request may need up to {needs}, {left} left until the limit resets {}",
                day(short.span.end_ms)
            ),
            _ => exceeded,
        }
    }

    /// For the row of the log: whose limit it is, where the client is not told.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        self.is_spent().then(|| {
            let used = amount(self.short.name, self.short.used);
            let (spent, limit, whose) = (self.spent(), self.limit_text(), self.whose());
            format!("{spent} ({limit} for {whose}, {used} used)")
        })
    }

    fn spent(&self) -> String {
        format!(
            "spend limit reached · resets {}",
            day(self.short.span.end_ms)
        )
    }

    fn limit_text(&self) -> String {
        amount_per_window(self.short.name, self.short.capacity)
    }

    /// Accounts are the operator's: callers do not hear which there are.
    fn whose(&self) -> String {
        let label = match self.short.scope {
            Scope::Account(_) => "the upstream account",
            _ => &self.short.label,
        };
        match &self.short.models {
            Some(models) => format!("models {} of {label}", models.as_str()),
            None => label.to_owned(),
        }
    }

    /// The headers of a spend cap that is reached; none for others.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let rejected = self.is_spent().then(|| spend::rejected(&self.short));
        rejected.into_iter().flatten()
    }
}

/// What helps but waiting.
fn way_out(name: LimitName) -> Option<&'static str> {
    match name.dimension()? {
        Dimension::Requests => None,
        Dimension::InputTokens => Some("shorten the input"),
        Dimension::OutputTokens => Some("lower max_tokens"),
        Dimension::Tokens | Dimension::Usd => Some("lower max_tokens or shorten the input"),
    }
}

/// Up to a tenth more, but never over a minute what was at most a minute.
fn spread(seconds: u64, id: RequestId) -> u64 {
    let later = seconds.saturating_add(chance(id, seconds / 10 + 1));
    if seconds <= LONGEST_SLEEP_S {
        later.min(LONGEST_SLEEP_S)
    } else {
        later
    }
}

/// A number below `bound` that the random part of the id decides.
fn chance(id: RequestId, bound: u64) -> u64 {
    let random = id.0.as_u128() & u128::from(u32::MAX);
    u64::try_from(random).unwrap_or_default() % bound.max(1)
}

#[cfg(test)]
mod tests;
