//! A session goes on where its prompt cache is, while that account is well.

use troupe_mock::Scenario;

use crate::gateway::{Client, Pool, api, counted, credential, keys, message, request, secret};

const SESSION: &str = "x-claude-code-session-id";

fn three(more: &str) -> String {
    let list = ["a", "b", "c"].map(|name| api(name, more)).concat();
    format!("accounts:\n{list}routing: {{ strategy: round_robin }}\n")
}

async fn in_session(pool: &Pool, key: &str, session: &str) -> String {
    let before = pool.entries().len();
    let answer = pool.ask_with(key, &[(SESSION, session)], message()).await;
    assert_eq!(answer.status, 200, "{session}: {}", answer.text());
    pool.asked().split_off(before).pop().expect("an account")
}

/// Where a session is at home. That is told to its actor while the first answer goes out, so the next request may still
/// come too early.
async fn home_of(pool: &Pool, key: &str, session: &str) -> String {
    let mut last = in_session(pool, key, session).await;
    for _ in 0..50 {
        let next = in_session(pool, key, session).await;
        if next == last {
            return next;
        }
        last = next;
    }
    panic!("{session} is nowhere at home");
}

#[tokio::test]
async fn a_session_stays_where_it_began() {
    let pool = Pool::serving(&[three(""), keys(&[("any", ""), ("other", "")])].concat());
    let mut homes = Vec::new();
    for number in 0..9 {
        homes.push(home_of(&pool, "any", &format!("s-{number}")).await);
    }
    assert_eq!(
        counted(&homes).len(),
        3,
        "new sessions are spread: {homes:?}"
    );
    for _ in 0..5 {
        for (number, home) in homes.iter().enumerate() {
            let served = in_session(&pool, "any", &format!("s-{number}")).await;
            assert_eq!(served, *home, "s-{number}");
        }
    }
    // Sessions are the key's: of the same names another key has its own.
    let mut others = Vec::new();
    for number in (0..9).rev() {
        others.push(home_of(&pool, "other", &format!("s-{number}")).await);
    }
    others.reverse();
    assert_ne!(others, homes);
}

