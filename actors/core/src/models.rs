//! Which models an account (or a key) may be used for.
//!
//! Invariant: a denial beats every permission; no rule makes matching slower than the lengths of name and patterns.

mod pattern;

use serde::{Deserialize, Serialize};

pub use pattern::{Pattern, PatternError};

/// Permitted and refused names. Judge the name that goes upstream, after aliases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRules {
    /// Empty permits every model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Pattern>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Pattern>,
}

impl ModelRules {
    /// Is there anything to judge?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    #[must_use]
    pub fn permits(&self, model: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(model));
        (self.allow.is_empty() || any(&self.allow)) && !any(&self.deny)
    }

    /// May a model be used that is asked for by an alias and goes up by its name? Either name gives the permission, and
    /// either is enough for a denial: nobody gets by another name what is denied.
    #[must_use]
    pub fn permits_alias(&self, alias: &str, model: &str) -> bool {
        let any = |patterns: &[Pattern]| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| pattern.matches(alias) || pattern.matches(model))
        };
        (self.allow.is_empty() || any(&self.allow)) && !any(&self.deny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> ModelRules {
        let patterns = |texts: &[&str]| texts.iter().map(|t| Pattern::parse(t).unwrap()).collect();
        ModelRules {
            allow: patterns(allow),
            deny: patterns(deny),
        }
    }

    #[test]
    fn a_denial_beats_a_permission() {
        let all = rules(&[], &[]);
        assert!(all.is_empty() && all.permits("anything"));
        let sonnets = rules(&["claude-sonnet-*", "claude-haiku-4-5"], &["*-4-0*"]);
        for (model, permitted) in [
            ("claude-sonnet-4-5", true),
            ("claude-sonnet-4-0", false),
            ("claude-haiku-4-5", true),
            ("claude-haiku-4-5-20251001", false),
            ("claude-opus-5", false),
        ] {
            assert_eq!(sonnets.permits(model), permitted, "{model}");
        }
        let no_opus = rules(&[], &["*opus*"]);
        assert!(
            !no_opus.permits("us.anthropic.Claude-OPUS-5") && no_opus.permits("claude-fable-5")
        );
    }

    #[test]
    fn an_alias_gives_a_permission_and_evades_no_denial() {
        for (allow, deny, permitted) in [
            (&[][..], &[][..], true),
            (&["fast"], &[], true),
            (&["claude-haiku-*"], &[], true),
            (&["claude-opus-*"], &[], false),
            (&[], &["*haiku*"], false),
            (&["fast"], &["*haiku*"], false),
            (&["claude-haiku-*"], &["fast"], false),
            (&[], &["*opus*"], true),
        ] {
            let rules = rules(allow, deny);
            let found = rules.permits_alias("fast", "claude-haiku-4-5");
            assert_eq!(found, permitted, "{allow:?} {deny:?}");
        }
    }

    #[test]
    fn stored_as_texts() {
        let some = rules(&["claude-*"], &[]);
        let text = serde_json::to_string(&some).unwrap();
        assert_eq!(text, r#"{"allow":["claude-*"]}"#);
        assert_eq!(serde_json::from_str::<ModelRules>(&text).unwrap(), some);
        assert!(serde_json::from_str::<ModelRules>(r#"{"deny":[""]}"#).is_err());
    }
}
