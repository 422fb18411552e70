//! An account as people and programs see it: no credential, and of its extra headers only the names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use troupe_actors::account::ActiveAccount;
use troupe_core::AccountId;
use troupe_core::account::{
    AccountKind, AccountRecord, AccountState, AuthScheme, CoolDown, Health,
};
use troupe_core::gate::UNLIMITED;

use super::super::fields::timestamp;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    pub id: AccountId,
    pub name: String,
    pub kind: AccountKind,
    pub base_url: String,
    pub auth: AuthScheme,
    /// Names only.
    pub headers: Vec<String>,
    pub models: BTreeMap<String, String>,
    pub concurrent: Option<u32>,
    /// It belongs to the configuration file.
    pub declared: bool,
    pub enabled: bool,
    /// `active`, `disabled`, `rejected`, `out_of_service`, `cooling_down` or `quarantined`.
    pub state: String,
    pub health: Health,
    pub cooldowns: Vec<CoolDownInfo>,
    /// `None` when the gateway does not run.
    pub slots: Option<SlotsInfo>,
    /// `None` for declared accounts.
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}

/// A pause that still runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDownInfo {
    /// `None` pauses every model.
    pub model: Option<String>,
    pub until: Option<Timestamp>,
    /// `throttled` keeps requests away, `avoided` makes the account the second choice.
    pub kind: String,
}

/// Requests in flight now, and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotsInfo {
    pub in_use: u32,
    pub limit: Option<u32>,
}

impl AccountInfo {
    pub(super) fn of_active(
        record: &AccountRecord,
        declared: bool,
        active: &ActiveAccount,
        now_ms: u64,
    ) -> Self {
        let view = active.view.load();
        let mut info = Self::new(record, declared, &view.health, &view.cooldowns, now_ms);
        if active.is_gone() {
            info.state = "quarantined".into();
        }
        let limit = active.slots.limit();
        info.slots = Some(SlotsInfo {
            in_use: active.slots.in_use(),
            limit: Some(limit).filter(|limit| *limit != UNLIMITED),
        });
        info
    }

    pub(super) fn of_state(
        record: &AccountRecord,
        declared: bool,
        state: Option<&AccountState>,
        now_ms: u64,
    ) -> Self {
        match state {
            Some(state) => Self::new(record, declared, &state.health, &state.cooldowns, now_ms),
            None => Self::new(record, declared, &Health::Active, &[], now_ms),
        }
    }

    fn new(
        record: &AccountRecord,
        declared: bool,
        health: &Health,
        cooldowns: &[CoolDown],
        now_ms: u64,
    ) -> Self {
        let running: Vec<_> = cooldowns
            .iter()
            .filter(|pause| pause.until_ms > now_ms)
            .collect();
        let paused = |pause: &&CoolDown| pause.throttled && pause.model.is_none();
        let state = match health {
            _ if !record.enabled => "disabled",
            Health::Active if running.iter().any(paused) => "cooling_down",
            health => health.as_str(),
        };
        let written = |at: u64| timestamp(at).filter(|_| at > 0);
        Self {
            id: record.id,
            name: record.name.clone(),
            kind: record.kind,
            base_url: record.base_url.clone(),
            auth: record.auth,
            headers: record.headers.keys().cloned().collect(),
            models: record.models.clone(),
            concurrent: record.concurrent,
            declared,
            enabled: record.enabled,
            state: state.to_owned(),
            health: health.clone(),
            cooldowns: running.into_iter().map(CoolDownInfo::from).collect(),
            slots: None,
            created_at: written(record.created_ms),
            updated_at: written(record.updated_ms),
        }
    }
}

impl From<&CoolDown> for CoolDownInfo {
    fn from(pause: &CoolDown) -> Self {
        Self {
            model: pause.model.as_deref().map(str::to_owned),
            until: timestamp(pause.until_ms),
            kind: if pause.throttled {
                "throttled"
            } else {
                "avoided"
            }
            .to_owned(),
        }
    }
}
