//! Shapes of secrets that are known: keys of providers and of this gateway, tokens, passwords in URLs.
//!
//! Invariant: a shape that begins so that nothing else does needs no length; one that ends with the text may be shorter,
//! since the text may have been cut there.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::known;

/// What is found is the whole match, or the first group that took part.
struct Shape {
    name: &'static str,
    regex: Regex,
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let shape = |name, pattern: &str| Shape {
        name,
        regex: known(pattern),
    };
    vec![
        shape("anthropic key", r"sk-ant-[A-Za-z0-9_\-]+"),
        shape(
            "troupe key",
            r"troupe-(?:[A-Za-z0-9_\-]{20,}|[A-Za-z0-9_\-]{9,}\z)",
        ),
        shape(
            "provider key",
            r"(?:^|[^A-Za-z0-9])(sk-(?:[A-Za-z0-9_\-]{16,}|[A-Za-z0-9_\-]{4,}\z))",
        ),
        shape("token", TOKENS),
        shape(
            "aws key",
            r"(?:AKIA|ASIA|ABIA|ACCA)(?:[A-Z0-9]{12,}|[A-Z0-9]{4,}\z)",
        ),
        shape(
            "private key",
            r"-----BEGIN[A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?:[A-Za-z0-9+/=\s\\:,.\-]*?-----END[A-Z0-9 ]*-----|[A-Za-z0-9+/=\s\\:,.\-]*)",
        ),
        shape("private key", r"(?i)AGE-SECRET-KEY-1[0-9A-Z]+"),
        shape(
            "jwt",
            r"eyJ[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]{6,}[A-Za-z0-9_.\-]*|\.?[A-Za-z0-9_\-]*\z)",
        ),
        shape(
            "bearer",
            r"(?i)bearer[\s:]+([A-Za-z0-9._~+/=\-]{16,}|[A-Za-z0-9._~+/=\-]{4,}\z)",
        ),
        shape(
            "basic",
            r#"(?i)authorization["'\\]*\s*[:=]\s*["'\\]*basic\s+([A-Za-z0-9+/=]{4,})"#,
        ),
        shape(
            "password",
            r#"[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s:/@"'\\<>]{0,64}:([^\s/@"'\\<>]{1,256})@"#,
        ),
    ]
});

/// Of forges, chats, clouds and shops, each with a beginning of its own.
const TOKENS: &str = concat!(
    r"gh[pousr]_[A-Za-z0-9]{8,}|github_pat_[A-Za-z0-9_]{8,}|gl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_\-]{8,}",
    r"|xox[abeoprs]-[A-Za-z0-9\-]{8,}|xapp-[A-Za-z0-9\-]{8,}|hf_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{16,}",
    r"|pypi-[A-Za-z0-9_\-]{16,}|dop_v1_[a-f0-9]{16,}|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{16,}|SG\.[A-Za-z0-9_\-]{8,}\.?[A-Za-z0-9_\-]*",
    r"|[rsp]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{8,}|AIza[A-Za-z0-9_\-]{16,}|ya29\.[A-Za-z0-9_\-]{8,}",
    r"|GOCSPX-[A-Za-z0-9_\-]{8,}|xai-[A-Za-z0-9]{16,}|gsk_[A-Za-z0-9]{16,}|pplx-[A-Za-z0-9]{16,}|r8_[A-Za-z0-9]{16,}",
    r"|(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|hf_|npm_|pypi-|SG\.|AIza|ya29\.|[rsp]k_live_)[A-Za-z0-9_\-]{4,}\z",
);

/// Tells the places of secrets and what they look like.
pub(super) fn find(text: &[u8], mut tell: impl FnMut(usize, usize, &'static str)) {
    for shape in &*SHAPES {
        for found in shape.regex.captures_iter(text) {
            if let Some(place) = found.get(1).or_else(|| found.get(0)) {
                tell(place.start(), place.end(), shape.name);
            }
        }
    }
}
