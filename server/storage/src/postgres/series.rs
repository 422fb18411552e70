//! Series of usage on PostgreSQL: a row a point of a value, found by points and by values.
//!
//! Invariant: sums are merged here, in the transaction of their batch and under its lock; codes of grains and of what a
//! series is of never change.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use troupe_core::port::StoreError;
use troupe_core::usage::{Grain, SeriesKey, SeriesOf, SeriesQuery, SeriesRow, UsageSums};

use super::fault::Fault;
use super::pool::Pg;
use crate::codec::{decode, encode};

const ROW: &str = "series row";
/// An index takes no longer ones: what follows is not told apart.
const VALUE_BYTES: usize = 1_024;
/// Rows that are dropped at once.
const DROPPED: i64 = 10_000;

type Code = (i16, i16, i64, Vec<u8>);

fn grain(grain: Grain) -> i16 {
    match grain {
        Grain::Minute => 1,
        Grain::Hour => 2,
        Grain::Day => 3,
    }
}

fn series(of: SeriesOf) -> i16 {
    match of {
        SeriesOf::All => 1,
        SeriesOf::Owner => 2,
        SeriesOf::Group => 3,
        SeriesOf::Key => 4,
        SeriesOf::Account => 5,
        SeriesOf::Model => 6,
        SeriesOf::Status => 7,
    }
}

/// What codes stand for.
pub(super) fn codes(of_grain: i16, of_series: i16) -> Option<(Grain, SeriesOf)> {
    let found = Grain::ALL.into_iter().find(|one| grain(*one) == of_grain)?;
    let of = SeriesOf::ALL
        .into_iter()
        .find(|one| series(*one) == of_series)?;
    Some((found, of))
}

fn value(text: &str) -> Vec<u8> {
    let mut end = text.len().min(VALUE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.as_bytes().get(..end).unwrap_or_default().to_vec()
}

/// One array for each column of the key.
#[derive(Default)]
struct Codes {
    grain: Vec<i16>,
    series: Vec<i16>,
    point: Vec<i64>,
    value: Vec<Vec<u8>>,
}

impl Codes {
    fn of<'a>(codes: impl Iterator<Item = &'a Code>) -> Self {
        codes.fold(Self::default(), |mut columns, code| {
            columns.grain.push(code.0);
            columns.series.push(code.1);
            columns.point.push(code.2);
            columns.value.push(code.3.clone());
            columns
        })
    }
}

/// Adds rows to what is there, within the caller's transaction.
pub(super) async fn add(connection: &mut PgConnection, rows: &[SeriesRow]) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut sums: BTreeMap<Code, UsageSums> = BTreeMap::new();
    for SeriesRow { key, sums: more } in rows {
        let (grain, series) = (grain(key.grain), series(key.of));
        let code = (grain, series, i64::from(key.point), value(&key.value));
        sums.entry(code).or_default().merge(more);
    }
    let codes = Codes::of(sums.keys());
    let stands = sqlx::query(
        "select grain, series, point, value, sums from usage_series
         join unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bytea[])
             as given (grain, series, point, value) using (grain, series, point, value)",
    )
    .bind(&codes.grain)
    .bind(&codes.series)
    .bind(&codes.point)
    .bind(&codes.value)
    .fetch_all(&mut *connection)
    .await?;
    for row in stands {
        let code = (
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
        );
        let there: UsageSums = decode(ROW, row.try_get(4)?)?;
        sums.entry(code).or_default().merge(&there);
    }
    write(connection, &sums).await
}

/// Puts rows in the place of what is there, within the caller's transaction.
pub(super) async fn put(connection: &mut PgConnection, rows: &[SeriesRow]) -> Result<(), Fault> {
    let sums = rows.iter().map(|SeriesRow { key, sums }| {
        let (grain, series) = (grain(key.grain), series(key.of));
        let code = (grain, series, i64::from(key.point), value(&key.value));
        (code, sums.clone())
    });
    write(connection, &sums.collect()).await
}

async fn write(
    connection: &mut PgConnection,
    sums: &BTreeMap<Code, UsageSums>,
) -> Result<(), Fault> {
    let codes = Codes::of(sums.keys());
    let packed = sums.values().map(encode).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "insert into usage_series (grain, series, point, value, sums)
         select * from unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bytea[], $5::bytea[])
         on conflict (grain, series, point, value) do update set sums = excluded.sums",
    )
    .bind(&codes.grain)
    .bind(&codes.series)
    .bind(&codes.point)
    .bind(&codes.value)
    .bind(packed)
    .execute(connection)
    .await?;
    Ok(())
}

/// Of some values each is looked up by itself, however many others its points have.
const OF_VALUES: &str = "select found.point, given.value, found.sums
    from unnest($5::bytea[]) as given (value) cross join lateral (
        select point, sums from usage_series
        where grain = $1 and series = $2 and point between $3 and $4 and value = given.value
        order by value, point
    ) as found order by 1, 2";
const OF_ALL: &str = "select point, value, sums from usage_series
    where grain = $1 and series = $2 and point between $3 and $4 order by point, value";

pub(super) async fn find(
    connection: &mut PgConnection,
    query: &SeriesQuery,
) -> Result<Vec<SeriesRow>, Fault> {
    let sql = if query.values.is_some() {
        OF_VALUES
    } else {
        OF_ALL
    };
    let mut asked = sqlx::query(sql)
        .bind(grain(query.grain))
        .bind(series(query.of))
        .bind(i64::from(query.from))
        .bind(i64::from(query.to));
    if let Some(values) = &query.values {
        let mut values: Vec<_> = values.iter().map(|text| value(text)).collect();
        values.sort_unstable();
        values.dedup();
        asked = asked.bind(values);
    }
    let rows = asked.persistent(false).fetch_all(connection).await?;
    rows.iter().map(|row| told(query, row)).collect()
}

fn told(query: &SeriesQuery, row: &PgRow) -> Result<SeriesRow, Fault> {
    let damaged = || StoreError::Corrupt(format!("{ROW} has a place that is none"));
    let point: i64 = row.try_get(0)?;
    let value = std::str::from_utf8(row.try_get(1)?).map_err(|_| damaged())?;
    Ok(SeriesRow {
        key: SeriesKey {
            grain: query.grain,
            of: query.of,
            point: u32::try_from(point).map_err(|_| damaged())?,
            value: Arc::from(value),
        },
        sums: decode(ROW, row.try_get(2)?)?,
    })
}

/// Drops points before `before`, some at a time; returns how many rows went.
pub(super) async fn prune(pg: &Pg, of: Grain, before: u32) -> Result<usize, StoreError> {
    let mut gone = 0;
    for series_of in SeriesOf::ALL {
        loop {
            let (grain, series) = (grain(of), series(series_of));
            let dropped = pg.write(move |connection| {
                Box::pin(async move {
                    let dropped = sqlx::query(
                        "delete from usage_series where (grain, series, point, value) in (
                             select grain, series, point, value from usage_series
                             where grain = $1 and series = $2 and point < $3
                             order by point limit $4)",
                    )
                    .bind(grain)
                    .bind(series)
                    .bind(i64::from(before))
                    .bind(DROPPED)
                    .execute(connection)
                    .await?;
                    Ok(dropped.rows_affected())
                })
            });
            match usize::try_from(dropped.await?).unwrap_or(usize::MAX) {
                0 => break,
                rows => gone += rows,
            }
        }
    }
    Ok(gone)
}
