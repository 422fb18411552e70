//! Reads a request's body whole, within the limit and the memory set aside for bodies.
//!
//! Invariant: a body that came in one piece is not copied; a body over the limit is answered only after a bounded part
//! of the rest was thrown away, so that a client that writes first and reads later sees the 413; memory is counted for
//! what has arrived, so that a length that is only declared takes nobody else's.

use std::time::{Duration, Instant};

use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};

use crate::error::Problem;
use crate::gateway::Gateway;
use crate::load::BodyPermit;

/// Longest silence while a body is awaited.
const SILENCE: Duration = Duration::from_secs(60);
/// A body slower than this on the whole, once the silence is used up, is given up.
const SLOWEST_BYTES_PER_S: u64 = 4 * 1024;
/// How much beyond the limit is read and thrown away, in multiples of the limit, and for how long.
const DISCARD: u64 = 3;
const DISCARD_FOR: Duration = Duration::from_secs(30);
/// A client that sends nothing for so long is waiting for the answer.
const DISCARD_SILENCE: Duration = Duration::from_millis(500);
/// First allocation for a body of unknown length.
const FIRST_BYTES: u64 = 64 * 1024;

/// The length that a request declares.
#[must_use]
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body and the permit for its memory.
///
/// # Errors
/// 413, 400 (cut or silent), 503 when bodies fill their share of the memory.
pub async fn read(
    gateway: &Gateway,
    headers: &HeaderMap,
    mut payload: Payload,
    limit: u64,
) -> Result<(Bytes, BodyPermit), Problem> {
    let declared = declared_length(headers);
    if declared.is_some_and(|length| length > limit) {
        discard(&mut payload, limit).await;
        return Err(Problem::BodyTooLarge { limit_bytes: limit });
    }
    let full = || Problem::Overloaded("memory for request bodies");
    let first_bytes = declared.unwrap_or(FIRST_BYTES).min(FIRST_BYTES);
    let Some(mut permit) = gateway.load.hold_body(first_bytes) else {
        discard(&mut payload, limit).await;
        return Err(full());
    };
    let began = Instant::now();
    let Some(first) = next(&mut payload, SILENCE).await? else {
        return Ok((Bytes::new(), permit));
    };
    if !permit.grow_to(first.len() as u64) {
        drop(first);
        discard(&mut payload, limit).await;
        return Err(full());
    }
    if declared == Some(first.len() as u64) {
        return Ok((first, permit));
    }
    let mut whole = BytesMut::with_capacity(
        usize::try_from(declared.unwrap_or(FIRST_BYTES).min(4 << 20)).unwrap_or_default(),
    );
    whole.extend_from_slice(&first);
    while let Some(chunk) = next(&mut payload, patience(began, whole.len())).await? {
        let length = (whole.len() + chunk.len()) as u64;
        if length > limit {
            discard(&mut payload, limit).await;
            return Err(Problem::BodyTooLarge { limit_bytes: limit });
        }
        if !permit.grow_to(length) {
            discard(&mut payload, limit).await;
            return Err(full());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok((whole.freeze(), permit))
}

/// How long the next chunk may take: a trickle that never pauses is as bad as a silence.
fn patience(began: Instant, length: usize) -> Duration {
    let earned = Duration::from_secs(length as u64 / SLOWEST_BYTES_PER_S);
    SILENCE.min((SILENCE + earned).saturating_sub(began.elapsed()))
}

async fn next(payload: &mut Payload, within: Duration) -> Result<Option<Bytes>, Problem> {
    // No timer for what is already there.
    let chunk = match payload.next().now_or_never() {
        Some(chunk) => chunk,
        None => tokio::time::timeout(within, payload.next())
            .await
            .map_err(|_| Problem::Invalid("the request body did not arrive in time".into()))?,
    };
    chunk.transpose().map_err(|error| match error {
        PayloadError::Overflow => Problem::Invalid("the request body is too large".into()),
        _ => Problem::Invalid("the request body ended early".into()),
    })
}

async fn discard(payload: &mut Payload, limit: u64) {
    let thrown_away = async {
        let mut seen = 0;
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(DISCARD_SILENCE, payload.next()).await
        {
            seen += chunk.len() as u64;
            if seen > limit.saturating_mul(DISCARD) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_FOR, thrown_away).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_earned_by_bytes() {
        let now = Instant::now();
        let ago = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        assert!(patience(now, 0) > Duration::from_secs(59));
        assert!(patience(ago(30), 30) <= Duration::from_secs(30));
        assert_eq!(patience(ago(61), 61), Duration::ZERO);
        assert!(patience(ago(600), 32 << 20) > Duration::from_secs(59));
    }
}
