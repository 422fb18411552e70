//! A batch of usage into the table.
//!
//! Invariant: each row is counted at the first of its places that is there already or has room, as its day stands at that
//! moment; rows of a batch are counted one after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use troupe_core::usage::{UsageBatch, UsageKey, UsageRow};

use super::place::{Columns, place};
use super::{ROW, lock};
use crate::codec::decode;
use crate::postgres::fault::Fault;
use crate::postgres::series;

/// Returns the number of the batch before.
const NUMBER: &str = "insert into usage_batches as known (node, number) values ($1, $2)
    on conflict (node) do update set number = excluded.number
    returning (select number from usage_batches where node = $1)";

pub(super) async fn add(
    connection: &mut PgConnection,
    node: &str,
    batch: &UsageBatch,
) -> Result<(), Fault> {
    lock(connection).await?;
    let number = batch.number.cast_signed();
    let last: Option<i64> = sqlx::query_scalar(NUMBER)
        .bind(node)
        .bind(number)
        .fetch_one(&mut *connection)
        .await?;
    if last == Some(number) {
        return Ok(());
    }
    if !batch.rows.is_empty() {
        let mut days = Days::load(connection, &batch.rows).await?;
        batch.rows.iter().for_each(|row| days.count(row));
        days.save(connection).await?;
    }
    series::add(connection, &batch.series).await
}

/// Puts rows in the place of what is there; the days are counted by whoever does so.
pub(in crate::postgres) async fn put(
    connection: &mut PgConnection,
    rows: Vec<UsageRow>,
) -> Result<(), Fault> {
    let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
    let days = Days {
        changed: rows.keys().cloned().collect(),
        held: BTreeMap::new(),
        rows,
    };
    days.save(connection).await
}

/// What a batch touches.
#[derive(Default)]
struct Days {
    rows: HashMap<UsageKey, UsageRow>,
    /// Rows of each day.
    held: BTreeMap<u32, usize>,
    changed: HashSet<UsageKey>,
}

impl Days {
    /// Rows that are there already at places that the batch may take.
    async fn load(connection: &mut PgConnection, rows: &[UsageRow]) -> Result<Self, Fault> {
        let mut days = Self::default();
        let wanted: BTreeSet<u32> = rows.iter().map(|row| row.key.day).collect();
        let wanted: Vec<i64> = wanted.into_iter().map(i64::from).collect();
        let counts = sqlx::query("select day, rows from usage_days where day = any($1)")
            .bind(wanted)
            .fetch_all(&mut *connection)
            .await?;
        for count in counts {
            let (day, held): (i64, i64) = (count.try_get(0)?, count.try_get(1)?);
            let day = u32::try_from(day).unwrap_or(u32::MAX);
            days.held.insert(day, usize::try_from(held).unwrap_or(0));
        }
        let keys: HashSet<UsageKey> = rows
            .iter()
            .flat_map(|row| row.key.places().map(|(key, _)| key))
            .collect();
        let of_days: Vec<i64> = keys.iter().map(|key| key.day.into()).collect();
        let places: Vec<_> = keys.iter().map(place).collect();
        let found: Vec<Vec<u8>> = sqlx::query_scalar(
            "select \"row\" from usage_rows
             join unnest($1::bigint[], $2::bytea[]) as given (day, place) using (day, place)",
        )
        .bind(of_days)
        .bind(places)
        .fetch_all(connection)
        .await?;
        for bytes in found {
            let row: UsageRow = decode(ROW, &bytes)?;
            days.rows.insert(row.key.clone(), row);
        }
        Ok(days)
    }

    fn count(&mut self, row: &UsageRow) {
        let held = self.held.entry(row.key.day).or_default();
        let mut places = row.key.places().into_iter();
        let place = places.find(|(key, room)| self.rows.contains_key(key) || *held < *room);
        // The last place always has room.
        let Some((key, _)) = place else { return };
        self.changed.insert(key.clone());
        let stands = self.rows.entry(key).or_insert_with_key(|key| {
            *held += 1;
            UsageRow::empty(key.clone())
        });
        stands.merge(row);
    }

    async fn save(self, connection: &mut PgConnection) -> Result<(), Fault> {
        let mut columns = Columns::default();
        for key in &self.changed {
            if let Some(row) = self.rows.get(key) {
                columns.push(row)?;
            }
        }
        sqlx::query(
            "insert into usage_rows
                 (day, place, key, key_name, account, account_name, owner, key_group, model, \"row\")
             select * from unnest($1::bigint[], $2::bytea[], $3::uuid[], $4::text[], $5::uuid[],
                 $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[])
             on conflict (day, place) do update set key_name = excluded.key_name,
                 account_name = excluded.account_name, \"row\" = excluded.\"row\"",
        )
        .bind(&columns.day)
        .bind(&columns.place)
        .bind(&columns.key)
        .bind(&columns.key_name)
        .bind(&columns.account)
        .bind(&columns.account_name)
        .bind(&columns.owner)
        .bind(&columns.group)
        .bind(&columns.model)
        .bind(&columns.row)
        .execute(&mut *connection)
        .await?;
        let (days, held): (Vec<i64>, Vec<i64>) = self
            .held
            .iter()
            .map(|(day, held)| (i64::from(*day), i64::try_from(*held).unwrap_or(i64::MAX)))
            .unzip();
        sqlx::query(
            "insert into usage_days (day, rows) select * from unnest($1::bigint[], $2::bigint[])
             on conflict (day) do update set rows = excluded.rows",
        )
        .bind(days)
        .bind(held)
        .execute(connection)
        .await?;
        Ok(())
    }
}
