//! Calls of the web surface: each bounded in time and in bytes, read by the same signals.
//!
//! Invariant: the cookie goes to the account's base URL only, is marked as sensitive, and is cut out of every text that an
//! upstream may have repeated it in. The headers are our own: no origin, referer or client hint.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{
    Method, RequestBuilder, Response,
    header::{ACCEPT, COOKIE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use troupe_core::account::Verdict;

use super::{
    WebAccount,
    fault::WebFault,
    signal::{Call, Head, fault},
};

/// A JSON answer longer than this is not one.
const JSON_MAX_BYTES: usize = 1024 * 1024;

/// So much of a refusal is read.
const ERROR_MAX_BYTES: usize = 64 * 1024;

/// Parts of a cookie that are shorter are not looked for in texts: they would be found in plain words.
const SECRET_MIN_CHARS: usize = 8;

/// An account's web surface.
pub(super) struct Surface {
    http: reqwest::Client,
    base: String,
    headers: HeaderMap,
    cookie: SecretString,
    /// A challenge or a dead session was met: nothing more is asked.
    closed: AtomicBool,
}

// === impl Surface ===

impl Surface {
    pub(super) fn new(http: &reqwest::Client, account: &WebAccount) -> Result<Self, WebFault> {
        let unusable = |what: String| {
            WebFault::new(
                Verdict::OutOfService {
                    reason: what.clone(),
                },
                what,
            )
        };
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(crate::USER_AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in &account.headers {
            let parsed = HeaderName::from_bytes(name.as_bytes());
            let (Ok(parsed), Ok(mut value)) = (parsed, HeaderValue::from_str(value)) else {
                return Err(unusable(format!(
                    "header {name:?} of the account cannot be sent"
                )));
            };
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        let given = account.cookie.expose_secret().trim();
        let value = if given.contains('=') {
            HeaderValue::from_str(given)
        } else {
            HeaderValue::from_str(&format!("sessionKey={given}"))
        };
        let mut value = value.map_err(|_| {
            unusable("the cookie of the account has characters that no header can carry".to_owned())
        })?;
        value.set_sensitive(true);
        headers.insert(COOKIE, value);
        Ok(Self {
            http: http.clone(),
            base: account.base.as_str().to_owned(),
            headers,
            cookie: account.cookie.clone(),
            closed: AtomicBool::new(false),
        })
    }

    /// A request for a path below the base URL.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.http.request(method, url).headers(self.headers.clone())
    }

    /// Sends the request and reads its JSON answer, all within `wait`.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        call: Call,
        request: RequestBuilder,
        wait: Duration,
    ) -> Result<T, WebFault> {
        let deadline = Instant::now() + wait;
        let mut answer = self.send(call, request, deadline).await?;
        let body = read(call, &mut answer, JSON_MAX_BYTES, deadline).await;
        let body = body.map_err(|fault| self.hidden(fault))?;
        serde_json::from_slice(&body).map_err(|_| {
            WebFault::platform("the web surface sent an answer that is not the JSON expected")
        })
    }

    /// Sends the request and leaves what a success says unread.
    pub(super) async fn tell(
        &self,
        call: Call,
        request: RequestBuilder,
        wait: Duration,
    ) -> Result<(), WebFault> {
        self.send(call, request, Instant::now() + wait)
            .await
            .map(drop)
    }

    /// The answer's head, if it is a success; its body is still to be read.
    pub(super) async fn send(
        &self,
        call: Call,
        request: RequestBuilder,
        deadline: Instant,
    ) -> Result<Response, WebFault> {
        let sent = timeout_at(deadline, request.send()).await;
        let answer = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(err)) => return Err(self.hidden(broken(call, &err))),
            Err(_) => return Err(in_no_time(call)),
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(self.refusal(call, answer, deadline).await)
    }

    async fn refusal(&self, call: Call, mut answer: Response, deadline: Instant) -> WebFault {
        let headers = answer.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let head = Head {
            status: answer.status().as_u16(),
            is_challenge: text("cf-mitigated") == Some("challenge"),
            retry_after_s: text(RETRY_AFTER.as_str()).and_then(|value| value.trim().parse().ok()),
        };
        // A status says enough where its body does not come.
        let body = read(call, &mut answer, ERROR_MAX_BYTES, deadline).await;
        let fault = fault(call, head, &body.unwrap_or_default(), now_ms());
        if matches!(fault.verdict, Verdict::Challenged | Verdict::Unauthorized) {
            // Only says that it is closed; no other memory depends on it.
            self.closed.store(true, Ordering::Relaxed);
        }
        self.hidden(fault)
    }

    /// Is it of no use, or not right, to ask anything more?
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The same fault without the cookie, whole or in part.
    pub(super) fn hidden(&self, mut fault: WebFault) -> WebFault {
        fault.message = hide(&fault.message, self.cookie.expose_secret());
        if let Verdict::OutOfService { reason } = &mut fault.verdict {
            *reason = hide(reason, self.cookie.expose_secret());
        }
        fault
    }
}

impl fmt::Debug for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surface")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Before the completion nothing was asked of a model, so that another account may be; from then on nothing is known.
pub(super) fn in_no_time(call: Call) -> WebFault {
    let verdict = match call {
        Call::Completion | Call::ToolResult => Verdict::Unknown,
        _ => Verdict::Platform,
    };
    WebFault {
        status: 504,
        kind: "timeout_error",
        ..WebFault::new(verdict, "the web surface did not answer in time")
    }
}

/// A connection that failed; without the URL, whose path names the organisation.
pub(super) fn broken(call: Call, err: &reqwest::Error) -> WebFault {
    if err.is_timeout() {
        return in_no_time(call);
    }
    if err.is_connect() {
        return WebFault::platform("the web surface cannot be reached");
    }
    let fault = WebFault::platform("the connection to the web surface broke");
    match call {
        Call::Completion => fault.of_answer(),
        _ => fault,
    }
}

async fn read(
    call: Call,
    answer: &mut Response,
    max_bytes: usize,
    deadline: Instant,
) -> Result<Vec<u8>, WebFault> {
    let mut body = Vec::new();
    loop {
        match timeout_at(deadline, answer.chunk()).await {
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() <= max_bytes => {
                body.extend_from_slice(&chunk)
            }
            Ok(Ok(Some(_))) => {
                return Err(WebFault::platform(
                    "the web surface sent too long an answer",
                ));
            }
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(err)) => return Err(broken(call, &err)),
            Err(_) => return Err(in_no_time(call)),
        }
    }
}

fn hide(text: &str, cookie: &str) -> String {
    let parts = cookie
        .split([';', ' '])
        .filter_map(|pair| pair.split_once('='));
    let parts = parts.map(|(_, value)| value);
    let mut text = text.to_owned();
    for secret in [cookie.trim()].into_iter().chain(parts) {
        if secret.len() >= SECRET_MIN_CHARS {
            text = text.replace(secret, "…");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_the_cookie_is_left() {
        for (cookie, text, left) in [
            ("sk-ant-sid01-abc", "bad sk-ant-sid01-abc!", "bad …!"),
            (
                "a=1; sessionKey=sk-ant-sid01; x=12345678",
                "sk-ant-sid01 12345678 1",
                "… … 1",
            ),
            ("", "text", "text"),
            ("short", "short", "short"),
        ] {
            assert_eq!(hide(text, cookie), left);
        }
    }
}
