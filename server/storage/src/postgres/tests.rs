//! What only this backend does: how it meets a server that is wrong, hangs, dies and comes back.

mod faults;
mod opening;

use std::path::Path;

use crate::postgres::testing::Postgres;
use crate::{Backend, Options};

async fn opened(server: &Postgres, folder: &Path) -> (Options, Backend) {
    let options = server.options(folder).await;
    let backend = options.open().await.unwrap();
    (options, backend)
}
