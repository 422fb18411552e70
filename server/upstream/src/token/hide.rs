//! Takes secrets out of what an endpoint said.
//!
//! Invariant: neither a secret nor a longer beginning of one stays, whether it stands there as it is or in the coding of
//! the request: form, JSON or Basic.

use url::form_urlencoded::byte_serialize;

/// So many first bytes of a secret betray nothing; from here on a beginning is hidden too, as endpoints cut what they
/// repeat.
const BEGINNING_BYTES: usize = 12;

/// The texts that must not be seen.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts = Vec::new();
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            let quoted = serde_json::to_string(secret).unwrap_or_default();
            for form in [
                secret.to_owned(),
                byte_serialize(secret.as_bytes()).collect(),
                quoted.trim_matches('"').to_owned(),
            ] {
                if !form.is_empty() && !texts.contains(&form) {
                    texts.push(form);
                }
            }
        }
        Self(texts)
    }

    /// The text with `…` where a secret was.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let hidden = self
                .0
                .iter()
                .filter_map(|secret| hidden(rest, secret))
                .max();
            if let Some(len) = hidden {
                shown.push('…');
                rest = &rest[len..];
            } else {
                shown.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        shown
    }
}

/// What an upstream said, with `…` where it repeats `secret` or a longer beginning of it; of a cookie, any value.
#[must_use]
pub fn hide(said: &str, secret: &str) -> String {
    let values = secret.split([';', '=', ' ']);
    let values = values.filter(|value| value.len() >= BEGINNING_BYTES);
    Secrets::of(values.chain([secret])).hide(said)
}

/// So many bytes at the start of `text` are the secret, or enough of its beginning.
fn hidden(text: &str, secret: &str) -> Option<usize> {
    let common: usize = text
        .chars()
        .zip(secret.chars())
        .take_while(|(found, secret)| found == secret)
        .map(|(found, _)| found.len_utf8())
        .sum();
    (common == secret.len() || common >= BEGINNING_BYTES).then_some(common)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_repeated_of_a_credential_is_hidden() {
        let table = [
            ("key-0123456789ab", "no key-0123456789ab here", "no … here"),
            ("key-0123456789ab", "no key-01234567… here", "no …… here"),
            (
                "sessionKey=sk-0123456789; a=b",
                "sk-0123456789 is dead, a=b",
                "… is dead, a=b",
            ),
            ("short", "a short one", "a … one"),
            ("", "nothing", "nothing"),
        ];
        for (secret, said, shown) in table {
            assert_eq!(hide(said, secret), shown, "{secret}");
        }
    }

    #[test]
    fn whole_coded_and_cut_secrets_are_hidden() {
        let secrets = Secrets::of(["rt-0123456789/abc+def", "", "q\"q"]);
        for (text, shown) in [
            ("nothing", "nothing"),
            ("token rt-0123456789/abc+def not found", "token … not found"),
            ("rt-0123456789%2Fabc%2Bdef&x=1", "…&x=1"),
            ("token rt-0123456789/... not found", "token …... not found"),
            ("rt-0123 is short", "rt-0123 is short"),
            (r#"said q\"q, q"q"#, "said …, …"),
            ("rt-0123456789/abc+defrt-0123456789/abc+def", "……"),
        ] {
            assert_eq!(secrets.hide(text), shown, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_secret_survives(before in ".{0,20}", secret in "[!-~]{1,60}", after in ".{0,20}") {
            let secrets = Secrets::of([secret.as_str()]);
            let shown = secrets.hide(&format!("{before}{secret}{after}"));
            prop_assert!(!shown.contains(&secret));
        }

        #[test]
        fn other_texts_stay(text in "[a-y ]{0,60}") {
            prop_assert_eq!(Secrets::of(["zzzzzzzz"]).hide(&text), text);
        }
    }
}
