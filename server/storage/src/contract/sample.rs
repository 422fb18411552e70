//! Rows to test with. Invariant: every field has a value that a lossy codec would show.

use std::collections::BTreeMap;

use troupe_core::account::{
    AccountKind, AccountRecord, AccountState, AuthScheme, CoolDown, Health,
};
use troupe_core::event::{DomainEvent, EventKind};
use troupe_core::key::{Endpoints, KeyLimits, KeyRecord, KeyTotals, ResourceScope};
use troupe_core::port::ResourceOwner;
use troupe_core::record::{Outcome, RequestRecord, Route, TokenUsage};
use troupe_core::{AccountId, KeyHash, KeyId, RequestId};

pub(crate) fn account(name: &str) -> AccountRecord {
    AccountRecord {
        id: AccountId::declared(name),
        name: name.into(),
        kind: AccountKind::ApiKey,
        base_url: "https://api.example.org".into(),
        auth: AuthScheme::Bearer,
        sealed: (0..=255).collect(),
        headers: BTreeMap::from([("x-team".into(), "ü".into())]),
        models: BTreeMap::from([("here".into(), "there".into())]),
        concurrent: Some(4),
        enabled: true,
        created_ms: 1_795_478_400_000,
        updated_ms: u64::MAX,
        version: 77,
    }
}

pub(crate) fn state(id: AccountId) -> AccountState {
    let cooldown = |model: Option<&str>| CoolDown {
        model: model.map(Into::into),
        until_ms: 9,
        throttled: model.is_none(),
    };
    AccountState {
        id,
        health: Health::OutOfService {
            since_ms: 3,
            reason: "billing".into(),
        },
        cooldowns: vec![cooldown(None), cooldown(Some("claude"))],
        updated_ms: 4,
    }
}

pub(crate) fn key(name: &str, hash: u8) -> KeyRecord {
    KeyRecord {
        id: KeyId::declared(name),
        name: name.into(),
        hash: KeyHash([hash; 32]),
        prefix: "troupe-abc12345".into(),
        owner: Some("ann".into()),
        group: None,
        endpoints: Endpoints::Only(vec!["/v1/files".into()]),
        resources: ResourceScope::All,
        limits: KeyLimits {
            concurrent: Some(2),
        },
        enabled: true,
        expires_ms: Some(8),
        revoked_ms: None,
        created_ms: 1,
        updated_ms: 2,
        version: 0,
    }
}

pub(crate) fn totals(requests: u64) -> KeyTotals {
    let usage = TokenUsage {
        input: 1,
        output: 2,
        cache_read: 3,
        cache_write_5m: 4,
        cache_write_1h: u64::MAX,
    };
    KeyTotals {
        requests,
        usage,
        last_used_ms: 6,
    }
}

pub(crate) fn owner(resource: &str, key: &str) -> ResourceOwner {
    ResourceOwner {
        resource: resource.into(),
        account: AccountId::declared("a"),
        key: KeyId::declared(key),
        created_ms: 5,
    }
}

pub(crate) fn key_event(key: &KeyRecord) -> DomainEvent {
    event(EventKind::KeyCreated {
        id: key.id,
        name: key.name.clone(),
    })
}

pub(crate) fn account_event(account: &AccountRecord) -> DomainEvent {
    event(EventKind::AccountUpdated {
        id: account.id,
        name: account.name.clone(),
    })
}

fn event(kind: EventKind) -> DomainEvent {
    DomainEvent {
        at_ms: 7,
        actor: "cli".into(),
        kind,
    }
}

pub(crate) fn request(at_ms: u64) -> RequestRecord {
    RequestRecord {
        id: RequestId(uuid::Uuid::from_u128(at_ms.into())),
        at_ms,
        route: Route::Messages,
        status: 200,
        outcome: Outcome::Completed,
        stream: true,
        key: Some(KeyId::declared("k")),
        account: None,
        account_name: Some("a\n\"b".into()),
        session: Some(u64::MAX),
        model: None,
        attempts: 1,
        usage: totals(0).usage,
        estimated: false,
        first_event_us: Some(1),
        gateway_us: 2,
        duration_us: 3,
        upstream_status: Some(200),
        upstream_request_id: None,
        error: None,
    }
}
