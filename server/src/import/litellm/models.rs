//! Which models a key may use: its own list and that of its team, both of which LiteLLM checks.
//!
//! Invariant: never wider than at the source.

/// Stands for all models of the team.
const TEAM: &str = "all-team-models";
/// Stands for all models there are.
const ALL: &str = "all-proxy-models";
/// Allows nothing by default.
const NONE: &str = "no-default-models";

/// What a list allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    All,
    /// Names, `*` standing for any text within one. Without any, nothing.
    Only(Vec<String>),
}

impl Allowed {
    /// An empty list allows everything. `team` is what the key's team allows.
    pub fn of_key(list: &[&str], team: Option<&Self>) -> Self {
        let team = team.cloned().unwrap_or(Self::All);
        if list.contains(&TEAM) {
            return team;
        }
        Self::of(list).both(team)
    }

    pub fn of(list: &[&str]) -> Self {
        if list.is_empty() || list.contains(&ALL) || list.contains(&"*") {
            return Self::All;
        }
        let names = list.iter().filter(|name| **name != NONE);
        Self::Only(names.map(|name| (*name).to_owned()).collect())
    }

    fn both(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, list) | (list, Self::All) => list,
            (Self::Only(ours), Self::Only(theirs)) => {
                let mut both = within(&ours, &theirs);
                both.extend(within(&theirs, &ours));
                both.sort();
                both.dedup();
                Self::Only(both)
            }
        }
    }
}

/// Those of `names` that one of `patterns` covers.
fn within(names: &[String], patterns: &[String]) -> Vec<String> {
    let covered = |name: &&String| patterns.iter().any(|pattern| covers(pattern, name));
    names.iter().filter(covered).cloned().collect()
}

/// `*` stands for any text.
fn covers(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str]) -> Allowed {
        Allowed::Only(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn lists_of_key_and_team_narrow_each_other() {
        let team = Allowed::of(&["claude-*", "other"]);
        for (list, with_team, without) in [
            (&[][..], team.clone(), Allowed::All),
            (&["all-team-models"], team.clone(), Allowed::All),
            (&["all-proxy-models"], team.clone(), Allowed::All),
            (&["no-default-models"], only(&[]), only(&[])),
            (
                &["claude-sonnet-5", "gpt"],
                only(&["claude-sonnet-5"]),
                only(&["claude-sonnet-5", "gpt"]),
            ),
            (&["*"], team.clone(), Allowed::All),
            (&["o*"], only(&["other"]), only(&["o*"])),
        ] {
            assert_eq!(Allowed::of_key(list, Some(&team)), with_team, "{list:?}");
            assert_eq!(Allowed::of_key(list, None), without, "{list:?}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("*", "", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(covers(pattern, name), fits, "{pattern} {name}");
        }
    }
}
