//! The client against the scripted upstream, over real sockets.

mod faults;
mod grants;

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use troupe_mock::{FamilyFacts, FamilySeed, Mock, MockConfig, MockServer};

use super::{
    BodyFormat, EndpointUrl, Grant, TokenEndpoint, TokenFault, Tokens, exchange::exchange_within,
};
use crate::Network;

const REFRESH: &str = "rt-very-secret-refresh-token";

async fn mock() -> MockServer {
    Mock::start(MockConfig::default()).await.unwrap()
}

fn http() -> reqwest::Client {
    Network::direct().control_client().unwrap()
}

fn endpoint(server: &MockServer, client_id: &str) -> TokenEndpoint {
    let url = format!("{}/oauth/token", server.url());
    let mut endpoint = TokenEndpoint::new(EndpointUrl::parse(&url).unwrap());
    endpoint.client_id = Some(client_id.to_owned());
    endpoint
}

fn seed(server: &MockServer) {
    server.oauth().seed(FamilySeed {
        family: "f".into(),
        refresh_token: Some(REFRESH.into()),
        ..FamilySeed::default()
    });
}

fn facts(server: &MockServer) -> FamilyFacts {
    server.oauth().family("f").unwrap()
}

fn refresh() -> Grant {
    Grant::RefreshToken {
        refresh_token: REFRESH.into(),
    }
}

async fn exchange(endpoint: &TokenEndpoint, grant: Grant) -> Result<Tokens, TokenFault> {
    let exchanged = super::exchange(&http(), endpoint, grant).await;
    let shown = format!("{exchanged:?}");
    assert!(!shown.contains(REFRESH), "{shown}");
    exchanged
}

/// What `GET /v1/models` says to this access token.
async fn status(server: &MockServer, token: &SecretString) -> u16 {
    let request = http()
        .get(format!("{}/v1/models", server.url()))
        .bearer_auth(token.expose_secret());
    request.send().await.unwrap().status().as_u16()
}
