//! The command line: arguments, and what each command does with them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use troupe_bench::arms::{Arm, SECRET};
use troupe_bench::error::{Doing, Error, Result};
use troupe_bench::load::{Target, closed, rate};
use troupe_bench::mock::{self, Kind};
use troupe_bench::report::{Setting, markdown};
use troupe_bench::run::{Plan, Sizes, run};
use troupe_bench::stats::percentile;

/// Measures gateways for the Messages API against nginx.
#[derive(Debug, Parser)]
#[command(name = "troupe-bench", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all arms and print the report. Example: troupe-bench run --rounds 5 --write
    Run(RunArgs),
    /// Only the mock upstream. Example: troupe-bench mock --bind 127.0.0.1:5300
    Mock(MockArgs),
    /// Only one load, e.g. for a profiler. Example: troupe-bench load --to 127.0.0.1:5200 --kind burst
    Load(LoadArgs),
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// direct, nginx, troupe, troupe-pool, troupe-limits, troupe-unlogged, or the name of an --arm-file
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "direct,nginx,troupe,troupe-pool,troupe-limits,troupe-unlogged"
    )]
    arms: Vec<String>,
    /// HTTP threads per gateway, measured one after another
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: Vec<u32>,
    /// The troupe binary [default: the one beside this binary]
    #[arg(long, value_name = "PATH")]
    troupe: Option<PathBuf>,
    /// Another gateway, described as in bench/README.md; may be repeated
    #[arg(long, value_name = "FILE")]
    arm_file: Vec<PathBuf>,
    /// Small counts: shows that everything works, not to be judged by
    #[arg(long)]
    quick: bool,
    /// Also write the report to <out>/<date>-<machine>.md
    #[arg(long)]
    write: bool,
    /// Where --write writes [default: bench/results]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl RunArgs {
    /// The report, and whether every arm was valid.
    pub async fn run(self, progress: &dyn Fn(&str)) -> Result<(String, bool)> {
        let plan = self.plan()?;
        let results = run(&plan, progress).await?;
        let setting = setting();
        let text = markdown(&plan, &setting, &results);
        if self.write {
            let quick = if self.quick { "-quick" } else { "" };
            let name = format!("{}-{}{quick}.md", setting.date, setting.machine);
            let folder = self.out.unwrap_or_else(results_folder);
            std::fs::create_dir_all(&folder).doing(format!("make {}", folder.display()))?;
            let file = folder.join(name);
            std::fs::write(&file, &text).doing(format!("write {}", file.display()))?;
        }
        Ok((text, results.is_valid()))
    }

    fn plan(&self) -> Result<Plan> {
        let own = std::env::current_exe().doing("find this binary")?;
        let troupe = self
            .troupe
            .clone()
            .unwrap_or_else(|| own.with_file_name("troupe"));
        // Gateways start in a folder of their own, where a relative path would mean something else.
        let troupe = std::path::absolute(troupe).doing("find the troupe binary")?;
        let others = self
            .arm_file
            .iter()
            .map(|file| Arm::load(file))
            .collect::<Result<Vec<_>>>()?;
        let named = |name: &String| Arm::named(name, &troupe, &others);
        Ok(Plan {
            arms: self.arms.iter().map(named).collect::<Result<_>>()?,
            threads: self.threads.clone(),
            rounds: self.rounds,
            sizes: if self.quick {
                Sizes::quick()
            } else {
                Sizes::full()
            },
        })
    }
}

fn setting() -> Setting {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    Setting {
        date: jiff::Zoned::now().date().to_string(),
        machine: format!("{cores}-core-{}", std::env::consts::OS),
    }
}

fn results_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or("bench".into(), PathBuf::from)
        .join("results")
}

#[derive(Debug, Args)]
pub struct MockArgs {
    #[arg(long, default_value = "127.0.0.1:5300")]
    bind: SocketAddr,
    /// End when standard input closes, as it does when the starting process is gone
    #[arg(long)]
    tied: bool,
}

impl MockArgs {
    pub async fn run(self) -> Result<()> {
        let listener = TcpListener::bind(self.bind)
            .await
            .doing(format!("bind {}", self.bind))?;
        tokio::select! {
            served = mock::serve(listener) => served.doing("serve"),
            () = parent_gone(), if self.tied => Ok(()),
        }
    }
}

async fn parent_gone() {
    let mut scratch = [0; 64];
    let mut input = tokio::io::stdin();
    while matches!(input.read(&mut scratch).await, Ok(read) if read > 0) {}
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LoadKind {
    Json,
    Burst,
    Paced,
    /// JSON at 200 requests per second
    Rate,
}

#[derive(Debug, Args)]
pub struct LoadArgs {
    #[arg(long, value_name = "ADDR")]
    to: SocketAddr,
    #[arg(long, value_enum, default_value = "json")]
    kind: LoadKind,
    #[arg(long, default_value_t = 10_000)]
    requests: u32,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Name so many sessions in turn; 0 for none
    #[arg(long, default_value_t = 0)]
    sessions: u32,
    /// The gateway key
    #[arg(long, env = "TROUPE_BENCH_KEY", default_value = SECRET, hide_env_values = true)]
    key: String,
}

impl LoadArgs {
    /// A line that says what happened.
    pub async fn run(self) -> Result<String> {
        let target = Target {
            address: self.to,
            path: "/v1/messages".into(),
            secret: self.key,
            sessions: self.sessions,
        };
        let (requests, deadline) = (u64::from(self.requests), Duration::from_secs(600));
        let closed =
            |kind, spread| closed(&target, kind, self.connections, requests, spread, deadline);
        let began = Instant::now();
        let outcome = match self.kind {
            LoadKind::Json => closed(Kind::Json, Duration::ZERO).await,
            LoadKind::Burst => closed(Kind::Burst, Duration::ZERO).await,
            LoadKind::Paced => closed(Kind::Paced, Duration::from_millis(320)).await,
            LoadKind::Rate => rate(&target, 200, self.requests),
        };
        if let Some(error) = outcome.first_error {
            return Err(Error::Answer(format!(
                "{} errors, first: {error}",
                outcome.errors
            )));
        }
        let seconds = began.elapsed().as_secs_f64();
        let mut line = format!("{} right answers in {seconds:.2} s", outcome.done);
        for p in [50.0, 99.0] {
            if let Some(us) = percentile(&outcome.latencies_us, p) {
                line.push_str(&format!(", p{p} {us:.0} µs"));
            }
        }
        Ok(line)
    }
}
