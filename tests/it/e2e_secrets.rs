//! Every kind of account, and everything that fails, with everything logged: no secret is told anywhere. What the harness
//! looks through is in `secrets.rs`; here is what makes the gateway talk.

use std::time::Duration;

use serde_json::json;
use troupe_mock::Scenario;

use crate::gateway::{
    Pool, Socks, WEB, api, ask_tools, credential, keys, message, oauth, request, secret, stream,
    web,
};
use crate::process::until;
use crate::secrets::know;

const PASSWORD: &str = "proxy-password-0123456789";
const WRONG_PASSWORD: &str = "another-proxy-password-0123456789";
const CLIENT_SECRET: &str = "client-secret-0123456789abcdef";
const HEADER: &str = "header-value-0123456789abcdef";
const ASSERTION: &str = "assertion-header.assertion-claims.assertion-signature";
const OWN: &str = "callers-own-credential-0123456789";
const BROUGHT: &str = "brought-along-0123456789abcdef";

fn config(proxy: &Socks) -> String {
    let by = |password: &str| format!(", proxy: \"socks5://user:{password}@{}\"", proxy.address());
    let grant = |name: &str, members: &str| {
        format!(
            "  - {{ name: {name}, kind: oauth, base_url: \"MOCK\", oauth: {{ token_url: \"MOCK/oauth/token\", {members} }} }}\n"
        )
    };
    let machine =
        format!("grant: client_credentials, client_id: machine, client_secret: {CLIENT_SECRET}");
    let accounts = [
        api("plain", &format!(", headers: {{ x-extra: {HEADER} }}")),
        api("bearer", ", auth: bearer"),
        api("proxied", &by(PASSWORD)),
        api("refused", &by(WRONG_PASSWORD)),
        oauth("tokens", "app", &by(PASSWORD)),
        oauth("spent", "app~invalid_grant", ""),
        oauth("hanging", "app~html_after", ""),
        grant("machine", &machine),
        grant(
            "workload",
            "grant: jwt_bearer, assertion_file: assertion.jwt",
        ),
        web("session", "mock", ""),
        web("challenged", "challenge", ""),
    ]
    .concat();
    let log = "storage: { url: \"sled:./data\" }\ntelemetry: { log: { level: trace } }\nrouting: { max_elapsed: 5s }\n";
    let passthrough = "passthrough: { enabled: true, base_url: \"MOCK\" }\n";
    let names = [
        "plain",
        "bearer",
        "proxied",
        "refused",
        "tokens",
        "spent",
        "hanging",
        "machine",
        "workload",
        "session",
        "challenged",
    ];
    let bound: Vec<_> = names
        .iter()
        .map(|name| (*name, format!(", accounts: [{name}]")))
        .collect();
    let bound: Vec<_> = bound
        .iter()
        .map(|(name, more)| (*name, more.as_str()))
        .chain([("any", "")])
        .collect();
    [
        log,
        WEB,
        passthrough,
        "accounts:\n",
        &accounts,
        &keys(&bound),
    ]
    .concat()
}

/// What upstreams answer. Some repeat what they were shown, as careless ones do.
fn faults(account: &str) -> Vec<Scenario> {
    let shown = credential(account);
    let careless = |status| Scenario {
        message: Some(format!("{shown} is not welcome")),
        ..Scenario::status(status)
    };
    let mut faults: Vec<_> = [400, 404, 413, 429, 500, 502, 503, 529]
        .map(Scenario::status)
        .into();
    faults.extend([401, 402, 403].map(careless));
    faults.extend([
        Scenario {
            reset_before_head: true,
            ..Scenario::default()
        },
        Scenario {
            raw: Some(format!("HTTP/1.1 200 {shown}\r\nbroken {shown}\r\n\r\n")),
            ..Scenario::default()
        },
        Scenario {
            status: Some(302),
            headers: vec![("location".to_owned(), format!("http://h.test/?k={shown}"))],
            ..Scenario::default()
        },
    ]);
    for name in ["mid_error", "early_end", "truncated", "json_for_stream"] {
        faults.extend(Scenario::named(name));
    }
    faults
}

