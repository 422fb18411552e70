//! `models.prices_file`: prices in a file of their own, which may be exchanged without touching `troupe.yaml`.
//!
//! Invariant: the file is taken whole or not at all; every fault names it, its line and the key. Variables are not
//! expanded in it: it comes from elsewhere and must learn nothing of this process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use serde::Deserialize;
use troupe_core::models::Pattern;

use super::{Models, Price, date};
use crate::config::error::{ConfigError, Origin};
use crate::config::tree::Path;
use crate::config::{parse, read, rules};

const MAX_BYTES: u64 = 4 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Catalogue {
    /// When the prices were looked up; for the reader.
    #[serde(deserialize_with = "date")]
    as_of: Option<Date>,
    prices: BTreeMap<Pattern, Price>,
}

/// Reads the file, if one is named; `inputs` learns of it.
pub(in crate::config) fn fill(
    models: &mut Models,
    cwd: &FilePath,
    inputs: &mut Vec<PathBuf>,
    faults: &mut Vec<(Path, String)>,
) {
    let Some(file) = &models.prices_file else {
        return;
    };
    let path = cwd.join(file);
    match load(&file.display().to_string(), &path) {
        Ok(prices) => models.catalogue = Arc::new(prices),
        Err(errors) => {
            let told = errors.into_iter().map(|error| error.to_string());
            faults.extend(told.map(|fault| (Path::of("models.prices_file"), fault)));
        }
    }
    inputs.push(path);
}

/// `name` stands for the file in messages.
fn load(name: &str, path: &FilePath) -> Result<BTreeMap<Pattern, Price>, Vec<ConfigError>> {
    let whole = |message: String| {
        let origin = Origin::File {
            name: name.into(),
            line: 1,
            column: 1,
        };
        vec![ConfigError::new(origin, "", message)]
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| whole(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(whole("is larger than 4 MiB".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| whole("is not UTF-8 text".to_owned()))?;
    let mut tree = parse::parse(name, &text).map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    let catalogue = read::read::<Catalogue>(&mut tree, &mut errors);
    match catalogue {
        Some(catalogue) if errors.is_empty() => {
            rules::price_patterns(&catalogue.prices, &())
                .map_err(|error| whole(format!("prices: {error}")))?;
            Ok(catalogue.prices)
        }
        _ if errors.is_empty() => Err(whole("expected a mapping with `prices`".to_owned())),
        _ => Err(errors),
    }
}
