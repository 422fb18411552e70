use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::json;
use troupe_core::event::EventKind;
use troupe_core::key::HashScheme;
use troupe_core::limit::LimitSet;
use troupe_core::port::Expect;
use troupe_storage::crypt::{check_generated, plain_hash};

use super::super::keys::*;
use super::super::{ErrorCode, Operation};
use super::{events, new_key, operations};
use crate::config::Config;
use crate::plan::Plan;

#[tokio::test]
async fn a_created_key_is_known_by_its_hash_only() {
    let ops = operations().await;
    let made = new_key("ci").run(&ops).await.unwrap();
    let secret = made.secret.expose_secret();
    assert_eq!(check_generated(secret), Some(true));
    assert_eq!(made.key.prefix, secret[..15]);
    let stored = &ops.stores.keys.list().await.unwrap()[0];
    assert_eq!(stored.hash, ops.hasher.hash(secret.as_bytes()));
    assert_eq!(stored.id, made.key.id);
    assert!(!format!("{made:?} {stored:?}").contains(&secret[15..]));
    assert!(
        matches!(&events(&ops).await[..], [EventKind::KeyCreated { name, .. }] if name == "ci")
    );
}

#[tokio::test]
async fn a_brought_secret_is_taken_as_it_is() {
    let ops = operations().await;
    let brought = |secret: &str| CreateKey {
        secret: Some(secret.to_owned().into()),
        ..new_key("own")
    };
    for (secret, said) in [
        ("too-short", "at least 20"),
        ("with a space and long enough", "visible"),
        ("a-declared-secret-of-ci", "another key has this secret"),
        (&format!("troupe-{}", "a".repeat(43)), "typing error"),
    ] {
        let refusal = brought(secret).run(&ops).await.unwrap_err();
        assert!(refusal.message.contains(said), "{refusal}");
        assert!(!refusal.message.contains(secret));
    }
    let made = brought("my-own-secret-of-some-length")
        .run(&ops)
        .await
        .unwrap();
    assert_eq!(made.secret.expose_secret(), "my-own-secret-of-some-length");
    assert_eq!(made.key.prefix.len(), 8);
    let again = CreateKey {
        name: "other".into(),
        ..brought("my-own-secret-of-some-length")
    };
    assert_eq!(again.run(&ops).await.unwrap_err().code, ErrorCode::Conflict);
}

#[tokio::test]
async fn names_are_unique_among_living_keys() {
    let ops = operations().await;
    new_key("ci").run(&ops).await.unwrap();
    let twice = new_key("ci").run(&ops).await.unwrap_err();
    assert_eq!(twice.code, ErrorCode::Conflict);
    assert!(twice.message.contains("troupe key rotate ci"));
    assert_eq!(
        new_key("filed").run(&ops).await.unwrap_err().code,
        ErrorCode::Declared
    );
    let revoked = RevokeKey { name: "ci".into() }.run(&ops).await.unwrap();
    assert_eq!(revoked.state, "revoked");
    new_key("ci").run(&ops).await.unwrap();
    let list = ListKeys::default().run(&ops).await.unwrap();
    let names: Vec<_> = list
        .keys
        .iter()
        .map(|key| (key.name.as_str(), key.declared))
        .collect();
    assert_eq!(names, [("ci", false), ("filed", true)]);
    assert_eq!(
        ListKeys {
            revoked: true,
            ..ListKeys::default()
        }
        .run(&ops)
        .await
        .unwrap()
        .keys
        .len(),
        3
    );
    assert_eq!(
        ShowKey { name: "ci".into() }
            .run(&ops)
            .await
            .unwrap()
            .key
            .state,
        "active"
    );
}

#[tokio::test]
async fn a_rotated_key_stays_itself_with_another_secret() {
    let ops = operations().await;
    let made = new_key("ci").run(&ops).await.unwrap();
    let rotate = RotateKey {
        name: "ci".into(),
        secret: None,
        grace: None,
    };
    let rotated = rotate.run(&ops).await.unwrap();
    assert_eq!(rotated.key.id, made.key.id);
    assert_ne!(rotated.secret.expose_secret(), made.secret.expose_secret());
    let stored = &ops.stores.keys.list().await.unwrap()[0];
    assert_eq!(
        stored.hash,
        ops.hasher.hash(rotated.secret.expose_secret().as_bytes())
    );
    assert!(matches!(
        events(&ops).await[..],
        [_, EventKind::KeyRotated { .. }]
    ));
}

#[tokio::test]
async fn what_is_given_is_updated_and_the_rest_stays() {
    let ops = operations().await;
    let create = CreateKey {
        rights: KeyRights {
            owner: Some("me".into()),
            group: Some("platform".into()),
            endpoints: Some(Endpoints::Word("all".into())),
            expires: Some("30d".into()),
            limits: limits(json!({ "concurrent": 4 })),
            accounts: Some(vec!["main".into()]),
            models: Some(vec!["claude-haiku-*".into()]),
            ..KeyRights::default()
        },
        ..new_key("ci")
    };
    create.run(&ops).await.unwrap();
    let update = UpdateKey {
        name: "ci".into(),
        rights: KeyRights {
            owner: Some(String::new()),
            expires: Some("never".into()),
            endpoints: Some(Endpoints::Paths(vec!["/v1/files".into()])),
            accounts: Some(Vec::new()),
            account_tags: Some(vec!["eu".into()]),
            ..KeyRights::default()
        },
    };
    let updated = update.run(&ops).await.unwrap();
    assert_eq!((updated.owner, updated.expires), (None, None));
    assert_eq!(updated.group.as_deref(), Some("platform"));
    assert_eq!(
        updated.endpoints,
        Endpoints::Paths(vec!["/v1/files".into()])
    );
    assert_eq!(updated.limits, limits(json!({ "concurrent": 4 })));
    assert_eq!(updated.models, ["claude-haiku-*"]);
    assert!(updated.accounts.is_empty());
    assert_eq!(updated.account_tags, ["eu"]);
    let nothing = UpdateKey {
        name: "ci".into(),
        ..UpdateKey::default()
    };
    assert_eq!(
        nothing.run(&ops).await.unwrap_err().code,
        ErrorCode::Invalid
    );
    let mistyped = UpdateKey {
        name: "ci".into(),
        rights: KeyRights {
            limits: limits(json!({ "tokens_per_our": 9 })),
            ..KeyRights::default()
        },
    };
    let refusal = mistyped.run(&ops).await.unwrap_err();
    assert_eq!((refusal.code, refusal.exit()), (ErrorCode::Invalid, 2));
    assert!(refusal.message.contains("`tokens_per_hour`"), "{refusal}");
}

