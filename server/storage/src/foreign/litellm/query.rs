//! The reading itself.
//!
//! ```text
//! connect ─▶ BEGIN READ ONLY, REPEATABLE READ ─▶ which columns exist ─▶ per table: count ─▶ pages by key ─▶ ROLLBACK
//! ```
//! Invariant: statements are put together from this crate's own names and from columns the catalogue confirmed; values
//! of the caller go in as parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row as _};

use super::address;
use super::call::within;
use super::error::ReadError;
use super::rows::{Left, LitellmRows, Progress, Row};
use super::tables::{self, Table};

const CONNECT: Duration = Duration::from_secs(10);
/// Beyond `statement_timeout`, for a server that does not keep it.
const STATEMENT: Duration = Duration::from_secs(35);
/// For everything after the connection stands.
const TOTAL: Duration = Duration::from_secs(600);
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const SETTINGS: &str = "SELECT set_config('statement_timeout', '30s', true), \
     set_config('lock_timeout', '5s', true), \
     set_config('idle_in_transaction_session_timeout', '60s', true)";
const PAGE_ROWS: i64 = 500;
const MAX_ROWS: u64 = 100_000;
const MAX_ROW_BYTES: i32 = 1 << 20;
const MAX_BYTES: usize = 256 << 20;
const TABLES_NAMED: usize = 100;

type Columns = BTreeMap<String, BTreeSet<String>>;

