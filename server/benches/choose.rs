//! What choosing an account costs in a pool of a thousand whose upstreams tell their windows: `make bench` runs it.
//!
//! Medians of batches on one thread, through the functions that requests use; the lease is given back each time.
//! Targets: 2 µs when the session's own account answers, 20 µs when all are ranked.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use troupe_core::AccountId;
use troupe_core::account::{AccountTell, AttemptFacts, Auth, Report, Verdict, window};
use troupe_core::key::AccountBinding;
use troupe_server::app::App;
use troupe_server::config::{Sources, load};
use troupe_server::pipeline::choose::{self, Tried, Wanted};
use troupe_server::telemetry::init_log;
use troupe_server::worker::Worker;

const ACCOUNTS: usize = 1_000;
const BATCHES: usize = 41;
const BATCH: usize = 2_000;
const MODEL: &str = "claude-sonnet-5";

fn main() -> ExitCode {
    match actix_web::rt::System::new().block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("choose: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut text = "version: 1\nstorage: { url: \"memory:\" }\ntelemetry: { log: { level: warn } }\naccounts:\n".to_owned();
    for n in 0..ACCOUNTS {
        writeln!(
            text,
            "  - {{ name: a{n:04}, kind: api_key, api_key: key-{n:04}-0123456789, base_url: \"http://127.0.0.1:9\" }}"
        )?;
    }
    std::fs::write(folder.path().join("troupe.yaml"), text)?;
    let loaded = load(&Sources {
        cwd: folder.path().to_owned(),
        ..Sources::default()
    });
    let loaded = loaded.map_err(|errors| format!("{errors:?}"))?;
    let io = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let filter = init_log(&loaded.config.telemetry.log);
    let app = App::build(
        &loaded,
        filter,
        folder.path().to_owned(),
        io.handle().clone(),
    )
    .await?;
    let worker = Worker::start(Arc::clone(&app.gateway));
    tell_windows(&worker).await;
    let home = worker.gateway.directory.accounts()[ACCOUNTS / 2].id;
    measure(
        "the session's own account answers",
        Duration::from_micros(2),
        &worker,
        Some(home),
    )
    .await?;
    measure(
        "a thousand are ranked",
        Duration::from_micros(20),
        &worker,
        None,
    )
    .await?;
    io.shutdown_background();
    Ok(())
}

/// Every account has been answered once, with the windows that real upstreams tell.
async fn tell_windows(worker: &Rc<Worker>) {
    let accounts = Arc::clone(&worker.gateway.directory.accounts());
    let reset_ms = worker.gateway.directory.clock().now().unix_ms + 3_600_000;
    for (n, account) in accounts.iter().enumerate() {
        let used = |factor: usize| u32::try_from(n * factor % 900_000).unwrap_or_default();
        let windows = [
            "requests",
            "tokens",
            "input-tokens",
            "output-tokens",
            "5h",
            "7d",
        ];
        let report = Report {
            auth: Auth::ApiKey,
            generation: account
                .view
                .load()
                .lane(Auth::ApiKey)
                .map_or(0, |lane| lane.generation),
            model: Some(MODEL.into()),
            betas: 0,
            verdict: Verdict::Success,
            windows: windows
                .iter()
                .enumerate()
                .map(|(place, name)| window(name, None, used(7_919 + place), reset_ms))
                .collect(),
            facts: AttemptFacts::default(),
        };
        account.handle.tell(AccountTell::Reports(vec![report]));
    }
    let told = || {
        let shown = |lane: &troupe_core::account::LaneView| lane.windows.len() == 6;
        accounts
            .iter()
            .all(|a| a.view.load().lanes.iter().all(shown))
    };
    while !told() {
        tokio::task::yield_now().await;
    }
}

async fn measure(
    what: &str,
    target: Duration,
    worker: &Rc<Worker>,
    preferred: Option<AccountId>,
) -> Result<(), Box<dyn Error>> {
    let plan = worker.gateway.plan.load_full();
    let (binding, tried) = (AccountBinding::default(), Tried::default());
    let wanted = Wanted {
        model: Some(MODEL),
        betas: 0,
        is_message: true,
        preferred,
        resumes: false,
        bound: None,
        binding: &binding,
        tried: &tried,
        need: None,
        key: None,
        patience: Duration::ZERO,
        until: tokio::time::Instant::now() + plan.max_elapsed,
    };
    let mut batches = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let began = Instant::now();
        for _ in 0..BATCH {
            let lease = choose::lease(worker, &plan, wanted).await;
            drop(lease.map_err(|problem| problem.message().into_owned())?);
        }
        batches.push(began.elapsed() / u32::try_from(BATCH)?);
    }
    batches.sort_unstable();
    let median = batches[BATCHES / 2];
    let met = if median <= target { "met" } else { "MISSED" };
    println!(
        "{what}: {median:?} (fastest {:?}), at most {target:?}: {met}",
        batches[0]
    );
    Ok(())
}
