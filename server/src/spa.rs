//! The admin page: files that were built beforehand and live in the binary, compressed at compile time.
//!
//! Invariant: only `index.html` may change under its name; it is never cached, all else for ever. No script or style
//! but our own files runs.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    LOCATION, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed_for_web::{EmbedableFile, RustEmbed};

use crate::error::Problem;
use crate::pipeline::{Exchange, answer};
use crate::plan::Plan;

#[derive(RustEmbed)]
#[folder = "../admin/dist"]
struct Files;

const INDEX: &str = "index.html";
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Is this path the admin page's?
pub fn is_below(path: &str) -> bool {
    path == "/admin" || path.starts_with("/admin/")
}

/// Serves a file, or the page itself for every route of its own.
pub fn answer(
    exchange: &mut Exchange,
    request: &HttpRequest,
    path: &str,
    plan: &Plan,
) -> HttpResponse {
    let name = path.trim_start_matches("/admin").trim_start_matches('/');
    let is_page = !name.starts_with("assets/") && !name.starts_with("api/") && name != "api";
    let file = Files::get(if is_page { INDEX } else { name });
    let Some(file) = file else {
        let why = if is_page {
            "the admin page is not part of this build; see `make admin`"
        } else {
            "no such path"
        };
        return answer::problem(exchange, &Problem::NotFound(why.into()), plan);
    };
    if path == "/admin" {
        // One address for the page, so that its relative links hold.
        let mut response =
            answer::whole(exchange, StatusCode::PERMANENT_REDIRECT, "text/plain", "");
        response
            .headers_mut()
            .insert(LOCATION, HeaderValue::from_static("/admin/"));
        return response;
    }
    send(exchange, request, &file, is_page)
}

fn send(
    exchange: &mut Exchange,
    request: &HttpRequest,
    file: &impl EmbedableFile<Data = impl AsRef<[u8]>, Meta = impl AsRef<str>>,
    is_page: bool,
) -> HttpResponse {
    let etag = file.etag();
    let unchanged = request
        .headers()
        .get(IF_NONE_MATCH)
        .is_some_and(|v| v.as_bytes() == etag.as_ref().as_bytes());
    let (coding, data) = coded(request, file);
    let mime = file.mime_type();
    let mime = mime
        .as_ref()
        .map_or("application/octet-stream", AsRef::as_ref)
        .to_owned();
    let (status, body) = if unchanged {
        (StatusCode::NOT_MODIFIED, Vec::new())
    } else {
        (StatusCode::OK, data)
    };
    let mut response = answer::whole(exchange, status, "application/octet-stream", body);
    let headers = response.headers_mut();
    let cache = if is_page {
        "no-cache"
    } else {
        "public, max-age=31536000, immutable"
    };
    let fixed = [
        (CACHE_CONTROL, cache),
        (VARY, "accept-encoding"),
        (HeaderName::from_static("content-security-policy"), POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    answer::set(
        headers,
        fixed.map(|(name, value)| (name, HeaderValue::from_static(value))),
    );
    let own = [
        (actix_web::http::header::CONTENT_TYPE, mime.as_str()),
        (ETAG, etag.as_ref()),
    ];
    answer::set(
        headers,
        own.into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?))),
    );
    if let Some(coding) = coding.filter(|_| !unchanged) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// The best coding that the client takes and the build made.
fn coded(
    request: &HttpRequest,
    file: &impl EmbedableFile<Data = impl AsRef<[u8]>>,
) -> (Option<&'static str>, Vec<u8>) {
    let accepted = request
        .headers()
        .get(ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let takes = |coding: &str| {
        accepted
            .split(',')
            .any(|part| part.split(';').next().unwrap_or_default().trim() == coding)
    };
    if takes("br")
        && let Some(data) = file.data_br()
    {
        return (Some("br"), data.as_ref().to_vec());
    }
    if takes("gzip")
        && let Some(data) = file.data_gzip()
    {
        return (Some("gzip"), data.as_ref().to_vec());
    }
    (None, file.data().as_ref().to_vec())
}
