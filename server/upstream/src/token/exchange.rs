//! One POST to a token endpoint.
//!
//! Invariant: the body can be taken once, so that no layer below can send it again; before it was taken nothing was
//! sent, and from then on everything but a readable answer is unknown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::stream;
use reqwest::{
    Body,
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT,
    },
};

use super::{
    Grant, TokenEndpoint, TokenFault, Tokens,
    answer::{self, ANSWER_MAX_BYTES, Answer},
    grant::{self, Encoded},
};
use crate::{classify::reason, facts::retry_after_ms, network::describe};

/// From the call to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Presents the grant once. `http` follows no redirects; its connect timeout is shorter than 10 s, the limit of the whole.
/// A single-use grant must not be presented again after [`TokenFault::Unknown`] unless its loss is accepted; a dropped
/// future is such an outcome too.
pub async fn exchange(
    http: &reqwest::Client,
    endpoint: &TokenEndpoint,
    grant: Grant,
) -> Result<Tokens, TokenFault> {
    exchange_within(http, endpoint, grant, TIMEOUT).await
}

pub(super) async fn exchange_within(
    http: &reqwest::Client,
    endpoint: &TokenEndpoint,
    grant: Grant,
    timeout: Duration,
) -> Result<Tokens, TokenFault> {
    let encoded = grant::encode(endpoint, &grant)?;
    let secrets = grant::secrets(endpoint, &grant, encoded.basic.as_deref());
    let taken = Arc::new(AtomicBool::new(false));
    let request = request(http, endpoint, encoded, &taken)?.timeout(timeout);
    let answer = match receive(request).await {
        Ok(answer) => answer,
        Err(err) => {
            let said = reason(&secrets.hide(&describe(&err)), "no answer");
            return Err(if err.is_connect() || !taken.load(Ordering::Acquire) {
                TokenFault::NotSent(said)
            } else {
                TokenFault::Unknown(said)
            });
        }
    };
    answer::read(&answer, &secrets)
}

fn request(
    http: &reqwest::Client,
    endpoint: &TokenEndpoint,
    encoded: Encoded,
    taken: &Arc<AtomicBool>,
) -> Result<reqwest::RequestBuilder, TokenFault> {
    let Encoded {
        body,
        content_type,
        basic,
    } = encoded;
    let length = body.len();
    let (body, taken) = (Bytes::from(body), taken.clone());
    let once = stream::once(async move {
        taken.store(true, Ordering::Release);
        Ok::<_, std::convert::Infallible>(body)
    });
    let mut request = http
        .post(endpoint.url.url().clone())
        .header(USER_AGENT, crate::USER_AGENT)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, content_type)
        // A stream's length is not known to the client, and many endpoints take no chunks.
        .header(CONTENT_LENGTH, length)
        .body(Body::wrap_stream(once));
    if let Some(basic) = basic {
        let mut value = HeaderValue::try_from(basic)
            .map_err(|_| TokenFault::Misconfigured("client_secret cannot be sent".to_owned()))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    Ok(request)
}

async fn receive(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let mut received = request.send().await?;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let pause = received
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let mut answer = Answer {
        status: received.status().as_u16(),
        retry_after_ms: pause.and_then(|value| retry_after_ms(value, now_ms)),
        body: Vec::new(),
        cut: false,
    };
    loop {
        match received.chunk().await {
            Ok(Some(chunk)) if answer.body.len() + chunk.len() > ANSWER_MAX_BYTES => {
                answer.cut = true;
                return Ok(answer);
            }
            Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
            Ok(None) => return Ok(answer),
            Err(_) => {
                answer.cut = true;
                return Ok(answer);
            }
        }
    }
}
