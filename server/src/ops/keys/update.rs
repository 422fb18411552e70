//! Changes of what a key may do.

use serde::{Deserialize, Serialize};
use troupe_core::event::EventKind;
use troupe_core::key::ResourceScope;

use super::super::fields::{self, Endpoints, Limits};
use super::super::{OpError, Operation, Operations, now_ms};
use super::KeyInfo;

/// Changes what is given; an empty owner or group and an expiry of `never` remove.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateKey {
    pub name: String,
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub endpoints: Option<Endpoints>,
    #[serde(default)]
    pub resources: Option<ResourceScope>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub expires: Option<String>,
}

impl Operation for UpdateKey {
    type Outcome = KeyInfo;
    const NAME: &'static str = "key.update";

    async fn run(self, ops: &Operations) -> Result<KeyInfo, OpError> {
        let nothing = Self {
            name: self.name.clone(),
            ..Self::default()
        };
        if self == nothing {
            return Err(OpError::invalid(
                "nothing to change; say what, for example the expiry or a limit",
            ));
        }
        let now_ms = now_ms();
        let stored = ops
            .change_key(
                &self.name,
                |id, name| EventKind::KeyUpdated { id, name },
                |key| {
                    if self.owner.is_some() {
                        key.owner = fields::label("owner", self.owner.clone())?;
                    }
                    if self.group.is_some() {
                        key.group = fields::label("group", self.group.clone())?;
                    }
                    if let Some(endpoints) = self.endpoints.clone() {
                        key.endpoints = endpoints.try_into()?;
                    }
                    if let Some(expires) = &self.expires {
                        key.expires_ms = fields::expiry(expires, now_ms)?;
                    }
                    key.resources = self.resources.unwrap_or(key.resources);
                    key.limits = fields::apply_limits(key.limits, self.limits.clone())?;
                    Ok(())
                },
            )
            .await?;
        Ok(KeyInfo::new(&stored, false, now_ms))
    }
}
