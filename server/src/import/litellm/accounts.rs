//! Deployments into accounts: those that reach the same upstream with the same credential are one.
//!
//! Invariant: the id of an account follows from its base URL, credential and headers, not from the order in the source.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;

use super::super::names::{Names, digest, label};
use super::super::notes::Notes;
use super::super::plan::ImportedAccount;
use super::deployment::Deployment;

#[derive(Debug, Default)]
pub(super) struct Accounts {
    names: Names,
    found: Vec<Found>,
    by_id: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Found {
    account: ImportedAccount,
    /// The names clients ask it for, those that are the upstream's own included.
    serves: BTreeSet<String>,
}

impl Accounts {
    /// `place` is where the deployment stands.
    pub fn add(&mut self, place: &str, deployment: Deployment, notes: &Notes) {
        let (id, new) = (id(&deployment), self.found.len());
        let at = *self.by_id.entry(id.clone()).or_insert(new);
        if at == new {
            let wanted = format!(
                "litellm-{}-{}",
                deployment.provider,
                id.get(..8).unwrap_or(&id)
            );
            let account = ImportedAccount {
                name: self.names.give(&wanted, "litellm", &id),
                source_id: format!("litellm:account:{id}"),
                api_key: Some(deployment.api_key.clone()),
                auth: deployment.auth,
                base_url: deployment.base_url.clone(),
                headers: deployment.headers.clone(),
                enabled: true,
                ..ImportedAccount::default()
            };
            self.found.push(Found {
                account,
                serves: BTreeSet::new(),
            });
        }
        let Some(found) = self.found.get_mut(at) else {
            return;
        };
        let account = &mut found.account;
        if !map(place, account, &deployment, notes) {
            return;
        }
        // Each deployment had its own bound: together they have the sum, or none.
        account.concurrent = if found.serves.is_empty() {
            deployment.concurrent
        } else {
            let sum = account.concurrent.zip(deployment.concurrent);
            sum.map(|(ours, more)| ours.saturating_add(more))
        };
        for tag in deployment.tags {
            if !account.tags.contains(&tag) {
                account.tags.push(tag);
            }
        }
        found.serves.insert(deployment.model_name);
    }

    /// `model_group_alias`: another name for a name of the clients. Does an account serve that?
    pub fn alias(&mut self, alias: &str, group: &str) -> bool {
        let serving = self
            .found
            .iter_mut()
            .filter(|found| found.serves.contains(group));
        let mut served = false;
        for Found { account, .. } in serving {
            let upstream = account.models.get(group).cloned();
            let upstream = upstream.unwrap_or_else(|| group.to_owned());
            account.models.insert(alias.to_owned(), upstream);
            served = true;
        }
        served
    }

    pub fn finish(self) -> Vec<ImportedAccount> {
        self.found.into_iter().map(|found| found.account).collect()
    }
}

fn id(deployment: &Deployment) -> String {
    let mut parts = vec![
        deployment.base_url.as_deref().unwrap_or_default(),
        deployment.api_key.expose_secret(),
    ];
    for (name, value) in &deployment.headers {
        parts.extend([name.as_str(), value.expose_secret()]);
    }
    digest(&parts)
}

/// Adds the name clients use, where it is not the upstream's own. `false`: the deployment stays behind.
fn map(place: &str, account: &mut ImportedAccount, deployment: &Deployment, notes: &Notes) -> bool {
    let (asked, sent) = (&deployment.model_name, &deployment.upstream_model);
    if asked.contains('*') || sent.contains('*') {
        if asked != sent && asked != "*" {
            let why = format!(
                "the account serves every model under the upstream's own name; names such as {} are not rewritten",
                label(asked)
            );
            notes.taken(place, why);
        }
        return true;
    }
    match account.models.get(asked) {
        Some(other) if other != sent => {
            let why = "has the name and the credential of another deployment; an account has one upstream model for a name";
            notes.left(place, why);
            return false;
        }
        _ if asked == sent => {}
        _ => {
            account.models.insert(asked.clone(), sent.clone());
        }
    }
    true
}