pub(super) async fn read(
    url: &SecretString,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<LitellmRows, ReadError> {
    let (options, schema) = address::parse(url)?;
    let options = options.disable_statement_logging();
    let mut connection = within("connecting", CONNECT, options.connect()).await?;
    let reading = read_all(&mut connection, schema, on_progress);
    let result = tokio::time::timeout(TOTAL, reading).await;
    let result = result.unwrap_or(Err(ReadError::Timeout {
        doing: "reading all of it",
        seconds: TOTAL.as_secs(),
    }));
    // Nothing was written: how the farewell goes does not matter.
    let _ = tokio::time::timeout(CONNECT, connection.close()).await;
    result
}

async fn read_all(
    connection: &mut PgConnection,
    schema: Option<String>,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<LitellmRows, ReadError> {
    let mut transaction = within("beginning", STATEMENT, connection.begin_with(BEGIN)).await?;
    let settings = sqlx::query(SETTINGS).persistent(false);
    within("beginning", STATEMENT, settings.execute(&mut *transaction)).await?;
    let (schema, columns) = columns(&mut transaction, schema).await?;
    if !columns.contains_key(tables::KEYS.name) {
        let table = tables::KEYS.name;
        return Err(ReadError::NotLitellm { table, schema });
    }
    let mut reader = Reader {
        connection: &mut transaction,
        schema,
        columns,
        bytes: 0,
        left: Vec::new(),
        on_progress,
    };
    let rows = LitellmRows {
        budgets: reader.table(&tables::BUDGETS).await?,
        teams: reader.table(&tables::TEAMS).await?,
        users: reader.table(&tables::USERS).await?,
        models: reader.table(&tables::MODELS).await?,
        keys: reader.table(&tables::KEYS).await?,
        left: Vec::new(),
    };
    reader.tables_not_read();
    let left = std::mem::take(&mut reader.left);
    Ok(LitellmRows { left, ..rows })
}

/// The schema looked into, and the columns of LiteLLM's tables there that this user may read.
async fn columns(
    connection: &mut PgConnection,
    schema: Option<String>,
) -> Result<(String, Columns), ReadError> {
    const DOING: &str = "listing its tables";
    let query = sqlx::query(
        "SELECT coalesce($1::text, current_schema()::text, 'public') AS own, table_name::text, column_name::text \
         FROM (SELECT 1) AS once LEFT JOIN information_schema.columns \
         ON table_schema::text = coalesce($1::text, current_schema()::text, 'public') \
         AND table_name::text LIKE 'LiteLLM\\_%' LIMIT 20000",
    );
    let query = query.bind(schema).persistent(false);
    let found = within(DOING, STATEMENT, query.fetch_all(connection)).await?;
    let mut own = String::new();
    let mut columns = Columns::new();
    for row in found {
        let text = |at: usize| row.try_get::<Option<String>, _>(at);
        let (Ok(schema), Ok(table), Ok(column)) = (text(0), text(1), text(2)) else {
            return Err(ReadError::Nonsense(DOING));
        };
        own = schema.unwrap_or_default();
        if let (Some(table), Some(column)) = (table, column) {
            columns.entry(table).or_default().insert(column);
        }
    }
    Ok((own, columns))
}

struct Reader<'a> {
    connection: &'a mut PgConnection,
    schema: String,
    columns: Columns,
    bytes: usize,
    left: Vec<Left>,
    on_progress: &'a (dyn Fn(Progress) + Sync),
}

impl Reader<'_> {
    async fn table(&mut self, table: &Table) -> Result<Vec<Row>, ReadError> {
        let Some(there) = self.columns.get(table.name) else {
            self.leave(
                table.name.to_owned(),
                "is not there, or this user may not read it",
            );
            return Ok(Vec::new());
        };
        let new: Vec<String> = there
            .iter()
            .filter(|column| table.is_new(column))
            .cloned()
            .collect();
        let wanted: Vec<&str> = table
            .columns
            .iter()
            .copied()
            .filter(|column| there.contains(*column))
            .collect();
        if !wanted.contains(&table.key) {
            let what = format!("{}.{}", table.name, table.key);
            self.leave(what, "is not there, so the table was not read");
            return Ok(Vec::new());
        }
        for column in new {
            let what = format!("{}.{}", table.name, column.escape_debug());
            self.leave(
                what,
                "a column not known to this version; it is not carried over",
            );
        }
        let from = format!("{}.{}", quoted(&self.schema), quoted(table.name));
        let of = self.count(table, &from).await?;
        let sql = page_sql(table, &from, &wanted);
        let mut rows = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.page(table, &sql, after.as_deref(), &mut rows).await?;
            (self.on_progress)(Progress {
                table: table.name,
                rows: rows.len() as u64,
                of,
            });
            if rows.len() as u64 > MAX_ROWS {
                return Err(ReadError::TooMany {
                    table: table.name,
                    rows: rows.len() as u64,
                    most: MAX_ROWS,
                });
            }
            match page {
                Some(last) => after = Some(last),
                None => return Ok(rows),
            }
        }
    }

    async fn count(&mut self, table: &Table, from: &str) -> Result<u64, ReadError> {
        const DOING: &str = "counting rows";
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {from}"));
        let query = sqlx::query(sql).persistent(false);
        let row = within(DOING, STATEMENT, query.fetch_one(&mut *self.connection)).await?;
        let rows = row
            .try_get::<i64, _>(0)
            .ok()
            .and_then(|rows| u64::try_from(rows).ok());
        let rows = rows.ok_or(ReadError::Nonsense(DOING))?;
        if rows > MAX_ROWS {
            return Err(ReadError::TooMany {
                table: table.name,
                rows,
                most: MAX_ROWS,
            });
        }
        Ok(rows)
    }

    /// Appends the rows after `after`; the key of the last one when there may be more.
    async fn page(
        &mut self,
        table: &Table,
        sql: &str,
        after: Option<&str>,
        rows: &mut Vec<Row>,
    ) -> Result<Option<String>, ReadError> {
        const DOING: &str = "reading rows";
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after)
            .bind(PAGE_ROWS)
            .bind(MAX_ROW_BYTES);
        let query = query.persistent(false);
        let page = within(DOING, STATEMENT, query.fetch_all(&mut *self.connection)).await?;
        let full = i64::try_from(page.len()).is_ok_and(|rows| rows >= PAGE_ROWS);
        let mut last = None;
        for row in page {
            let (Ok(key), Ok(json)) = (
                row.try_get::<String, _>(0),
                row.try_get::<Option<String>, _>(1),
            ) else {
                return Err(ReadError::Nonsense(DOING));
            };
            // A server that does not move on would be asked for ever.
            if after == Some(key.as_str()) {
                return Err(ReadError::Nonsense(DOING));
            }
            last = Some(key);
            match json {
                Some(json) => {
                    self.bytes += json.len();
                    if self.bytes > MAX_BYTES {
                        return Err(ReadError::TooLarge {
                            most_mib: MAX_BYTES >> 20,
                        });
                    }
                    rows.push(Row::new(json));
                }
                None => self.leave(
                    format!("{}: a row", table.name),
                    "is larger than 1 MiB; add it by hand",
                ),
            }
        }
        Ok(last.filter(|_| full))
    }

    /// One line for each reason: a database of today has sixty tables.
    fn tables_not_read(&mut self) {
        let read = [
            &tables::KEYS,
            &tables::TEAMS,
            &tables::USERS,
            &tables::BUDGETS,
            &tables::MODELS,
        ];
        let mut names = BTreeMap::<&str, Vec<String>>::new();
        for name in self.columns.keys() {
            if !read.iter().any(|table| table.name == name) {
                let name_shown = name.escape_debug().to_string();
                names
                    .entry(tables::why_not_read(name))
                    .or_default()
                    .push(name_shown);
            }
        }
        for (why, names) in names {
            let more = names.len().saturating_sub(TABLES_NAMED);
            let named: Vec<String> = names.into_iter().take(TABLES_NAMED).collect();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            self.leave(format!("{}{more}", named.join(", ")), why);
        }
    }

    fn leave(&mut self, what: String, why: &str) {
        self.left.push(Left {
            what,
            why: why.to_owned(),
        });
    }
}

/// `$1` the key to go on after, `$2` rows, `$3` the most bytes of one. A row that is larger comes without its text.
fn page_sql(table: &Table, from: &str, columns: &[&str]) -> String {
    let key = quoted(table.key);
    let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let columns = columns.join(", ");
    format!(
        "SELECT key, CASE WHEN octet_length(json) <= $3 THEN json END FROM ( \
         SELECT page.{key}::text AS key, to_jsonb(page)::text AS json FROM ( \
         SELECT {columns} FROM {from} WHERE $1::text IS NULL OR {key} > $1::text ORDER BY {key} LIMIT $2 \
         ) AS page) AS sized ORDER BY key"
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
