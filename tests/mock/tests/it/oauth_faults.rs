//! How the token endpoint fails, and whether the refresh token was spent by then.

use troupe_mock::{FamilySeed, Scenario, fingerprint};

use crate::client::{call, connect, mock, request};
use crate::oauth::refresh;

fn seed() -> FamilySeed {
    FamilySeed {
        family: "f".into(),
        refresh_token: Some("rt".into()),
        ..FamilySeed::default()
    }
}

#[tokio::test]
async fn faults_by_script_and_by_client() {
    for (fault, status, generation, says) in [
        ("slow_5", 200, 2, "access_token"),
        ("500", 500, 1, "server_error"),
        ("503", 503, 1, "temporarily_unavailable"),
        ("500_after", 500, 2, "server_error"),
        ("503_after", 503, 2, "temporarily_unavailable"),
        ("429", 429, 1, "rate_limit_error"),
        ("429_retry_7", 429, 1, "rate_limit_error"),
        ("invalid_grant", 400, 1, "invalid_grant"),
        ("html", 502, 1, "<html>"),
        ("html_after", 200, 2, "<html>"),
        ("redirect", 307, 1, ""),
        ("redirect_after", 307, 2, ""),
        ("huge", 200, 2, "padding"),
        ("no_access_token", 200, 2, "expires_in"),
        ("cut", 200, 2, "{"),
        ("reset", 0, 1, ""),
        ("reset_after", 0, 2, ""),
        ("close", 0, 1, ""),
        ("close_after", 0, 2, ""),
    ] {
        for by_script in [true, false] {
            let server = mock().await;
            server.oauth().seed(seed());
            let name = format!("token_{fault}");
            let client = if by_script {
                server.script([Scenario::named(&name).unwrap()]);
                "app".to_owned()
            } else {
                format!("app~{fault}")
            };
            let got = refresh(&server, "rt", &client).await;
            assert_eq!(got.status, status, "{fault}");
            assert!(got.text().contains(says), "{fault}: {}", got.text());
            assert_eq!(got.complete, fault != "cut", "{fault}");
            assert_eq!(got.reset, fault.starts_with("reset"), "{fault}");
            assert_eq!(got.head.contains("retry-after: 7"), fault.ends_with("_7"));
            let facts = server.oauth().family("f").unwrap();
            assert_eq!((facts.spends, facts.generation), (1, generation), "{fault}");
            assert_eq!(server.journal().last().unwrap().scenario, Some(name));
            // What took effect spent the token.
            let again = refresh(&server, "rt", "app").await.status;
            assert_eq!(again, if generation == 1 { 200 } else { 400 }, "{fault}");
        }
    }
    assert_eq!(Scenario::named("token_unheard_of"), None);
}

#[tokio::test]
async fn a_hang_after_the_effect_is_the_ambiguous_timeout() {
    let server = mock().await;
    let oauth = server.oauth();
    for (fault, generation) in [("hang", 1), ("hang_after", 2)] {
        let tokens = oauth.seed(seed());
        let body = format!("grant_type=refresh_token&refresh_token=rt&client_id=app~{fault}");
        let client = connect(&server, &request("POST", "/oauth/token", "", &body)).await;
        oauth
            .wait_for(|families| families[0].spends == 1 && families[0].generation == generation)
            .await
            .unwrap();
        let name = format!("token_{fault}");
        let entry = server
            .journal()
            .wait_for_entry(|entry| entry.scenario.as_ref() == Some(&name))
            .await
            .unwrap();
        assert!(!entry.is_over() && entry.status.is_none());
        drop(client);
        let aborted = |entry: &troupe_mock::Entry| {
            entry.scenario.as_ref() == Some(&name) && entry.aborted_at_ms.is_some()
        };
        server.journal().wait_for_entry(aborted).await.unwrap();
        // The old access token serves on.
        let header = format!("authorization: Bearer {}\r\n", tokens.access_token);
        let got = call(&server, &request("GET", "/v1/models", &header, "")).await;
        assert_eq!(got.status, 200);
        let facts = oauth.family("f").unwrap();
        assert_eq!(facts.live_access_tokens as u64, generation);
        let kept = facts.refresh_token_hash == Some(fingerprint("rt"));
        assert_eq!(kept, generation == 1);
    }
}
