//! Whatever the secrets are and wherever a file is cut: none comes out by a note, an error or a `Debug`.

use proptest::prelude::*;
use serde_json::json;
use troupe_storage::foreign::litellm::{LitellmRows, Row};

use crate::import::{ImportError, ImportPlan, clewdr, clove, litellm_database, litellm_yaml};

/// Long enough not to occur by chance.
fn secret() -> impl Strategy<Value = String> {
    ("(sk-ant-sid01-|sk-ant-oat01-|sk-|)", "[A-Za-z0-9_-]{12,80}")
        .prop_map(|(kind, rest)| format!("{kind}zq9{rest}"))
}

fn told(result: Result<ImportPlan, ImportError>) -> String {
    match result {
        Ok(plan) => {
            let notes: Vec<_> = plan
                .notes
                .iter()
                .map(|note| format!("{}: {}", note.what, note.why))
                .collect();
            format!("{plan:?} {plan:#?} {}", notes.join("\n"))
        }
        Err(error) => format!("{error} {error:?}"),
    }
}

/// Any eight characters in a row would be too many.
fn assert_silent(text: &str, secrets: &[String]) -> Result<(), TestCaseError> {
    for secret in secrets {
        let tail = &secret[secret.len() - 10..];
        prop_assert!(
            !text.contains(secret.as_str()) && !text.contains(tail),
            "{secret} in {text}"
        );
    }
    Ok(())
}

fn cut(text: &str, at: prop::sample::Index) -> &str {
    let at = at.index(text.len() + 1);
    text.get(..at).unwrap_or(text)
}

proptest! {
    #[test]
    fn of_clove(s in prop::collection::vec(secret(), 8), at in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let accounts = json!({
            "0b9c5e60-6ac3-4f5e-9f0a-3c1de5a5a0f1": {
                "cookie_value": format!("sessionKey={}", s[0]), "status": s[6], "auth_type": "both", "preferred_auth": s[7],
                "oauth_token": {"access_token": s[1], "refresh_token": s[2], "expires_at": s[6]},
            },
            "b": {"cookie_value": format!("{}\n", s[0]), "oauth_token": s[3]},
        });
        let config = json!({
            "api_keys": format!("{},{}", s[3], s[4]), "admin_api_keys": [s[4]], "cookies": [s[5], 5],
            "proxy_url": format!("http://u:{}@127.0.0.1:1", s[6]), "claude_api_baseurl": format!("https://u:{}@x", s[7]),
            "oauth_token_url": format!("https://x/?key={}", s[7]), "unknown": s[1],
        });
        let (accounts, config) = (accounts.to_string(), config.to_string());
        let accounts = if whole { &accounts } else { cut(&accounts, at) };
        assert_silent(&told(clove(accounts.as_bytes(), Some(config.as_bytes()))), &s)?;
        assert_silent(&told(clove(b"{}", Some(cut(&config, at).as_bytes()))), &s)?;
    }

    #[test]
    fn of_clewdr(s in prop::collection::vec(secret(), 8), at in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let text = format!(
            "cookie = \"{}\"\npassword = \"{}\"\nadmin_password = \"{}\"\nproxy = \"socks5://u:{}@127.0.0.1:1\"\nunknown = \"{}\"\n\
             [[cookie_array]]\ncookie = \"{}\"\n[cookie_array.token]\naccess_token = \"{}\"\nrefresh_token = \"{}\"\n\
             [[wasted_cookie]]\ncookie = \"{}\"\nreason = \"{}\"\n",
            s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[0], s[1],
        );
        let text = if whole { &text } else { cut(&text, at) };
        assert_silent(&told(clewdr(text)), &s)?;
    }

    #[test]
    fn of_litellm(s in prop::collection::vec(secret(), 8), at in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let text = format!(
            "model_list:\n- model_name: a\n  litellm_params:\n    model: anthropic/claude\n    api_key: \"{}\"\n    api_base: \"https://u:{}@x\"\n\
             - model_name: b\n  litellm_params: {{ model: claude, api_key: \"{}\", unknown: \"{}\", extra_headers: {{ x-a: \"{}\" }} }}\n\
             - model_name: c\n  litellm_params: {{ model: claude, api_key: os.environ/{} }}\n\
             general_settings: {{ master_key: \"{}\", database_url: \"postgres://u:{}@x\" }}\n",
            s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7],
        );
        let text = if whole { &text } else { cut(&text, at) };
        assert_silent(&told(litellm_yaml(text, &|_| None)), &s)?;
    }

    #[test]
    fn of_litellms_database(s in prop::collection::vec(secret(), 5), hash in "[0-9a-f]{64}") {
        let rows = LitellmRows {
            keys: vec![
                Row::new(json!({"token": hash, "key_alias": format!("sk-{}", s[0]), "metadata": {"a": s[1]}, "expires": s[2]}).to_string()),
                Row::new(json!({"token": s[0], "budget_duration": s[1], "max_budget": 1}).to_string()),
                Row::new(format!("{{\"token\": {}", s[3])),
            ],
            models: vec![
                Row::new(json!({"model_name": "a", "litellm_params": {"model": "anthropic/x", "api_key": s[3]}}).to_string()),
                Row::new(json!({"model_name": format!("sk-{}", s[4]), "litellm_params": s[4]}).to_string()),
            ],
            ..LitellmRows::default()
        };
        let debug = format!("{rows:?}");
        let text = told(Ok(litellm_database(rows)));
        let mut s = s;
        s.push(hash);
        assert_silent(&text, &s)?;
        assert_silent(&debug, &s)?;
    }
}
