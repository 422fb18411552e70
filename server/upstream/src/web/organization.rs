//! Which of the account's organisations serves: among those that can chat the one that can do most.
//!
//! Invariant: an id that is not plain letters, digits and dashes never becomes part of a path.

use reqwest::Method;
use serde::Deserialize;
use troupe_core::account::Verdict;

use super::{Organization, WebLimits, fault::WebFault, signal::Call, surface::Surface};

/// Words in a capability that stand for a paid plan.
const PAID: [&str; 5] = ["pro", "max", "raven", "enterprise", "team"];

#[derive(Debug, Deserialize)]
struct Listed {
    uuid: String,
    #[serde(default)]
    capabilities: Vec<String>,
}

/// Asks for the list and chooses.
pub(super) async fn find(
    surface: &Surface,
    wanted: Option<&str>,
    limits: &WebLimits,
) -> Result<Organization, WebFault> {
    let request = surface.request(Method::GET, "/api/organizations");
    let listed: Vec<Listed> = surface
        .json(Call::Organizations, request, limits.call())
        .await?;
    choose(listed, wanted).ok_or_else(|| {
        let reason = match wanted {
            Some(_) => "the account's organization is not there, or cannot chat",
            None => "no organization of the account can chat",
        };
        let reason = reason.to_owned();
        WebFault::new(
            Verdict::OutOfService {
                reason: reason.clone(),
            },
            reason,
        )
    })
}

/// Of equals the first.
fn choose(listed: Vec<Listed>, wanted: Option<&str>) -> Option<Organization> {
    let able = listed
        .into_iter()
        .filter(|one| is_id(&one.uuid) && one.capabilities.iter().any(|can| can == "chat"))
        .filter(|one| wanted.is_none_or(|wanted| wanted == one.uuid));
    let best = able.rev().max_by_key(|one| one.capabilities.len())?;
    let is_paid = |can: &String| PAID.iter().any(|word| can.contains(word));
    Some(Organization {
        paid: best.capabilities.iter().any(is_paid),
        id: best.uuid,
    })
}

/// May this text stand in a path?
pub(super) fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_able_that_can_chat_is_chosen() {
        let all = |list: &str| choose(serde_json::from_str(list).unwrap(), None);
        let of = |id: &str, paid| {
            let id = id.to_owned();
            Some(Organization { id, paid })
        };
        for (list, chosen) in [
            ("[]", None),
            (
                r#"[{"uuid":"a","capabilities":["api","claude_pro","x"]}]"#,
                None,
            ),
            (
                r#"[{"uuid":"a","capabilities":["chat"]},{"uuid":"b","capabilities":["chat"]}]"#,
                of("a", false),
            ),
            (
                r#"[{"uuid":"a","capabilities":["chat"]},{"uuid":"b","capabilities":["chat","claude_max"],"more":1}]"#,
                of("b", true),
            ),
            (
                r#"[{"uuid":"../x","capabilities":["chat"]},{"uuid":"c","capabilities":["raven","chat"]}]"#,
                of("c", true),
            ),
            (r#"[{"uuid":"a"}]"#, None),
        ] {
            assert_eq!(all(list), chosen, "{list}");
        }
    }
}
