//! One deployment: what LiteLLM sends a model's requests with.
//!
//! Invariant: a reference to an environment variable is either resolved or told by the variable's name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use troupe_core::account::AuthScheme;

use super::super::checks;
use super::super::fields::Fields;
use super::super::names::{label, stored};
use super::super::tree::Tree;

const REFERENCE: &str = "os.environ/";

/// Where references and shared credentials are looked up.
pub(super) struct Lookup<'a> {
    /// `environment_variables` of the file, which LiteLLM puts over its environment.
    pub variables: BTreeMap<&'a str, &'a str>,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// `credential_list`: name → values.
    pub credentials: BTreeMap<&'a str, &'a Tree>,
}

impl Lookup<'_> {
    pub fn variable(&self, name: &str) -> Option<String> {
        let own = self.variables.get(name).map(|value| (*value).to_owned());
        own.or_else(|| (self.env)(name))
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// `text`, or what it refers to.
    pub fn resolve<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, String> {
        let Some(name) = text.strip_prefix(REFERENCE) else {
            return Ok(Cow::Borrowed(text));
        };
        self.variable(name).map(Cow::Owned).ok_or_else(|| {
            // A name has capitals only: anything else may be a secret that was pasted there.
            let is_name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
            let name = if name.bytes().all(is_name) {
                label(name)
            } else {
                "(withheld)".to_owned()
            };
            format!("refers to the variable {name}, which is not set here; set it and import again")
        })
    }
}

/// A deployment that can be reached by the Messages API.
#[derive(Debug)]
pub(super) struct Deployment {
    /// What clients ask for.
    pub model_name: String,
    /// What the upstream calls it.
    pub upstream_model: String,
    pub provider: String,
    /// `None`: the default one.
    pub base_url: Option<String>,
    pub api_key: SecretString,
    pub auth: AuthScheme,
    pub headers: BTreeMap<String, SecretString>,
    pub concurrent: Option<u32>,
    pub tags: Vec<String>,
}

/// Reads `litellm_params`. What does not come along has a note.
pub(super) fn read(
    model_name: &str,
    mut params: Fields<'_, '_>,
    lookup: &Lookup<'_>,
) -> Option<Deployment> {
    let place = params.place().to_owned();
    let notes = params.notes;
    let Some(model) = params.text("model") else {
        notes.left(place, "names no model");
        return None;
    };
    let provider = params.text("custom_llm_provider");
    let (provider, upstream_model) = split(model, provider);
    let mut shared = credential(&mut params, lookup);
    let base = ["api_base", "base_url"]
        .iter()
        .find_map(|name| value(&mut params, name, lookup))
        .or_else(|| value(shared.as_mut()?, "api_base", lookup))
        .or_else(|| {
            let from = ["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"];
            let ours = provider == "anthropic";
            from.iter()
                .find_map(|name| lookup.variable(name))
                .filter(|_| ours)
                .map(Ok)
        });
    let base = match base.transpose() {
        Ok(base) => base,
        Err(why) => {
            notes.left(place, format!("its api_base {why}"));
            return None;
        }
    };
    if !speaks_messages(provider, base.as_deref()) {
        let provider = label(provider);
        let why = format!(
            "provider {provider} does not speak the Messages API; this gateway has no such accounts"
        );
        notes.left(place, why);
        return None;
    }
    let base_url = match base.as_deref().map(checks::api_base).transpose() {
        Ok(base) => base.flatten(),
        Err(why) => {
            notes.left(place, format!("its api_base {why}"));
            return None;
        }
    };
    let key = value(&mut params, "api_key", lookup)
        .or_else(|| value(shared.as_mut()?, "api_key", lookup))
        .or_else(|| {
            let key = lookup.variable("ANTHROPIC_API_KEY");
            key.filter(|_| provider == "anthropic").map(Ok)
        });
    let key = match key {
        Some(Ok(key)) => checks::secret(&key).map_err(str::to_owned),
        Some(Err(why)) => Err(why),
        None => Err("is missing, also as the variable ANTHROPIC_API_KEY".to_owned()),
    };
    let api_key = match key {
        Ok(key) => key,
        Err(why) => {
            notes.left(place, format!("its api_key {why}"));
            return None;
        }
    };
    if let Some(shared) = shared {
        shared.finish();
    }
    let auth = auth(&params, &api_key);
    let headers = headers(&mut params, lookup);
    let concurrent = params.count("max_parallel_requests");
    let deployment = Deployment {
        model_name: model_name.to_owned(),
        upstream_model: upstream_model.to_owned(),
        provider: provider.to_owned(),
        base_url,
        api_key,
        auth,
        headers,
        concurrent: concurrent
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| *count > 0),
        tags: params
            .texts("tags")
            .into_iter()
            .map(|tag| stored(tag, "tag"))
            .collect(),
    };
    params.leave(&["rpm", "tpm"], "the upstream's own rate limits are obeyed; to stop earlier set `troupe account update --limit MODEL:requests_per_minute=N`");
    params.leave(
        &["weight", "order"],
        "deployments are accounts here, chosen by routing.strategy in troupe.yaml",
    );
    params.leave(
        &["timeout", "stream_timeout"],
        "set the timeouts of `streaming` in troupe.yaml",
    );
    params.leave(
        &["max_retries", "num_retries"],
        "set routing.max_attempts in troupe.yaml",
    );
    params.leave(
        &[
            "input_cost_per_token",
            "output_cost_per_token",
            "cache_read_input_token_cost",
            "cache_creation_input_token_cost",
        ],
        "set prices under `models` in troupe.yaml",
    );
    params.pass(&[
        "use_in_pass_through",
        "use_litellm_proxy",
        "merge_reasoning_content_in_choices",
    ]);
    params.finish_because(
        "this gateway sends requests as they come; the parameter is not carried over",
    );
    Some(deployment)
}

