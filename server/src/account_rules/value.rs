//! Single values: names, labels, shares, opening hours, models.

use std::collections::BTreeMap;

use troupe_core::cidr::Cidr;
use troupe_core::key::AccountBinding;
use troupe_core::limit::{LimitName, LimitSet, OnLimit};
use troupe_core::models::Pattern;
use troupe_core::schedule::{Schedule, ScheduleError};

pub const WEIGHT_MAX: u32 = 1_000;
const ENTRIES_MAX: usize = 64;
const MODELS_MAX: usize = 1_000;
const LABEL_MAX_BYTES: usize = 256;
const NOTE_MAX_CHARS: usize = 1_000;
const NETWORKS_MAX: usize = 256;

/// Names are typed, and stand in paths.
///
/// # Errors
/// What would be right.
pub fn name(name: &str) -> Result<(), String> {
    let letters = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if letters && starts && name.len() <= 64 {
        return Ok(());
    }
    Err(
        "must be 1 to 64 letters, digits, `.`, `_` or `-`, beginning with a letter or digit"
            .to_owned(),
    )
}

/// A group, an owner, a tag.
///
/// # Errors
/// What would be right.
pub fn label(text: &str) -> Result<(), String> {
    let fits = (1..=LABEL_MAX_BYTES).contains(&text.len()) && text.trim() == text;
    if !fits || text.contains(char::is_control) {
        return Err(format!(
            "must be 1 to {LABEL_MAX_BYTES} bytes without control characters, and no space at either end"
        ));
    }
    Ok(())
}

/// Tags, groups or names, each a label, none twice.
///
/// # Errors
/// What would be right.
pub fn labels(texts: &[String]) -> Result<(), String> {
    if texts.len() > ENTRIES_MAX {
        return Err(format!(
            "holds more than {ENTRIES_MAX} entries; use a tag for many"
        ));
    }
    for (at, text) in texts.iter().enumerate() {
        label(text).map_err(|why| format!("entry {} {why}", at + 1))?;
        if texts.iter().take(at).any(|earlier| earlier == text) {
            return Err(format!("entry {} stands there twice; remove one", at + 1));
        }
    }
    Ok(())
}

/// What an operator wrote down.
///
/// # Errors
/// What would be right.
pub fn note(text: &str) -> Result<(), String> {
    if text.chars().count() > NOTE_MAX_CHARS || text.contains(char::is_control) {
        return Err(format!(
            "must be at most {NOTE_MAX_CHARS} characters in one line, without control characters"
        ));
    }
    Ok(())
}

/// Addresses and networks, as many as [`network_count`] allows.
///
/// # Errors
/// What would be right.
pub fn networks(texts: &[String]) -> Result<Vec<Cidr>, String> {
    let networks: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| {
            text.parse()
                .map_err(|why| format!("entry {}: {why}", at + 1))
        })
        .collect::<Result<_, _>>()?;
    network_count(&networks)?;
    Ok(networks)
}

/// # Errors
/// Too many.
pub fn network_count(networks: &[Cidr]) -> Result<(), String> {
    if networks.len() > NETWORKS_MAX {
        return Err(format!(
            "holds more than {NETWORKS_MAX} entries; a network such as 10.0.0.0/8 stands for many"
        ));
    }
    Ok(())
}

/// The accounts that a key is bound to.
///
/// # Errors
/// What would be right.
pub fn binding(binding: &AccountBinding) -> Result<(), String> {
    for (what, texts) in [
        ("accounts", &binding.accounts),
        ("account_groups", &binding.groups),
        ("account_tags", &binding.tags),
    ] {
        labels(texts).map_err(|why| format!("`{what}` {why}"))?;
    }
    Ok(())
}

/// Requests at the same time.
///
/// # Errors
/// What would be right.
pub fn concurrent(number: u32) -> Result<(), String> {
    if number == 0 || number == u32::MAX {
        return Err("must be at least 1; leave it out for no bound".to_owned());
    }
    Ok(())
}

