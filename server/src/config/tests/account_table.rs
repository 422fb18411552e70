//! Each fault of an account and its exact message.

/// (the file after its `version: 1` line, what is said)
pub(super) const TABLE: &[(&str, &str)] = &[
    // Kinds and what they need.
    (
        "accounts: [{ name: a, kind: oauth }]",
        "troupe.yaml:2:12: accounts[0]: of kind oauth needs `oauth` settings",
    ),
    (
        "accounts: [{ name: a, kind: web_session }]",
        "troupe.yaml:2:12: accounts[0]: of kind web_session needs `web` with its `cookie`",
    ),
    (
        "accounts: [{ name: a, oauth: { preset: claude_platform, grant: refresh_token, refresh_token: r } }]",
        "troupe.yaml:2:12: accounts[0]: needs `api_key` or `api_key_file`",
    ),
    (
        "accounts: [{ name: a, api_key: x, preferred_auth: oauth }]",
        "troupe.yaml:2:35: accounts[0].preferred_auth: prefers what the account does not have: add \
         `oauth` settings, or write `auto`",
    ),
    (
        "accounts: [{ name: a, api_key: x, preferred_auth: password }]",
        "troupe.yaml:2:35: accounts[0].preferred_auth: expected `auto`, `api_key`, `oauth` or `web`, \
         got `password`",
    ),
    (
        "accounts: [{ name: a, api_key: \"x y\" }]",
        "troupe.yaml:2:23: accounts[0].api_key: holds a space, line end or other character that a \
         header cannot carry",
    ),
    // OAuth.
    (
        "accounts: [{ name: a, kind: oauth, oauth: {} }]",
        "troupe.yaml:2:36: accounts[0].oauth: needs `grant`: jwt_bearer, refresh_token or \
         client_credentials",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: implicit } }]",
        "troupe.yaml:2:45: accounts[0].oauth.grant: expected `jwt_bearer`, \
         `authorization_code`, `refresh_token` or `client_credentials`, got `implicit`",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: refresh_token } }]",
        "troupe.yaml:2:36: accounts[0].oauth: needs `token_url`, or a `preset`: `claude_platform` or \
         `claude_workload_identity`",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { preset: acme, grant: refresh_token } }]",
        "troupe.yaml:2:45: accounts[0].oauth.preset: is none that is known; expected \
         `claude_platform` or `claude_workload_identity`",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { preset: claude_workload_identity, grant: \
         jwt_bearer, assertion_file: f, extra: { federation_rule_id: r } } }]",
        "troupe.yaml:2:36: accounts[0].oauth: needs `extra.organization_id` for the preset \
         claude_workload_identity",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: jwt_bearer, token_url: https://h/t } }]",
        "troupe.yaml:2:36: accounts[0].oauth: needs `assertion_file` for the grant jwt_bearer",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: client_credentials, token_url: \
         https://h/t, client_id: c } }]",
        "troupe.yaml:2:36: accounts[0].oauth: needs `client_id` and `client_secret` (or \
         `client_secret_file`) for the grant client_credentials",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: refresh_token, token_url: https://h/t } }]",
        "troupe.yaml:2:36: accounts[0].oauth: needs `refresh_token` (or `refresh_token_file`), or \
         `authorize_url` to log in, for the grant refresh_token",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { preset: claude_platform, grant: refresh_token } }]",
        "troupe.yaml:2:36: accounts[0].oauth: needs `client_id` to log in: register a client with the \
         provider",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { preset: claude_platform, grant: refresh_token, \
         client_id: c } }]",
        "troupe.yaml:2:36: accounts[0].oauth: needs `redirect_uri` to log in, as it is registered for \
         the client",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: client_credentials, token_url: \
         https://h/t, client_id: c, client_secret: s, refresh_token: r } }]",
        "troupe.yaml:2:36: accounts[0].oauth: has a `refresh_token`, which the grant refresh_token \
         alone uses; remove it, or change `grant`",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: refresh_token, token_url: \"http://h/t\", \
         refresh_token: r, assertion_file: f } }]",
        "troupe.yaml:2:67: accounts[0].oauth.token_url: must start with https://; http:// is allowed to \
         this machine only\n\
         troupe.yaml:2:110: accounts[0].oauth.assertion_file: is read for the grant jwt_bearer only; \
         remove it, or change `grant`",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: refresh_token, token_url: https://h/t, \
         refresh_token: r, extra: { client_id: c } } }]",
        "troupe.yaml:2:109: accounts[0].oauth.extra: `client_id` is set by the protocol itself; remove \
         it, or use the setting of its own",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: refresh_token, token_url: https://h/t, \
         refresh_token: r, extra: { \"${X}\": c } } }]",
        "troupe.yaml:2:109: accounts[0].oauth.extra: variables are not expanded in keys",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: refresh_token, token_url: https://h/t, \
         refresh_token: r, scopes: [\"a b\"] } }]",
        "troupe.yaml:2:109: accounts[0].oauth.scopes: must be at most 64 words of visible ASCII, one \
         scope each",
    ),
    (
        "accounts: [{ name: a, kind: oauth, oauth: { grant: refresh_token, token_url: https://h/t, \
         refresh_token_file: absent } }]",
        "troupe.yaml:2:91: accounts[0].oauth.refresh_token_file: cannot read `CWD/absent`: No such \
         file or directory (os error 2)",
    ),
    // Web sessions.
    (
        "accounts: [{ name: a, kind: web_session, web: { cookie: c } }]",
        "troupe.yaml:2:42: accounts[0].web: is a web session, and needs both `web_session.enabled: \
         true` and `web_session.acknowledge_terms: true`; using a session cookie this way may be \
         against the provider's terms, and is the operator's decision",
    ),
    (
        "accounts: [{ name: a, api_key: x, web: { cookie: c } }]\nweb_session: { acknowledge_terms: true }",
        "troupe.yaml:2:35: accounts[0].web: is a web session, and needs both `web_session.enabled: \
         true` and `web_session.acknowledge_terms: true`; using a session cookie this way may be \
         against the provider's terms, and is the operator's decision",
    ),
    (
        "accounts: [{ name: a, kind: web_session, web: { preserve_chats: true } }]\n\
         web_session: { enabled: true, acknowledge_terms: true }",
        "troupe.yaml:2:42: accounts[0].web: needs `cookie` or `cookie_file`",
    ),
    (
        "accounts: [{ name: a, kind: web_session, web: { cookie: c, organization: ../x } }]\n\
         web_session: { enabled: true, acknowledge_terms: true }",
        "troupe.yaml:2:60: accounts[0].web.organization: must be the organisation's uuid: letters, \
         digits and `-`",
    ),
    (
        "accounts: [{ name: a, kind: web_session, headers: { Origin: o }, web: { cookie: c, base_url: \
         https://h/api } }]\nweb_session: { enabled: true, acknowledge_terms: true }",
        "troupe.yaml:2:42: accounts[0].headers: `Origin` cannot be set for an account with a web \
         session: the gateway always says what it is; remove it\n\
         troupe.yaml:2:84: accounts[0].web.base_url: must not end in `/api`: the gateway adds it",
    ),
    // Which requests it takes.
    (
        "accounts: [{ name: a, api_key: x, group: \"\" }]",
        "troupe.yaml:2:35: accounts[0].group: must be 1 to 256 bytes without control characters, and \
         no space at either end",
    ),
    (
        "accounts: [{ name: a, api_key: x, tags: [b, b] }]",
        "troupe.yaml:2:35: accounts[0].tags: entry 2 stands there twice; remove one",
    ),
    (
        "accounts: [{ name: a, api_key: x, weight: 1001 }]",
        "troupe.yaml:2:35: accounts[0].weight: must be at most 1000",
    ),
    (
        "accounts: [{ name: a, api_key: x, priority: -1 }]",
        "troupe.yaml:2:35: accounts[0].priority: expected a whole number, got `-1`",
    ),
    (
        "accounts: [{ name: a, api_key: x, allow_models: [] }]",
        "troupe.yaml:2:35: accounts[0].allow_models: names no model; leave it out for every model",
    ),
    (
        "accounts: [{ name: a, api_key: x, deny_models: [\"a b\"] }]",
        "troupe.yaml:2:49: accounts[0].deny_models[0]: model pattern has a space or a control \
         character; remove it, got `a b`",
    ),
    (
        "accounts: [{ name: a, api_key: x, schedule: weekdays }]",
        "troupe.yaml:2:35: accounts[0].schedule: expected days and hours such as `mon-fri \
         08:00-18:00` (UTC); a word is neither, got `weekdays`",
    ),
    (
        "accounts: [{ name: a, api_key: x, schedule: \"mon 08:00-18:00 tue\" }]",
        "troupe.yaml:2:35: accounts[0].schedule: a word stands after a time; separate spans by a comma \
         or a semicolon, got `mon 08:00-18:00 tue`",
    ),
    (
        "accounts: [{ name: a, api_key: x, reserve: 0 }]",
        "troupe.yaml:2:35: accounts[0].reserve: expected a percentage from 1 to 100 such as 90%, got `0`",
    ),
    (
        "accounts: [{ name: a, api_key: x, reserve: 101% }]",
        "troupe.yaml:2:35: accounts[0].reserve: expected a percentage from 1 to 100 such as 90%, got \
         `101%`",
    ),
    // How it is reached.
    (
        "accounts: [{ name: a, api_key: x, proxy: \"ftp://u:p@h\" }]",
        "troupe.yaml:2:35: accounts[0].proxy: must start with http://, https://, socks5:// or socks5h://",
    ),
    (
        "accounts: [{ name: a, api_key: x, proxy: \"http://h/path\" }]",
        "troupe.yaml:2:35: accounts[0].proxy: must be a host and a port, without path, query or fragment",
    ),
    (
        "accounts: [{ name: a, api_key: x, ca_file: absent.pem }]",
        "troupe.yaml:2:35: accounts[0].ca_file: cannot read `CWD/absent.pem`: No such file or \
         directory (os error 2)",
    ),
    (
        "accounts: [{ name: a, api_key: x, ca_file: troupe.yaml }]",
        "troupe.yaml:2:35: accounts[0].ca_file: holds no certificate; give certificates in PEM",
    ),
];
