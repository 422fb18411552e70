//! What a relayed path names. Paths come normalised.

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// A collection: creating in it, listing it.
    Collection,
    /// One resource by its id, or something below it.
    Resource(&'a str),
}

/// Never relayed, whatever a key's `endpoints` say: what belongs to an account's owner, and this gateway's own paths.
pub(super) fn forbidden(path: &str) -> bool {
    let below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // What is its own but for a slash at the end would get round the rules of its own paths.
    matches!(
        path.trim_end_matches('/'),
        "/v1" | "/v1/messages" | "/v1/messages/count_tokens" | "/v1/models"
    ) || below("/v1/organizations")
        || below("/v1/oauth")
        || below("/v1/messages/stream")
        || below("/v1/chat")
}

const BATCHES: &str = "/v1/messages/batches";
/// Collections that have two segments.
const NESTED: [&str; 1] = [BATCHES];

/// The collection of batches; a POST to it makes one.
pub(super) fn is_batches(path: &str) -> bool {
    path.trim_end_matches('/') == BATCHES
}

/// The first segment after the collection is an id.
pub(super) fn named(path: &str) -> Named<'_> {
    let rest = NESTED.iter().find_map(|root| {
        path.strip_prefix(root)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let rest = rest.unwrap_or_else(|| {
        let below = path.strip_prefix("/v1/").unwrap_or_default();
        below.split_once('/').map_or("", |(_, rest)| rest)
    });
    match rest.trim_start_matches('/').split('/').next() {
        Some(id) if !id.is_empty() => Named::Resource(id),
        _ => Named::Collection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paths_name() {
        let table = [
            ("/v1/files", Named::Collection),
            ("/v1/files/", Named::Collection),
            ("/v1/files/file_1", Named::Resource("file_1")),
            ("/v1/files/file_1/content", Named::Resource("file_1")),
            ("/v1/messages/batches", Named::Collection),
            (
                "/v1/messages/batches/msgbatch_1/results",
                Named::Resource("msgbatch_1"),
            ),
            ("/v1/skills/skill_1/versions", Named::Resource("skill_1")),
        ];
        for (path, expected) in table {
            assert_eq!(named(path), expected, "{path}");
        }
    }

    #[test]
    fn where_batches_are_made() {
        for (path, is) in [
            ("/v1/messages/batches", true),
            ("/v1/messages/batches/", true),
            ("/v1/messages/batches/msgbatch_1/cancel", false),
            ("/v1/batches", false),
        ] {
            assert_eq!(is_batches(path), is, "{path}");
        }
    }

    #[test]
    fn what_is_never_relayed() {
        for path in [
            "/v1",
            "/v1/organizations",
            "/v1/organizations/x",
            "/v1/oauth/token",
            "/v1/messages/stream",
            "/v1/chat/completions",
            "/v1/messages/",
            "/v1/models/",
        ] {
            assert!(forbidden(path), "{path}");
        }
        for path in ["/v1/files", "/v1/organizationsx", "/v1/messages/batches"] {
            assert!(!forbidden(path), "{path}");
        }
    }
}
