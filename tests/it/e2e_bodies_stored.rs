//! What stands in the store of bodies, what a client sees of its being written, and when it goes.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use troupe_mock::Scenario;

use crate::gateway::{Answer, Client, Pool, api, credential, message, request, secret, stream};
use crate::process::until;

const TOKEN: &str = "sk-ant-api03-Zx81QwErTyUiOpAsDfGhJkLzXcVbNm0192837465-AA";
const GITHUB: &str = "ghp_Zq81WxErTyUiOpAsDfGhJkLzXcVbNm019283";
const PATIENCE: Duration = Duration::from_secs(20);

fn config(log: &str) -> String {
    format!("accounts:\n{}request_log: {{ {log} }}\n", api("a", ""))
}

fn id(answer: &Answer) -> &str {
    answer.header("request-id").expect("an id")
}

fn bodies(pool: &Pool, id: &str) -> Value {
    let shown = pool.operate("request.bodies", json!({"id": id}));
    shown.unwrap_or_else(|why| panic!("{why}\n{}", pool.log()))
}

fn kept(pool: &Pool, answers: &[Answer], why: &str) -> usize {
    let shown = answers.iter().map(|answer| bodies(pool, id(answer)));
    shown.filter(|shown| shown["kept_for"] == why).count()
}

fn reload(pool: &Pool, log: &str) {
    let count = || pool.log().matches("configuration reloaded").count();
    let before = count();
    pool.configure(&config(log));
    assert!(until(PATIENCE, || count() > before), "{}", pool.log());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn has(bytes: &[u8], needle: &str) -> bool {
    bytes
        .windows(needle.len())
        .any(|part| part == needle.as_bytes())
}

/// What the frames of all days say, inflated. A frame is `TBF1`, its packed length (u32), 32 bytes, and what is packed:
/// a version and a deflated stream.
fn inflated(data: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for path in files(&data.join("bodies")) {
        if path
            .extension()
            .is_none_or(|extension| extension != "frames")
        {
            continue;
        }
        let bytes = std::fs::read(&path).expect("frames");
        let mut rest = &bytes[..];
        while let Some(frame) = rest.strip_prefix(b"TBF1") {
            let (len, frame) = frame.split_first_chunk().expect("a length");
            let packed = &frame[32..32 + u32::from_le_bytes(*len) as usize];
            let mut plain = Vec::new();
            let mut inflate = flate2::read::DeflateDecoder::new(&packed[1..]);
            inflate.read_to_end(&mut plain).expect("deflated");
            all.push(plain);
            rest = &frame[32 + packed.len()..];
        }
        assert!(rest.is_empty(), "{} has more than frames", path.display());
    }
    all
}

#[tokio::test]
async fn no_secret_is_in_any_stored_file() {
    let mut pool = Pool::serving(&config("bodies: all"));
    let said = json!({
        "model": "claude-sonnet-5", "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": format!(
            "export A={TOKEN} B={GITHUB}; curl -H 'authorization: Bearer {}' -d '{{\"password\":\"tr0ub4dor-and-3\"}}'",
            secret("any"),
        )}],
    });
    let told = format!(
        "your keys are {TOKEN} and {GITHUB}; {} is mine",
        credential("a")
    );
    for scenario in [
        Scenario::text(&told),
        Scenario {
            count: Some(40),
            ..Scenario::text(&told)
        },
    ] {
        pool.script([scenario]);
        let answer = pool.ask("any", said.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(bodies(&pool, id(&answer))["kept_for"], "all");
    }
    pool.stop();
    let data = pool.folder().join("data");
    let plain = inflated(&data);
    assert_eq!(plain.len(), 2);
    assert!(
        plain.iter().all(|plain| has(plain, "redacted")),
        "it was looked at"
    );
    let mut looked = plain;
    let stored = files(&data).into_iter();
    looked.extend(stored.map(|path| std::fs::read(path).expect("a file")));
    for bytes in &looked {
        for hidden in [
            TOKEN,
            &TOKEN[14..],
            GITHUB,
            "tr0ub4dor",
            &secret("any"),
            &credential("a"),
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert!(!has(bytes, hidden), "{hidden} in {shown}");
        }
    }
}

#[tokio::test]
async fn a_client_gets_the_same_bytes_with_and_without() {
    let pool = Pool::serving(&config("bodies: off"));
    let scenarios = || {
        [
            Scenario::text("a stream of words that is told in many pieces"),
            Scenario {
                crlf: true,
                ..Scenario::text("lines end otherwise here")
            },
            Scenario {
                truncate_after_events: Some(4),
                ..Scenario::text("one two three four five")
            },
            Scenario::status(529),
        ]
    };
    let mut told = Vec::new();
    for log in ["bodies: off", "bodies: all", "bodies: all, body_limit: 64B"] {
        if !told.is_empty() {
            reload(&pool, log);
        }
        let mut answers = Vec::new();
        for scenario in scenarios() {
            pool.script([scenario]);
            let answer = pool.ask("any", stream()).await;
            let names: Vec<_> = answer
                .headers
                .iter()
                .map(|(name, _)| name.clone())
                .collect();
            let own = id(&answer).to_owned();
            // Ids are each request's own.
            let body = same(&answer.text(), &own);
            answers.push((answer.status, names, body));
        }
        told.push(answers);
    }
    assert!(told[0][0].2.contains("content_block_delta"), "{told:?}");
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
}

