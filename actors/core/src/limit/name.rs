//! What is limited: `tokens_per_hour`, `concurrent`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::period::Period;
use crate::id::{AccountId, KeyId, LimitId};
use crate::models::Pattern;

/// What is counted. Tokens are input, cache creation and output; cache reads count in money only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    Requests,
    /// Input and cache creation.
    InputTokens,
    OutputTokens,
    Tokens,
    /// Micro-dollars.
    Usd,
}

impl Dimension {
    pub const ALL: [Self; 5] = [
        Self::Requests,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Tokens,
        Self::Usd,
    ];

    /// As it stands in names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Tokens => "tokens",
            Self::Usd => "usd",
        }
    }
}

/// The name of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitName {
    /// Requests in flight at once.
    Concurrent,
    Per(Dimension, Period),
}

impl LimitName {
    /// Every name there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let per = Dimension::ALL
            .into_iter()
            .flat_map(|dimension| Period::ALL.map(|period| Self::Per(dimension, period)));
        std::iter::once(Self::Concurrent).chain(per)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        use Dimension::{InputTokens, OutputTokens, Requests, Tokens, Usd};
        use Period::{Day, Hour, Minute, Month, Week};
        match self {
            Self::Concurrent => "concurrent",
            Self::Per(Requests, Minute) => "requests_per_minute",
            Self::Per(Requests, Hour) => "requests_per_hour",
            Self::Per(Requests, Day) => "requests_per_day",
            Self::Per(Requests, Week) => "requests_per_week",
            Self::Per(Requests, Month) => "requests_per_month",
            Self::Per(InputTokens, Minute) => "input_tokens_per_minute",
            Self::Per(InputTokens, Hour) => "input_tokens_per_hour",
            Self::Per(InputTokens, Day) => "input_tokens_per_day",
            Self::Per(InputTokens, Week) => "input_tokens_per_week",
            Self::Per(InputTokens, Month) => "input_tokens_per_month",
            Self::Per(OutputTokens, Minute) => "output_tokens_per_minute",
            Self::Per(OutputTokens, Hour) => "output_tokens_per_hour",
            Self::Per(OutputTokens, Day) => "output_tokens_per_day",
            Self::Per(OutputTokens, Week) => "output_tokens_per_week",
            Self::Per(OutputTokens, Month) => "output_tokens_per_month",
            Self::Per(Tokens, Minute) => "tokens_per_minute",
            Self::Per(Tokens, Hour) => "tokens_per_hour",
            Self::Per(Tokens, Day) => "tokens_per_day",
            Self::Per(Tokens, Week) => "tokens_per_week",
            Self::Per(Tokens, Month) => "tokens_per_month",
            Self::Per(Usd, Minute) => "usd_per_minute",
            Self::Per(Usd, Hour) => "usd_per_hour",
            Self::Per(Usd, Day) => "usd_per_day",
            Self::Per(Usd, Week) => "usd_per_week",
            Self::Per(Usd, Month) => "usd_per_month",
        }
    }

    #[must_use]
    pub fn dimension(self) -> Option<Dimension> {
        match self {
            Self::Concurrent => None,
            Self::Per(dimension, _) => Some(dimension),
        }
    }

    #[must_use]
    pub fn period(self) -> Option<Period> {
        match self {
            Self::Concurrent => None,
            Self::Per(_, period) => Some(period),
        }
    }

    /// Is it about money?
    #[must_use]
    pub fn is_spend(self) -> bool {
        self.dimension() == Some(Dimension::Usd)
    }

    /// Does it need to be known how much a request may use?
    #[must_use]
    pub fn is_metered(self) -> bool {
        !matches!(self, Self::Concurrent | Self::Per(Dimension::Requests, _))
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no limit of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no limit; there are `concurrent` and names such as `requests_per_minute`, `tokens_per_hour`, `usd_per_month`"
)]
pub struct UnknownLimit;

impl FromStr for LimitName {
    type Err = UnknownLimit;

    fn from_str(text: &str) -> Result<Self, UnknownLimit> {
        Self::all()
            .find(|name| name.as_str() == text)
            .ok_or(UnknownLimit)
    }
}

impl Serialize for LimitName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for LimitName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|error| de::Error::custom(format!("`{text}` {error}")))
    }
}

/// Whose limits they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Gateway,
    Group(Arc<str>),
    Key(KeyId),
    Account(AccountId),
}

impl Scope {
    /// The id of one of its limits: the same after a restart, a reload and a change of its value.
    #[must_use]
    pub fn limit_id(&self, models: Option<&Pattern>, name: LimitName) -> LimitId {
        let of = match self {
            Self::Gateway => "gateway".to_owned(),
            Self::Group(group) => format!("group/{group}"),
            Self::Key(id) => format!("key/{id}"),
            Self::Account(id) => format!("account/{id}"),
        };
        let models = models.map_or("", Pattern::as_str);
        // No part but the last can hold a line feed: names have none, and patterns are last but for a closed set.
        LimitId::declared(&format!("{of}\n{name}\n{models}"))
    }
}

/// Where a limit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `limits.defaults`.
    Default,
    /// The key's own.
    Key,
    Group,
    Gateway,
    Account,
}

impl Source {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Key => "key",
            Self::Group => "group",
            Self::Gateway => "gateway",
            Self::Account => "account",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_is_made_of_its_parts() {
        let mut seen = std::collections::BTreeSet::new();
        for name in LimitName::all() {
            assert_eq!(name.as_str().parse(), Ok(name));
            if let LimitName::Per(dimension, period) = name {
                let made = format!("{}_per_{}", dimension.as_str(), period.as_str());
                assert_eq!(name.as_str(), made);
            }
            assert!(seen.insert(name.as_str()));
        }
        assert_eq!(seen.len(), 26);
        assert!("requests_per_second".parse::<LimitName>().is_err());
    }

    #[test]
    fn ids_differ_by_each_part() {
        let opus = Pattern::parse("claude-opus-*").unwrap();
        let minute = LimitName::Per(Dimension::Requests, Period::Minute);
        let group = |name: &str| Scope::Group(name.into());
        let ids = [
            Scope::Gateway.limit_id(None, minute),
            Scope::Gateway.limit_id(Some(&opus), minute),
            Scope::Gateway.limit_id(None, LimitName::Concurrent),
            group("a").limit_id(None, minute),
            group("b").limit_id(None, minute),
        ];
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
