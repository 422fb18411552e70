//! Rows to test with. Invariant: every field has a value that a lossy codec would show.

use std::collections::BTreeMap;

use troupe_core::account::{
    AccountKind, AccountRecord, AccountState, AccountStats, Auth, AuthScheme, CoolDown, Grant,
    Health, Intent, LaneState, ModelStats, OauthSettings, PreferredAuth, SecretName, TokenFormat,
    TokenRow, Unavailable, WebSettings, window,
};
use troupe_core::event::{DomainEvent, EventKind};
use troupe_core::key::{
    AccountBinding, Endpoints, HashScheme, KeyRecord, KeyTotals, Priority, ResourceScope,
};
use troupe_core::models::{ModelRules, Pattern};
use troupe_core::port::{ResourceOwner, SessionRow};
use troupe_core::record::{FailedAttempt, Outcome, PassedOver, RequestRecord, Route, TokenUsage};
use troupe_core::{AccountId, KeyHash, KeyId, RequestId, SessionKey};

pub(crate) fn account(name: &str) -> AccountRecord {
    AccountRecord {
        id: AccountId::declared(name),
        name: name.into(),
        kind: AccountKind::ApiKey,
        base_url: "https://api.example.org".into(),
        auth: AuthScheme::Bearer,
        sealed: (0..=255).collect(),
        secrets: BTreeMap::from([(SecretName::Proxy, vec![0, 255])]),
        headers: BTreeMap::from([("x-team".into(), "ü".into())]),
        models: BTreeMap::from([("here".into(), "there".into())]),
        concurrent: Some(4),
        limits: troupe_core::limit::LimitSet::of_concurrent(Some(3)),
        enabled: true,
        preferred_auth: PreferredAuth::Web,
        oauth: Some(oauth()),
        web: Some(WebSettings {
            base_url: "https://web.example.org".into(),
            organization: Some("org".into()),
            preserve_chats: true,
        }),
        group: Some("g".into()),
        tags: vec!["t".into()],
        weight: 3,
        priority: 2,
        rules: rules(),
        schedule: Some("mon-fri 08:00-18:00".parse().unwrap()),
        reserve_percent: Some(90),
        ca_file: Some("/etc/ca.pem".into()),
        imported_from: Some("elsewhere:1".into()),
        brought: BTreeMap::from([(Auth::Oauth, "0a1b".into())]),
        created_ms: 1_795_478_400_000,
        updated_ms: u64::MAX,
        version: 77,
    }
}

fn oauth() -> OauthSettings {
    OauthSettings {
        grant: Grant::ClientCredentials,
        token_url: "https://login.example.org/token".into(),
        authorize_url: Some("https://login.example.org/authorize".into()),
        redirect_uri: Some("https://here.example.org/".into()),
        client_id: Some("id".into()),
        scopes: vec!["a b".into()],
        extra: BTreeMap::from([("audience".into(), "x".into())]),
        format: TokenFormat::Form,
        assertion_file: Some("/run/jwt".into()),
    }
}

fn rules() -> ModelRules {
    ModelRules {
        allow: vec![Pattern::parse("claude-*").unwrap()],
        deny: vec![Pattern::parse("*-4-0").unwrap()],
    }
}

pub(crate) fn state(id: AccountId) -> AccountState {
    let cooldown = |model: Option<&str>| CoolDown {
        model: model.map(Into::into),
        betas: model.map(|_| u64::MAX),
        until_ms: 9,
        throttled: model.is_none(),
    };
    let lane = LaneState {
        health: Health::OutOfService {
            since_ms: 3,
            reason: "billing".into(),
        },
        cooldowns: vec![cooldown(None), cooldown(Some("claude"))],
        windows: vec![window("5h", Some("claude".into()), 999_999, 8)],
    };
    let served = ModelStats {
        requests: 1,
        usage: totals(0).usage,
        cost_micro_usd: u64::MAX,
    };
    let mut state = AccountState::new(id, 4);
    state.lanes = BTreeMap::from([(Auth::Oauth, lane), (Auth::Web, LaneState::default())]);
    state.stats = AccountStats {
        since_ms: 1,
        models: BTreeMap::from([("claude".into(), served)]),
        ..AccountStats::default()
    };
    state.stats.duration.add(7);
    state
}

pub(crate) fn token(account: &str) -> TokenRow {
    TokenRow {
        account: AccountId::declared(account),
        generation: 3,
        obtained_ms: 1,
        expires_ms: u64::MAX,
        sealed: (0..=255).collect(),
        intent: Some(Intent {
            generation: 2,
            node: "local".into(),
            boot_epoch: u64::MAX,
            at_ms: 5,
            last: true,
        }),
        needs_login: Some("ü".into()),
        version: 77,
    }
}

pub(crate) fn session(session: u64, until_ms: u64) -> SessionRow {
    SessionRow {
        session: SessionKey {
            key: KeyId::declared("k"),
            session,
        },
        account: AccountId::declared("a"),
        cached_tokens: u64::MAX,
        until_ms,
    }
}

pub(crate) fn key(name: &str, hash: u8) -> KeyRecord {
    KeyRecord {
        id: KeyId::declared(name),
        name: name.into(),
        hash: KeyHash([hash; 32]),
        scheme: HashScheme::Sha256,
        prefix: "troupe-abc12345".into(),
        owner: Some("ann".into()),
        group: None,
        tags: vec!["ü".into()],
        note: Some("for \"builds\"".into()),
        previous: None,
        addresses: vec![
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8::7".parse().unwrap(),
        ],
        priority: Priority::High,
        endpoints: Endpoints::Only(vec!["/v1/files".into()]),
        resources: ResourceScope::All,
        limits: troupe_core::limit::LimitSet::of_concurrent(Some(2)),
        rules: rules(),
        binding: AccountBinding {
            accounts: vec!["a".into()],
            groups: vec!["g".into()],
            tags: vec!["t".into()],
        },
        enabled: true,
        expires_ms: Some(8),
        expires_after_first_use_ms: Some(u64::MAX),
        first_used_ms: Some(9),
        revoked_ms: None,
        capture_until_ms: Some(10),
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
        web_searches: 6,
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

pub(crate) fn token_event(row: &TokenRow) -> DomainEvent {
    event(EventKind::TokenRenewed {
        id: row.account,
        generation: row.generation,
    })
}

fn event(kind: EventKind) -> DomainEvent {
    let seen = |what: &str| Some(format!("{{\"note\":\"{what}\"}}"));
    DomainEvent::new(7, "cli", kind).with(seen("ü"), seen("\u{1f980}"))
}

pub(crate) fn request(at_ms: u64) -> RequestRecord {
    RequestRecord {
        status: 200,
        outcome: Outcome::Completed,
        stream: true,
        key: Some(KeyId::declared("k")),
        owner: Some("ann".into()),
        group: Some("platform".into()),
        account_name: Some("a\n\"b".into()),
        session: Some(u64::MAX),
        passed_over: vec![PassedOver::new(
            &"ü".into(),
            &Unavailable::Throttled { until_ms: 9 },
        )],
        passed_over_more: u32::MAX,
        attempts: 2,
        failed: vec![FailedAttempt {
            account: "c".into(),
            auth: Auth::Web,
            status: Some(529),
            error: "overloaded".into(),
            began_us: 4,
            took_us: u64::MAX,
        }],
        usage: totals(0).usage,
        first_event_us: Some(1),
        gateway_us: 2,
        duration_us: 3,
        upstream_status: Some(200),
        ..RequestRecord::begin(
            RequestId(uuid::Uuid::from_u128(at_ms.into())),
            at_ms,
            Route::Messages,
        )
    }
}
