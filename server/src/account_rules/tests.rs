//! Single rules; whole accounts are judged where the configuration's are.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use troupe_core::AccountId;
use troupe_core::account::{AccountKind, AccountRecord, Reach, Secrets, WebSettings};
use troupe_core::key::AccountBinding;

use super::*;

fn record(kind: AccountKind) -> AccountRecord {
    let base_url = "https://api.example".to_owned();
    AccountRecord::new(AccountId::declared("a"), "a".to_owned(), kind, base_url)
}

fn with_key(text: &str) -> Secrets {
    Secrets {
        api_key: Some(text.into()),
        ..Secrets::default()
    }
}

const GIVEN: WebConsent = WebConsent {
    enabled: true,
    acknowledge_terms: true,
};

#[test]
fn the_first_fault_is_a_sentence() {
    let none = WebConsent::default();
    let refusal = |record: &AccountRecord, secrets: &Secrets| {
        check(record, secrets, None, none).expect_err("a fault")
    };
    let plain = record(AccountKind::ApiKey);
    assert_eq!(check(&plain, &with_key("k"), None, none), Ok(()));
    assert_eq!(
        refusal(&plain, &Secrets::default()),
        "the account needs `api_key` or `api_key_file`"
    );
    let heavy = AccountRecord {
        weight: 1_001,
        ..plain
    };
    assert_eq!(
        refusal(&heavy, &with_key("k")),
        "`weight` must be at most 1000"
    );
}

#[test]
fn a_web_credential_in_any_form_needs_both_words() {
    let mut web = record(AccountKind::WebSession);
    web.web = Some(WebSettings {
        base_url: web::DEFAULT_BASE_URL.to_owned(),
        organization: None,
        preserve_chats: false,
    });
    let secrets = Secrets {
        web_cookie: Some("c".into()),
        ..Secrets::default()
    };
    for (enabled, acknowledge_terms) in [(false, false), (true, false), (false, true)] {
        let consent = WebConsent {
            enabled,
            acknowledge_terms,
        };
        for record in [&web, &record(AccountKind::ApiKey)] {
            let said = faults(record, &secrets, None, consent);
            let both = |fault: &Fault| {
                fault.message.contains("`web_session.enabled: true`")
                    && fault
                        .message
                        .contains("`web_session.acknowledge_terms: true`")
                    && fault.message.contains("operator's decision")
            };
            assert!(said.iter().any(both), "{said:?}");
        }
    }
    assert_eq!(check(&web, &secrets, None, GIVEN), Ok(()));
}

#[test]
fn no_sentence_holds_a_secret() {
    let secret = || Some(SecretString::from("hunter2 hunter2\n"));
    let mut odd = record(AccountKind::WebSession);
    odd.base_url = "https://hunter2:hunter2@h/?hunter2".to_owned();
    odd.web = Some(WebSettings {
        base_url: "https://h/#hunter2".to_owned(),
        organization: Some("hunter2!".to_owned()),
        preserve_chats: false,
    });
    odd.headers = [("x".to_owned(), "hunter2\n".to_owned())].into();
    odd.oauth = OauthFields {
        token_url: Some("ftp://u:hunter2@h".to_owned()),
        authorize_url: Some("https://u:hunter2@h".to_owned()),
        redirect_uri: Some("hunter2".to_owned()),
        grant: Some(troupe_core::account::Grant::ClientCredentials),
        client_id: Some("hunter2 2".to_owned()),
        scopes: Some(vec!["hunter2 2".to_owned()]),
        extra: [("a".to_owned(), "hunter2\n".to_owned())].into(),
        assertion_file: Some("hunter2".to_owned()),
        ..OauthFields::default()
    }
    .resolve()
    .ok();
    let secrets = Secrets {
        api_key: secret(),
        web_cookie: secret(),
        client_secret: secret(),
        reach: Arc::new(Reach {
            proxy: Some("ftp://u:hunter2@h".into()),
            ca_pem: Some(b"hunter2".to_vec()),
        }),
    };
    let said = faults(&odd, &secrets, secret().as_ref(), GIVEN);
    assert!(said.len() > 15, "{said:?}");
    assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
}

#[test]
fn percentages() {
    for (text, percent) in [("90%", 90), ("90", 90), ("1", 1), ("100 %", 100)] {
        assert_eq!(value::percent(text), Ok(percent));
    }
    for text in ["", "%", "0", "101", "9.5", "-1", "90%%", "1000", "+5"] {
        assert!(value::percent(text).is_err(), "{text}");
    }
}

#[test]
fn headers_that_are_no_ones_to_set() {
    let one = |name: &str| BTreeMap::from([(name.to_owned(), "v".to_owned())]);
    for name in ["Host", "content-length", "UPGRADE", "", "a b"] {
        assert!(headers::headers(&one(name)).is_err(), "{name}");
    }
    for name in ["Authorization", "cookie", "x-api-key"] {
        assert_eq!(headers::headers(&one(name)), Ok(()), "{name}");
        assert!(headers::without_credentials(&one(name)).is_err(), "{name}");
    }
    for name in ["user-agent", "Origin", "referer", "Sec-CH-UA", "cookie"] {
        assert!(headers::without_disguise(&one(name)).is_err(), "{name}");
    }
    let many = (0..65).map(|n| (format!("x-{n}"), String::new())).collect();
    assert!(headers::headers(&many).is_err());
    assert_eq!(headers::without_disguise(&one("anthropic-beta")), Ok(()));
}

#[test]
fn credentials_fit_into_headers() {
    for good in ["sk-1", "a=b;c"] {
        assert_eq!(headers::credential(good), Ok(()));
    }
    assert_eq!(headers::cookie("sessionKey=a; b=c"), Ok(()));
    let long = "x".repeat((16 << 10) + 1);
    for bad in ["", " ", "a\nb", "ä", &long] {
        assert!(headers::credential(bad).is_err(), "{bad}");
        assert!(headers::cookie(bad).is_err(), "{bad}");
    }
    assert!(headers::credential("a b").is_err());
}

#[test]
fn where_a_session_is_exchanged() {
    for good in [
        "{base}/v1/oauth/{organization_uuid}/authorize",
        "https://h.example/{organization_uuid}",
        "http://127.0.0.1:9/o/{organization_uuid}",
    ] {
        assert_eq!(web::authorize_url(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "{base}/authorize",
        "{base}evil.example/{organization_uuid}",
        "https://h/{organization_uuid}/{x}",
        "x{base}/{organization_uuid}",
        "http://h.example/{organization_uuid}",
        "https://169.254.169.254/{organization_uuid}",
    ] {
        assert!(web::authorize_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn bindings_name_each_account_once() {
    let binding = |tags: &[&str]| AccountBinding {
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        ..AccountBinding::default()
    };
    assert_eq!(value::binding(&binding(&["a", "b"])), Ok(()));
    for tags in [&["a", "a"][..], &[""], &[" a"], &["a\n"]] {
        let refusal = value::binding(&binding(tags)).expect_err("a fault");
        assert!(refusal.starts_with("`account_tags` entry"), "{refusal}");
    }
}
