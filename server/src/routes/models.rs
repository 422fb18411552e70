//! `GET /v1/models` and `/v1/models/{id}`: from memory, also with every upstream down.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use serde::Deserialize;
use troupe_wire::models::{Model, ModelPage, PageQuery};

use super::Call;
use crate::error::Problem;
use crate::pipeline::answer;

const ONE: &str = "/v1/models/";

/// Is this the path of one model?
pub(super) fn is_one(path: &str) -> bool {
    path.strip_prefix(ONE)
        .is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

/// As sent, so that a bad value is told by name instead of by the framework.
#[derive(Deserialize)]
struct Raw {
    limit: Option<String>,
    after_id: Option<String>,
    before_id: Option<String>,
}

pub(super) async fn list(mut call: Call<'_>) -> HttpResponse {
    let page = query(call.request.query_string()).and_then(|query| {
        ModelPage::cut(&known(&call), &query).map_err(|error| Problem::Invalid(error.to_string()))
    });
    match page {
        Ok(page) => json(&mut call, &page),
        Err(problem) => call.fail(&problem),
    }
}

pub(super) async fn one(mut call: Call<'_>) -> HttpResponse {
    let id = call.path.strip_prefix(ONE).unwrap_or_default();
    match known(&call).into_iter().find(|model| model.id == id) {
        Some(model) => json(&mut call, &model),
        None => {
            let problem = Problem::NotFound(format!("model: {id}"));
            call.fail(&problem)
        }
    }
}

/// The plan's models and the names that accounts map of their own.
fn known(call: &Call<'_>) -> Vec<Model> {
    let mut models = call.plan.models.clone();
    for account in call.exchange.worker.gateway.directory.accounts().iter() {
        for name in account.view.load().record.models.keys() {
            if !models.iter().any(|m| m.id == *name) {
                models.push(Model::new(name, name, "1970-01-01T00:00:00Z"));
            }
        }
    }
    let rules = &call.entry.record().rules;
    let meant = |id: &str| call.plan.aliases.get(id).map(String::as_str);
    models.retain(|model| rules.permits_alias(&model.id, meant(&model.id).unwrap_or(&model.id)));
    models
}

fn query(text: &str) -> Result<PageQuery, Problem> {
    let raw = Query::<Raw>::from_query(text)
        .map_err(|error| Problem::Invalid(error.to_string()))?
        .into_inner();
    let limit = raw.limit.map(|l| {
        l.parse()
            .map_err(|_| Problem::Invalid("limit: must be a number from 1 to 1000".into()))
    });
    Ok(PageQuery {
        limit: limit.transpose()?,
        after_id: raw.after_id,
        before_id: raw.before_id,
    })
}

fn json(call: &mut Call<'_>, value: &impl serde::Serialize) -> HttpResponse {
    match serde_json::to_vec(value) {
        Ok(body) => answer::whole(&mut call.exchange, StatusCode::OK, "application/json", body),
        Err(error) => answer::problem(
            &mut call.exchange,
            &Problem::Store(error.to_string()),
            &call.plan,
        ),
    }
}
