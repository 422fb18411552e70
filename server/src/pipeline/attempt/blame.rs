//! An account's fault is known before the client is: its next request must not meet it again.

use std::time::Duration;

use troupe_core::account::Verdict;
use troupe_core::record::FailedAttempt;

use super::super::exchange::Exchange;

/// How long an answer waits for an account's actor that is busy.
const KNOWN_WITHIN: Duration = Duration::from_millis(100);

/// Ends a failed attempt; `followed` when another may come after it.
pub(super) async fn blame(exchange: &mut Exchange, verdict: Verdict, followed: bool) {
    if followed {
        remember(exchange);
    }
    let is_fault = !matches!(verdict, Verdict::RequestFault | Verdict::Unknown);
    if !is_fault {
        return exchange.release(verdict);
    }
    if let Some((account, report)) = exchange.end_attempt(verdict) {
        let _ = tokio::time::timeout(KNOWN_WITHIN, account.note(report)).await;
    }
}

/// For the row: who was tried before, and how it went.
fn remember(exchange: &mut Exchange) {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let timeline = exchange.timeline;
    let began_us = us(timeline.attempt.duration_since(timeline.started));
    let record = &mut exchange.record;
    if let (Some(account), Some(auth)) = (&record.account_name, record.auth) {
        record.failed.push(FailedAttempt {
            account: account.clone(),
            auth,
            status: record.upstream_status,
            error: record.error.clone().unwrap_or_default(),
            began_us,
            took_us: us(timeline.attempt.elapsed()),
        });
    }
}