/// `provider/model`; a bare name of the family belongs to the provider of the Messages API.
fn split<'t>(model: &'t str, provider: Option<&'t str>) -> (&'t str, &'t str) {
    match (provider, model.split_once('/')) {
        (Some(provider), Some((prefix, rest))) if prefix == provider => (provider, rest),
        (Some(provider), _) => (provider, model),
        (None, Some((prefix, rest))) => (prefix, rest),
        (None, None) if model.starts_with("claude") => ("anthropic", model),
        (None, None) => ("of no name", model),
    }
}

/// Its own provider does; others do where they offer a base for it, by convention with `anthropic` in the path.
fn speaks_messages(provider: &str, base: Option<&str>) -> bool {
    let base = base.unwrap_or_default().trim_end_matches('/');
    let path = base.split_once("://").map_or(base, |(_, rest)| rest);
    provider == "anthropic"
        || path.ends_with("/v1/messages")
        || path.split('/').skip(1).any(|part| part == "anthropic")
}

fn credential<'l, 'n>(params: &mut Fields<'_, 'n>, lookup: &Lookup<'l>) -> Option<Fields<'l, 'n>> {
    let name = params.text("litellm_credential_name")?;
    let Some(values) = lookup.credentials.get(name) else {
        let why = "names a credential that is not in credential_list";
        params.notes.left(params.at("litellm_credential_name"), why);
        return None;
    };
    let place = format!("config.yaml: credential_list ({})", label(name));
    Fields::of(&place, &place, values, params.notes)
}

fn value(
    fields: &mut Fields<'_, '_>,
    name: &str,
    lookup: &Lookup<'_>,
) -> Option<Result<String, String>> {
    let text = fields.text(name)?;
    Some(lookup.resolve(text).map(Cow::into_owned))
}

/// Tokens of a login go as bearers; they cannot be refreshed from here.
fn auth(params: &Fields<'_, '_>, api_key: &SecretString) -> AuthScheme {
    if !api_key.expose_secret().starts_with("sk-ant-oat") {
        return AuthScheme::XApiKey;
    }
    let why =
        "is a token of a login, not an API key: taken as a bearer, and it ends when the token ends";
    params.notes.taken(params.at("api_key"), why);
    AuthScheme::Bearer
}

fn headers(params: &mut Fields<'_, '_>, lookup: &Lookup<'_>) -> BTreeMap<String, SecretString> {
    let mut headers = BTreeMap::new();
    let Some(Tree::Map(entries)) = params.value("extra_headers") else {
        return headers;
    };
    let place = params.at("extra_headers");
    for (name, value) in entries {
        let what = format!("{place}.{}", label(name));
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let value = value.text().unwrap_or_default();
        let value = lookup
            .resolve(value)
            .and_then(|value| checks::secret(&value).map_err(str::to_owned));
        match value {
            Ok(value) if is_name && !value.expose_secret().is_empty() => {
                headers.insert(name.to_ascii_lowercase(), value);
            }
            Ok(_) => params.notes.left(what, "is no header with a text value"),
            Err(why) => params.notes.left(what, why),
        }
    }
    headers
}
