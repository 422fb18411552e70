//! The secrets of a configuration, found without reading it as YAML: it may be broken on purpose.

/// Members that hold one.
pub const NAMES: [&str; 10] = [
    "api_key",
    "secret",
    "client_secret",
    "refresh_token",
    "cookie",
    "proxy",
    "password",
    "cookie_value",
    "web_cookie",
    "access_token",
];

/// Their values; of a URL and of a cookie's pair what is secret in it.
pub fn secrets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(": ") {
        let before = &text[..at];
        let starts = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        let name = &before[starts.map_or(0, |starts| starts + 1)..];
        if !NAMES.contains(&name) {
            continue;
        }
        let value = value(text[at + 2..].trim_start_matches(' '));
        // What the environment holds is known from there.
        if value.contains("${") {
            continue;
        }
        match name {
            "proxy" => found.extend(password(value)),
            "cookie" | "cookie_value" => {
                found.push(value.rsplit('=').next().unwrap_or(value).to_owned());
            }
            _ => found.push(value.to_owned()),
        }
    }
    found
}

fn value(rest: &str) -> &str {
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next().unwrap_or_default(),
        _ => rest
            .split([',', '}', ']', '\n'])
            .next()
            .unwrap_or_default()
            .trim_end(),
    }
}

/// The password of a URL.
fn password(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.rsplit_once('@')?;
    Some(user.split_once(':')?.1.to_owned())
}

#[test]
fn what_is_secret_is_found_in_any_style() {
    let text = r#"
accounts:
  - { name: a, kind: api_key, api_key: key-of-a, auth: x-api-key, proxy: "socks5://me:pass-word@h:1" }
  - name: b
    web: { cookie: sessionKey=sk-1 }
    oauth: { client_secret: 'quoted, with a comma', refresh_token: rt }
keys: [{ name: k, secret: "s-1" }, { secret: ${FROM_ENV} }]
"#;
    let expected = [
        "key-of-a",
        "pass-word",
        "sk-1",
        "quoted, with a comma",
        "rt",
        "s-1",
    ];
    assert_eq!(secrets(text), expected);
}
