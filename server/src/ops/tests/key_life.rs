//! What operators say of a key, its secrets over rotations, and its first use.

use secrecy::{ExposeSecret, SecretString};
use troupe_core::event::EventKind;
use troupe_core::key::{HashScheme, KeyRecord, Priority};
use troupe_core::port::Expect;
use troupe_storage::crypt::plain_hash;

use super::super::keys::*;
use super::super::{ErrorCode, OpError, Operation, Operations};
use super::{new_key, operations};

fn rotate(grace: Option<&str>) -> RotateKey {
    RotateKey {
        name: "ci".into(),
        secret: None,
        grace: grace.map(Into::into),
    }
}

async fn update(ops: &Operations, rights: serde_json::Value) -> Result<KeyInfo, OpError> {
    let rights: KeyRights = serde_json::from_value(rights).unwrap();
    let name = "ci".into();
    UpdateKey { name, rights }.run(ops).await
}

async fn stored(ops: &Operations) -> KeyRecord {
    ops.stores.keys.list().await.unwrap().remove(0)
}

fn brought(name: &str, secret: &SecretString) -> CreateKey {
    CreateKey {
        secret: Some(secret.clone()),
        ..new_key(name)
    }
}

#[tokio::test]
async fn with_grace_both_secrets_are_the_keys() {
    let ops = operations().await;
    let first = new_key("ci").run(&ops).await.unwrap();
    let second = rotate(Some("1h")).run(&ops).await.unwrap();
    let old = second.key.previous.unwrap();
    assert_eq!(old.prefix, first.key.prefix);
    let left = old.until.as_millisecond() - jiff::Timestamp::now().as_millisecond();
    assert!((3_590_000..=3_600_000).contains(&left), "{left}");
    for secret in [&first.secret, &second.secret] {
        let refusal = brought("thief", secret).run(&ops).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Conflict);
    }
    let third = rotate(Some("1h")).run(&ops).await.unwrap();
    assert_eq!(third.key.previous.unwrap().prefix, second.key.prefix);
    brought("heir", &first.secret).run(&ops).await.unwrap();
    let last = rotate(None).run(&ops).await.unwrap();
    assert_eq!(last.key.previous, None);
    rotate(Some("1h")).run(&ops).await.unwrap();
    let revoked = RevokeKey { name: "ci".into() }.run(&ops).await.unwrap();
    assert_eq!(
        (revoked.state.as_str(), revoked.previous),
        ("revoked", None)
    );
    let refusal = brought("thief", &last.secret).run(&ops).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Conflict, "nobody's, and taken");
}

#[tokio::test]
async fn a_rotation_needs_another_secret_and_a_real_time() {
    let ops = operations().await;
    let made = new_key("ci").run(&ops).await.unwrap();
    let same = RotateKey {
        secret: Some(made.secret),
        ..rotate(Some("1h"))
    };
    let refusal = same.run(&ops).await.unwrap_err();
    assert!(refusal.message.contains("already"), "{refusal}");
    for grace in ["0s", "soon", "2027-01-31", "-1h", "9999999999d"] {
        let refusal = rotate(Some(grace)).run(&ops).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Invalid, "{grace}");
        assert!(refusal.message.contains("24h"), "{refusal}");
    }
    assert_eq!(stored(&ops).await.version, 1);
}

