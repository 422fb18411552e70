//! Web sessions among other accounts: the last resort, each fault told for what it is, nothing evaded.

use serde_json::{Value, json};
use troupe_mock::Scenario;

use crate::gateway::{
    Pool, Said, WEB, api, ask, ask_tools, counted, credential, keys, message, request, scripted,
    secret, session, web,
};

const FIRST: &str = ", priority: 1";
const SECOND: &str = ", priority: 2";
const BY_PRIORITY: &str = "routing: { strategy: priority }\n";

/// `one` with these words, then `two` which works.
fn two(words: &str) -> Pool {
    let accounts = [web("one", words, FIRST), web("two", "plain", SECOND)].concat();
    let names = keys(&[("any", ""), ("only", ", accounts: [one]")]);
    Pool::serving(&["accounts:\n", &accounts, WEB, BY_PRIORITY, &names].concat())
}

/// A check for persons ends it: told, never followed, nothing asked again; the next account serves.
#[tokio::test]
async fn a_challenge_is_told_and_not_evaded() {
    for at in ["organizations", "create", "upload", "completion"] {
        let pool = two(&format!("challenged@{at}"));
        let mut asked = ask("web_text", true);
        asked["messages"][0]["content"] = json!([
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "text", "text": "[[mock:web_text]]"},
        ]);
        assert_eq!(pool.said("any", &asked).await.types(), ["text"], "{at}");
        assert_eq!(pool.account("one")["state"], "challenged", "{at}");
        assert_eq!(pool.completed_by().last().unwrap(), "two");
        let own = |pool: &Pool| {
            let mut calls = 0;
            pool.mock.journal().each(|entry| {
                let cookie = entry.header("cookie").unwrap_or_default();
                calls += usize::from(cookie.contains("-of-one-"));
                assert_ne!(entry.path(), "/challenge", "{at}");
            });
            calls
        };
        let before = own(&pool);
        for stream in [true, false] {
            let answer = pool.ask("only", ask("web_text", stream).to_string()).await;
            assert_eq!((answer.status, &*answer.error_type()), (503, "api_error"));
            assert!(answer.text().contains("1 challenged"), "{}", answer.text());
            assert_eq!(answer.header("x-should-retry"), Some("false"));
        }
        assert_eq!(
            pool.said("any", &ask("web_text", false)).await.types(),
            ["text"]
        );
        assert_eq!(own(&pool), before, "{at}: it was asked again");
    }
}

/// A dead session is rejected, a disabled organisation out of service; both are said, neither is relayed.
#[tokio::test]
async fn sessions_that_are_of_no_use() {
    let table = [
        ("dead", "rejected", "1 rejected by its upstream"),
        ("forbidden", "rejected", "1 rejected by its upstream"),
        ("disabled", "out_of_service", "1 out of service"),
        ("nochat", "out_of_service", "1 out of service"),
        ("noorgs", "out_of_service", "1 out of service"),
    ];
    for (words, state, said) in table {
        let pool = two(words);
        assert_eq!(
            pool.said("any", &ask("web_text", true)).await.types(),
            ["text"],
            "{words}"
        );
        assert_eq!(pool.account("one")["state"], state, "{words}");
        let answer = pool.ask("only", message()).await;
        assert_eq!(answer.status, 503, "{words}");
        assert!(answer.text().contains(said), "{words}: {}", answer.text());
        assert!(
            !pool.log().contains(&session("one", words)),
            "{words}: the cookie is in the log"
        );
        pool.until_clean().await;
    }
}

/// Seconds until the account's only cool-down ends.
fn cool_for_s(account: &Value) -> i64 {
    let until = &account["credentials"][0]["cooldowns"][0]["until"];
    let until = until
        .as_str()
        .unwrap_or_else(|| panic!("no cool-down: {account:#}"));
    let until: jiff::Timestamp = until.parse().expect("a time");
    until.as_second() - jiff::Timestamp::now().as_second()
}

