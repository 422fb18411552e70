//! Is a value of the source usable? Secrets, session cookies, addresses, times.
//!
//! Invariant: a reason never repeats the value.

use secrecy::SecretString;
use url::Url;

use crate::config::accounts::DEFAULT_BASE_URL;

const SECRET_MAX_BYTES: usize = 16 << 10;
/// The last second of the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// A credential as it goes into a header.
pub(super) fn secret(text: &str) -> Result<SecretString, &'static str> {
    if text.len() > SECRET_MAX_BYTES {
        return Err("is longer than any credential");
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ')
    {
        return Err("holds characters that no credential has");
    }
    Ok(text.into())
}

/// The value of the session cookie in `text`, which may be that alone, `sessionKey=…`, or a whole `Cookie` header.
pub(super) fn session_cookie(text: &str) -> Result<SecretString, &'static str> {
    const NAME: &str = "sessionKey=";
    // Old lists put the owner's address and an `@` first.
    let text = text.rsplit('@').next().unwrap_or(text).trim();
    let value = match text.find(NAME) {
        Some(at) => text.get(at + NAME.len()..).unwrap_or_default(),
        None => text,
    };
    let value = value.split(';').next().unwrap_or(value).trim();
    if value.contains("SET_YOUR_COOKIE_HERE") {
        return Err("is the placeholder of the sample configuration");
    }
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b'\\' | b'=');
    if value.is_empty() || value.len() > SECRET_MAX_BYTES || !value.bytes().all(fits) {
        return Err("is no session cookie");
    }
    Ok(value.into())
}

/// The base of a Messages API; the default one is `None`. `/v1/…` is added by the gateway, so it is cut off.
pub(super) fn api_base(text: &str) -> Result<Option<String>, &'static str> {
    let base = base_url(text)?;
    let base = ["/v1/messages", "/v1"]
        .iter()
        .find_map(|end| base.strip_suffix(end))
        .unwrap_or(&base);
    Ok(Some(base.to_owned()).filter(|base| base != DEFAULT_BASE_URL))
}

/// Scheme, host, port and path, without a trailing slash.
pub(super) fn base_url(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("is no http:// or https:// URL");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password, which a base URL may not");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment, which a base URL may not");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A proxy this gateway can use. Its password is part of it.
pub(super) fn proxy(text: &str) -> Result<SecretString, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL such as socks5://host:1080")?;
    let known = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
    if !known || url.host_str().is_none() {
        return Err("is no http, https or socks5 URL");
    }
    secret(text)
}

/// Seconds since the Unix epoch → milliseconds.
pub(super) fn milliseconds(seconds: f64) -> Option<u64> {
    if !(0.0..=LAST_SECOND).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded above, not negative, and fractions of a millisecond are dropped"
    )]
    Some((seconds * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_session_cookie_comes_in_many_forms() {
        for text in [
            "sk-ant-sid01-abc_-AA",
            "sessionKey=sk-ant-sid01-abc_-AA",
            " sessionKey=sk-ant-sid01-abc_-AA ; path=/",
            "lang=en; sessionKey=sk-ant-sid01-abc_-AA; x=y",
            "me@example.org@sessionKey=sk-ant-sid01-abc_-AA",
        ] {
            let cookie = session_cookie(text).unwrap();
            assert_eq!(cookie.expose_secret(), "sk-ant-sid01-abc_-AA");
        }
        for text in [
            "",
            "sessionKey=",
            "a b",
            "a\nb",
            "x=y",
            "sk-ant-sid01-SET_YOUR_COOKIE_HERE-AA",
        ] {
            assert!(session_cookie(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn bases_are_cut_to_what_the_gateway_adds_to() {
        let base = |text| api_base(text).map(Option::unwrap_or_default);
        assert_eq!(base("https://api.anthropic.com/v1/"), Ok(String::new()));
        assert_eq!(
            base("https://x.example/anthropic/v1/messages"),
            Ok("https://x.example/anthropic".into())
        );
        assert_eq!(
            base("http://127.0.0.1:8080"),
            Ok("http://127.0.0.1:8080".into())
        );
        for text in [
            "",
            "x",
            "ftp://x",
            "https://u:p@x",
            "https://x?key=1",
            "unix:/x",
        ] {
            assert!(base(text).is_err(), "{text}");
        }
    }

    #[test]
    fn proxies_and_times() {
        assert!(proxy("socks5://u:p@127.0.0.1:1080").is_ok());
        assert!(proxy("ftp://127.0.0.1").is_err() && proxy("").is_err());
        assert_eq!(milliseconds(1_785_087_657.25), Some(1_785_087_657_250));
        assert_eq!(milliseconds(f64::NAN), None);
        assert_eq!(milliseconds(1e15), None);
        assert_eq!(milliseconds(-1.0), None);
    }
}
