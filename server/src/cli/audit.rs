//! `troupe audit`: judged and read from its files, whether the gateway runs or not.
//!
//! Invariant: nothing is written to the trail; a cut tail is only said not to be there when the store was asked.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use troupe_core::audit::{AuditAnchor, AuditFilter};
use troupe_storage::audit::{Line, Report, Tail, nodes, scan, verify};

use super::audit_args::{AuditCommand, ExportArgs, ListArgs, Place, VerifyArgs};
use super::error::CliError;
use super::target::Target;
use super::{csv, out, table};
use crate::app::NODE;
use crate::ops::audit::AuditAnchors;

/// A line that is being written when it is read is whole a moment later.
const MOMENT: Duration = Duration::from_millis(200);
const COLUMNS: [&str; 16] = [
    "timestamp",
    "node",
    "seq",
    "actor",
    "action",
    "resource",
    "status",
    "reason",
    "key",
    "account",
    "request_id",
    "remote",
    "count",
    "before",
    "after",
    "hash",
];

pub(super) async fn run(config: Option<PathBuf>, command: AuditCommand) -> Result<(), CliError> {
    match command {
        AuditCommand::Verify(args) => judge(config, args).await,
        AuditCommand::Export(args) => export(config, &args),
        AuditCommand::List(args) => list(config, &args),
    }
}

/// The folder, and where its store is found, when it is that of the configuration.
fn find(config: Option<PathBuf>, place: &Place) -> Result<(PathBuf, Option<Target>), CliError> {
    let (dir, target) = match &place.dir {
        Some(dir) => (dir.clone(), None),
        None => {
            let target = Target::find(config)?;
            let dir = target.audit_dir();
            let dir = dir.ok_or_else(|| {
                CliError::configuration(
                    "a store in memory keeps no audit trail on disk; set audit.dir",
                )
            })?;
            (dir, Some(target))
        }
    };
    if !dir.is_dir() && target.is_none() {
        let message = format!("there is no folder {}", dir.display());
        return Err(CliError::failed(message));
    }
    Ok((dir, target))
}

fn unreadable(dir: &Path) -> impl Fn(std::io::Error) -> CliError {
    let dir = dir.display().to_string();
    move |error| CliError::failed(format!("the audit trail in {dir} cannot be read: {error}"))
}

fn known_nodes(dir: &Path) -> Result<Vec<Arc<str>>, CliError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    nodes(dir).map_err(unreadable(dir))
}

async fn judge(config: Option<PathBuf>, args: VerifyArgs) -> Result<(), CliError> {
    let (dir, target) = find(config, &args.place)?;
    // First the store's word, then the files, which only grow: no line that the store has may be missing.
    let mut all = known_nodes(&dir)?;
    let mut anchors: Vec<AuditAnchor> = Vec::new();
    let mut unasked = None;
    match &target {
        None => unasked = Some("without a store".to_owned()),
        Some(target) => {
            if all.is_empty() {
                all.push(NODE.into());
            }
            let asked = AuditAnchors {
                nodes: all.iter().map(|node| node.to_string()).collect(),
            };
            match target.run(asked).await {
                Ok(known) => anchors = known.into_iter().map(Into::into).collect(),
                Err(error) => unasked = Some(error.lines.join(" ")),
            }
        }
    }
    let mut reports = Vec::new();
    for node in &all {
        let anchor = anchors.iter().find(|anchor| anchor.node == *node);
        let judged = || {
            if dir.is_dir() {
                verify(&dir, node, anchor).map_err(unreadable(&dir))
            } else {
                Ok(missing(node, anchor))
            }
        };
        let mut report = judged()?;
        if report
            .broken
            .as_ref()
            .is_some_and(|b| b.what.starts_with("torn"))
        {
            tokio::time::sleep(MOMENT).await;
            report = judged()?;
        }
        reports.push(report);
    }
    reports.retain(|report| report.lines > 0 || report.broken.is_some());
    if reports.is_empty() {
        let message = format!("there is no audit trail in {}", dir.display());
        return Err(CliError::failed(message));
    }
    tell(&reports, unasked.as_deref(), args.json)
}

/// There is no folder at all.
fn missing(node: &Arc<str>, anchor: Option<&AuditAnchor>) -> Report {
    Report {
        node: Arc::clone(node),
        lines: 0,
        first: 0,
        last: 0,
        continued: None,
        tail: Tail::NotJudged,
        broken: anchor.map(|anchor| troupe_storage::audit::Broken {
            at: None,
            seq: None,
            what: format!(
                "the trail is gone: the store mirrors {} lines of it",
                anchor.seq
            ),
        }),
    }
}

fn tell(reports: &[Report], unasked: Option<&str>, as_json: bool) -> Result<(), CliError> {
    if as_json {
        let told: Vec<_> = reports.iter().map(to_json).collect();
        out::json(&told)?;
    }
    let mut broken = Vec::new();
    for report in reports {
        let node = &report.node;
        if let Some(found) = &report.broken {
            let at = found
                .at
                .as_ref()
                .map(|at| format!("{at}: "))
                .unwrap_or_default();
            let seq = found
                .seq
                .map(|seq| format!("line number {seq}: "))
                .unwrap_or_default();
            broken.push(format!(
                "{at}{seq}{} (node {node}, {} lines before it are whole)",
                found.what, report.lines
            ));
        } else if !as_json {
            out::line(format!(
                "OK: {} lines of node {node}, numbers {} to {}, are whole",
                report.lines, report.first, report.last
            ))?;
        }
        if let Some(last) = report.continued.filter(|_| report.broken.is_none()) {
            let next = last + 1;
            out::note(format!(
                "note: node {node} continues at {next} behind the store's copy; earlier files are elsewhere"
            ));
        }
        if report.broken.is_none() && report.tail == Tail::NotJudged {
            let why = unasked.unwrap_or("the store mirrors none of it");
            out::note(format!(
                "note: whether the tail of node {node} was cut cannot be judged: {why}"
            ));
        }
    }
    match broken.is_empty() {
        true => Ok(()),
        false => Err(CliError {
            exit: super::error::FAILED,
            lines: broken,
        }),
    }
}

