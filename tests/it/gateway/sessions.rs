//! Sessions of clients, as the upstream sees who serves them; and the gateway's metrics.

use std::time::Duration;

use super::client::{Client, request};
use super::declare::secret;
use super::pool::Pool;
use super::stage::message;
use crate::process::until;
use crate::serve::Ask;

const PATIENCE: Duration = Duration::from_secs(30);

/// What tests of sessions ask of a [`Pool`].
pub trait Sessions {
    /// The account that answered a request of this session, after others that failed.
    fn served_by(&self, key: &str, session: &str) -> impl Future<Output = String>;
    /// Sends a request of this session and waits until it has reached the upstream.
    fn hang(&self, key: &str, session: &str) -> impl Future<Output = Client>;
    fn metrics(&self) -> String;
    /// The value of a metric without labels.
    fn metric(&self, name: &str) -> Option<f64>;
    /// Waits until so many placements of sessions are in the store, and none is on its way.
    fn until_stored(&self, count: usize);
}

impl Sessions for Pool {
    async fn served_by(&self, key: &str, session: &str) -> String {
        let before = self.entries().len();
        let headers = [("x-claude-code-session-id", session)];
        let answer = self.ask_with(key, &headers, message()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let asked = self.asked().split_off(before);
        asked.last().cloned().expect("an account was asked")
    }

    async fn hang(&self, key: &str, session: &str) -> Client {
        let before = self.entries().len();
        let secret = secret(key);
        let headers = [
            ("x-api-key", &*secret),
            ("content-type", "application/json"),
            ("x-claude-code-session-id", session),
        ];
        let mut client = Client::connect(self.address).await;
        client
            .send(&request(
                "POST",
                "/v1/messages",
                &headers,
                message().as_bytes(),
            ))
            .await;
        let asked = self.mock.journal();
        asked
            .wait_for(|entries| entries.len() > before)
            .await
            .expect("the request reaches the upstream");
        client
    }

    fn metrics(&self) -> String {
        Ask::get("/metrics").send(self.address).body()
    }

    fn metric(&self, name: &str) -> Option<f64> {
        let text = self.metrics();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok())
    }

    fn until_stored(&self, count: usize) {
        let stored = || {
            let unsaved = self.metric("troupe_session_rows_unsaved");
            let saved = self.metric("troupe_session_rows_saved_total");
            unsaved == Some(0.0) && saved.is_some_and(|saved| saved >= count as f64)
        };
        assert!(until(PATIENCE, stored), "{}", self.metrics());
    }
}