/// A limit cools the account until the moment it names, or for a bounded time where it names nonsense.
#[tokio::test]
async fn limits_cool_for_as_long_as_they_say() {
    let hour = 3_590..=3_600;
    let table = [
        ("limited", hour.clone()),
        ("limited@organizations", hour),
        ("limited_nonsense", 20..=30),
        ("limited_past", 20..=30),
        ("limited_plain", 20..=30),
        // Never 18 days.
        ("limited_huge", 3_601..=8 * 86_400),
    ];
    for (words, seconds) in table {
        let pool = two(words);
        assert_eq!(
            pool.said("any", &ask("web_text", false)).await.types(),
            ["text"],
            "{words}"
        );
        let account = pool.account("one");
        let cool = cool_for_s(&account);
        assert!(seconds.contains(&cool), "{words}: {cool} s");
        let answer = pool.ask("only", message()).await;
        assert_eq!(
            (answer.status, &*answer.error_type()),
            (429, "rate_limit_error"),
            "{words}"
        );
        let retry: i64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(
            (cool - 2..=cool + cool / 10 + 2).contains(&retry),
            "{words}: {retry} s of {cool} s"
        );
        assert_eq!(account["state"], "cooling_down");
    }
}

/// What the stream says of limits, after or within an answer, is for the requests that follow.
#[tokio::test]
async fn limits_told_within_a_stream_count() {
    for (scenario, streams) in [
        ("web_exceeded", vec![true, false]),
        ("web_mid_limit", vec![true]),
    ] {
        for stream in streams {
            let pool = two("plain");
            let answer = pool.ask("any", ask(scenario, stream).to_string()).await;
            assert_eq!(answer.status, 200);
            if scenario == "web_exceeded" {
                assert_eq!(Said::of(&answer).types(), ["text"]);
            } else {
                assert_eq!(answer.events().last().unwrap(), "error");
                assert!(
                    answer.text().contains("rate_limit_error"),
                    "{}",
                    answer.text()
                );
            }
            assert_eq!(
                pool.said("any", &ask("web_text", stream)).await.types(),
                ["text"]
            );
            assert_eq!(pool.completed_by(), ["one", "two"], "{scenario} {stream}");
            assert!(
                (3_590..=3_600).contains(&cool_for_s(&pool.account("one"))),
                "{scenario} {stream}"
            );
        }
    }
    let pool = two("plain");
    for _ in 0..2 {
        pool.said("any", &ask("web_approaching", true)).await;
    }
    assert_eq!(pool.completed_by(), ["one", "one"]);
}

/// Whoever else can serve goes first; the session serves when they cannot, and only for their faults.
#[tokio::test]
async fn it_is_the_last_resort() {
    // Even where the session's account is preferred, has more weight, or is less used.
    for routing in ["priority", "weighted", "least_utilized", "round_robin"] {
        let accounts = [
            web("one", "plain", ", priority: 1, weight: 100"),
            api("main", SECOND),
        ]
        .concat();
        let config = [
            "accounts:\n",
            &accounts,
            WEB,
            "routing: { strategy: ",
            routing,
            " }\n",
        ]
        .concat();
        let pool = Pool::serving(&config);
        for _ in 0..4 {
            assert_eq!(pool.ask("any", message()).await.status, 200);
        }
        assert_eq!(counted(&pool.asked()), [("main", 4)], "{routing}");
        assert!(
            pool.web_calls().is_empty(),
            "{routing}: {:?}",
            pool.web_calls()
        );
        // A client's fault is not shown around.
        pool.script([Scenario::status(400)]);
        assert_eq!(pool.ask("any", message()).await.status, 400);
        assert!(pool.web_calls().is_empty());
        // An account's is.
        for status in [401, 402] {
            pool.script([Scenario::status(status)]);
        }
        assert_eq!(
            pool.said("any", &ask("web_text", true)).await.types(),
            ["text"],
            "{routing}"
        );
        assert_eq!(pool.completed_by(), ["one"], "{routing}");
        pool.until_clean().await;
    }
}

