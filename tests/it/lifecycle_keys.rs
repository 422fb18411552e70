//! Keys at work: how many requests at once, what a revocation ends, and where a session goes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::process::until;
use crate::serve::{ACCOUNT, Ask, KEY, Place, paced};

const SOON: Duration = Duration::from_secs(10);

fn two_at_once(limits: &str) -> Place {
    let key = format!("{{ name: two, secret: {KEY}, limits: {{ concurrent: 2 }} }}");
    Place::with(&format!("keys: [{key}]\n{limits}"))
}

#[test]
fn one_too_many_waits_for_its_turn() {
    let place = two_at_once("");
    let _gateway = place.serve();
    let first = place.running_stream(KEY, "endless");
    let second = place.running_stream(KEY, "endless");
    let (done, third) = mpsc::sync_channel(1);
    let ask = Ask::message("default", false).key(KEY);
    let address = place.address;
    std::thread::spawn(move || done.send(ask.status(address)));
    let waits = third.recv_timeout(Duration::from_millis(500));
    assert_eq!(waits, Err(mpsc::RecvTimeoutError::Timeout));
    drop(first);
    assert_eq!(third.recv_timeout(SOON), Ok(200));
    drop(second);
}

#[test]
fn one_too_many_is_refused_when_nobody_leaves() {
    let place = two_at_once("limits: { concurrency_queue: 300ms }\n");
    let _gateway = place.serve();
    let first = place.running_stream(KEY, "endless");
    let _second = place.running_stream(KEY, "endless");
    let asked = Instant::now();
    let refused = place.message(KEY, "default");
    assert!(
        asked.elapsed() >= Duration::from_millis(290),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let body = refused.json();
    assert_eq!(body["error"]["type"], "rate_limit_error", "{body}");
    assert_eq!(body["retry_after"], 1, "{body}");
    let metrics = Ask::get("/metrics").send(place.address).body();
    let counted = r#"troupe_limit_rejections_total{limit="concurrent"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    drop(first);
    let served = || place.message(KEY, "default").status == 200;
    assert!(until(SOON, served));
}

#[test]
fn a_revoked_key_is_refused_while_its_stream_finishes() {
    let place = Place::new();
    let _gateway = place.serve();
    let key = place.key("short-lived");
    let stream = place.running_stream(&key, &paced(25));
    place.run("key revoke short-lived").ok();
    let within = Duration::from_secs(1);
    assert!(until(within, || place.models(&key) == 401));
    assert_eq!(place.message(&key, "default").status, 401);
    assert!(stream.body().contains("event: message_stop"));
}

/// Whichever of the key's secrets it came with.
#[test]
fn a_request_that_waits_is_refused_when_its_key_is_revoked() {
    let place = Place::new();
    let _gateway = place.serve();
    for (name, with_old_secret) in [("queued", false), ("rotated", true)] {
        let mut key = place.key(&format!("{name} --limit concurrent=1"));
        let stream = place.running_stream(&key, "endless");
        let new = place
            .run(&format!("key rotate {name} --grace 1h --quiet"))
            .ok();
        if !with_old_secret {
            key = new.trim().to_owned();
        }
        let (done, waiting) = mpsc::sync_channel(1);
        let (ask, address) = (Ask::message("default", false).key(&key), place.address);
        std::thread::spawn(move || done.send(ask.status(address)));
        let waits = waiting.recv_timeout(Duration::from_millis(500));
        assert_eq!(waits, Err(mpsc::RecvTimeoutError::Timeout), "{name}");
        place.run(&format!("key revoke {name}")).ok();
        let refused = waiting.recv_timeout(Duration::from_secs(1));
        assert_eq!(refused, Ok(401), "{name}");
        drop(stream);
    }
}

/// A body may take its time; the key is looked at again when it is there.
#[test]
fn a_key_revoked_while_its_body_arrives_is_refused() {
    let place = Place::new();
    let _gateway = place.serve();
    let key = place.key("slow");
    let body = r#"{"model":"claude-haiku-4-5","max_tokens":1,"messages":[]}"#;
    let mut client = TcpStream::connect(place.address).unwrap();
    write!(
        client,
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: {}\r\n\r\n{{",
        body.len()
    )
    .unwrap();
    // The head was read: what is asked later on the only thread is answered.
    assert_eq!(place.models(&key), 200);
    place.run("key revoke slow").ok();
    assert!(until(Duration::from_secs(1), || place.models(&key) == 401));
    client.write_all(&body.as_bytes()[1..]).unwrap();
    let mut status = [0; 12];
    client.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 401");
}

#[test]
fn a_disabled_key_comes_back_when_it_is_enabled() {
    let place = Place::new();
    let _gateway = place.serve();
    let key = place.key("switched");
    let within = Duration::from_secs(1);
    place.run("key disable switched").ok();
    assert!(until(within, || place.models(&key) == 401));
    place.run("key enable switched").ok();
    assert!(until(within, || place.models(&key) == 200));
    let rotated = place.run("key rotate switched --quiet").ok();
    assert!(until(within, || place.models(&key) == 401));
    assert!(until(within, || place.models(rotated.trim()) == 200));
}

#[test]
fn a_session_stays_with_its_account() {
    let place = Place::bare();
    let account = |name: &str, key: &str| {
        let url = place.upstream.url();
        format!("  - {{ name: {name}, kind: api_key, api_key: {key}, base_url: \"{url}\" }}\n")
    };
    let second = format!("{ACCOUNT}-2");
    place.configure(&format!(
        "accounts:\n{}{}keys: [{{ name: declared, secret: {KEY} }}]\n",
        account("first", ACCOUNT),
        account("second", &second)
    ));
    let _gateway = place.serve();
    // Which account a request of this session goes to, while it runs.
    let goes_to = |session: &str, scenario: &str, stream: bool| {
        let ask = Ask::message(scenario, stream)
            .key(KEY)
            .with("x-claude-code-session-id", session);
        let mut answer = ask.send(place.address);
        assert_eq!(answer.status, 200);
        if stream {
            answer.until("content_block_delta");
        }
        let entries = place.upstream.journal().entries();
        let key = entries
            .last()
            .and_then(|entry| entry.header("x-api-key").map(str::to_owned));
        (key.expect("the account's credential"), answer)
    };
    let (home, first) = goes_to("a", "endless", true);
    // The busy account is not the next one's choice.
    let (other, _second) = goes_to("b", "endless", true);
    assert_ne!(home, other);
    let (third, _third) = goes_to("c", "endless", true);
    drop(first);
    for _ in 0..6 {
        assert_eq!(goes_to("a", "default", false).0, home);
        assert_eq!(goes_to("b", "default", false).0, other);
        assert_eq!(goes_to("c", "default", false).0, third);
    }
}