#[tokio::test]
async fn nothing_tells_a_secret_whatever_fails() {
    let proxy = Socks::start("user", PASSWORD);
    for known in [HEADER, ASSERTION, CLIENT_SECRET, OWN] {
        know(known);
    }
    let mut pool = Pool::new(&config(&proxy));
    pool.write("assertion.jwt", ASSERTION);
    for name in ["tokens", "spent", "hanging"] {
        pool.seed(name, 3_600_000);
    }
    pool.serve();
    pool.until_state("tokens", "active");
    operate(&pool);
    for name in [
        "plain", "bearer", "proxied", "tokens", "machine", "workload", "session",
    ] {
        let answer = pool.ask(name, message()).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
    for name in ["refused", "spent", "hanging", "challenged"] {
        let answer = pool.ask(name, message()).await;
        assert_ne!(answer.status, 200, "{name}: {}", answer.text());
    }
    pool.ask("session", ask_tools("web_one_tool", true).to_string())
        .await;
    for name in ["plain", "bearer", "tokens", "proxied"] {
        for fault in faults(name) {
            for ask in [message(), stream()] {
                let _ = pool.operate("account.enable", json!({"name": name}));
                pool.script([fault.clone(), fault.clone(), fault.clone()]);
                pool.ask(name, ask).await;
                pool.mock.clear_script();
            }
        }
        pool.account(name);
    }
    strangers(&pool).await;
    careless_token_endpoint(&pool);
    let metrics = crate::serve::Ask::get("/metrics").send(pool.address).body();
    assert!(metrics.contains("troupe_requests_total"));
    let log = pool.log();
    assert!(
        log.contains("\"level\":\"TRACE\"") || log.contains("TRACE"),
        "nothing is traced"
    );
    pool.kill();
    pool.serve();
    assert_eq!(pool.ask("plain", message()).await.status, 200);
    pool.stop();
}

/// Secrets that are stored, changed and given out.
fn operate(pool: &Pool) {
    let stored = credential("stored");
    let url = pool.mock.url();
    know(BROUGHT);
    for (name, input) in [
        (
            "account.add",
            json!({"name": "stored", "base_url": url, "api_key": stored}),
        ),
        (
            "account.update",
            json!({"name": "stored", "api_key": credential("changed")}),
        ),
        ("key.create", json!({"name": "made"})),
        ("key.create", json!({"name": "brought", "secret": BROUGHT})),
        ("key.rotate", json!({"name": "made"})),
        (
            "account.add",
            json!({"name": "stored", "base_url": url, "api_key": stored}),
        ),
        (
            "account.add",
            json!({"name": "broken", "base_url": format!("http://user:{PASSWORD}@h"), "api_key": stored}),
        ),
        ("account.test", json!({"name": "spent"})),
        ("account.refresh", json!({"name": "tokens"})),
        ("account.list", json!({})),
        ("key.list", json!({})),
        ("no.such", json!({"api_key": stored})),
    ] {
        if let Err(message) = pool.operate(name, input) {
            crate::secrets::look(name, message.as_bytes());
        }
    }
}

/// Callers with wrong keys, keys in odd places, and credentials of their own.
async fn strangers(pool: &Pool) {
    let key = secret("any");
    let bearer = format!("Bearer {OWN}");
    let basic = format!("Basic {OWN}");
    for headers in [
        vec![("x-api-key", OWN)],
        vec![("authorization", &*bearer)],
        vec![("authorization", &*basic)],
        vec![("x-api-key", OWN), ("authorization", &*bearer)],
        vec![("x-troupe-key", &*key), ("x-api-key", OWN)],
        vec![("x-troupe-key", &*key), ("authorization", &*bearer)],
        vec![("x-troupe-key", OWN)],
    ] {
        for body in [message(), "{".to_owned()] {
            let mut all = headers.clone();
            all.push(("content-type", "application/json"));
            let target = format!("/v1/messages?api_key={OWN}");
            pool.raw(&request("POST", &target, &all, body.as_bytes()))
                .await;
        }
    }
    let odd = format!("/v1/{OWN}/../x");
    pool.raw(&request("GET", &odd, &[("x-api-key", &key)], b""))
        .await;
}

/// An authorization server that repeats what it was sent.
fn careless_token_endpoint(pool: &Pool) {
    let description = format!("the secret {CLIENT_SECRET} is odd");
    let body = json!({"error": "invalid_request", "error_description": description});
    pool.script([Scenario {
        path: Some("/oauth/token".to_owned()),
        status: Some(400),
        body: Some(body.to_string()),
        takes_effect: Some(false),
        ..Scenario::default()
    }]);
    if let Err(message) = pool.operate("account.refresh", json!({"name": "machine"})) {
        crate::secrets::look("a refusal", message.as_bytes());
    }
    let consumed = until(Duration::from_secs(20), || pool.mock.scripted() == 0);
    assert!(consumed, "{:#}", pool.account("machine"));
    pool.account("machine");
}
