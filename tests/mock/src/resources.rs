//! Files and batches that clients created.
//!
//! Invariant: at most [`LIMIT`] are kept, the oldest go first; an id is never given twice.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::clock;

const LIMIT: usize = 1_000;

/// The two collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Batch,
}

struct Resource {
    kind: Kind,
    id: String,
    object: Value,
    content: Bytes,
}

#[derive(Default)]
pub(crate) struct Resources {
    list: VecDeque<Resource>,
}

impl Resources {
    /// Stores a resource made of `body` and returns its object.
    pub(crate) fn create(&mut self, kind: Kind, serial: u64, body: Bytes) -> Value {
        let now = clock::unix_seconds(std::time::Duration::ZERO);
        let created_at = clock::rfc3339(now);
        let object = match kind {
            Kind::File => json!({"id": format!("file_mock{serial:08}"), "type": "file",
                "filename": "mock.bin", "mime_type": "application/octet-stream",
                "size_bytes": body.len(), "created_at": created_at, "downloadable": true}),
            Kind::Batch => {
                json!({"id": format!("msgbatch_mock{serial:08}"), "type": "message_batch",
                "processing_status": "in_progress", "created_at": created_at,
                "expires_at": clock::rfc3339(now + 86_400), "ended_at": null,
                "cancel_initiated_at": null, "archived_at": null, "results_url": null,
                "request_counts": {"processing": 1, "succeeded": 0, "errored": 0,
                    "canceled": 0, "expired": 0}})
            }
        };
        let id = object["id"].as_str().unwrap_or_default().to_owned();
        self.list.push_back(Resource {
            kind,
            id,
            object: object.clone(),
            content: body,
        });
        if self.list.len() > LIMIT {
            self.list.pop_front();
        }
        object
    }

    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<Value> {
        self.find(kind, id).map(|resource| resource.object.clone())
    }

    /// The body that the resource was created with.
    pub(crate) fn content(&self, kind: Kind, id: &str) -> Option<Bytes> {
        self.find(kind, id).map(|resource| resource.content.clone())
    }

    pub(crate) fn cancel(&mut self, id: &str) -> Option<Value> {
        let resource = self.list.iter_mut().find(|resource| resource.id == id)?;
        resource.object["processing_status"] = json!("canceling");
        Some(resource.object.clone())
    }

    pub(crate) fn delete(&mut self, kind: Kind, id: &str) -> Option<Value> {
        let at = self
            .list
            .iter()
            .position(|found| found.kind == kind && found.id == id)?;
        self.list.remove(at)?;
        let deleted = match kind {
            Kind::File => "file_deleted",
            Kind::Batch => "message_batch_deleted",
        };
        Some(json!({"id": id, "type": deleted}))
    }

    /// One page with everything, newest first.
    pub(crate) fn list(&self, kind: Kind) -> Value {
        let of_kind = self
            .list
            .iter()
            .rev()
            .filter(|resource| resource.kind == kind);
        let data: Vec<_> = of_kind.map(|resource| resource.object.clone()).collect();
        let id = |object: Option<&Value>| object.map(|object| object["id"].clone());
        json!({"first_id": id(data.first()), "last_id": id(data.last()), "has_more": false,
            "data": data})
    }

    fn find(&self, kind: Kind, id: &str) -> Option<&Resource> {
        self.list
            .iter()
            .find(|found| found.kind == kind && found.id == id)
    }
}
