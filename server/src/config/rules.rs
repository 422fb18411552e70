//! Validation rules of sections, as garde calls them. What accounts may be is said in `account_rules`.
//!
//! Invariant: no rule's message quotes the value, since it may be a secret.

use std::collections::BTreeMap;

use garde::{Error, Result};
use troupe_core::cidr::Cidr;
use troupe_core::models::Pattern;

use super::keys::Endpoints;
use super::limits::Group;
use super::models::Price;
use super::secret::Secret;
use super::unit::HumanDuration;
use crate::account_rules::{address, headers, value, web};

fn told<T>(checked: std::result::Result<T, String>) -> Result {
    checked.map(drop).map_err(Error::new)
}

pub(super) fn name(name: &str, (): &()) -> Result {
    told(value::name(name))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes references")]
pub(super) fn not_zero(duration: &HumanDuration, (): &()) -> Result {
    if duration.get().is_zero() {
        return Err(Error::new("must be longer than 0s"));
    }
    Ok(())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes references")]
pub(super) fn at_most_a_day(duration: &HumanDuration, (): &()) -> Result {
    if *duration > HumanDuration::from_secs(86_400) {
        return Err(Error::new("must be at most 1d"));
    }
    Ok(())
}

/// A secret that travels in a header.
pub(super) fn header_secret(secret: &Secret, (): &()) -> Result {
    told(headers::credential(secret.expose()).map_err(|why| format!("the secret {why}")))
}

pub(super) fn key_secret(secret: &Secret, context: &()) -> Result {
    header_secret(secret, context)?;
    if secret.expose().len() < 20 && !secret.is_redacted() {
        return Err(Error::new(
            "the secret is too short: at least 20 characters are needed",
        ));
    }
    Ok(())
}

pub(super) fn base_url(text: &str, (): &()) -> Result {
    told(address::base_url(text))
}

pub(super) fn web_authorize_url(template: &str, (): &()) -> Result {
    told(web::authorize_url(template))
}

pub(super) fn model_names(names: &BTreeMap<String, String>, (): &()) -> Result {
    told(value::model_names(names))?;
    literal_keys(names.keys().map(String::as_str))
}

pub(super) fn price_patterns(prices: &BTreeMap<Pattern, Price>, (): &()) -> Result {
    literal_keys(prices.keys().map(Pattern::as_str))?;
    // Those with stars are gone through for each request.
    let stars = prices.keys().filter(|name| name.as_str().contains('*'));
    if prices.len() > 10_000 || stars.count() > 256 {
        return Err(Error::new(
            "holds more than 10000 prices or more than 256 with `*`; leave out what nobody asks for",
        ));
    }
    Ok(())
}

/// Keys of mappings stand for themselves.
pub(super) fn literal_keys<'a>(mut keys: impl Iterator<Item = &'a str>) -> Result {
    if keys.any(|key| key.contains("${")) {
        return Err(Error::new("variables are not expanded in keys"));
    }
    Ok(())
}

/// Accounts, groups or tags that a key is bound to. An empty list would be no binding at all.
pub(super) fn bound_to(labels: &[String], (): &()) -> Result {
    if labels.is_empty() {
        return Err(Error::new("names nothing; leave it out for every account"));
    }
    told(value::labels(labels))
}

pub(super) fn tags(tags: &[String], (): &()) -> Result {
    told(value::labels(tags))
}

pub(super) fn note(note: &str, (): &()) -> Result {
    told(value::note(note))
}

pub(super) fn networks(networks: &[Cidr], (): &()) -> Result {
    told(value::network_count(networks))
}

pub(super) fn refused(patterns: &[Pattern], (): &()) -> Result {
    told(value::pattern_count(patterns))
}

/// Models that are permitted. An empty list would permit all.
pub(super) fn permitted(patterns: &[Pattern], (): &()) -> Result {
    if patterns.is_empty() {
        return Err(Error::new("names no model; leave it out for every model"));
    }
    told(value::pattern_count(patterns))
}

pub(super) fn groups(groups: &BTreeMap<String, Group>, (): &()) -> Result {
    literal_keys(groups.keys().map(String::as_str))?;
    let mut names = groups.keys();
    told(
        names
            .try_for_each(|name| value::label(name).map_err(|why| format!("a group's name {why}"))),
    )
}

/// It stands in a message of one line, which is sent in a header too.
pub(super) fn spend_message(text: &str, (): &()) -> Result {
    let fits = (1..=200).contains(&text.chars().count()) && text.trim() == text;
    if !fits || text.contains(char::is_control) {
        return Err(Error::new(
            "must be 1 to 200 characters in one line, without control characters and without a space at either end",
        ));
    }
    Ok(())
}

pub(super) fn endpoints(endpoints: &Endpoints, (): &()) -> Result {
    match endpoints {
        Endpoints::Paths(paths) if paths.is_empty() => {
            Err(Error::new("names no path; leave it out for the default"))
        }
        Endpoints::Paths(paths) if paths.iter().any(|p| !p.starts_with("/v1/")) => {
            Err(Error::new("every path must begin with `/v1/`"))
        }
        _ => Ok(()),
    }
}
