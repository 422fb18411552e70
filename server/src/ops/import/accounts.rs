//! One account of an import.

use std::collections::BTreeMap;

use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, Auth};
use troupe_core::event::EventKind;
use troupe_core::port::Expect;

use super::super::accounts::{AccountSettings, kind};
use super::super::patch::Patch;
use super::super::{Operations, fields, now_ms};
use super::{ImportAccount, ImportOutcome, Imported, ImportedItem, What, free_name, told};
use crate::config::accounts::DEFAULT_BASE_URL;

/// The caller holds the lock of changes; `accounts` are those that stand.
pub(super) async fn import(
    ops: &Operations,
    accounts: &mut Vec<AccountRecord>,
    item: ImportAccount,
    dry_run: bool,
) -> ImportedItem {
    let (name, source_id) = (item.account.name.clone(), item.source_id.clone());
    let result = run(ops, accounts, item, dry_run).await;
    told(What::Account, name, source_id, result)
}

async fn run(
    ops: &Operations,
    accounts: &mut Vec<AccountRecord>,
    item: ImportAccount,
    dry_run: bool,
) -> Imported {
    let from = |account: &AccountRecord| account.imported_from.as_ref() == Some(&item.source_id);
    match accounts.iter().position(from) {
        Some(at) => again(ops, &mut accounts[at], item, dry_run).await,
        None => new(ops, accounts, item, dry_run).await,
    }
}

async fn new(
    ops: &Operations,
    accounts: &mut Vec<AccountRecord>,
    item: ImportAccount,
    dry_run: bool,
) -> Imported {
    let mut notes = item.notes;
    let add = item.account;
    fields::check_name("an account", &add.name)?;
    let declared = ops.declared.load_full();
    let is_taken = |name: &str| {
        declared.account(name).is_some() || accounts.iter().any(|account| account.name == name)
    };
    let name = free_name(&add.name, is_taken);
    if name != add.name {
        notes.push(format!("the name {} is taken here", add.name));
    }
    let (id, now_ms) = (AccountId(uuid::Uuid::now_v7()), now_ms());
    let kind = kind(&add.kind)?;
    let mut record = AccountRecord {
        imported_from: Some(item.source_id),
        created_ms: now_ms,
        updated_ms: now_ms,
        ..AccountRecord::new(id, name.clone(), kind, DEFAULT_BASE_URL.to_owned())
    };
    ops.apply_unasked(&mut record, add.settings.clone()).await?;
    record.brought = prints(ops, &add.settings);
    record.enabled = item.enabled;
    if !item.enabled {
        notes.push("it was out of use at its source; it comes disabled".to_owned());
    }
    hold_web_back(ops, &mut record, &mut notes);
    if !dry_run {
        let told_as = EventKind::AccountCreated {
            id,
            name: name.clone(),
        };
        let tokens = add.settings.tokens.as_ref();
        record = ops
            .put_account(record, Expect::Absent, told_as, tokens)
            .await?;
    }
    accounts.push(record);
    Ok((name, ImportOutcome::Added, notes))
}

/// Takes what changed at the source, and nothing else: what was set here stays as it is.
async fn again(
    ops: &Operations,
    known: &mut AccountRecord,
    item: ImportAccount,
    dry_run: bool,
) -> Imported {
    let mut record = known.clone();
    let name = record.name.clone();
    let prints = prints(ops, &item.account.settings);
    let changed =
        |auth: Auth| prints.contains_key(&auth) && prints.get(&auth) != record.brought.get(&auth);
    // A record is stored before its tokens: what ended in between left them behind.
    let tokenless =
        prints.contains_key(&Auth::Oauth) && ops.stores.accounts.token(record.id).await?.is_none();
    let given = item.account.settings;
    let mut settings = AccountSettings::default();
    if changed(Auth::ApiKey) {
        settings.api_key = given.api_key;
    }
    if changed(Auth::Web) {
        settings.web = given.web;
    }
    if tokenless || changed(Auth::Oauth) {
        settings.tokens = given.tokens;
        if record.oauth.is_none() {
            settings.oauth = given.oauth;
        }
    }
    if settings.is_empty() {
        return Ok((name, ImportOutcome::Unchanged, Vec::new()));
    }
    let mut notes = item.notes;
    let tokens = settings.tokens.clone();
    let expect = Expect::Version(record.version);
    ops.apply_unasked(&mut record, settings).await?;
    record.brought.extend(prints);
    record.updated_ms = now_ms();
    hold_web_back(ops, &mut record, &mut notes);
    if !dry_run {
        let told_as = EventKind::AccountUpdated {
            id: record.id,
            name: name.clone(),
        };
        record = ops
            .put_account(record, expect, told_as, tokens.as_ref())
            .await?;
    }
    *known = record;
    Ok((name, ImportOutcome::Updated, notes))
}

/// A web session stays unusable until its terms are acknowledged.
fn hold_web_back(ops: &Operations, record: &mut AccountRecord, notes: &mut Vec<String>) {
    if record.web.is_none() || ops.web_allowed() {
        return;
    }
    let only = record.sealed.is_empty() && record.oauth.is_none();
    if only {
        record.enabled = false;
    }
    let state = if only {
        "the account is disabled"
    } else {
        "its other credential serves"
    };
    notes.push(format!(
        "its web session is taken and not used ({state}): set web_session.enabled and web_session.acknowledge_terms first"
    ));
}

/// A print of each credential that comes along.
fn prints(ops: &Operations, settings: &AccountSettings) -> BTreeMap<Auth, String> {
    let mut prints = BTreeMap::new();
    if let Patch::Set(key) = &settings.api_key {
        prints.insert(Auth::ApiKey, ops.print(&[key.expose()]));
    }
    let cookie = settings.web.set().and_then(|web| web.cookie.set());
    if let Some(cookie) = cookie {
        prints.insert(Auth::Web, ops.print(&[cookie.expose()]));
    }
    if let Some(tokens) = &settings.tokens {
        prints.insert(Auth::Oauth, ops.print_of(tokens));
    }
    prints
}
