//! Accounts with a web session, requests that script the web surface, and answers as a client puts them together.

use serde_json::{Value, json};
use troupe_mock::{WebScenario, WebSnapshot};

use super::client::{Answer, Client, request};
use super::declare::secret;
use super::pool::Pool;

/// Both keys without which there are no web sessions.
pub const WEB: &str = "web_session: { enabled: true, acknowledge_terms: true }\n";

/// A declared account with a session; `words` of its key script the surface. `more` are further members of the account,
/// each with a comma before it.
pub fn web(name: &str, words: &str, more: &str) -> String {
    format!(
        "  - {{ name: {name}, kind: web_session, web: {{ base_url: \"MOCK\", cookie: {} }}{more} }}\n",
        session(name, words)
    )
}

pub fn session(name: &str, words: &str) -> String {
    format!("sk-{words}-of-{name}-0123456789")
}

/// A request whose completion is `scenario`.
pub fn ask(scenario: &str, stream: bool) -> Value {
    json!({"model": "claude-sonnet-5", "max_tokens": 64, "stream": stream,
        "messages": [{"role": "user", "content": format!("hello [[mock:{scenario}]]")}]})
}

/// The same with a tool.
pub fn ask_tools(scenario: &str, stream: bool) -> Value {
    let mut asked = ask(scenario, stream);
    asked["tools"] = json!([{"name": "get_weather", "input_schema": {"type": "object",
        "properties": {"location": {"type": "string"}}}}]);
    asked
}

/// A message as a client has it in the end, from events or from JSON.
#[derive(Debug, Default, Clone)]
pub struct Said {
    pub events: Vec<String>,
    /// As in `message_start`, or the whole of it.
    pub start: Value,
    pub content: Vec<Value>,
    pub stop_reason: String,
    pub stop_sequence: Value,
    pub usage: Value,
}

impl Said {
    /// Of an answer that must be whole.
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.whole, "cut: {}", answer.text());
        let kind = answer.header("content-type").unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            return Self::of_json(answer.json());
        }
        let mut said = Self::default();
        for event in answer.text().split_terminator("\n\n") {
            said.take(event);
        }
        assert_eq!(
            said.events.last().map(String::as_str),
            Some("message_stop"),
            "{}",
            answer.text()
        );
        said
    }

    fn of_json(body: Value) -> Self {
        Self {
            events: Vec::new(),
            content: body["content"].as_array().expect("content").clone(),
            stop_reason: body["stop_reason"].as_str().unwrap_or_default().to_owned(),
            stop_sequence: body["stop_sequence"].clone(),
            usage: body["usage"].clone(),
            start: body,
        }
    }

    fn take(&mut self, event: &str) {
        let (name, data) = event.split_once('\n').expect("a name and data");
        let name = name.strip_prefix("event: ").expect("a name");
        let data = data.strip_prefix("data: ").expect("data");
        let data: Value = serde_json::from_str(data).unwrap_or_else(|_| json!({"type": name}));
        assert_eq!(data["type"], name);
        self.events.push(name.to_owned());
        let index = data["index"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok());
        match name {
            "message_start" => {
                self.start = data["message"].clone();
                self.usage = self.start["usage"].clone();
            }
            "content_block_start" => {
                assert_eq!(index, Some(self.content.len()), "{event}");
                self.content.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                let Some(block) = index.and_then(|index| self.content.get_mut(index)) else {
                    return;
                };
                for member in ["text", "thinking", "signature", "partial_json"] {
                    if let Some(more) = data["delta"][member].as_str() {
                        let before = block[member].as_str().unwrap_or_default();
                        block[member] = json!(format!("{before}{more}"));
                    }
                }
            }
            "content_block_stop" => {
                let block = &mut self.content[index.expect("an index")];
                let block = block.as_object_mut().expect("a block");
                if let Some(input) = block.remove("partial_json") {
                    let input = serde_json::from_str(input.as_str().expect("text"));
                    block.insert("input".to_owned(), input.expect("JSON"));
                }
            }
            "message_delta" => {
                self.stop_reason = data["delta"]["stop_reason"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                self.stop_sequence = data["delta"]["stop_sequence"].clone();
                self.usage = data["usage"].clone();
            }
            _ => {}
        }
    }

    pub fn text(&self) -> String {
        let texts = self
            .content
            .iter()
            .filter_map(|block| block["text"].as_str());
        texts.collect()
    }

    pub fn types(&self) -> Vec<&str> {
        let types = self
            .content
            .iter()
            .filter_map(|block| block["type"].as_str());
        types.collect()
    }

    pub fn tool_ids(&self) -> Vec<&str> {
        let calls = self
            .content
            .iter()
            .filter(|block| block["type"] == "tool_use");
        calls.filter_map(|block| block["id"].as_str()).collect()
    }

    /// The request that follows `asked`, with this text as the result of each call.
    pub fn answered(&self, asked: &Value, results: &[&str]) -> Value {
        let calls = self.tool_ids();
        assert_eq!(calls.len(), results.len(), "{self:?}");
        let result = |(id, text): (&&str, &&str)| json!({"type": "tool_result", "tool_use_id": id, "content": text});
        let blocks: Vec<_> = calls.iter().zip(results).map(result).collect();
        let mut next = asked.clone();
        let messages = next["messages"].as_array_mut().expect("messages");
        messages.push(json!({"role": "assistant", "content": self.content}));
        messages.push(json!({"role": "user", "content": blocks}));
        next
    }
}

