//! Files that the configuration names beside itself: secrets, certificates and prices.
//!
//! Invariant: each is read whole or refused; whatever was named is watched, so that its change is a reload.

use std::fs::File;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};

use super::models::catalogue;
use super::secret::Secret;
use super::tree::Path;
use super::{Account, Config};

const CA_MAX_BYTES: u64 = 1 << 20;

/// A secret, and the file that may hold it.
struct Slot<'a> {
    /// Of the secret.
    path: Path,
    secret: &'a mut Option<Secret>,
    file: &'a Option<PathBuf>,
}

/// Reads every file, in place; `inputs` learns what was looked at.
pub(super) fn read(
    config: &mut Config,
    cwd: &FilePath,
    inputs: &mut Vec<PathBuf>,
) -> Vec<(Path, String)> {
    let mut faults = Vec::new();
    for (index, account) in config.accounts.iter_mut().enumerate() {
        let path = Path::of("accounts").index(index);
        if let Some(file) = account.ca_file.as_deref().map(|file| cwd.join(file)) {
            match read_ca(&file) {
                Ok(pem) => account.ca_pem = Some(pem.into()),
                Err(message) => faults.push((path.key("ca_file"), message)),
            }
            inputs.push(file);
        }
        for slot in of_account(account, &path) {
            slot.fill(cwd, inputs, &mut faults);
        }
    }
    for (index, key) in config.keys.iter_mut().enumerate() {
        let slot = Slot {
            path: Path::of("keys").index(index).key("secret"),
            secret: &mut key.secret,
            file: &key.secret_file,
        };
        slot.fill(cwd, inputs, &mut faults);
    }
    catalogue::fill(&mut config.models, cwd, inputs, &mut faults);
    faults
}

fn of_account<'a>(account: &'a mut Account, path: &Path) -> Vec<Slot<'a>> {
    let mut slots = vec![Slot {
        path: path.key("api_key"),
        secret: &mut account.api_key,
        file: &account.api_key_file,
    }];
    if let Some(oauth) = &mut account.oauth {
        let path = path.key("oauth");
        slots.push(Slot {
            path: path.key("client_secret"),
            secret: &mut oauth.client_secret,
            file: &oauth.client_secret_file,
        });
        slots.push(Slot {
            path: path.key("refresh_token"),
            secret: &mut oauth.refresh_token,
            file: &oauth.refresh_token_file,
        });
    }
    if let Some(web) = &mut account.web {
        slots.push(Slot {
            path: path.key("web").key("cookie"),
            secret: &mut web.cookie,
            file: &web.cookie_file,
        });
    }
    slots
}

impl Slot<'_> {
    fn fill(self, cwd: &FilePath, inputs: &mut Vec<PathBuf>, faults: &mut Vec<(Path, String)>) {
        let Some(file) = self.file else { return };
        let Some((parent, key)) = self.path.split_last() else {
            return;
        };
        let file_path = parent.key(&format!("{key}_file"));
        if self.secret.is_some() {
            faults.push((
                file_path,
                format!("stands beside `{key}`; keep one of the two"),
            ));
            return;
        }
        let file = cwd.join(file);
        match Secret::read_file(&file) {
            Ok(read) => *self.secret = Some(read),
            Err(message) => faults.push((file_path, message)),
        }
        inputs.push(file);
    }
}

fn read_ca(path: &FilePath) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CA_MAX_BYTES + 1).read_to_end(&mut pem))
        .map_err(|e| format!("cannot read `{shown}`: {e}"))?;
    if pem.len() as u64 > CA_MAX_BYTES {
        return Err(format!("`{shown}` is larger than 1 MiB"));
    }
    Ok(pem)
}