/// Without the header the session is named by `metadata.user_id`, else by what is marked for the cache.
#[tokio::test]
async fn a_session_is_named_in_three_ways() {
    let pool = Pool::serving(&three(""));
    let plain = |more: &str, text: &str| {
        format!(
            r#"{{"model":"claude-sonnet-5","max_tokens":64,{more}"messages":[{{"role":"user","content":"{text}"}}]}}"#
        )
    };
    let by_user = |session: &str| {
        plain(
            &format!(r#""metadata":{{"user_id":"user_1_account_2_session_{session}"}},"#),
            "Hello",
        )
    };
    let system = |text: &str| {
        format!(
            r#""system":[{{"type":"text","text":"{text}","cache_control":{{"type":"ephemeral"}}}}],"#
        )
    };
    let cached = |turns: usize| {
        let turn = r#",{"role":"assistant","content":"Yes"},{"role":"user","content":"Go on"}"#;
        let mut body = plain(&system("You are long."), "Hello");
        body.truncate(body.len() - 2);
        body + &turn.repeat(turns) + "]}"
    };
    type Turn<'a> = Box<dyn Fn(usize) -> String + 'a>;
    let table: [(&str, Turn<'_>); 2] = [
        ("metadata", Box::new(|_| by_user("abc"))),
        ("cache", Box::new(cached)),
    ];
    for (name, turn) in table {
        // The first turns may come before their session is at home.
        let mut homes: Vec<String> = Vec::new();
        let is_settled = |homes: &[String]| {
            let last = homes.last_chunk::<5>();
            last.is_some_and(|last| counted(last).len() == 1)
        };
        while !is_settled(&homes) {
            let (answer, asked) = pool.tell("any", turn(homes.len())).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            homes.extend(asked);
            assert!(homes.len() < 50, "{name}: {homes:?}");
        }
    }
    let mut spread = Vec::new();
    for number in 0..9 {
        spread.extend(pool.tell("any", by_user(&format!("s{number}"))).await.1);
        spread.extend(
            pool.tell(
                "any",
                plain(&system(&format!("You are {number}.")), "Hello"),
            )
            .await
            .1,
        );
    }
    assert_eq!(counted(&spread).len(), 3, "{spread:?}");
    // Nothing that names a session: turns.
    let mut turns = Vec::new();
    for _ in 0..9 {
        turns.extend(pool.tell("any", plain("", "Hello")).await.1);
    }
    assert_eq!(counted(&turns).len(), 3, "{turns:?}");
}

/// A session leaves an account that cannot serve, stays where it went, and what was cached is counted.
#[tokio::test]
async fn a_move_is_counted_with_its_tokens() {
    let cached = r#", headers: { x-mock-scenario: '{"usage":{"cache_read_input_tokens":5000,"cache_creation_input_tokens":0}}' }"#;
    let pool = Pool::serving(&three(cached));
    let home = home_of(&pool, "any", "s").await;
    pool.script([Scenario {
        headers: vec![("retry-after".into(), "1".into())],
        ..Scenario::status(429)
    }]);
    let before = pool.entries().len();
    let answer = pool.ask_with("any", &[(SESSION, "s")], message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = pool.asked().split_off(before);
    assert_eq!((asked.len(), &asked[0]), (2, &home), "{asked:?}");
    let new_home = asked[1].clone();
    assert_ne!(new_home, home);
    pool.until(&new_home, "told of the move", |account| {
        account["stats"]["moved_here"] == 1 && account["stats"]["moved_tokens"] == 5_000
    });
    let metrics = pool
        .raw(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .text();
    for line in [
        "troupe_session_moves_total 1",
        "troupe_session_moved_tokens_total 5000",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    // Its cache is there now, also when the old one is well again.
    for _ in 0..3 {
        assert_eq!(in_session(&pool, "any", "s").await, new_home);
    }
    pool.until_state(&home, "active");
    for _ in 0..3 {
        assert_eq!(in_session(&pool, "any", "s").await, new_home);
    }
    assert_eq!(pool.account(&home)["stats"]["moved_here"], 0);
}

/// Neither a full account nor one whose credential is refused holds a session.
#[tokio::test]
async fn nobody_is_pinned_to_an_account_that_cannot_serve() {
    let pool = Pool::serving(&three(", concurrent: 1"));
    let home = home_of(&pool, "any", "s").await;
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
        (SESSION, "s"),
        ("x-mock-scenario", "stall_before_head"),
    ];
    let mut holding = Client::connect(pool.address).await;
    holding
        .send(&request(
            "POST",
            "/v1/messages",
            &headers,
            message().as_bytes(),
        ))
        .await;
    let stalls = |entries: &[troupe_mock::Entry]| {
        entries
            .iter()
            .any(|e| e.scenario.as_deref() == Some("stall_before_head"))
    };
    pool.mock.journal().wait_for(stalls).await.unwrap();
    let away = in_session(&pool, "any", "s").await;
    assert_ne!(away, home);
    drop(holding);

    let pool = Pool::serving(&three(""));
    let home = home_of(&pool, "any", "s").await;
    let probed = Scenario {
        path: Some("/v1/models".into()),
        ..Scenario::status(401)
    };
    pool.script([Scenario::status(401), probed]);
    let before = pool.entries().len();
    assert_eq!(
        pool.ask_with("any", &[(SESSION, "s")], message())
            .await
            .status,
        200
    );
    assert_eq!(pool.asked()[before], home);
    pool.until_state(&home, "rejected");
    for _ in 0..6 {
        assert_ne!(in_session(&pool, "any", "s").await, home);
    }
}

/// Where a session is at home is known after a restart, and after a `kill -9`.
#[tokio::test]
async fn homes_outlive_the_process() {
    let mut pool = Pool::serving(&three(""));
    let mut homes = Vec::new();
    for number in 0..8 {
        homes.push(home_of(&pool, "any", &format!("s-{number}")).await);
    }
    for end in [Pool::stop, Pool::kill, Pool::kill] {
        end(&mut pool);
        pool.serve();
        for (number, home) in homes.iter().enumerate() {
            assert_eq!(
                in_session(&pool, "any", &format!("s-{number}")).await,
                *home
            );
        }
    }
}

/// An account that leaves takes its sessions nowhere; switched off, affinity holds nobody.
#[tokio::test]
async fn homes_end_with_their_accounts() {
    let pool = Pool::serving(&three(""));
    for name in ["d", "e"] {
        let url = pool.mock.url();
        let add = serde_json::json!({"name": name, "base_url": url, "api_key": credential(name)});
        pool.operate("account.add", add).unwrap();
    }
    let mut number = 0;
    let session = loop {
        let session = format!("s-{number}");
        if home_of(&pool, "any", &session).await == "d" {
            break session;
        }
        number += 1;
    };
    assert_eq!(in_session(&pool, "any", &session).await, "d");
    pool.operate("account.remove", serde_json::json!({"name": "d"}))
        .unwrap();
    let home = home_of(&pool, "any", &session).await;
    assert_ne!(home, "d");
    assert_eq!(in_session(&pool, "any", &session).await, home);

    let config = three("").replace("round_robin", "round_robin, affinity: { enabled: false }");
    let pool = Pool::serving(&config);
    let mut homes = Vec::new();
    for _ in 0..9 {
        homes.push(in_session(&pool, "any", "s").await);
    }
    assert_eq!(counted(&homes).len(), 3, "{homes:?}");
}