/// The text with ids of the request and of its message blanked.
fn same(text: &str, request: &str) -> String {
    let text = text.replace(request, "req_ID");
    let mut parts = text.split("msg_");
    let mut blanked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        blanked.push_str("msg_ID");
        let rest = part.find(|c: char| !c.is_ascii_alphanumeric());
        blanked.push_str(rest.map_or("", |rest| &part[rest..]));
    }
    blanked
}

#[tokio::test]
async fn a_sample_is_kept_whoever_asks() {
    let pool = Pool::serving(&config("bodies: sampled, sample: 1"));
    let all = pool.burst(20, "any", &message()).await;
    assert_eq!(kept(&pool, &all, "sampled"), 20);
    reload(&pool, "bodies: sampled, sample: 0");
    let none = pool.burst(20, "any", &message()).await;
    assert_eq!(kept(&pool, &none, "sampled"), 0);
    let why = bodies(&pool, id(&none[0]))["why_none"].to_string();
    assert!(why.contains("sample"), "{why}");
    // Of 200 with one in two, fewer than 50 or more than 150 come once in 10^12 times.
    reload(&pool, "bodies: sampled, sample: 0.5");
    let half = pool.burst(200, "any", &message()).await;
    let count = kept(&pool, &half, "sampled");
    assert!((50..=150).contains(&count), "{count}");
}

#[tokio::test]
async fn a_change_of_policy_loses_nothing_under_way() {
    let pool = Pool::serving(&config("bodies: off"));
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let mut running = Vec::new();
    for _ in 0..20 {
        pool.script([Scenario {
            endless: true,
            ..Scenario::default()
        }]);
        let mut client = Client::connect(pool.address).await;
        let asked = request("POST", "/v1/messages", &headers, stream().as_bytes());
        client.send(&asked).await;
        let mut answer = client.head().await;
        assert!(client.until(&mut answer, "content_block_delta").await);
        running.push((client, answer));
    }
    reload(&pool, "bodies: all");
    let after = pool.burst(20, "any", &message()).await;
    assert!(after.iter().all(|answer| answer.status == 200));
    assert_eq!(kept(&pool, &after, "all"), 20);
    // They go on where they were, and keep the policy that they began with.
    for (client, answer) in &mut running {
        let had = answer.body.len();
        let chunk = client.chunk().await.expect("more of it");
        assert!(!chunk.is_empty() && had > 0);
    }
    let ids: Vec<_> = running
        .iter()
        .map(|(_, answer)| id(answer).to_owned())
        .collect();
    drop(running);
    for id in ids {
        let ended = || {
            let shown = pool.operate("request.show", json!({"id": id}));
            shown.is_ok_and(|shown| shown["outcome"] == "cancelled")
        };
        assert!(until(PATIENCE, ended), "{id} has no row\n{}", pool.log());
        assert_eq!(bodies(&pool, &id)["request"], Value::Null);
    }
}

#[tokio::test]
async fn a_day_has_its_bytes_across_restarts() {
    // Short words, so that it is taken for no blob; hardly two alike, so that it stays large.
    let words: String = (0..1_500_u32)
        .map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761) >> 12))
        .collect();
    let said = json!({
        "model": "claude-sonnet-5", "max_tokens": 9,
        "messages": [{"role": "user", "content": words}],
    })
    .to_string();
    let mut pool = Pool::new(&config("bodies: all, bodies_max: 20KiB"));
    let mut counts = Vec::new();
    for _ in 0..2 {
        pool.serve();
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(pool.ask("any", &said).await);
        }
        assert!(answers.iter().all(|answer| answer.status == 200));
        counts.push(kept(&pool, &answers, "all"));
        pool.stop();
    }
    assert!((2..20).contains(&counts[0]), "{counts:?}");
    assert_eq!(counts[1], 0, "{counts:?}");
}

#[tokio::test]
async fn bodies_go_after_their_days_and_rows_stay() {
    let mut pool = Pool::serving(&config("bodies: all, bodies_retention: 2d"));
    let answer = pool.ask("any", message()).await;
    assert_eq!(bodies(&pool, id(&answer))["kept_for"], "all");
    pool.stop();
    // As if its day were long over: the file is the day's.
    let folder = pool.folder().join("data/bodies");
    for path in files(&folder) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let old = folder.join(format!("2020-01-01.{}", extension.expect("a suffix")));
        std::fs::rename(path, old).expect("a file");
    }
    pool.serve();
    let gone = || {
        files(&folder)
            .iter()
            .all(|path| !path.to_string_lossy().contains("2020"))
    };
    assert!(
        until(PATIENCE, gone),
        "{:?}\n{}",
        files(&folder),
        pool.log()
    );
    let shown = pool.operate("request.show", json!({"id": id(&answer)}));
    assert_eq!(shown.expect("a row")["status"], 200);
    assert_eq!(bodies(&pool, id(&answer))["request"], Value::Null);
}