/// The same within one account that has both, unless its operator wants the session first.
#[tokio::test]
async fn one_account_with_both() {
    for (preferred, first) in [("auto", "key"), ("api_key", "key"), ("web", "web")] {
        let both = format!(
            "  - {{ name: both, kind: api_key, api_key: {}, base_url: \"MOCK\", preferred_auth: {preferred}, \
             web: {{ base_url: \"MOCK\", cookie: {} }} }}\n",
            credential("both"),
            session("both", "plain")
        );
        let pool = Pool::serving(&["accounts:\n", &both, WEB].concat());
        let said = pool.said("any", &ask("text", true)).await;
        assert_eq!(said.types(), ["text"]);
        let by_web = pool.completed_by().len();
        assert_eq!(by_web, usize::from(first == "web"), "{preferred}");
        if first == "key" {
            pool.script([Scenario::status(429)]);
            assert_eq!(
                pool.said("any", &ask("text", false)).await.types(),
                ["text"]
            );
            assert_eq!(pool.completed_by(), ["both"], "{preferred}");
        }
        pool.until_clean().await;
    }
}

/// A call paused at the session goes on there, though its account's key could serve again.
#[tokio::test]
async fn a_pause_outlasts_the_fault_that_led_there() {
    let accounts = [api("main", FIRST), web("one", "plain", SECOND)].concat();
    let pool = Pool::serving(&["accounts:\n", &accounts, WEB, BY_PRIORITY].concat());
    let headers = vec![("retry-after".to_owned(), "1".to_owned())];
    pool.script([Scenario {
        headers,
        ..Scenario::status(429)
    }]);
    let asked = ask_tools("web_one_tool", true);
    let call = pool.said("any", &asked).await;
    assert_eq!(pool.completed_by(), ["one"]);
    pool.until_state("main", "active");
    let said = pool.said("any", &call.answered(&asked, &["sunny"])).await;
    assert!(
        said.text()
            .contains("get_weather said: \u{201c}sunny\u{201d}"),
        "{}",
        said.text()
    );
    let state = pool.until_clean().await;
    assert_eq!(state.conversations.len(), 1);
    assert_eq!(pool.asked().len(), 1);
}

/// Nothing but messages goes there: counts are estimated, other paths have nobody.
#[tokio::test]
async fn only_messages_go_there() {
    let pool = two("plain");
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let count = |pool: &Pool| {
        let bytes = request(
            "POST",
            "/v1/messages/count_tokens",
            &headers,
            message().as_bytes(),
        );
        let address = pool.address;
        async move {
            let mut client = crate::gateway::Client::connect(address).await;
            client.send(&bytes).await;
            client.answer().await
        }
    };
    let answer = count(&pool).await;
    assert_eq!(
        (answer.status, answer.header("x-troupe-estimated")),
        (200, Some("true"))
    );
    assert!(
        answer.json()["input_tokens"]
            .as_u64()
            .is_some_and(|tokens| tokens > 0)
    );
    for path in ["/v1/messages/batches", "/v1/files"] {
        let answer = pool.raw(&request("POST", path, &headers, b"{}")).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert!(
            answer.text().contains("not for this path"),
            "{}",
            answer.text()
        );
    }
    let models = pool.raw(&request("GET", "/v1/models", &headers, b"")).await;
    assert_eq!(models.status, 200);
    assert!(pool.web_calls().is_empty(), "{:?}", pool.web_calls());

    let accounts = [web("one", "plain", FIRST), api("main", SECOND)].concat();
    let pool = Pool::serving(&["accounts:\n", &accounts, WEB, BY_PRIORITY].concat());
    let answer = count(&pool).await;
    assert_eq!(
        (answer.status, answer.header("x-troupe-estimated")),
        (200, None)
    );
    assert_eq!(pool.to("/v1/messages/count_tokens").len(), 1);
    assert!(pool.web_calls().is_empty());
}

/// Off unless said twice, also after a reload.
#[tokio::test]
async fn it_is_off_unless_said_twice() {
    let account = web("one", "plain", "");
    let refused = [
        "",
        "web_session: { enabled: true }\n",
        "web_session: { acknowledge_terms: true }\n",
        "web_session: { enabled: false, acknowledge_terms: true }\n",
    ];
    for section in refused {
        let pool = Pool::new(&["accounts:\n", &account, section].concat());
        let said = pool.refused();
        assert!(said.contains("acknowledge_terms"), "{section}: {said}");
        assert!(!said.contains(&session("one", "plain")), "{said}");
    }
}

