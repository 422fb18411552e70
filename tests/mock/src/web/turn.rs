//! What a completion consists of, segment by segment: each ends with tool calls or is the last.
//!
//! Invariant: pure; the segments are decided by the scenario, the request and the tools' results.
//! Block indices go on from one segment to the next.

use bytes::Bytes;
use serde_json::{Value, json};

use super::completion::Ask;
use super::events;
use super::scenario::WebScenario;
use super::store::Call;
use super::view::ToolResultView;
use crate::message;
use crate::scenario::{Events, Scenario};

/// How much of what was given comes back.
const ECHO_CHARS: usize = 200;

pub(super) struct Turn {
    web: WebScenario,
    scenario: Scenario,
    tools: Vec<Value>,
    echo: String,
    thinks: bool,
    serial: u64,
    now: String,
    round: usize,
    index: usize,
    results: Vec<ToolResultView>,
}

/// What is sent before the next pause, or the rest.
pub(super) struct Segment {
    pub(super) events: Vec<Bytes>,
    /// Calls whose results are awaited; empty in the last segment.
    pub(super) calls: Vec<Call>,
}

impl Turn {
    /// `now` is a time in RFC 3339, `serial` makes ids unique.
    pub(super) fn new(
        scenario: &Scenario,
        ask: Ask,
        extended: bool,
        serial: u64,
        now: String,
    ) -> Self {
        let web = WebScenario::of(scenario);
        // Those two add deltas to block 0, which has to be text.
        let needs_text_first = web.unknown || scenario.endless;
        Self {
            thinks: extended && !web.no_thinking && !needs_text_first,
            echo: ask.echo(ECHO_CHARS),
            web,
            scenario: scenario.clone(),
            tools: ask.tools,
            serial,
            now,
            round: 0,
            index: 0,
            results: Vec::new(),
        }
    }

    /// The next segment; `results` are those of the calls of the one before.
    pub(super) fn next(&mut self, results: Vec<ToolResultView>) -> Segment {
        self.results.extend(results);
        if let Some(Events::Raw(raw)) = &self.scenario.events {
            let events = raw.iter().cloned().map(Bytes::from).collect();
            let calls = Vec::new();
            return Segment { events, calls };
        }
        let mut events = Vec::new();
        if self.round == 0 {
            events.extend((0..self.scenario.leading_pings).map(|_| events::ping()));
            events.push(events::message_start(self.serial));
            if self.thinks {
                self.thinking(&mut events);
            }
        }
        let count = self.web.tools.get(self.round).copied().unwrap_or(0);
        if count == 0 {
            self.last(&mut events);
            let calls = Vec::new();
            return Segment { events, calls };
        }
        if self.round == 0 && self.web.preamble {
            let deltas = message::deltas_of("Let me look that up.", None);
            self.text(&mut events, deltas);
        }
        let calls = (0..count).map(|at| self.call(&mut events, at)).collect();
        self.round += 1;
        Segment { events, calls }
    }

    fn block(&mut self, events: &mut Vec<Bytes>, start: &Value, deltas: &[Value]) {
        let index = self.index;
        events.push(events::block_start(index, start, &self.now));
        if index == 0 {
            let pings = self.scenario.pings.unwrap_or(1);
            events.extend((0..pings).map(|_| events::ping()));
        }
        events.extend(deltas.iter().map(|delta| events::delta(index, delta)));
        events.push(events::block_stop(index, &self.now));
        self.index += 1;
    }

    fn thinking(&mut self, events: &mut Vec<Bytes>) {
        let start = json!({"type": "thinking", "thinking": "", "summaries": [],
            "cut_off": false, "alternative_display_type": null});
        let thought = "The script says what to answer.".split_inclusive(' ');
        let mut deltas: Vec<_> = thought
            .map(|text| json!({"type": "thinking_delta", "thinking": text}))
            .collect();
        let summary = json!({"type": "thinking_summary_delta",
            "summary": {"summary": "Following the script."}});
        deltas.insert(2, summary);
        deltas.push(json!({"type": "signature_delta", "signature": "c2NyaXB0ZWQtc2lnbmF0dXJl"}));
        self.block(events, &start, &deltas);
    }

