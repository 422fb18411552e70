//! Upload of images and documents, before the completion that names them.
//!
//! Invariant: a few at a time, their ids in the order of the files; one that fails fails the request.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde::Deserialize;

use super::{
    WebLimits, fault::WebFault, organization::is_id, prompt::File, signal::Call, surface::Surface,
};

const AT_ONCE: usize = 4;

#[derive(Debug, Deserialize)]
struct Uploaded {
    file_uuid: String,
}

/// The ids that the surface gave the files.
pub(super) async fn all(
    surface: &Surface,
    organization: &str,
    files: Vec<File>,
    limits: &WebLimits,
) -> Result<Vec<String>, WebFault> {
    let wait = Duration::from_millis(limits.upload_ms);
    let each = files
        .into_iter()
        .map(|file| one(surface, organization, file, wait));
    let each: Vec<_> = each.collect();
    stream::iter(each).buffered(AT_ONCE).try_collect().await
}

async fn one(
    surface: &Surface,
    organization: &str,
    file: File,
    wait: Duration,
) -> Result<String, WebFault> {
    let size_bytes = file.bytes.len() as u64;
    let part = Part::stream_with_length(file.bytes, size_bytes)
        .file_name(file.name)
        .mime_str(file.media_type)
        .map_err(|_| WebFault::request("a file has a media type that cannot be sent"))?;
    let request = surface
        .request(Method::POST, &format!("/api/{organization}/upload"))
        .multipart(Form::new().part("file", part));
    let uploaded: Uploaded = surface.json(Call::Upload, request, wait).await?;
    if is_id(&uploaded.file_uuid) {
        return Ok(uploaded.file_uuid);
    }
    Err(WebFault::platform(
        "the web surface sent an upload id that cannot be used",
    ))
}
