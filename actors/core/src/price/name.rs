//! What a model's name says about family and version, under all the names that hosts have for it.
//!
//! ```text
//!  claude-opus-4-5-20251101            opus 4.5      after the family, a date ends it
//!  claude-3-5-haiku-latest             haiku 3.5     before the family
//!  us.anthropic.claude-opus-4-1-20250805-v1:0        opus 4.1
//!  anthropic/claude-sonnet-4.5         sonnet 4.5
//!  claude-sonnet-4@20250514            sonnet 4.0
//!  claude-opus-5[1m]                   opus 5.0
//! ```
//!
//! Invariant: a name that does not say family and version plainly is no name: a guess could be too cheap.

/// A line of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    Fable,
    Mythos,
    Opus,
    Sonnet,
    Haiku,
}

impl Family {
    const ALL: [Self; 5] = [
        Self::Fable,
        Self::Mythos,
        Self::Opus,
        Self::Sonnet,
        Self::Haiku,
    ];

    /// As it stands in model names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fable => "fable",
            Self::Mythos => "mythos",
            Self::Opus => "opus",
            Self::Sonnet => "sonnet",
            Self::Haiku => "haiku",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|family| family.as_str().eq_ignore_ascii_case(word))
    }
}

/// Family and version of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName {
    pub family: Family,
    pub major: u8,
    pub minor: u8,
}

impl ModelName {
    /// Reads a model's name; `None` when it does not say both plainly.
    #[must_use]
    pub fn parse(model: &str) -> Option<Self> {
        let mut words = model
            .split(|c: char| !c.is_ascii_alphanumeric())
            .skip_while(|word| !word.eq_ignore_ascii_case("claude"))
            .skip(1)
            .peekable();
        let mut before = Version::default();
        while let Some(number) = words.peek().and_then(|word| number(word)) {
            before.push(number)?;
            words.next();
        }
        let family = words.next().and_then(Family::parse)?;
        let mut after = Version::default();
        while let Some(number) = words.peek().and_then(|word| number(word)) {
            after.push(number)?;
            words.next();
        }
        let (major, minor) = match (before.major, after.major) {
            (Some(major), None) => (major, before.minor),
            (None, Some(major)) => (major, after.minor),
            _ => return None,
        };
        Some(Self {
            family,
            major,
            minor: minor.unwrap_or(0),
        })
    }
}

#[derive(Default)]
struct Version {
    major: Option<u8>,
    minor: Option<u8>,
}

impl Version {
    /// `None` when there is no place for a further number.
    fn push(&mut self, number: u8) -> Option<()> {
        match self {
            Self { major: None, .. } => self.major = Some(number),
            Self { minor: None, .. } => self.minor = Some(number),
            _ => return None,
        }
        Some(())
    }
}

/// One or two digits; a longer one is a date.
fn number(word: &str) -> Option<u8> {
    ((1..=2).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit()))
        .then(|| word.parse().ok())
        .flatten()
}