    fn text(&mut self, events: &mut Vec<Bytes>, deltas: Vec<String>) {
        let start = json!({"type": "text", "text": "", "citations": []});
        let deltas: Vec<_> = deltas
            .into_iter()
            .map(|text| json!({"type": "text_delta", "text": text}))
            .collect();
        self.block(events, &start, &deltas);
    }

    fn call(&mut self, events: &mut Vec<Bytes>, at: usize) -> Call {
        let id = format!("toolu_web{:08}{}", self.serial, self.index);
        // A chain goes on to the next tool; the last one is repeated.
        let wanted = self.web.tools[..self.round].iter().sum::<usize>() + at;
        let last = self.tools.len().saturating_sub(1);
        let (name, input) = message::sample_call(self.tools.get(wanted.min(last)));
        let start = json!({"type": "tool_use", "id": id, "name": name, "input": {},
            "message": format!("Calling {name}"), "integration_name": null,
            "integration_icon_url": null, "display_content": null});
        let deltas = message::input_deltas(&input);
        self.block(events, &start, &deltas);
        Call { id, name }
    }

    /// The last text and the end of the message.
    fn last(&mut self, events: &mut Vec<Bytes>) {
        let deltas = self.last_deltas();
        self.text(events, deltas);
        if self.scenario.endless {
            events.pop();
            return;
        }
        if self.web.unknown {
            let at = events.len() - 1;
            events.splice(at..at, message::unknown_events(events::END));
            let block = json!({"type": "future_block", "payload": {"a": [1, null]}});
            let delta = json!({"type": "future_block_delta", "more": true});
            self.block(events, &block, &[delta]);
        }
        let stop_reason = self.scenario.stop_reason.as_deref().unwrap_or("end_turn");
        events.extend(events::message_end(stop_reason, &self.web));
    }

    fn last_deltas(&self) -> Vec<String> {
        let text = self.last_text();
        let bait = self.web.bait.as_deref().unwrap_or_default();
        match text.split_once(bait) {
            Some((before, after)) if !bait.is_empty() => baited(before, bait, after),
            _ => message::deltas_of(&text, self.scenario.count),
        }
    }

    fn last_text(&self) -> String {
        if let Some(text) = &self.scenario.text {
            return text.clone();
        }
        if let Some(bytes) = self.scenario.text_bytes {
            return message::made_up_text(bytes);
        }
        if let Some(bait) = &self.web.bait {
            // Most of the word, then all of it: a reader that holds the first back gives it up.
            let last = bait.chars().next_back().map_or(0, char::len_utf8);
            let most = &bait[..bait.len() - last];
            return format!("Words, {most} and more before the {bait} and words after it.");
        }
        if self.results.is_empty() {
            return format!("This is a scripted answer. {}", self.echo);
        }
        let said: Vec<_> = self.results.iter().map(quote).collect();
        format!("This is a scripted answer. {}", said.join(" "))
    }
}

/// Cuts between the characters of the bait; its first and last share a delta with their neighbours.
fn baited(before: &str, bait: &str, after: &str) -> Vec<String> {
    let mut deltas = message::deltas_of(before, None);
    for (at, char) in bait.chars().enumerate() {
        match deltas.last_mut() {
            Some(last) if at == 0 => last.push(char),
            _ => deltas.push(char.to_string()),
        }
    }
    let mut after = message::deltas_of(after, None).into_iter();
    if let (Some(last), Some(next)) = (deltas.last_mut(), after.next()) {
        last.push_str(&next);
    }
    deltas.extend(after);
    deltas
}

fn quote(result: &ToolResultView) -> String {
    let verb = if result.is_error {
        "failed with"
    } else {
        "said"
    };
    let text: String = result.text.chars().take(ECHO_CHARS).collect();
    format!("{} {verb}: \u{201c}{text}\u{201d}.", result.tool_name)
}
