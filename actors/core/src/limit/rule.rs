//! One limit: its value, and what happens when it is reached.

use serde::{Deserialize, Serialize};

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRule {
    /// Units of its dimension: requests, tokens, micro-dollars, requests at once.
    pub value: u64,
    #[serde(default, skip_serializing_if = "OnLimit::is_reject")]
    pub on_limit: OnLimit,
    #[serde(default, skip_serializing_if = "Cap::is_strict")]
    pub cap: Cap,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
}

/// What happens to a request that does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// It is refused.
    #[default]
    Reject,
    /// It waits for its window to end, if that comes in time.
    Queue,
    /// It is asked of another, cheaper model, and the client is told.
    Downgrade { model: String },
    /// It is let through; that it would not have been is counted and reported.
    Shadow,
}

/// What is reserved while it is not known what a request uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cap {
    /// The most that it can be: never exceeded.
    #[default]
    Strict,
    /// What the last ones used: may be exceeded by what is in flight.
    Soft,
}

/// So much more, until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Units of the limit's dimension.
    pub extra: u64,
    /// Milliseconds since the Unix epoch.
    pub until_ms: u64,
}

impl OnLimit {
    fn is_reject(&self) -> bool {
        *self == Self::Reject
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Queue => "queue",
            Self::Downgrade { .. } => "downgrade",
            Self::Shadow => "shadow",
        }
    }
}

impl Cap {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_strict(&self) -> bool {
        *self == Self::Strict
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Soft => "soft",
        }
    }
}

impl LimitRule {
    /// A strict limit that rejects.
    #[must_use]
    pub fn of(value: u64) -> Self {
        Self {
            value,
            on_limit: OnLimit::Reject,
            cap: Cap::Strict,
            grant: None,
        }
    }

    /// The limit with what is granted on top of it now.
    #[must_use]
    pub fn capacity(&self, unix_ms: u64) -> u64 {
        match self.grant {
            Some(grant) if unix_ms < grant.until_ms => self.value.saturating_add(grant.extra),
            _ => self.value,
        }
    }

    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.on_limit == OnLimit::Shadow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_ends_at_its_time() {
        let rule = LimitRule {
            grant: Some(Grant {
                extra: 5,
                until_ms: 100,
            }),
            ..LimitRule::of(10)
        };
        assert_eq!((rule.capacity(99), rule.capacity(100)), (15, 10));
        assert_eq!(LimitRule::of(10).capacity(0), 10);
    }
}