impl Pool {
    /// A whole message, by any account.
    pub async fn said(&self, key: &str, body: &Value) -> Said {
        Said::of(&self.ask(key, body.to_string()).await)
    }

    /// These at once, and their answers in the same order.
    pub async fn each(&self, key: &str, bodies: impl IntoIterator<Item = Value>) -> Vec<Answer> {
        let secret = secret(key);
        let headers = [
            ("x-api-key", &*secret),
            ("content-type", "application/json"),
        ];
        let running: Vec<_> = bodies
            .into_iter()
            .map(|body| {
                let body = body.to_string();
                let bytes = request("POST", "/v1/messages", &headers, body.as_bytes());
                let address = self.address;
                tokio::spawn(async move {
                    let mut client = Client::connect(address).await;
                    client.send(&bytes).await;
                    client.answer().await
                })
            })
            .collect();
        let mut answers = Vec::new();
        for one in running {
            answers.push(one.await.expect("an answer"));
        }
        answers
    }

    /// Waits until the web surface is as wanted.
    pub async fn until_web(
        &self,
        what: &str,
        wanted: impl Fn(&WebSnapshot) -> bool,
    ) -> WebSnapshot {
        let web = self.mock.web();
        let found = web.wait_for(wanted).await;
        found.unwrap_or_else(|_| panic!("never {what}: {:#?}", web.snapshot()))
    }

    /// Waits until every conversation is deleted and every stream over.
    pub async fn until_clean(&self) -> WebSnapshot {
        let clean = |state: &WebSnapshot| state.alive == 0 && state.running == 0;
        self.until_web("clean", clean).await
    }

    /// Requests to the web surface so far, as method and last segment of the path.
    pub fn web_calls(&self) -> Vec<String> {
        let mut calls = Vec::new();
        self.mock.journal().each(|entry| {
            let last = entry.path().rsplit('/').next().unwrap_or_default();
            if entry.header("cookie").is_some() {
                let last = if last.len() == 36 {
                    "conversation"
                } else {
                    last
                };
                calls.push(format!("{} {last}", entry.method));
            }
        });
        calls
    }

    /// The bodies of completions so far.
    pub fn completions(&self) -> Vec<Value> {
        let mut found = Vec::new();
        self.mock.journal().each(|entry| {
            if entry.path().ends_with("/completion") {
                found.push(entry.json());
            }
        });
        found
    }

    /// The sessions that asked for completions so far, by the names of their accounts.
    pub fn completed_by(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.mock.journal().each(|entry| {
            if entry.path().ends_with("/completion") {
                let cookie = entry.header("cookie").unwrap_or_default();
                let name = cookie
                    .split("-of-")
                    .nth(1)
                    .and_then(|rest| rest.split('-').next());
                found.push(name.unwrap_or(cookie).to_owned());
            }
        });
        found
    }
}

/// A scripted answer for the web surface.
pub fn scripted(name: &str, web: impl FnOnce(&mut WebScenario)) -> troupe_mock::Scenario {
    let mut scenario =
        troupe_mock::Scenario::named(name).unwrap_or_else(|| panic!("no scenario {name}"));
    web(scenario.web.get_or_insert_default());
    scenario
}
