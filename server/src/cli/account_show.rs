//! Accounts for people.

use troupe_core::account::{Auth, AuthScheme};

use super::key_show::from;
use super::limit_args;
use super::table::{columns, moment};
use crate::ops::accounts::{AccountInfo, CredentialInfo, SlotsInfo, StatsInfo};

pub(super) fn table(accounts: &[AccountInfo]) -> String {
    let heading = [
        "NAME",
        "KIND",
        "STATE",
        "CREDENTIALS",
        "IN USE",
        "GROUP",
        "BASE URL",
        "FROM",
    ];
    let rows: Vec<_> = accounts
        .iter()
        .map(|account| {
            let credentials = account.credentials.iter().map(|c| c.auth.as_str());
            vec![
                account.name.clone(),
                account.kind.as_str().to_owned(),
                account.state.clone(),
                credentials.collect::<Vec<_>>().join(","),
                account.slots.map_or_else(|| "-".to_owned(), in_use),
                account.group.clone().unwrap_or_else(|| "-".to_owned()),
                account.base_url.clone(),
                from(account.declared),
            ]
        })
        .collect();
    columns(&heading, &rows)
}

type Fact = (&'static str, Option<String>);

pub(super) fn told(account: &AccountInfo) -> Vec<Fact> {
    let models = account
        .models
        .iter()
        .map(|(from, to)| format!("{from}={to}"));
    let auth = match account.auth {
        AuthScheme::XApiKey => "x-api-key",
        AuthScheme::Bearer => "bearer",
    };
    let mut lines = vec![
        ("name", Some(account.name.clone())),
        ("id", Some(account.id.0.to_string())),
        ("kind", Some(account.kind.as_str().to_owned())),
        ("state", Some(account.state.clone())),
        ("reason", account.reason.clone()),
    ];
    for credential in &account.credentials {
        lines.extend(of_credential(credential));
    }
    lines.extend([
        ("in use", account.slots.map(in_use)),
        (
            "concurrent",
            account.concurrent.map(|limit| limit.to_string()),
        ),
        ("limits", limit_args::shown(&account.limits)),
        ("base url", Some(account.base_url.clone())),
        ("auth", Some(auth.to_owned())),
        (
            "token url",
            account.oauth.as_ref().map(|o| o.token_url.clone()),
        ),
        (
            "client",
            account.oauth.as_ref().and_then(|o| o.client_id.clone()),
        ),
        ("web", account.web.as_ref().map(|web| web.base_url.clone())),
        ("headers", list(account.headers.clone())),
        ("models", list(models.collect())),
        ("allow", list(account.allow_models.clone())),
        ("deny", list(account.deny_models.clone())),
        ("group", account.group.clone()),
        ("tags", list(account.tags.clone())),
        (
            "weight",
            Some(account.weight)
                .filter(|w| *w != 1)
                .map(|w| w.to_string()),
        ),
        (
            "priority",
            Some(account.priority)
                .filter(|p| *p != 0)
                .map(|p| p.to_string()),
        ),
        ("schedule", account.schedule.clone()),
        (
            "reserve",
            account.reserve.map(|percent| format!("{percent}%")),
        ),
        ("proxy", account.proxied.then(|| "its own".to_owned())),
        ("ca file", account.ca_file.clone()),
        ("imported", account.imported_from.clone()),
        ("created", account.created_at.map(moment)),
        ("from", Some(from(account.declared))),
    ]);
    if let Some(stats) = &account.stats {
        lines.extend(of_stats(stats));
    }
    lines
}

fn list(items: Vec<String>) -> Option<String> {
    Some(items.join(", ")).filter(|list| !list.is_empty())
}

fn of_credential(credential: &CredentialInfo) -> Vec<Fact> {
    let reason = credential.reason.as_ref();
    let reason = reason.map(|why| format!(" ({why})")).unwrap_or_default();
    let name = match credential.auth {
        Auth::ApiKey => "api key",
        Auth::Oauth => "oauth",
        Auth::Web => "web session",
    };
    let pauses = credential.cooldowns.iter().map(|pause| {
        let model = pause.model.as_deref().unwrap_or("every model");
        let until = pause
            .until
            .map(|at| format!(" until {}", moment(at)))
            .unwrap_or_default();
        format!("{model}: {}{until}", pause.kind)
    });
    let windows = credential.windows.iter().map(|window| {
        let model = window.model.as_deref();
        let model = model
            .map(|model| format!(" of {model}"))
            .unwrap_or_default();
        let reset = window.reset.map(|at| format!(" until {}", moment(at)));
        format!(
            "{}{model} {}{}",
            window.name,
            percent(u64::from(window.used_ppm)),
            reset.unwrap_or_default()
        )
    });
    let token = credential.token.as_ref().map(|token| {
        let ends = token.expires_at.map(|at| format!(", ends {}", moment(at)));
        let ends = ends.unwrap_or_default();
        let phase = Some(&token.phase).filter(|phase| *phase != "idle");
        let phase = phase.map(|phase| format!(", {phase}")).unwrap_or_default();
        format!("generation {}{ends}{phase}", token.generation)
    });
    vec![
        (name, Some(format!("{}{reason}", credential.state))),
        ("  token", token),
        ("  pauses", list(pauses.collect())),
        ("  windows", list(windows.collect())),
    ]
}

fn of_stats(stats: &StatsInfo) -> Vec<Fact> {
    let Some(since) = stats.since else {
        return renewal(stats);
    };
    let quantiles = |q: crate::ops::accounts::Quantiles| {
        let (p50, p95) = (q.p50_ms?, q.p95_ms?);
        Some(format!("{p50} ms, 95%: {p95} ms"))
    };
    let tokens = stats.tokens;
    let models = stats.models.iter().map(|(name, model)| {
        format!(
            "{name}: {} requests, {}",
            model.requests,
            usd(model.cost_micro_usd)
        )
    });
    let last_error = stats.last_error.as_ref().map(|error| {
        let at = error.at.map(moment).unwrap_or_default();
        format!("{at} {}", error.what)
    });
    let mut facts = vec![
        ("counted since", Some(moment(since))),
        ("succeeded", stats.success_ppm.map(percent)),
        (
            "faults",
            Some(format!(
                "{} of requests, {} of the account, {} of the platform, {} unknown",
                stats.request_faults, stats.account_faults, stats.platform_faults, stats.unknown
            )),
        ),
        ("duration", quantiles(stats.duration)),
        ("first event", quantiles(stats.first_event)),
        (
            "tokens",
            Some(format!("{} in, {} out", tokens.input, tokens.output)),
        ),
        ("cost", Some(usd(stats.cost_micro_usd))),
        ("cache hits", stats.cache_hit_ppm.map(percent)),
        ("by model", list(models.collect())),
        ("last error", last_error),
    ];
    facts.extend(renewal(stats));
    facts
}

fn renewal(stats: &StatsInfo) -> Vec<Fact> {
    let last = stats.renewals.last().map(|renewal| {
        let at = renewal.at.map(moment).unwrap_or_default();
        let why = renewal.why.as_ref().map(|why| format!(" ({why})"));
        format!("{at} {}{}", renewal.outcome, why.unwrap_or_default())
    });
    vec![("last renewal", last)]
}

/// When the account's token ends, for the message of who got it.
pub(super) fn token_ends(account: &AccountInfo) -> String {
    let oauth = account.credentials.iter().find(|c| c.auth == Auth::Oauth);
    let token = oauth.and_then(|credential| credential.token.as_ref());
    match token.and_then(|token| token.expires_at) {
        Some(at) => format!("they end {} and are renewed before", moment(at)),
        None => format!("see `troupe account show {}`", account.name),
    }
}

fn percent(ppm: u64) -> String {
    format!("{}.{}%", ppm / 10_000, ppm % 10_000 / 1_000)
}

fn usd(micro: u64) -> String {
    format!("{}.{:04} USD", micro / 1_000_000, micro % 1_000_000 / 100)
}

fn in_use(slots: SlotsInfo) -> String {
    match slots.limit {
        Some(limit) => format!("{}/{limit}", slots.in_use),
        None => slots.in_use.to_string(),
    }
}
