//! Cookie → OAuth over real sockets.

use secrecy::ExposeSecret;
use troupe_core::account::Verdict;

use super::stage::Stage;
use crate::web::{AuthorizeRequest, authorize};

fn request() -> AuthorizeRequest {
    AuthorizeRequest {
        authorize_url: "{base}/v1/oauth/{organization_uuid}/authorize".to_owned(),
        client_id: "client".to_owned(),
        redirect_uri: "https://r.example/cb".to_owned(),
        scope: "user:inference".to_owned(),
        state: "state & more".to_owned(),
        code_challenge: "challenge".to_owned(),
    }
}

#[tokio::test]
async fn a_cookie_becomes_a_code() {
    let stage = Stage::with("sk-plain").await;
    let given = authorize(&stage.http, &stage.account, &request())
        .await
        .unwrap();
    assert!(!given.code.expose_secret().is_empty());
    assert_eq!(given.state, "state & more");
    assert!(!format!("{given:?}").contains(given.code.expose_secret()));
    let asked = stage.mock.journal().last().unwrap().json();
    assert_eq!(asked["organization_uuid"], given.organization.id);
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(stage.calls(), ["GET organizations", "POST authorize"]);
}

#[tokio::test]
async fn its_refusals_are_the_same_signals() {
    for (key, verdict) in [
        ("sk-challenged@authorize", Verdict::Challenged),
        ("sk-dead@authorize", Verdict::Unauthorized),
    ] {
        let stage = Stage::with(key).await;
        let fault = authorize(&stage.http, &stage.account, &request())
            .await
            .unwrap_err();
        assert_eq!(fault.verdict, verdict);
    }
    let stage = Stage::with("sk-plain").await;
    let elsewhere = AuthorizeRequest {
        authorize_url: "https://elsewhere.example/{organization_uuid}".to_owned(),
        ..request()
    };
    let fault = authorize(&stage.http, &stage.account, &elsewhere)
        .await
        .unwrap_err();
    assert!(matches!(fault.verdict, Verdict::OutOfService { .. }));
    assert!(stage.mock.journal().is_empty());
}
