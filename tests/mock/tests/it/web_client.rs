//! A client of the web-session surface that shows each event as it was sent.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use troupe_mock::{ConversationView, MockServer};

use crate::client::{Got, call, connect, request, unchunk};

pub(crate) const COOKIE: &str = "sessionKey=sk-1";

/// One cookie at one mock, with its best organisation.
pub(crate) struct Session<'m> {
    server: &'m MockServer,
    cookie: String,
    pub(crate) organization: String,
}

impl<'m> Session<'m> {
    pub(crate) async fn start(server: &'m MockServer, cookie: &str) -> Self {
        let mut session = Self {
            server,
            cookie: cookie.to_owned(),
            organization: String::new(),
        };
        let list = session.send("GET", "/api/organizations", "").await.json();
        let last = list.as_array().and_then(|list| list.last()).unwrap();
        last["uuid"]
            .as_str()
            .unwrap()
            .clone_into(&mut session.organization);
        session
    }

    /// Goes on with another cookie, and the organisation of the first.
    pub(crate) fn use_cookie(&mut self, cookie: &str) {
        cookie.clone_into(&mut self.cookie);
    }

    pub(crate) fn text(&self, method: &str, path: &str, body: &str) -> String {
        let headers = format!(
            "cookie: {}\r\ncontent-type: application/json\r\n",
            self.cookie
        );
        request(method, path, &headers, body)
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> Got {
        call(self.server, &self.text(method, path, body)).await
    }

    pub(crate) fn conversations(&self) -> String {
        format!(
            "/api/organizations/{}/chat_conversations",
            self.organization
        )
    }

    /// Creates a conversation, the `number`th.
    pub(crate) async fn conversation(&self, number: u8) -> Conversation<'_> {
        let id = format!("00000000-0000-4000-8000-0000000000{number:02}");
        let body = json!({"uuid": id, "name": ""}).to_string();
        let created = self.send("POST", &self.conversations(), &body).await;
        assert_eq!((created.status, &created.json()["uuid"]), (201, &json!(id)));
        Conversation {
            session: self,
            path: format!("{}/{id}", self.conversations()),
            id,
        }
    }
}

pub(crate) struct Conversation<'s> {
    pub(crate) session: &'s Session<'s>,
    pub(crate) id: String,
    pub(crate) path: String,
}

impl Conversation<'_> {
    pub(crate) async fn think(&self, mode: Value) -> Got {
        let body = json!({"settings": {"paprika_mode": mode}}).to_string();
        self.session.send("PUT", &self.path, &body).await
    }

    pub(crate) async fn delete(&self) -> Got {
        self.session.send("DELETE", &self.path, "").await
    }

    /// A whole completion.
    pub(crate) async fn complete(&self, body: Value) -> Got {
        let path = format!("{}/completion", self.path);
        self.session.send("POST", &path, &body.to_string()).await
    }

    /// A completion that is read bit by bit.
    pub(crate) async fn stream(&self, prompt: &str) -> Stream {
        let path = format!("{}/completion", self.path);
        let text = self.session.text("POST", &path, &ask(prompt).to_string());
        Stream {
            socket: connect(self.session.server, &text).await,
            bytes: Vec::new(),
        }
    }

    pub(crate) async fn result(&self, id: &str, content: Value, is_error: bool) -> Got {
        let path = format!("{}/tool_result", self.path);
        let body = json!({"type": "tool_result", "tool_use_id": id, "content": content,
            "is_error": is_error});
        self.session.send("POST", &path, &body.to_string()).await
    }

    pub(crate) async fn say(&self, id: &str, text: &str) -> u16 {
        let content = json!([{"type": "text", "text": text}]);
        self.result(id, content, false).await.status
    }

    /// What the mock says about it, once that satisfies `predicate`.
    pub(crate) async fn when(
        &self,
        predicate: impl Fn(&ConversationView) -> bool,
    ) -> ConversationView {
        let web = self.session.server.web();
        let snapshot = web
            .wait_for(|web| web.conversation(&self.id).is_some_and(&predicate))
            .await
            .unwrap();
        snapshot.conversation(&self.id).unwrap().clone()
    }
}

pub(crate) fn ask(prompt: &str) -> Value {
    json!({"prompt": prompt, "rendering_mode": "messages", "timezone": "UTC", "model": "m",
        "max_tokens_to_sample": 100, "attachments": [], "files": [], "tools": [
            {"name": "first", "input_schema": {"properties": {"a": {"type": "integer"}}}},
            {"name": "second", "input_schema": {"properties": {}}}]})
}

/// A stream that is under way.
pub(crate) struct Stream {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Stream {
    /// Reads on until the events satisfy `predicate`.
    pub(crate) async fn until(&mut self, predicate: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        loop {
            let events = events(&self.body());
            if predicate(&events) {
                return events;
            }
            let read = self.socket.read_buf(&mut self.bytes).await.unwrap();
            assert!(read > 0, "the stream ended: {events:?}");
        }
    }

    /// Reads until so many tool calls stand there in full; their ids.
    pub(crate) async fn calls(&mut self, count: usize) -> Vec<String> {
        let is_stop = |event: &&Value| event["type"] == "content_block_stop";
        let events = self
            .until(|events| {
                let calls = calls(events);
                let last = calls.last().map(|(index, _)| index.clone());
                calls.len() == count
                    && events
                        .iter()
                        .filter(is_stop)
                        .any(|event| Some(&event["index"]) == last.as_ref())
            })
            .await;
        calls(&events).into_iter().map(|(_, id)| id).collect()
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(mut self) -> Vec<Value> {
        self.socket.read_to_end(&mut self.bytes).await.unwrap();
        events(&self.body())
    }

    fn body(&self) -> Vec<u8> {
        let head = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        head.map_or_else(Vec::new, |at| unchunk(&self.bytes[at + 4..]).0)
    }
}

fn calls(events: &[Value]) -> Vec<(Value, String)> {
    let blocks = events
        .iter()
        .filter(|event| event["content_block"]["type"] == "tool_use");
    blocks
        .map(|event| {
            let id = event["content_block"]["id"].as_str().unwrap();
            (event["index"].clone(), id.to_owned())
        })
        .collect()
}

/// The data of the events that are there in full; each has to be framed with CRLF.
pub(crate) fn events(body: &[u8]) -> Vec<Value> {
    let end = body.windows(4).rposition(|four| four == b"\r\n\r\n");
    let text = String::from_utf8(body[..end.unwrap_or(0)].to_vec()).unwrap();
    assert_eq!(
        text.matches('\n').count(),
        text.matches("\r\n").count(),
        "{text}"
    );
    text.split("\r\n\r\n")
        .filter_map(|event| {
            let (name, data) = event.split_once("\r\ndata: ")?;
            let data: Value = serde_json::from_str(data).ok()?;
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            Some(data)
        })
        .collect()
}

/// All texts of the deltas with that name.
pub(crate) fn joined(events: &[Value], name: &str) -> String {
    events
        .iter()
        .filter_map(|event| event["delta"][name].as_str())
        .collect()
}

pub(crate) fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}
