//! Which tables and columns are asked for.
//!
//! Invariant: names are those of the schema, exactly; nothing here comes from outside.

/// A table that is read.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// Its primary key: a text.
    pub key: &'static str,
    /// Read where they exist.
    pub columns: &'static [&'static str],
    /// Known, and of no use elsewhere: bookkeeping of LiteLLM, or secrets that must not be copied.
    pub passed: &'static [&'static str],
}

const BOOKKEEPING: &[&str] = &[
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "budget_reset_at",
    "model_spend",
];

pub(super) const KEYS: Table = Table {
    name: "LiteLLM_VerificationToken",
    key: "token",
    columns: &[
        "token",
        "key_name",
        "key_alias",
        "spend",
        "expires",
        "models",
        "aliases",
        "config",
        "router_settings",
        "user_id",
        "team_id",
        "agent_id",
        "project_id",
        "permissions",
        "max_parallel_requests",
        "metadata",
        "blocked",
        "tpm_limit",
        "rpm_limit",
        "max_budget",
        "budget_duration",
        "budget_limits",
        "allowed_cache_controls",
        "allowed_routes",
        "policies",
        "access_group_ids",
        "model_max_budget",
        "budget_id",
        "organization_id",
        "object_permission_id",
        "auto_rotate",
    ],
    passed: &[
        "soft_budget_cooldown",
        "last_active",
        "rotation_count",
        "rotation_interval",
        "last_rotation_at",
        "key_rotation_at",
    ],
};

pub(super) const TEAMS: Table = Table {
    name: "LiteLLM_TeamTable",
    key: "team_id",
    columns: &[
        "team_id",
        "team_alias",
        "organization_id",
        "object_permission_id",
        "admins",
        "members",
        "members_with_roles",
        "metadata",
        "max_budget",
        "soft_budget",
        "spend",
        "models",
        "max_parallel_requests",
        "tpm_limit",
        "rpm_limit",
        "budget_duration",
        "blocked",
        "model_max_budget",
        "router_settings",
        "budget_limits",
        "model_id",
        "policies",
        "access_group_ids",
    ],
    passed: &[
        "team_member_permissions",
        "default_team_member_models",
        "allow_team_guardrail_config",
    ],
};

pub(super) const USERS: Table = Table {
    name: "LiteLLM_UserTable",
    key: "user_id",
    columns: &[
        "user_id",
        "user_alias",
        "user_email",
        "user_role",
        "team_id",
        "teams",
        "organization_id",
        "object_permission_id",
        "max_budget",
        "soft_budget",
        "spend",
        "models",
        "metadata",
        "max_parallel_requests",
        "tpm_limit",
        "rpm_limit",
        "budget_duration",
        "model_max_budget",
        "policies",
    ],
    passed: &["password", "sso_user_id", "allowed_cache_controls"],
};

pub(super) const BUDGETS: Table = Table {
    name: "LiteLLM_BudgetTable",
    key: "budget_id",
    columns: &[
        "budget_id",
        "max_budget",
        "soft_budget",
        "max_parallel_requests",
        "tpm_limit",
        "rpm_limit",
        "model_max_budget",
        "budget_duration",
        "allowed_models",
    ],
    passed: &[],
};

pub(super) const MODELS: Table = Table {
    name: "LiteLLM_ProxyModelTable",
    key: "model_id",
    columns: &[
        "model_id",
        "model_name",
        "litellm_params",
        "model_info",
        "blocked",
    ],
    passed: &[],
};

/// Tables whose rows may be missed, and what to do about it; of the others nothing would be of use.
const NOT_READ: [(&str, &str); 9] = [
    (
        "LiteLLM_CredentialsTable",
        "its credentials are encrypted under LiteLLM's salt or master key: add the accounts anew",
    ),
    (
        "LiteLLM_DeprecatedVerificationToken",
        "secrets that were rotated away: who still uses one in its time of grace needs the new one",
    ),
    (
        "LiteLLM_Config",
        "settings made on LiteLLM's page: see troupe.yaml",
    ),
    ("LiteLLM_OrganizationTable", LIMITS),
    ("LiteLLM_OrganizationMembership", LIMITS),
    ("LiteLLM_ProjectTable", LIMITS),
    ("LiteLLM_TeamMembership", LIMITS),
    ("LiteLLM_EndUserTable", LIMITS),
    ("LiteLLM_TagTable", LIMITS),
];
const LIMITS: &str = "its limits stay behind; set limits on keys and groups";
const OF_NO_USE: &str = "not read: neither keys nor accounts";

/// Why a table of that name is not read.
pub(super) fn why_not_read(name: &str) -> &'static str {
    let known = NOT_READ.iter().find(|(known, _)| *known == name);
    known.map_or(OF_NO_USE, |(_, why)| why)
}

impl Table {
    /// Is the column neither read nor known?
    pub fn is_new(&self, column: &str) -> bool {
        ![self.columns, self.passed, BOOKKEEPING]
            .iter()
            .any(|known| known.contains(&column))
    }
}