/// Limits of an account: at one of them the next account is used.
///
/// # Errors
/// What would be right.
pub fn account_limits(limits: &LimitSet) -> Result<(), String> {
    for (_, name, rule) in limits.rules() {
        if name == LimitName::Concurrent {
            return Err(
                "has `concurrent`, which is a setting of the account itself; write it beside `limits`"
                    .to_owned(),
            );
        }
        if !matches!(rule.on_limit, OnLimit::Reject | OnLimit::Shadow) {
            return Err(format!(
                "has `on_limit: {}` for `{name}`, which means nothing here: at an account's limit the next account \
                 is used; write it at the key, its group or the gateway",
                rule.on_limit.as_str()
            ));
        }
    }
    Ok(())
}

/// # Errors
/// What would be right.
pub fn weight(number: u32) -> Result<(), String> {
    if number > WEIGHT_MAX {
        return Err(format!("must be at most {WEIGHT_MAX}"));
    }
    Ok(())
}

/// `90%` or `90`, from 1 to 100.
///
/// # Errors
/// What would be right.
pub fn percent(text: &str) -> Result<u8, String> {
    let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
    let all_digits = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number = if all_digits {
        digits.parse().ok()
    } else {
        None
    };
    number
        .filter(|number| reserve(*number).is_ok())
        .ok_or_else(|| "expected a percentage from 1 to 100 such as 90%".to_owned())
}

/// The same as a number.
///
/// # Errors
/// What would be right.
pub fn reserve(percent: u8) -> Result<(), String> {
    if !(1..=100).contains(&percent) {
        return Err("must be from 1 to 100 percent".to_owned());
    }
    Ok(())
}

/// Opening hours, in UTC.
///
/// # Errors
/// What is wrong with the text, without the text.
pub fn schedule(text: &str) -> Result<Schedule, String> {
    Schedule::parse(text).map_err(|error| match error {
        ScheduleError::Empty | ScheduleError::TooLong => error.to_string(),
        ScheduleError::Word(_) => {
            "expected days and hours such as `mon-fri 08:00-18:00` (UTC); a word is neither"
                .to_owned()
        }
        ScheduleError::Nothing(_) => {
            "a span begins and ends at once; write 00:00-24:00 for a whole day".to_owned()
        }
        ScheduleError::AfterTime(_) => {
            "a word stands after a time; separate spans by a comma or a semicolon".to_owned()
        }
    })
}

/// Names of clients → names of the upstream.
///
/// # Errors
/// What would be right.
pub fn model_names(names: &BTreeMap<String, String>) -> Result<(), String> {
    let fits =
        |name: &str| !name.is_empty() && name.len() <= 256 && !name.contains(char::is_control);
    if names.iter().any(|(from, to)| !fits(from) || !fits(to)) {
        return Err("a model's name must be 1 to 256 characters".to_owned());
    }
    if names.len() > MODELS_MAX {
        return Err(format!("at most {MODELS_MAX} models can be given"));
    }
    Ok(())
}

/// A model's name with `*` for any characters.
///
/// # Errors
/// What would be right.
pub fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| error.to_string())
}

/// As [`pattern`], each; at most 64.
///
/// # Errors
/// What would be right.
pub fn patterns(texts: &[String]) -> Result<Vec<Pattern>, String> {
    let patterns: Vec<_> = texts
        .iter()
        .map(|text| pattern(text))
        .collect::<Result<_, _>>()?;
    pattern_count(&patterns)?;
    Ok(patterns)
}

/// # Errors
/// Too many.
pub fn pattern_count(patterns: &[Pattern]) -> Result<(), String> {
    if patterns.len() > ENTRIES_MAX {
        return Err(format!(
            "holds more than {ENTRIES_MAX} patterns; `*` stands for many"
        ));
    }
    Ok(())
}
