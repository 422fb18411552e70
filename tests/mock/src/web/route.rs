//! Which endpoint a request is for.
//!
//! Invariant: a path is either one of these or somebody else's; ids are only looked up later.

use super::scenario::Endpoint;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub(super) endpoint: Endpoint,
    /// Empty where the path names none; likewise the conversation.
    pub(super) organization: &'a str,
    pub(super) conversation: &'a str,
}

impl<'a> Route<'a> {
    pub(super) fn of(method: &str, path: &'a str) -> Option<Self> {
        let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
        let (endpoint, organization, conversation) = match (method, segments.as_slice()) {
            ("GET", ["api", "organizations"]) => (Endpoint::Organizations, "", ""),
            ("POST", ["api", organization, "upload"]) => (Endpoint::Upload, *organization, ""),
            ("POST", ["v1", "oauth", organization, "authorize"]) => {
                (Endpoint::Authorize, *organization, "")
            }
            (
                _,
                [
                    "api",
                    "organizations",
                    organization,
                    "chat_conversations",
                    rest @ ..,
                ],
            ) => {
                let (endpoint, conversation) = match (method, rest) {
                    ("POST", []) => (Endpoint::Create, ""),
                    ("PUT", [conversation]) => (Endpoint::Settings, *conversation),
                    ("DELETE", [conversation]) => (Endpoint::Delete, *conversation),
                    ("POST", [conversation, "completion"]) => (Endpoint::Completion, *conversation),
                    ("POST", [conversation, "tool_result"]) => {
                        (Endpoint::ToolResult, *conversation)
                    }
                    _ => return None,
                };
                (endpoint, *organization, conversation)
            }
            _ => return None,
        };
        Some(Self {
            endpoint,
            organization,
            conversation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route<'a>(method: &str, path: &'a str) -> Option<(Endpoint, &'a str, &'a str)> {
        Route::of(method, path)
            .map(|route| (route.endpoint, route.organization, route.conversation))
    }

    #[test]
    fn paths() {
        let conversations = "/api/organizations/o/chat_conversations";
        for (method, path, endpoint, organization, conversation) in [
            ("GET", "", Endpoint::Organizations, "", ""),
            ("POST", "", Endpoint::Create, "o", ""),
            ("PUT", "/c", Endpoint::Settings, "o", "c"),
            ("DELETE", "/c", Endpoint::Delete, "o", "c"),
            ("POST", "/c/completion", Endpoint::Completion, "o", "c"),
            ("POST", "/c/tool_result", Endpoint::ToolResult, "o", "c"),
        ] {
            let path = if endpoint == Endpoint::Organizations {
                "/api/organizations".to_owned()
            } else {
                format!("{conversations}{path}")
            };
            let expected = Some((endpoint, organization, conversation));
            assert_eq!(route(method, &path), expected, "{method} {path}");
        }
        let upload = Some((Endpoint::Upload, "o", ""));
        assert_eq!(route("POST", "/api/o/upload"), upload);
        let authorize = Some((Endpoint::Authorize, "o", ""));
        assert_eq!(route("POST", "/v1/oauth/o/authorize"), authorize);
        for (method, path) in [
            ("GET", conversations),
            ("POST", "/v1/oauth/token"),
            ("GET", "/api/hello"),
            ("POST", "/v1/messages"),
        ] {
            assert_eq!(route(method, path), None, "{method} {path}");
        }
    }
}
