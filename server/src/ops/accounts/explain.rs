//! Which account a request would get now, and why not the others.
//!
//! Invariant: a look: nothing is leased, asked or moved; by the next request it may be different.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use troupe_actors::Directory;
use troupe_actors::account::ActiveAccount;
use troupe_core::account::{Auth, Unavailable, Want};
use troupe_core::key::KeyRecord;
use troupe_core::routing::{Candidate, Ranked, Strategy, Term, explain};
use troupe_core::{AccountId, Now};

use super::super::fields::timestamp;
use super::super::{ErrorCode, OpError, Operation, Operations};
use crate::pipeline::place::session_key;

/// Ranks all accounts for a Messages request as it would be ranked now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExplainRouting {
    #[serde(default)]
    pub model: Option<String>,
    /// The name of the key it would come with.
    #[serde(default)]
    pub key: Option<String>,
    /// What its `x-claude-code-session-id` would say; needs `key`, since a session is its key's.
    #[serde(default)]
    pub session: Option<String>,
}

/// The order, first those that would be tried, then those that would not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub strategy: Strategy,
    /// Accounts that one request tries at most.
    pub max_attempts: usize,
    /// Why the key would be refused before any account is looked at.
    pub refused: Option<String>,
    /// Where the session was served last.
    pub session_account: Option<String>,
    pub accounts: Vec<ExplainedAccount>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedAccount {
    pub name: String,
    /// Could it serve?
    pub candidate: bool,
    /// Why it could not, as in the request log.
    pub why_not: Option<String>,
    /// When that ends by itself.
    pub until: Option<jiff::Timestamp>,
    /// The credential that would be used.
    pub auth: Option<Auth>,
    /// The how-manieth to be tried, from 0; `None` when the request would give up before.
    pub place: Option<usize>,
    /// What put it behind the one before it.
    pub behind_by: Option<Term>,
    /// What the ranking looked at.
    pub terms: Option<Terms>,
}

/// Loads are in parts per million.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub full: bool,
    pub avoided: bool,
    /// The session's own.
    pub preferred: bool,
    pub load_ppm: u32,
    pub utilisation_ppm: u32,
    pub in_use: u32,
    pub limit: Option<u32>,
    pub weight: u32,
    pub priority: u32,
}

impl Operation for ExplainRouting {
    type Outcome = Explanation;
    const NAME: &'static str = "routing.explain";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<Explanation, OpError> {
        let directory = ops.directory.as_ref().ok_or_else(|| {
            OpError::new(
                ErrorCode::NotRunning,
                "only a running gateway ranks accounts; start it with `troupe serve`",
            )
        })?;
        let now = directory.clock().now();
        let key = match &self.key {
            Some(name) => Some(ops.key_named(name).await?),
            None => None,
        };
        let plan = ops.plan();
        let asked = self.model.as_deref();
        let model = asked.map(|asked| plan.aliases.get(asked).map_or(asked, String::as_str));
        let preferred = self.affinity(directory, key.as_ref(), now)?;
        let want = Want {
            model,
            is_message: true,
            web: plan.web.is_some(),
            unix_ms: now.unix_ms,
            ..Want::default()
        };
        let set = directory.accounts();
        let (mut candidates, mut out, mut fits) = (Vec::new(), Vec::new(), Vec::new());
        for (index, account) in set.iter().enumerate() {
            match fit(account, key.as_ref(), &want) {
                Ok(fit) => {
                    candidates.push(candidate(account, index, &fit, preferred, now));
                    fits.push((index, fit.auth));
                }
                Err(why) => out.push(not_a_candidate(account, &why)),
            }
        }
        let ranked = explain(plan.strategy, &candidates, 0, plan.max_attempts);
        let by_index: &[Arc<ActiveAccount>] = &set;
        let tell = |ranked: &Ranked| {
            let auth = fits.iter().find(|(index, _)| *index == ranked.index);
            let account = by_index.get(ranked.index)?;
            Some(candidate_told(account, ranked, auth.map(|(_, auth)| *auth)))
        };
        let mut accounts: Vec<_> = ranked.iter().filter_map(tell).collect();
        accounts.extend(out);
        Ok(Explanation {
            strategy: plan.strategy,
            max_attempts: plan.max_attempts,
            refused: key.and_then(|key| refused(&key, asked, now.unix_ms)),
            session_account: preferred
                .and_then(|id| set.get(id))
                .map(|account| account.name.to_string()),
            accounts,
        })
    }
}

impl ExplainRouting {
    fn affinity(
        &self,
        directory: &Directory,
        key: Option<&KeyRecord>,
        now: Now,
    ) -> Result<Option<AccountId>, OpError> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        let key =
            key.ok_or_else(|| OpError::invalid("a session is its key's: name the key too"))?;
        let value = HeaderValue::from_str(session)
            .map_err(|_| OpError::invalid("the session is what a header can carry"))?;
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-claude-code-session-id"), value);
        let known = session_key(key.id, &headers, None)
            .and_then(|session| directory.affinities().known(&session));
        Ok(known
            .filter(|row| row.until_ms > now.unix_ms)
            .map(|row| row.account))
    }
}

fn fit(
    account: &ActiveAccount,
    key: Option<&KeyRecord>,
    want: &Want<'_>,
) -> Result<troupe_core::account::Fit, Unavailable> {
    if account.is_gone() {
        return Err(Unavailable::Gone);
    }
    let view = account.view.load();
    if key.is_some_and(|key| !key.binding.allows(&view.record)) {
        return Err(Unavailable::NotBound);
    }
    view.fit(want)
}

fn candidate(
    account: &ActiveAccount,
    index: usize,
    fit: &troupe_core::account::Fit,
    preferred: Option<AccountId>,
    now: Now,
) -> Candidate {
    let slots = (account.slots.in_use(), account.slots.limit());
    let is_preferred = preferred == Some(account.id);
    let values = account.standing.read();
    Candidate {
        avoided: fit.avoided || fit.stale,
        utilisation_ppm: fit.used_ppm,
        ..values.candidate(index, slots, is_preferred, now.unix_ms)
    }
}

fn candidate_told(
    account: &ActiveAccount,
    ranked: &Ranked,
    auth: Option<Auth>,
) -> ExplainedAccount {
    ExplainedAccount {
        name: account.name.to_string(),
        candidate: true,
        why_not: None,
        until: None,
        auth,
        place: ranked.place,
        behind_by: ranked.behind_by,
        terms: Some(Terms {
            full: ranked.full,
            avoided: ranked.avoided,
            preferred: ranked.preferred,
            load_ppm: ranked.load_ppm,
            utilisation_ppm: ranked.utilisation_ppm,
            in_use: ranked.in_use,
            limit: ranked.limit,
            weight: ranked.weight,
            priority: ranked.priority,
        }),
    }
}

fn not_a_candidate(account: &ActiveAccount, why: &Unavailable) -> ExplainedAccount {
    ExplainedAccount {
        name: account.name.to_string(),
        candidate: false,
        why_not: Some(why.word().to_owned()),
        until: why.until_ms().and_then(timestamp),
        auth: None,
        place: None,
        behind_by: None,
        terms: None,
    }
}

fn refused(key: &KeyRecord, model: Option<&str>, unix_ms: u64) -> Option<String> {
    if let Some(state) = key.unusable(unix_ms) {
        return Some(format!("the key is {state}"));
    }
    let denied = model.filter(|model| !key.rules.permits(model));
    denied.map(|_| "the key may not ask for this model".to_owned())
}
