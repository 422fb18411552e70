use std::collections::BTreeMap;

use troupe_mock::{OauthConfig, fingerprint};

use super::*;
use crate::token::{AuthorizeParams, ClientAuth, Login, authorize_url, parse_pasted};

#[tokio::test]
async fn a_refresh_in_both_formats() {
    for format in [BodyFormat::Json, BodyFormat::Form] {
        let server = mock().await;
        seed(&server);
        let mut endpoint = endpoint(&server, "app");
        endpoint.format = format;
        let tokens = exchange(&endpoint, refresh()).await.unwrap();
        assert_eq!(tokens.expires_in_s, Some(3_600));
        assert_eq!(status(&server, &tokens.access_token).await, 200);
        let entry = &server.journal().entries()[0];
        let agent = entry.headers_named("user-agent").collect::<Vec<_>>();
        assert_eq!(agent, [crate::USER_AGENT]);
        assert_eq!(entry.header("transfer-encoding"), None);
        assert!(entry.header("content-length").is_some());
        let next = Grant::RefreshToken {
            refresh_token: tokens.refresh_token.unwrap(),
        };
        let next = exchange(&endpoint, next).await.unwrap();
        assert_eq!(status(&server, &next.access_token).await, 200);
        let counted = facts(&server);
        assert_eq!(
            (counted.generation, counted.spends, counted.revoked),
            (3, 2, false)
        );

        let spent = exchange(&endpoint, refresh()).await.unwrap_err();
        assert!(
            matches!(spent, TokenFault::Refused { status: 400, error, .. } if error == "invalid_grant")
        );
        assert_eq!(status(&server, &next.access_token).await, 401);
    }
}

#[tokio::test]
async fn a_login_from_page_to_tokens() {
    let server = mock().await;
    for (redirect_uri, text_only) in [
        ("https://app.example/cb", false),
        ("urn:ietf:wg:oauth:2.0:oob", true),
    ] {
        let login = Login::new().unwrap();
        let page = format!("{}/oauth/authorize", server.url());
        let params = AuthorizeParams {
            authorize_url: EndpointUrl::parse(&page).unwrap(),
            client_id: "app".into(),
            redirect_uri: redirect_uri.into(),
            scope: vec!["user:profile".into(), "user:inference".into()],
            extra: BTreeMap::new(),
        };
        let url = authorize_url(&params, &login).unwrap();
        let page = http().get(url).send().await.unwrap();
        let pasted = if text_only {
            page.text().await.unwrap()
        } else {
            page.headers()["location"].to_str().unwrap().to_owned()
        };
        // Start and completion may be two requests.
        let login = Login::resume(login.verifier().clone(), login.state().clone());
        let pasted = parse_pasted(&pasted).unwrap();
        assert!(pasted.state.is_some());
        let grant = login.grant(&pasted, redirect_uri).unwrap();
        let endpoint = endpoint(&server, "app");
        let tokens = exchange(&endpoint, grant.clone()).await.unwrap();
        assert_eq!(tokens.scope.as_deref(), Some("user:profile user:inference"));
        assert!(tokens.refresh_token.is_some());
        assert_eq!(tokens.organization_id.as_deref(), Some("org-mock"));
        assert_eq!(tokens.account_id.as_deref(), Some("account-mock"));
        assert_eq!(status(&server, &tokens.access_token).await, 200);
        let again = exchange(&endpoint, grant).await.unwrap_err();
        assert!(matches!(again, TokenFault::Refused { error, .. } if error == "invalid_grant"));
    }
}

#[tokio::test]
async fn a_workload_shows_its_assertion() {
    let server = mock().await;
    server.oauth().configure(OauthConfig {
        jwt_expected: [("federation_rule_id".to_owned(), "fdrl_1".to_owned())].into(),
        ..OauthConfig::default()
    });
    let mut endpoint = endpoint(&server, "app");
    endpoint.client_id = None;
    endpoint.format = BodyFormat::Json;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assertion");
    for (rule, content, taken) in [("fdrl_1", "a.b.c\n", true), ("fdrl_2", "d.e.f", false)] {
        std::fs::write(&path, content).unwrap();
        endpoint.extra = [
            ("federation_rule_id".to_owned(), rule.to_owned()),
            ("organization_id".to_owned(), "org-1".to_owned()),
        ]
        .into();
        let assertion = crate::token::read_assertion(&path).await.unwrap();
        let tokens = exchange(&endpoint, Grant::JwtBearer { assertion }).await;
        match tokens {
            Ok(tokens) => {
                assert!(taken && tokens.refresh_token.is_none());
                assert_eq!(tokens.organization_id.as_deref(), Some("org-1"));
                assert_eq!(status(&server, &tokens.access_token).await, 200);
            }
            Err(fault) => assert!(!taken && matches!(fault, TokenFault::Refused { .. })),
        }
    }
    let seen = server.oauth().assertions();
    assert_eq!(seen, [fingerprint("a.b.c"), fingerprint("d.e.f")]);
}

#[tokio::test]
async fn a_client_shows_its_secret_in_the_body_or_the_header() {
    let server = mock().await;
    server.oauth().configure(OauthConfig {
        clients: [("a:p p".to_owned(), "s&c/r+t é".to_owned())].into(),
        ..OauthConfig::default()
    });
    let mut endpoint = endpoint(&server, "a:p p");
    endpoint.scope = vec!["one".into(), "two".into()];
    for client_auth in [ClientAuth::Body, ClientAuth::Basic] {
        for format in [BodyFormat::Form, BodyFormat::Json] {
            (endpoint.client_auth, endpoint.format) = (client_auth, format);
            endpoint.client_secret = Some("s&c/r+t é".into());
            let tokens = exchange(&endpoint, Grant::ClientCredentials).await.unwrap();
            assert_eq!(tokens.scope.as_deref(), Some("one two"));
            endpoint.client_secret = Some("wrong".into());
            let refused = exchange(&endpoint, Grant::ClientCredentials)
                .await
                .unwrap_err();
            assert!(
                matches!(refused, TokenFault::Refused { status: 401, error, .. } if error == "invalid_client")
            );
        }
    }
    endpoint.client_secret = None;
    let unsent = exchange(&endpoint, Grant::ClientCredentials)
        .await
        .unwrap_err();
    assert!(matches!(unsent, TokenFault::Misconfigured(_)));
    assert_eq!(server.journal().len(), 8);
}
