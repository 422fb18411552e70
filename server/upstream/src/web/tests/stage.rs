//! A mock surface, an account of it, and clients.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use troupe_mock::{Entry, Mock, MockConfig, MockServer};

use crate::{
    base_url::BaseUrl,
    web::{
        Deletions, PauseSink, Paused, WebAccount, WebAnswer, WebBody, WebFault, WebLimits,
        WebRequest, open, resume,
    },
};

pub(super) struct Stage {
    pub mock: MockServer,
    pub account: WebAccount,
    pub http: reqwest::Client,
    pub pauses: Arc<Kept>,
    pub limits: WebLimits,
    pub preserve_chats: bool,
}

/// Keeps what is paused, the newest last.
#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<Paused>>);

impl PauseSink for Kept {
    fn pause(&self, paused: Paused) {
        self.0.lock().unwrap().push(paused);
    }
}

impl Kept {
    pub fn take(&self) -> Option<Paused> {
        self.0.lock().unwrap().pop()
    }
}

/// A client as the adapter asks for it.
pub(super) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_backend_preconfigured(
            rustls::ClientConfig::builder_with_provider(Arc::new(
                rustls::crypto::ring::default_provider(),
            ))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
        )
        .build()
        .unwrap()
}

impl Stage {
    /// The words of the session key script the mock.
    pub async fn with(key: &str) -> Self {
        let mock = Mock::start(MockConfig::default()).await.unwrap();
        let account = WebAccount {
            base: BaseUrl::parse(&mock.url()).unwrap(),
            cookie: SecretString::from(key.to_owned()),
            organization: None,
            wanted: None,
            headers: BTreeMap::new(),
        };
        Self {
            mock,
            account,
            http: http(),
            pauses: Arc::default(),
            limits: WebLimits::default(),
            preserve_chats: false,
        }
    }

    pub fn request(&self, body: &Value) -> WebRequest {
        WebRequest {
            body: Bytes::from(body.to_string()),
            model: body["model"].as_str().unwrap_or("claude-x").to_owned(),
            stream: body["stream"] == true,
            preserve_chats: self.preserve_chats,
            limits: self.limits.clone(),
            deletions: Deletions::default(),
        }
    }

    pub async fn open(&self, body: &Value) -> Result<WebAnswer, WebFault> {
        let request = self.request(body);
        open(&self.http, &self.account, request, self.pauses.clone()).await
    }

    pub async fn resume(&self, paused: Paused, body: &Value) -> Result<WebAnswer, WebFault> {
        let request = self.request(body);
        resume(
            &self.http,
            &self.account,
            request,
            paused,
            self.pauses.clone(),
        )
        .await
    }

    /// Opens and reads to the end.
    pub async fn ask(&self, body: &Value) -> Message {
        Message::read(self.open(body).await.unwrap()).await
    }

    /// Waits until every conversation is deleted and every stream over.
    pub async fn all_is_clean(&self) {
        let web = self.mock.web();
        let clean = web.wait_for(|state| state.alive == 0 && state.running == 0);
        clean.await.unwrap();
    }

    /// Requests so far, as method and last segment of the path.
    pub fn calls(&self) -> Vec<String> {
        let of = |entry: &Entry| {
            let segments: Vec<_> = entry.path().split('/').collect();
            let last = segments.last().copied().unwrap_or_default();
            let is_id = last.len() == 36;
            format!(
                "{} {}",
                entry.method,
                if is_id { "conversation" } else { last }
            )
        };
        self.mock.journal().entries().iter().map(of).collect()
    }

    /// The body of the newest completion.
    pub fn completion(&self) -> Value {
        let entries = self.mock.journal().entries();
        let found = entries
            .iter()
            .rev()
            .find(|entry| entry.path().ends_with("/completion"));
        found.unwrap().json()
    }
}

/// A whole answer, collected by the tests' own means.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub names: Vec<String>,
    pub id: String,
    pub start: Value,
    pub content: Vec<Value>,
    pub delta: Value,
    pub usage: Value,
}

impl Message {
    pub async fn read(answer: WebAnswer) -> Self {
        match answer.body {
            WebBody::Json(body) => Self::of_json(serde_json::from_slice(&body).unwrap()),
            WebBody::Stream(stream) => {
                let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
                for piece in &pieces {
                    assert!(
                        piece.ends_with(b"\n\n") && !piece.contains(&b'\r'),
                        "{piece:?}"
                    );
                }
                Self::of_events(&pieces.concat())
            }
        }
    }

    fn of_json(body: Value) -> Self {
        Self {
            id: body["id"].as_str().unwrap().to_owned(),
            content: body["content"].as_array().unwrap().clone(),
            delta: json!({"stop_reason": body["stop_reason"], "stop_sequence": body["stop_sequence"]}),
            usage: body["usage"].clone(),
            start: body,
            names: Vec::new(),
        }
    }

    pub fn of_events(bytes: &[u8]) -> Self {
        let mut message = Self::default();
        let text = std::str::from_utf8(bytes).unwrap();
        for event in text.split_terminator("\n\n") {
            let (name, data) = event.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            // A lone surrogate, as in some unknown events, has no place in a tree.
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap())
                .unwrap_or_else(|_| json!({"type": name}));
            assert_eq!(data["type"], name);
            message.take(&data);
        }
        message
    }

    fn take(&mut self, data: &Value) {
        let name = data["type"].as_str().unwrap().to_owned();
        let index = data["index"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok());
        match name.as_str() {
            "message_start" => {
                self.start = data["message"].clone();
                self.id = self.start["id"].as_str().unwrap().to_owned();
            }
            "content_block_start" => {
                assert_eq!(index, Some(self.content.len()));
                self.content.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                let Some(block) = index.and_then(|index| self.content.get_mut(index)) else {
                    return;
                };
                for member in ["text", "thinking", "signature", "partial_json"] {
                    if let Some(more) = data["delta"][member].as_str() {
                        let so_far = block[member].as_str().unwrap_or_default();
                        block[member] = json!(format!("{so_far}{more}"));
                    }
                }
            }
            "content_block_stop" => {
                let block = &mut self.content[index.unwrap()];
                let whole = block["partial_json"]
                    .as_str()
                    .map(|json| serde_json::from_str(json).unwrap());
                if let Some(input) = whole {
                    block["input"] = input;
                    block.as_object_mut().unwrap().remove("partial_json");
                }
            }
            "message_delta" => {
                self.delta = data["delta"].clone();
                self.usage = data["usage"].clone();
            }
            _ => {}
        }
        self.names.push(name);
    }

    pub fn text(&self) -> String {
        self.content
            .iter()
            .filter_map(|block| block["text"].as_str())
            .collect()
    }

    pub fn types(&self) -> Vec<&str> {
        self.content
            .iter()
            .filter_map(|block| block["type"].as_str())
            .collect()
    }

    pub fn tool_ids(&self) -> Vec<&str> {
        let calls = self
            .content
            .iter()
            .filter(|block| block["type"] == "tool_use");
        calls.filter_map(|block| block["id"].as_str()).collect()
    }

    pub fn stop_reason(&self) -> &str {
        self.delta["stop_reason"].as_str().unwrap_or_default()
    }
}

/// A request whose answer the mock scripts.
pub(super) fn body(scenario: &str, stream: bool) -> Value {
    json!({"model": "claude-x", "max_tokens": 64, "stream": stream,
        "messages": [{"role": "user", "content": format!("hello [[mock:{scenario}]]")}]})
}