#[tokio::test]
async fn an_imported_hash_becomes_ours_in_its_grace_too() {
    let ops = operations().await;
    new_key("ci").run(&ops).await.unwrap();
    let secret = SecretString::from("sk-litellm-0123456789abcdef");
    let plain = plain_hash(secret.expose_secret().as_bytes());
    let imported = KeyRecord {
        hash: plain,
        scheme: HashScheme::Sha256,
        ..stored(&ops).await
    };
    let (id, expect) = (imported.id, Expect::Version(imported.version));
    let name = imported.name.clone();
    let event = ops.event(EventKind::KeyUpdated { id, name });
    ops.stores.keys.put(imported, expect, event).await.unwrap();
    rotate(Some("1h")).run(&ops).await.unwrap();
    assert!(stored(&ops).await.has_foreign_hash());
    let stranger = upgrade(&ops, id, &"another-secret-0123456789".into()).await;
    assert_eq!(stranger.unwrap_err().code, ErrorCode::Invalid);
    assert_eq!(upgrade(&ops, id, &secret).await, Ok(true));
    assert_eq!(upgrade(&ops, id, &secret).await, Ok(false));
    let key = stored(&ops).await;
    let ours = ops.hasher.hash(secret.expose_secret().as_bytes());
    assert!(!key.has_foreign_hash());
    assert!(key.accepts(&ours, HashScheme::HmacSha256, || 0));
}

#[tokio::test]
async fn the_first_use_is_stored_once() {
    let ops = operations().await;
    let id = new_key("ci").run(&ops).await.unwrap().key.id;
    assert_eq!(first_use(&ops, id, 1).await, Ok(false), "nothing counts");
    let now = jiff::Timestamp::now().as_millisecond().cast_unsigned();
    let set = |after: &str| serde_json::json!({ "expires_after_first_use": after });
    let waits = update(&ops, set("1h")).await.unwrap();
    assert_eq!(waits.expires_after_first_use.as_deref(), Some("1h"));
    assert_eq!((waits.expires, waits.first_used_at), (None, None));
    let (one, two) = tokio::join!(first_use(&ops, id, now), first_use(&ops, id, now + 5));
    assert_eq!((one, two), (Ok(true), Ok(false)));
    let hour_ms = 3_600_000;
    for (rights, ends_ms) in [
        (serde_json::json!({"owner": "me"}), Some(now + hour_ms)),
        // Given anew, it still counts from the first use; the earlier end counts.
        (set("2h"), Some(now + 2 * hour_ms)),
        (serde_json::json!({"expires": "30m"}), None),
        (
            serde_json::json!({"expires": "never"}),
            Some(now + 2 * hour_ms),
        ),
    ] {
        let key = update(&ops, rights.clone()).await.unwrap();
        let ends = key.expires.unwrap().as_millisecond().cast_unsigned();
        match ends_ms {
            Some(ends_ms) => assert_eq!(ends, ends_ms, "{rights}"),
            None => assert!(ends < now + hour_ms, "{rights}"),
        }
    }
    let never = update(&ops, set("never")).await.unwrap();
    assert_eq!((never.expires, never.first_used_at), (None, None));
    assert_eq!(first_use(&ops, id, now).await, Ok(false));
    update(&ops, set("1h")).await.unwrap();
    RevokeKey { name: "ci".into() }.run(&ops).await.unwrap();
    assert_eq!(first_use(&ops, id, now).await, Ok(false), "revoked");
    let nobody = troupe_core::KeyId::declared("nobody");
    assert_eq!(first_use(&ops, nobody, now).await, Ok(false));
}

#[tokio::test]
async fn an_end_of_use_that_has_passed_is_an_end() {
    let ops = operations().await;
    let id = new_key("ci").run(&ops).await.unwrap().key.id;
    let set = serde_json::json!({ "expires_after_first_use": "1s" });
    update(&ops, set).await.unwrap();
    assert_eq!(first_use(&ops, id, 1).await, Ok(true));
    let shown = ShowKey { name: "ci".into() }.run(&ops).await.unwrap();
    assert_eq!(shown.key.state, "expired");
}

