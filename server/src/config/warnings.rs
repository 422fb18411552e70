//! What is right in form and may still harm the operator.
//!
//! Invariant: a warning names keys and accounts, never a value.

use troupe_upstream::BaseUrl;

use super::Config;

/// Told by `config check` and at each start.
pub fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.web_session.consent().is_given() {
        warnings.push(
            "`web_session` is on: using session cookies this way may be against the provider's terms and may cost \
             you the account; you have said that this is your decision"
                .to_owned(),
        );
    }
    let mut in_the_clear = |what: String, url: &str| {
        if BaseUrl::parse(url).is_ok_and(|base| base.is_cleartext_remote()) {
            warnings.push(format!(
                "{what} is plain http to another machine: credentials and prompts travel readable; use https"
            ));
        }
    };
    for account in &config.accounts {
        let name = &account.name;
        in_the_clear(format!("`base_url` of account {name}"), &account.base_url);
        if let Some(web) = &account.web {
            in_the_clear(format!("`web.base_url` of account {name}"), &web.base_url);
        }
    }
    if config.passthrough.enabled {
        in_the_clear(
            "`passthrough.base_url`".to_owned(),
            &config.passthrough.base_url,
        );
    }
    warnings
}