/// Chats that the operator wants to keep are kept, and only those.
#[tokio::test]
async fn chats_are_kept_where_wanted() {
    let kept = web("one", "plain", "").replace("web: {", "web: { preserve_chats: true,");
    let pool = Pool::serving(&["accounts:\n", &kept, WEB].concat());
    pool.said("any", &ask("web_text", true)).await;
    let asked = ask_tools("web_one_tool", true);
    let call = pool.said("any", &asked).await;
    pool.said("any", &call.answered(&asked, &["x"])).await;
    let state = pool.until_web("over", |state| state.running == 0).await;
    assert_eq!((state.conversations.len(), state.alive), (2, 2));
    assert!(
        !pool
            .web_calls()
            .iter()
            .any(|call| call.starts_with("DELETE"))
    );
}

/// The account's names of models, and the organisation that its operator names.
#[tokio::test]
async fn settings_of_the_account_count() {
    let shared = two("plain");
    shared.said("any", &ask("web_text", true)).await;
    let state = shared.until_clean().await;
    let best = state.conversations[0].organization.clone();
    let mut others = Vec::new();
    shared.mock.journal().each(|entry| {
        if entry.path() == "/api/organizations" {
            others.push(entry.status);
        }
    });
    assert_eq!(others, [Some(200)]);

    let account = web("one", "plain", ", models: { claude-sonnet-5: web-model }")
        .replace("web: {", &format!("web: {{ organization: {best},"));
    let pool = Pool::serving(&["accounts:\n", &account, WEB].concat());
    let said = pool.said("any", &ask("web_text", true)).await;
    assert_eq!(said.start["model"], "web-model");
    assert_eq!(pool.completions()[0]["model"], "web-model");
    assert_eq!(pool.until_clean().await.conversations[0].organization, best);

    let elsewhere = web("one", "plain", "").replace("web: {", "web: { organization: another-one,");
    let pool = Pool::serving(&["accounts:\n", &elsewhere, WEB].concat());
    let answer = pool.ask("any", ask("web_text", true).to_string()).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(pool.account("one")["state"], "out_of_service");
}

/// What the model may have done already is repeated once at most; what was never asked for goes to whoever is there.
#[tokio::test]
async fn an_answer_is_made_at_most_twice() {
    let names = ["one", "two", "three"];
    let accounts: String = names.iter().map(|name| web(name, "plain", "")).collect();
    let config = [
        "accounts:\n",
        &accounts,
        WEB,
        "routing: { max_attempts: 3 }\n",
    ]
    .concat();
    let table = [
        ("reset_before_head", true, 502, 2),
        ("close_before_head", false, 502, 2),
        ("web_cut", false, 502, 2),
        ("web_early_end", false, 502, 2),
        // The upstream says so itself: it is known.
        ("status_503", true, 502, 3),
        ("web_mid_error", false, 529, 3),
    ];
    for (scenario, stream, status, times) in table {
        let pool = Pool::serving(&config);
        pool.script(names.map(|_| scripted(scenario, |_| {})));
        let answer = pool.ask("any", ask("web_text", stream).to_string()).await;
        assert_eq!(answer.status, status, "{scenario}: {}", answer.text());
        assert_eq!(pool.completions().len(), times, "{scenario}");
        pool.until_clean().await;
    }
}

/// A surface that is only overloaded is asked again, but not for ever.
#[tokio::test]
async fn an_overload_passes_or_is_told() {
    let pool = two("plain");
    pool.script([scripted("web_overloaded", |_| {})]);
    assert_eq!(
        pool.said("any", &ask("web_text", true)).await.types(),
        ["text"]
    );
    assert_eq!(pool.completed_by(), ["one", "two"]);
    for _ in 0..10 {
        pool.script([scripted("web_overloaded", |_| {})]);
    }
    let answer = pool.ask("any", ask("web_text", true).to_string()).await;
    assert_eq!(
        (answer.status, &*answer.error_type()),
        (529, "overloaded_error")
    );
    assert!(
        pool.completed_by().len() <= 2 + 3,
        "{:?}",
        pool.completed_by()
    );
    pool.until_clean().await;
}
