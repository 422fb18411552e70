//! Who a cookie is, and its organisations.
//!
//! Invariant: both follow from the session key alone; other cookies beside it change nothing.

use serde::Serialize;

use super::Refusal;
use super::ids;

/// A session, from the cookie of a request.
pub(super) struct Session {
    pub(super) cookie: String,
    key: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Organization {
    pub(super) uuid: String,
    name: &'static str,
    capabilities: Vec<&'static str>,
    /// Members that a reader has to skip.
    settings: serde_json::Value,
    rate_limit_tier: &'static str,
}

impl Session {
    /// `None` without a `sessionKey` in the cookie.
    pub(super) fn of(cookie: &str) -> Option<Self> {
        let mut pairs = cookie
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='));
        let (_, key) = pairs.find(|(name, value)| *name == "sessionKey" && !value.is_empty())?;
        Some(Self {
            cookie: cookie.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Parts of the key between its dashes and dots.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.key
            .split(|char: char| !char.is_ascii_alphanumeric() && !"_@".contains(char))
    }

    pub(super) fn has_word(&self, word: &str) -> bool {
        self.words().any(|found| found == word)
    }

    /// The one with the most capabilities cannot chat, and the first that can is not the best.
    pub(super) fn organizations(&self) -> Vec<Organization> {
        if self.has_word("noorgs") {
            return Vec::new();
        }
        let api = ["api", "api_individual", "raven", "console"];
        let mut list = vec![self.organization_with("Interface", &api)];
        if self.has_word("nochat") {
            return list;
        }
        list.push(self.organization_with("Shared", &["chat"]));
        if !self.has_word("free") {
            let plan = if self.has_word("max") {
                "claude_max"
            } else {
                "claude_pro"
            };
            list.push(self.organization_with("Personal", &["chat", plan]));
        }
        list
    }

    fn organization_with(&self, name: &'static str, capabilities: &[&'static str]) -> Organization {
        Organization {
            uuid: ids::uuid_of(&format!("organization {name} of {}", self.key)),
            name,
            capabilities: capabilities.to_vec(),
            settings: serde_json::json!({"claude_console_privacy": "default_private"}),
            rate_limit_tier: "default_claude_ai",
        }
    }

    /// The organisation of that id, when it is this session's and can chat.
    pub(super) fn organization(&self, id: &str) -> Result<Organization, Refusal> {
        let mut list = self.organizations().into_iter();
        let found = list.find(|organization| organization.uuid == id);
        found
            .filter(|organization| organization.capabilities.contains(&"chat"))
            .ok_or_else(|| Refusal::with(403, "Invalid authorization for organization"))
    }
}

impl Organization {
    /// Whether extended thinking is allowed.
    pub(super) fn is_paid(&self) -> bool {
        self.capabilities.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(cookie: &str) -> Option<Session> {
        Session::of(cookie)
    }

    #[test]
    fn organizations_follow_the_session_key() {
        for (cookie, count) in [
            ("sessionKey=sk-1", 3),
            ("a=b; sessionKey=sk-free-1; c=d", 2),
            ("sessionKey=sk-nochat", 1),
            ("sessionKey=noorgs", 0),
        ] {
            assert_eq!(session(cookie).unwrap().organizations().len(), count);
        }
        assert!(session("sessionKey=").is_none() && session("other=1").is_none());
        let (one, other) = (session("sessionKey=1"), session("x=y; sessionKey=1"));
        let id = |session: &Session, at: usize| session.organizations()[at].uuid.clone();
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(id(&one, 2), id(&other, 2));
        assert!(one.organization(&id(&one, 2)).unwrap().is_paid());
        assert!(!one.organization(&id(&one, 1)).unwrap().is_paid());
        assert!(one.organization(&id(&one, 0)).is_err());
        let stranger = session("sessionKey=2").unwrap();
        assert!(stranger.organization(&id(&one, 2)).is_err());
    }
}