fn to_json(report: &Report) -> serde_json::Value {
    let broken = report.broken.as_ref().map(|broken| {
        json!({
            "file": broken.at.as_ref().map(|at| at.file.display().to_string()),
            "line": broken.at.as_ref().map(|at| at.line),
            "seq": broken.seq,
            "what": broken.what,
        })
    });
    json!({
        "node": &*report.node,
        "ok": report.broken.is_none(),
        "lines": report.lines,
        "first": report.first,
        "last": report.last,
        "continued": report.continued,
        "tail_judged": report.tail == Tail::Whole,
        "broken": broken,
    })
}

/// Gives each line that matches, with its text, the oldest first; says how many cannot be read.
fn read(
    dir: &Path,
    filter: &AuditFilter,
    mut told: impl FnMut(&Line, &str) -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let mut unread = 0_u64;
    let mut failed = None;
    for node in known_nodes(dir)? {
        scan(dir, &node, |_, bytes, ends| {
            let (Ok(line), Ok(text), true) = (Line::read(bytes), std::str::from_utf8(bytes), ends)
            else {
                unread += 1;
                return ControlFlow::Continue(());
            };
            if !filter.matches(&line.row(text)) {
                return ControlFlow::Continue(());
            }
            match told(&line, text) {
                Ok(true) => ControlFlow::Continue(()),
                Ok(false) => ControlFlow::Break(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })
        .map_err(unreadable(dir))?;
    }
    if unread > 0 {
        out::note(format!(
            "note: {unread} lines cannot be read; see `troupe audit verify`"
        ));
    }
    failed.map_or(Ok(()), Err)
}

fn export(config: Option<PathBuf>, args: &ExportArgs) -> Result<(), CliError> {
    let (dir, _) = find(config, &args.place)?;
    let filter = args.filter.read(now_ms())?;
    let written = |line: &Line, text: &str| match args.csv {
        true => csv_line(line),
        false => text.to_owned(),
    };
    let head = args.csv.then(|| csv::line(COLUMNS));
    let Some(path) = &args.out else {
        if let Some(head) = head
            && !out::still_read(&head)?
        {
            return Ok(());
        }
        return read(&dir, &filter, |line, text| {
            out::still_read(&written(line, text))
        });
    };
    let lost = |error: std::io::Error| CliError::failed(format!("{}: {error}", path.display()));
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = BufWriter::new(file.map_err(lost)?);
    if let Some(head) = head {
        writeln!(file, "{head}").map_err(lost)?;
    }
    read(&dir, &filter, |line, text| {
        writeln!(file, "{}", written(line, text)).map_err(lost)?;
        Ok(true)
    })?;
    file.flush().map_err(lost)
}

fn csv_line(line: &Line) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let value = |value: &Option<serde_json::Value>| {
        value.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let cells = [
        line.timestamp.clone(),
        line.node.to_string(),
        line.seq.to_string(),
        line.actor.to_string(),
        line.action.to_string(),
        line.resource.to_string(),
        line.status.as_str().to_owned(),
        text(&line.reason),
        text(&line.key),
        text(&line.account),
        text(&line.request_id),
        text(&line.remote),
        line.count
            .map(|count| count.to_string())
            .unwrap_or_default(),
        value(&line.before),
        value(&line.after),
        line.hash.to_string(),
    ];
    csv::line(cells.iter().map(String::as_str))
}

fn list(config: Option<PathBuf>, args: &ListArgs) -> Result<(), CliError> {
    let (dir, _) = find(config, &args.place)?;
    let filter = args.filter.read(now_ms())?;
    let limit = usize::from(args.limit);
    let mut last: VecDeque<(Line, String)> = VecDeque::new();
    read(&dir, &filter, |line, text| {
        last.push_back((line.clone(), text.to_owned()));
        if last.len() > limit {
            last.pop_front();
        }
        Ok(true)
    })?;
    if args.json {
        let rows: Vec<serde_json::Value> = last
            .iter()
            .filter_map(|(_, text)| serde_json::from_str(text).ok())
            .collect();
        return out::json(&rows);
    }
    let rows = last.iter().map(|(line, _)| {
        let times = line
            .count
            .map(|count| format!(" ×{count}"))
            .unwrap_or_default();
        vec![
            line.timestamp.clone(),
            line.actor.to_string(),
            format!("{}{times}", line.action),
            line.resource.to_string(),
            line.status.as_str().to_owned(),
            line.reason.clone().unwrap_or_default(),
        ]
    });
    table_of(rows.collect())
}

fn table_of(rows: Vec<Vec<String>>) -> Result<(), CliError> {
    let head = ["TIME", "ACTOR", "ACTION", "RESOURCE", "STATUS", "REASON"];
    out::line(table::columns(&head, &rows))
}

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}
