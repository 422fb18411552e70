use super::*;

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn list(pairs: &[(&str, &str)]) -> HeaderList {
    let headers = pairs.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    headers.collect()
}

/// What a server would read.
fn read(lines: &HeaderLines) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines.as_bytes().split(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\r") else {
            assert!(line.is_empty());
            continue;
        };
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        let value = line[colon..].strip_prefix(b": ").unwrap();
        map.append(
            HeaderName::from_bytes(&line[..colon]).unwrap(),
            HeaderValue::from_bytes(value).unwrap(),
        );
    }
    map
}

fn account(auth: AuthScheme, extra: &[(&str, &str)]) -> AccountHeaders {
    let extra = extra
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    AccountHeaders::new(auth, "sk-account", &extra).unwrap()
}

fn all<'a>(map: &'a HeaderMap, name: &'static str) -> Vec<&'a [u8]> {
    map.get_all(name).map(HeaderValue::as_bytes).collect()
}

#[test]
fn what_the_client_must_not_send_up() {
    let client = map(&[
        ("X-Api-Key", "troupe-secret"),
        ("Authorization", "Bearer troupe-secret"),
        ("X-Troupe-Key", "troupe-secret"),
        ("Cookie", "session=troupe-secret"),
        ("Proxy-Authorization", "Basic troupe-secret"),
        ("Proxy-Connection", "keep-alive"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Whatever", "10.0.0.1"),
        ("X-Real-IP", "10.0.0.1"),
        ("Forwarded", "for=10.0.0.1"),
        ("Host", "gateway"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Expect", "100-continue"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ("Connection", "close, X-Named , x-api-key,anthropic-odd"),
        ("X-Named", "1"),
        ("Anthropic-Odd", "1"),
        ("Accept-Encoding", "gzip, br, zstd"),
    ]);
    let up = read(&up(&client, &account(AuthScheme::XApiKey, &[])));
    let mut names: Vec<_> = up.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept-encoding", "user-agent", "x-api-key"]);
    assert_eq!(all(&up, "x-api-key"), [b"sk-account"]);
    assert_eq!(all(&up, "accept-encoding"), [b"identity"]);
    assert_eq!(all(&up, "user-agent"), [USER_AGENT.as_bytes()]);
}

#[test]
fn the_rest_goes_up_byte_for_byte() {
    let odd = "caf\u{e9}\u{fffd} \t=;,\"";
    let client = map(&[
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "a,b"),
        ("anthropic-beta", " c , d"),
        ("anthropic-brand-new", odd),
        ("user-agent", "sdk/1.0"),
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ("tracestate", "a=1"),
        ("x-stainless-lang", "python"),
        ("x-claude-code-session-id", "s1"),
        ("connection", "keep-alive"),
    ]);
    let up = read(&up(&client, &account(AuthScheme::Bearer, &[])));
    assert_eq!(all(&up, "anthropic-beta"), [&b"a,b"[..], b" c , d"]);
    assert_eq!(all(&up, "anthropic-brand-new"), [odd.as_bytes()]);
    assert_eq!(all(&up, "user-agent"), [b"sdk/1.0"]);
    assert_eq!(all(&up, "authorization"), [b"Bearer sk-account"]);
    assert!(!up.contains_key("x-api-key"));
    assert_eq!(up.len(), client.len() - 1 + 2);
}

#[test]
fn a_connection_header_cannot_take_our_own() {
    let client = map(&[
        ("connection", "x-api-key, user-agent, accept-encoding"),
        ("user-agent", "sdk"),
    ]);
    let up = read(&up(&client, &account(AuthScheme::XApiKey, &[])));
    assert_eq!(all(&up, "x-api-key"), [b"sk-account"]);
    assert_eq!(all(&up, "user-agent"), [USER_AGENT.as_bytes()]);
    assert_eq!(all(&up, "accept-encoding"), [b"identity"]);
}

#[test]
fn an_accounts_headers_win() {
    let client = map(&[
        ("anthropic-version", "1"),
        ("x-org", "theirs"),
        ("x-org", "twice"),
    ]);
    let own = [("X-Org", "no"), ("x-api-key", "no"), ("x-org", "ours")];
    let lines = up(&client, &account(AuthScheme::XApiKey, &own));
    let up = read(&lines);
    assert_eq!(all(&up, "x-org"), [b"ours"]);
    assert_eq!(all(&up, "x-api-key"), [b"sk-account"]);
    assert!(!format!("{lines:?}").contains("sk-account"));
}

#[test]
fn an_accounts_headers_are_checked_and_not_shown() {
    let make = |secret: &str, name: &str, value: &str| {
        let extra = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        AccountHeaders::new(AuthScheme::Bearer, secret, &extra).map(|_| ())
    };
    assert_eq!(
        make("s", "a b", "v"),
        Err(AccountHeadersError::Name("a b".into()))
    );
    assert_eq!(
        make("s", "x", "v\r\nhost: evil"),
        Err(AccountHeadersError::Value("x".into()))
    );
    assert_eq!(
        make("s", "Content-Length", "1"),
        Err(AccountHeadersError::Reserved("Content-Length".into()))
    );
    assert_eq!(make("s\n", "x", "v"), Err(AccountHeadersError::Credential));
    let shown = format!("{:?}", account(AuthScheme::Bearer, &[("x-a", "hidden")]));
    assert!(
        !shown.contains("sk-account") && !shown.contains("hidden"),
        "{shown}"
    );
}

#[test]
fn what_must_not_come_down() {
    let answer = list(&[
        ("anthropic-ratelimit-requests-remaining", "5"),
        ("anthropic-ratelimit-unified-status", "allowed"),
        ("x-ratelimit-remaining", "5"),
        ("ratelimit", "5"),
        ("anthropic-organization-id", "org"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("alt-svc", "h3"),
        ("strict-transport-security", "max-age=1"),
        ("content-length", "12"),
        ("transfer-encoding", "chunked"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("date", "now"),
        ("server", "s"),
        ("server-timing", "a;dur=1"),
        ("request-id", "req_1"),
        ("x-troupe-secret", "1"),
        ("content-encoding", "identity"),
        ("content-type", "application/json"),
        ("retry-after", "3"),
        ("x-should-retry", "true"),
        ("anthropic-new", "1"),
        ("cf-ray", "abc"),
        ("via", "1.1 a"),
        ("via", "1.1 b"),
    ]);
    let (answer, facts) = down(answer, Owner::Account, 0);
    let mut values = HeaderMap::new();
    for (name, value) in answer {
        values.append(name, value);
    }
    let answer = values;
    let mut names: Vec<_> = answer.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let kept = [
        "anthropic-new",
        "cf-ray",
        "content-type",
        "retry-after",
        "via",
        "x-should-retry",
    ];
    assert_eq!(names, kept);
    assert_eq!(all(&answer, "via"), [b"1.1 a", b"1.1 b"]);
    assert_eq!(facts.request_id.unwrap(), "req_1");
    assert_eq!(facts.content_length, Some(12));
    assert_eq!(facts.retry_after_ms, Some(3_000));
    assert_eq!(facts.should_retry, Some(true));
    assert_eq!(facts.rate_limits.get("requests-remaining"), Some("5"));
}

#[test]
fn codings_are_noted() {
    for (values, coding) in [
        (&["gzip"][..], Coding::Gzip),
        (&["x-GZip"], Coding::Gzip),
        (&["br"], Coding::Brotli),
        (&["deflate"], Coding::Deflate),
        (&["identity"], Coding::Identity),
        (&["zstd"], Coding::Other),
        (&["gzip, br"], Coding::Other),
        (&["gzip", "br"], Coding::Other),
    ] {
        let pairs: Vec<_> = values
            .iter()
            .map(|value| ("content-encoding", *value))
            .collect();
        let mut answer = list(&pairs);
        answer.append(header::CONTENT_LENGTH, HeaderValue::from_static("9"));
        let (answer, facts) = down(answer, Owner::Account, 0);
        assert_eq!(facts.coding, coding, "{values:?}");
        assert_eq!(facts.content_length.is_some(), coding == Coding::Identity);
        assert!(answer.is_empty());
    }
}
