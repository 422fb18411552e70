//! Pages of the log from the newest row back, a day after the other.
//!
//! ```text
//! day ─▶ the shortest way ─▶ chunk ─▶ … ─▶ day before ─▶ …       until the page is full, or the time is over
//! ```
//! Invariant: the order of pages is (time, id), which no later row changes: whoever reads on misses nothing and sees
//! nothing twice. Each statement is bounded by [`LARGEST`] rows; the time is looked at between them.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use troupe_core::log::{LogFound, LogSearch};
use troupe_core::port::StoreError;
use troupe_core::record::RequestRecord;

use super::chunk::{self, Chunk, Size};
use super::cursor;
use super::lanes::{Place, Reach, Way, ways};
use super::{ROW, TABLE};
use crate::codec::decode;
use crate::postgres::fault::Fault;
use crate::postgres::partitions::{self, day_of, start_ms};
use crate::postgres::pool::big;

/// Rows of one page.
const PAGE: usize = 1_000;
/// Rows that one statement looks at.
const LARGEST: u32 = 8_192;
/// A statement that took longer is followed by a smaller one, one that took a quarter of it by a larger one.
const LONG: Duration = Duration::from_millis(40);

/// What one search may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub time: Duration,
    /// Rows looked at.
    pub rows: u64,
}

impl Bounds {
    pub const SEARCH: Self = Self {
        time: Duration::from_millis(120),
        rows: 500_000,
    };
}

/// A page, and how many rows were looked at for it.
pub(super) async fn search(
    connection: &mut PgConnection,
    search: &LogSearch,
    bounds: Bounds,
) -> Result<(LogFound, u64), Fault> {
    let mut below = start(search)?;
    let from_ms = big(search.from_ms.unwrap_or(0));
    let first_day = day_of(search.from_ms.unwrap_or(0));
    let last_day = day_of(below.at_ms.unsigned_abs());
    let days = partitions::list(connection, TABLE).await?;
    let mut page = Page::new(search, below, bounds);
    for day in days {
        if !(first_day..=last_day).contains(&day) {
            continue;
        }
        let part = partitions::name(TABLE, day)?;
        loop {
            if page.is_over() {
                return Ok(page.cut(below));
            }
            let reach = Reach { below, from_ms };
            let (chunk, size) = page.look(connection, &part, reach).await?;
            match page.take(chunk, size) {
                Taken::Full(last) => return Ok(page.cut(last)),
                Taken::More(last) => below = last,
                Taken::Through => break,
            }
        }
        below = below.min(Place {
            at_ms: start_ms(day),
            id: Uuid::nil(),
        });
    }
    Ok((page.found, page.looked_at))
}

/// Where to begin: at the cursor, or at the end of the time asked for.
fn start(search: &LogSearch) -> Result<Place, StoreError> {
    let end = search.to_ms.map(|to_ms| Place {
        at_ms: big(to_ms),
        id: Uuid::nil(),
    });
    let newest = Place {
        at_ms: i64::MAX,
        id: Uuid::max(),
    };
    let end = end.unwrap_or(newest);
    match &search.after {
        None => Ok(end),
        Some(cursor) => Ok(cursor::read(cursor)?.min(end)),
    }
}

/// What becomes of a page with a chunk.
enum Taken {
    /// It is full, and there are more rows below this one.
    Full(Place),
    /// The chunk ended here.
    More(Place),
    /// The day has no more rows.
    Through,
}

struct Page<'s> {
    search: &'s LogSearch,
    start: Place,
    ways: Vec<Way>,
    limit: usize,
    bounds: Bounds,
    began: Instant,
    looked_at: u64,
    /// Rows for the next statement.
    next_rows: u32,
    found: LogFound,
    /// The last row taken.
    last: Option<Place>,
}

impl<'s> Page<'s> {
    fn new(search: &'s LogSearch, start: Place, bounds: Bounds) -> Self {
        let limit = search.limit.min(PAGE);
        Self {
            search,
            start,
            ways: ways(&search.filter),
            limit,
            bounds,
            began: Instant::now(),
            looked_at: 0,
            next_rows: u32::try_from(limit).unwrap_or(LARGEST).saturating_add(16),
            found: LogFound::default(),
            last: None,
        }
    }

    /// A page is not given up before anything was looked at, or nobody would get on.
    fn is_over(&self) -> bool {
        self.looked_at > 0
            && (self.looked_at >= self.bounds.rows || self.began.elapsed() >= self.bounds.time)
    }

    fn cut(mut self, below: Place) -> (LogFound, u64) {
        self.found.next = Some(cursor::of(below));
        (self.found, self.looked_at)
    }

    async fn look(
        &mut self,
        connection: &mut PgConnection,
        part: &str,
        reach: Reach,
    ) -> Result<(Chunk, Size), Fault> {
        let missing = self.limit + 1 - self.found.rows.len();
        let left = self.bounds.rows.saturating_sub(self.looked_at).max(1);
        let left = u32::try_from(left).unwrap_or(LARGEST);
        let size = Size {
            rows: self.next_rows.min(LARGEST).min(left),
            hits: u32::try_from(missing).unwrap_or(LARGEST),
        };
        let began = Instant::now();
        let way = chunk::shortest(connection, part, &self.ways, reach).await?;
        let chunk = match way {
            Some(way) => {
                let what = (way, &self.search.filter);
                chunk::read(connection, part, what, reach, size).await?
            }
            None => Chunk::default(),
        };
        let took = began.elapsed();
        if took > LONG {
            self.next_rows = (size.rows / 2).max(16);
        } else if took < LONG / 4 && chunk.looked_at >= u64::from(size.rows) {
            self.next_rows = size.rows.saturating_mul(4).min(LARGEST);
        }
        self.looked_at += chunk.looked_at;
        Ok((chunk, size))
    }

    fn take(&mut self, chunk: Chunk, size: Size) -> Taken {
        let last_hit = chunk.hits.last().map(|(place, _)| *place);
        let all_hits = chunk.hits.len() < size.hits as usize;
        for (place, row) in chunk.hits {
            // Two lanes may lead to one row.
            if self.last == Some(place) {
                continue;
            }
            match decode::<RequestRecord>(ROW, &row) {
                Ok(row) if !self.search.filter.matches(&row) => continue,
                Ok(_) | Err(_) if self.found.rows.len() >= self.limit => {
                    return Taken::Full(self.last.unwrap_or(self.start));
                }
                Ok(row) => self.found.rows.push(row),
                Err(_) => self.found.unreadable += 1,
            }
            self.last = Some(place);
        }
        let is_through = chunk.looked_at < u64::from(size.rows);
        match (all_hits, last_hit, chunk.last) {
            (false, Some(last), _) => Taken::More(last),
            (true, _, Some(last)) if !is_through => Taken::More(last),
            _ => Taken::Through,
        }
    }
}
