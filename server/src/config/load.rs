//! Loading, in this order, each over the one before: defaults < file < environment < flags.
//!
//! (The overlay that API and UI will save takes its place between file and environment.)
//! Invariant: nothing here reads the process's environment or working directory; both are given.

use std::path::{Path as FilePath, PathBuf};

use super::environ::Environment;
use super::error::{ConfigError, ConfigErrors, Origin};
use super::interpolate::interpolate;
use super::secret::Secret;
use super::tree::{Node, Path, Value};
use super::{Account, Config, check, files, gate, parse, read, rules};

const SYSTEM_FILE: &str = "/etc/troupe/troupe.yaml";
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`.
    pub file: Option<PathBuf>,
    pub env: Vec<(String, String)>,
    pub flags: Flags,
    /// Relative paths start here.
    pub cwd: PathBuf,
    pub redacted: Redacted,
}

/// Flags as they were typed.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub bind: Option<String>,
    pub workers: Option<String>,
}

/// What to do with a secret that reads `***`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redacted {
    /// An error: whoever serves must have the secret.
    #[default]
    Refuse,
    /// A note: for checking what `show` wrote.
    Accept,
}

/// A configuration and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// For the operator: nothing is wrong, but something may surprise.
    pub notes: Vec<String>,
    pub file: Option<PathBuf>,
    /// Every file that was read, secrets' files included: what to watch.
    pub inputs: Vec<PathBuf>,
    /// The account `main` of `ANTHROPIC_API_KEY`, when that is set and no account is configured.
    pub env_account: Option<Account>,
}

impl Sources {
    /// The process's own environment (variables that are not UTF-8 are left out) and folder.
    pub fn of_process(file: Option<PathBuf>, flags: Flags) -> Self {
        let env = std::env::vars_os();
        let env = env.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self {
            file,
            env: env.collect(),
            flags,
            cwd: std::env::current_dir().unwrap_or_default(),
            redacted: Redacted::Refuse,
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.env.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The file to read: its name in messages, and its path.
    fn find(&self) -> Result<Option<(String, PathBuf)>, ConfigError> {
        let named = |path: &FilePath| (path.display().to_string(), self.cwd.join(path));
        if let Some(file) = &self.file {
            let found = named(file);
            if !found.1.is_file() {
                let message = format!("no such file: `{}`", found.0);
                return Err(ConfigError::new(Origin::Flag("--config"), "", message));
            }
            return Ok(Some(found));
        }
        if let Some(file) = self.variable("TROUPE_CONFIG").filter(|f| !f.is_empty()) {
            let found = named(FilePath::new(file));
            if !found.1.is_file() {
                let origin = Origin::Variable("TROUPE_CONFIG".into());
                let message = format!("no such file: `{file}`");
                return Err(ConfigError::new(origin, "", message));
            }
            return Ok(Some(found));
        }
        let searched = ["troupe.yaml", SYSTEM_FILE].map(|f| named(FilePath::new(f)));
        Ok(searched.into_iter().find(|(_, path)| path.is_file()))
    }
}

/// Loads, checks everything, and gives either a whole configuration or every fault found.
///
/// # Errors
/// All faults at once where possible; text that is not YAML ends it at the first.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let (mut errors, mut notes, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
    let found = sources.find().map_err(ConfigErrors::one)?;
    let mut tree = match &found {
        Some((name, path)) => read_file(name, path, &mut errors).map_err(ConfigErrors::one)?,
        None => Node::empty(),
    };
    let lookup = |name: &str| sources.variable(name).map(str::to_owned);
    interpolate(&mut tree, &Path::default(), &lookup, &mut errors);
    let mut environment = Environment {
        variables: &sources.env,
        errors: &mut errors,
        notes: &mut notes,
    };
    environment.overlay(&mut tree);
    flags(&mut tree, &sources.flags);
    gate::check(&mut tree, &mut errors);

    let config = read::read::<Config>(&mut tree, &mut errors);
    let file = found.map(|(_, path)| path);
    inputs.extend(file.clone());
    let Some(mut config) = config else {
        return Err(ConfigErrors::check(errors).err().unwrap_or_else(unreadable));
    };
    let unread = files::read(&mut config, &sources.cwd, &mut inputs);
    report(unread, &tree, &mut errors);
    report(check::check(&config, sources.redacted), &tree, &mut errors);
    ConfigErrors::check(errors)?;
    let redacted = check::redacted_paths(&config).into_iter();
    notes.extend(redacted.map(|path| format!("{path} is a redacted secret (`***`)")));
    let env_account = env_account(sources, &config, &mut notes);
    Ok(Loaded {
        config,
        notes,
        file,
        inputs,
        env_account,
    })
}

fn unreadable() -> ConfigErrors {
    ConfigErrors::one(ConfigError::new(Origin::Nowhere, "", "cannot be read"))
}

fn read_file(
    name: &str,
    path: &FilePath,
    errors: &mut Vec<ConfigError>,
) -> Result<Node, ConfigError> {
    let place = |line, column| Origin::File {
        name: name.into(),
        line,
        column,
    };
    let fault = |message: String| ConfigError::new(place(1, 1), "", message);
    let meta = std::fs::metadata(path).map_err(|e| fault(format!("cannot be read: {e}")))?;
    if meta.len() > MAX_FILE_BYTES {
        return Err(fault("is larger than 4MiB".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|e| fault(format!("cannot be read: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        let line = 1 + before.filter(|b| **b == b'\n').count();
        ConfigError::new(place(line, 1), "", "is not UTF-8 text")
    })?;
    let mut tree = parse::parse(name, &text)?;
    match &mut tree.value {
        Value::Map(entries) => {
            let at = entries.iter().position(|(key, _)| key == "version");
            let version = at.map(|at| entries.remove(at).1);
            errors.extend(version_fault(version.as_ref(), &place(1, 1)));
        }
        _ => return Err(fault("expected a mapping of keys at the top".to_owned())),
    }
    Ok(tree)
}

fn version_fault(version: Option<&Node>, top: &Origin) -> Option<ConfigError> {
    let Some(node) = version else {
        let message = "missing; add the line `version: 1` at the top of the file";
        return Some(ConfigError::new(top.clone(), "version", message));
    };
    if matches!(&node.value, Value::Scalar(s) if s.text == "1") {
        return None;
    }
    let message = "this version of troupe reads `version: 1` only";
    Some(ConfigError::new(node.origin.clone(), "version", message))
}

fn flags(tree: &mut Node, flags: &Flags) {
    let given = [
        ("--bind", "bind", &flags.bind),
        ("--workers", "workers", &flags.workers),
    ];
    for (flag, key, value) in given {
        if let Some(value) = value {
            let path = ["server".to_owned(), key.to_owned()];
            tree.set(&path, value, &Origin::Flag(flag));
        }
    }
}

/// Places the faults of the typed configuration in the source. Where a part was faulty already,
/// what follows from its absence is not told.
fn report(faults: Vec<(Path, String)>, tree: &Node, errors: &mut Vec<ConfigError>) {
    let told: Vec<Path> = errors.iter().map(|e| Path::parse(&e.path)).collect();
    for (typed, message) in faults {
        let path = tree.source_path(&typed);
        if !told.iter().any(|t| !t.0.is_empty() && t.starts_with(&path)) {
            let origin = tree.origin_of(&path);
            errors.push(ConfigError::new(origin, path.to_string(), message));
        }
    }
}

fn env_account(sources: &Sources, config: &Config, notes: &mut Vec<String>) -> Option<Account> {
    let key = sources
        .variable("ANTHROPIC_API_KEY")
        .filter(|k| !k.is_empty())?;
    if !config.accounts.is_empty() {
        return None;
    }
    let secret = Secret::new(key);
    if rules::header_secret(&secret, &()).is_err() {
        notes.push("ANTHROPIC_API_KEY holds characters that a header cannot carry".to_owned());
        return None;
    }
    Some(Account::with_api_key("main", secret))
}
