//! The smallest real request: one short message, one token, to the cheapest model.
//!
//! Invariant: the model is one that the upstream lists or the account's settings name, never one that is only assumed.

use serde::Deserialize;
use troupe_core::{account::Probe, price::cost_micro_usd, record::TokenUsage};

use super::{ProbeRequest, exchange, request_headers};
use crate::classify::reason;

/// A thousand models come in a fifth of it.
const LIST_MAX_BYTES: usize = 1024 * 1024;
const ANSWER_MAX_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Listed {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

#[derive(Deserialize)]
struct Answer {
    model: Option<String>,
    #[serde(default)]
    content: Vec<Block>,
}

#[derive(Deserialize)]
struct Block {
    text: Option<String>,
}

impl ProbeRequest<'_> {
    pub(super) async fn message(&self) -> Result<Probe, String> {
        let listed = exchange(self.get("/v1/models?limit=1000")?, LIST_MAX_BYTES).await?;
        let mut names: Vec<String> = self.models.values().cloned().collect();
        match listed.status {
            200..=299 => {
                let listed =
                    serde_json::from_slice(&listed.body).unwrap_or(Listed { data: vec![] });
                names.extend(listed.data.into_iter().map(|model| model.id));
            }
            // Not every upstream of the Messages API has a list.
            404 | 405 if !names.is_empty() => {}
            _ => return self.refused(&listed),
        }
        // What is not known counts as dear.
        let model = names
            .into_iter()
            .min_by_key(|name| cost_micro_usd(name, &million()).micro_usd)
            .ok_or("the upstream lists no model; name one in the account's `models`")?;
        self.ask(&model).await
    }

    async fn ask(&self, model: &str) -> Result<Probe, String> {
        let body = serde_json::json!({
            "model": model,
            "max_tokens": 1,
            "messages": [{"role": "user", "content": "Hello"}],
        });
        let url = format!("{}/v1/messages", self.base.as_str());
        let headers = request_headers(self.credential, self.headers)?;
        let request = self.client()?.post(url).headers(headers).json(&body);
        let came = exchange(request, ANSWER_MAX_BYTES).await?;
        if !came.is_success() {
            return self.refused(&came);
        }
        let Ok(answer) = serde_json::from_slice::<Answer>(&came.body) else {
            return Err(format!(
                "{model} answered {}, but not with a message",
                came.status
            ));
        };
        let text = answer.content.into_iter().find_map(|block| block.text);
        let said = format!(
            "{}: {}",
            answer.model.as_deref().unwrap_or(model),
            text.as_deref().unwrap_or("no text")
        );
        Ok(Probe::Ok {
            latency_ms: came.latency_ms,
            said: reason(&said, model),
        })
    }
}

fn million() -> TokenUsage {
    TokenUsage {
        input: 1_000_000,
        ..TokenUsage::default()
    }
}