#[tokio::test]
async fn what_is_said_of_a_key_is_shown_and_removed_by_nothing() {
    let ops = operations().await;
    let said = new_key("ci").run(&ops).await.unwrap().key;
    assert_eq!(said.priority, Priority::Normal);
    let all = serde_json::json!({
        "tags": ["nightly", "eu"],
        "note": "for \"builds\"",
        "addresses": ["10.0.0.0/8", "::ffff:192.0.2.7"],
        "priority": "high",
        "deny_models": ["*opus*"],
    });
    let key = update(&ops, all.clone()).await.unwrap();
    assert_eq!(key.tags, ["nightly", "eu"]);
    assert_eq!(key.note.as_deref(), Some("for \"builds\""));
    assert_eq!(key.addresses, ["10.0.0.0/8", "192.0.2.7"]);
    assert_eq!(key.priority, Priority::High);
    assert_eq!(key.deny_models, ["*opus*"]);
    let nothing = serde_json::json!({
        "tags": [], "note": "", "addresses": [], "priority": "normal", "deny_models": [],
    });
    let key = update(&ops, nothing).await.unwrap();
    let before = KeyInfo {
        updated_at: key.updated_at,
        ..said
    };
    assert_eq!(key, before);
}

#[tokio::test]
async fn what_is_wrong_is_said_by_its_name() {
    let ops = operations().await;
    new_key("ci").run(&ops).await.unwrap();
    let many = |text: &str, count: usize| vec![text.to_owned(); count];
    for (rights, told) in [
        (
            serde_json::json!({"tags": ["a", "a"]}),
            "`tags` entry 2 stands there twice",
        ),
        (serde_json::json!({"tags": [""]}), "`tags` entry 1"),
        (
            serde_json::json!({"note": "x".repeat(1_001)}),
            "`note` must be at most 1000",
        ),
        (serde_json::json!({"note": "a\nb"}), "`note` must be"),
        (
            serde_json::json!({"addresses": ["::1", "10.0.0.1/8"]}),
            "`addresses` entry 2: has bits of a host",
        ),
        (
            serde_json::json!({"addresses": ["localhost"]}),
            "`addresses` entry 1: expected an address",
        ),
        (
            serde_json::json!({"addresses": many("::1", 257)}),
            "`addresses` holds more than 256",
        ),
        (
            serde_json::json!({"deny_models": ["a b"]}),
            "`deny_models` model pattern",
        ),
        (
            serde_json::json!({"expires_after_first_use": "soon"}),
            "expires_after_first_use is a duration",
        ),
    ] {
        let refusal = update(&ops, rights).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Invalid, "{refusal}");
        assert!(refusal.message.contains(told), "{refusal}");
    }
    update(&ops, serde_json::json!({"note": "ü".repeat(1_000)}))
        .await
        .unwrap();
}

#[tokio::test]
async fn keys_are_found_by_owner_group_and_tag() {
    let ops = operations().await;
    for (name, owner, group, tags) in [
        ("a", "ann", "blue", &["x", "y"][..]),
        ("b", "ann", "red", &["y"]),
        ("c", "bob", "blue", &[]),
    ] {
        let rights = serde_json::json!({"owner": owner, "group": group, "tags": tags});
        let rights = serde_json::from_value(rights).unwrap();
        let name = name.to_owned();
        let made = CreateKey {
            name,
            rights,
            secret: None,
        };
        made.run(&ops).await.unwrap();
    }
    RevokeKey { name: "b".into() }.run(&ops).await.unwrap();
    for (wanted, names) in [
        (serde_json::json!({}), &["a", "c", "filed"][..]),
        (serde_json::json!({"owner": "ann"}), &["a"]),
        (
            serde_json::json!({"owner": "ann", "revoked": true}),
            &["a", "b"],
        ),
        (serde_json::json!({"group": "blue"}), &["a", "c"]),
        (serde_json::json!({"tag": "y"}), &["a"]),
        (serde_json::json!({"owner": "bob", "tag": "y"}), &[]),
        (serde_json::json!({"owner": "an"}), &[]),
    ] {
        let list: ListKeys = serde_json::from_value(wanted.clone()).unwrap();
        let found = list.run(&ops).await.unwrap().keys;
        let found: Vec<_> = found.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(found, names, "{wanted}");
    }
}