fn limits(json: serde_json::Value) -> Limits {
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn a_key_without_limits_of_its_own_gets_the_preset_once() {
    let mut config = Config::default();
    config.limits.new_keys.0 = LimitSet::of_concurrent(Some(3));
    let plan = Arc::new(Plan::compile(&config));
    let ops = operations().await.planned_by(move || Arc::clone(&plan));
    let made = async |name: &str, own: serde_json::Value| {
        let mut create = new_key(name);
        create.rights.limits = limits(own);
        create.run(&ops).await.unwrap().key.limits
    };
    for (name, own, then) in [
        ("plain", json!({}), json!({ "concurrent": 3 })),
        (
            "own",
            json!({ "usd_per_day": 5 }),
            json!({ "usd_per_day": 5 }),
        ),
        ("bare", json!({ "concurrent": "default" }), json!({})),
    ] {
        assert_eq!(made(name, own).await, limits(then), "{name}");
    }
    let mut update = UpdateKey {
        name: "plain".into(),
        ..UpdateKey::default()
    };
    update.rights.limits = limits(json!({ "concurrent": "default", "usd_per_month": 12.5 }));
    let updated = update.run(&ops).await.unwrap();
    assert_eq!(updated.limits, limits(json!({ "usd_per_month": 12.5 })));
}

#[tokio::test]
async fn a_key_is_paused_and_resumed() {
    let ops = operations().await;
    new_key("ci").run(&ops).await.unwrap();
    assert_eq!(
        DisableKey { name: "ci".into() }
            .run(&ops)
            .await
            .unwrap()
            .state,
        "disabled"
    );
    assert_eq!(
        EnableKey { name: "ci".into() }
            .run(&ops)
            .await
            .unwrap()
            .state,
        "active"
    );
    RevokeKey { name: "ci".into() }.run(&ops).await.unwrap();
    let refusal = EnableKey { name: "ci".into() }.run(&ops).await.unwrap_err();
    assert!(refusal.message.contains("revoked for good"), "{refusal}");
    let refusal = RevokeKey {
        name: "nobody".into(),
    }
    .run(&ops)
    .await
    .unwrap_err();
    assert_eq!((refusal.code, refusal.exit()), (ErrorCode::NotFound, 1));
}

#[tokio::test]
async fn a_declared_key_is_shown_and_never_changed() {
    let ops = operations().await;
    let name = || "filed".to_owned();
    let refusals = [
        RotateKey {
            name: name(),
            secret: None,
            grace: None,
        }
        .run(&ops)
        .await
        .unwrap_err(),
        DisableKey { name: name() }.run(&ops).await.unwrap_err(),
        RevokeKey { name: name() }.run(&ops).await.unwrap_err(),
        UpdateKey {
            name: name(),
            rights: KeyRights {
                owner: Some("x".into()),
                ..KeyRights::default()
            },
        }
        .run(&ops)
        .await
        .unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(
            refusal.message,
            "key filed is declared in /etc/troupe.yaml; change it there"
        );
    }
    let shown = ShowKey { name: name() }.run(&ops).await.unwrap();
    assert!(shown.key.declared && shown.key.created_at.is_none());
    assert!(events(&ops).await.is_empty());
}

#[tokio::test]
async fn an_imported_hash_becomes_ours_at_its_first_use() {
    let ops = operations().await;
    let secret = secrecy::SecretString::from("sk-litellm-0123456789abcdef");
    let made = new_key("ci").run(&ops).await.unwrap();
    let mut record = ops.stores.keys.list().await.unwrap().remove(0);
    record.hash = plain_hash(secret.expose_secret().as_bytes());
    record.scheme = HashScheme::Sha256;
    let (id, expect) = (record.id, Expect::Version(record.version));
    let event = ops.event(EventKind::KeyUpdated {
        id,
        name: "ci".into(),
    });
    ops.stores.keys.put(record, expect, event).await.unwrap();
    let other = upgrade(&ops, id, &"another-secret-0123456789".into()).await;
    assert_eq!(other.unwrap_err().code, ErrorCode::Invalid);
    // Two uses at once.
    let (one, two) = tokio::join!(upgrade(&ops, id, &secret), upgrade(&ops, id, &secret));
    assert_eq!((one, two), (Ok(true), Ok(false)));
    let stored = ops.stores.keys.list().await.unwrap().remove(0);
    assert_eq!(stored.scheme, HashScheme::HmacSha256);
    assert_eq!(
        stored.hash,
        ops.hasher.hash(secret.expose_secret().as_bytes())
    );
    assert_ne!(stored.prefix, made.key.prefix);
    let gone = upgrade(&ops, troupe_core::KeyId::declared("nobody"), &secret).await;
    assert_eq!(gone, Ok(false));
}
