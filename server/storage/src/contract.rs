//! What every backend must do: one suite, run on each.
//!
//! Invariant: no test here knows which backend it has; what only one of them does is tested beside that one.

mod accounts;
mod audit;
pub(crate) mod bodies;
mod facts;
pub(crate) mod keys;
mod log;
#[cfg(feature = "postgres")]
mod postgres;
pub(crate) mod quotas;
pub(crate) mod sample;
pub(crate) mod search;
mod series;
mod sessions;
mod tokens;
pub(crate) mod usage;

use std::path::Path;

use troupe_core::port::{Expect, StoreError};
use troupe_core::usage::UsageQuery;

use crate::Backend;

/// A fresh backend and, where it has one, its folder.
pub(crate) struct Subject {
    pub backend: Backend,
    pub folder: tempfile::TempDir,
}

fn subject(url: &str) -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let backend = crate::open(url, folder.path()).unwrap();
    Subject { backend, folder }
}

pub(crate) fn reopen(folder: &Path) -> Backend {
    crate::open("sled:data", folder).unwrap()
}

fn is_conflict<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict(_)))
}

macro_rules! contract {
    ($($module:ident :: $case:ident),+ $(,)?) => {
        mod on_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(&super::subject("memory:").backend.stores).await;
            })+
        }
        mod on_sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject = super::subject("sled:data");
                super::$module::$case(&subject.backend.stores).await;
                subject.backend.close().await.unwrap();
                drop(subject.folder);
            })+
        }
        #[cfg(feature = "postgres")]
        mod on_postgres {
            /// All on one server, each in a database of its own.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn every_case() {
                super::postgres::run(vec![
                    $((
                        concat!(stringify!($module), "::", stringify!($case)),
                        |stores| Box::pin(async move { super::$module::$case(&stores).await }),
                    ),)+
                ])
                .await;
            }
        }
    };
}

contract!(
    accounts::put_list_and_remove,
    accounts::a_stale_version_is_refused,
    accounts::a_taken_name_is_refused,
    accounts::a_renamed_account_frees_its_name,
    accounts::states_are_kept_and_go_with_the_account,
    tokens::a_token_is_kept_without_its_account,
    tokens::a_stale_token_is_refused_and_leaves_no_event,
    tokens::tokens_go_with_the_account,
    tokens::of_eight_renewals_one_wins,
    sessions::the_last_write_of_a_session_wins,
    sessions::a_session_is_its_keys,
    sessions::ended_sessions_are_not_loaded_and_go,
    quotas::the_last_write_of_a_window_wins,
    quotas::ended_windows_are_not_loaded_and_go,
    quotas::many_rows_are_saved_at_once,
    quotas::counters_are_apart_and_counted,
    keys::put_and_list,
    keys::a_stale_key_version_is_refused,
    keys::a_live_name_is_taken_and_a_revoked_one_is_free,
    keys::a_revoked_key_is_written_beside_its_names_heir,
    keys::a_hash_is_taken_also_by_a_revoked_key,
    keys::rotation_frees_the_old_hash,
    keys::both_secrets_of_a_rotated_key_are_taken,
    keys::totals_start_at_zero_and_are_replaced,
    keys::of_eight_writers_one_wins,
    bodies::bodies_are_found_by_their_id,
    bodies::bodies_that_are_there_stay,
    bodies::bodies_of_a_day_are_summed,
    bodies::old_bodies_go_by_the_day,
    facts::the_first_owner_wins,
    facts::of_eight_owners_one_wins,
    facts::meta_is_written_once,
    facts::meta_is_replaced_by_comparison,
    facts::events_come_in_commit_order,
    facts::a_refused_change_leaves_no_event,
    facts::the_log_takes_batches_and_drops_old_days,
    log::a_row_is_found_by_its_id,
    log::the_last_rows_are_told_in_order,
    log::only_rows_that_match_are_told,
    log::a_reader_reads_on_where_it_was,
    search::the_newest_rows_are_found_first,
    search::a_search_knows_times,
    search::a_search_knows_every_part_of_a_filter,
    search::a_search_knows_measures,
    search::rows_come_while_somebody_pages,
    search::a_foreign_cursor_is_refused,
    audit::lines_are_mirrored_in_their_order,
    audit::a_mirror_may_begin_late,
    audit::the_newest_lines_are_told_by_page,
    audit::only_lines_that_match_are_told,
    audit::old_lines_go_and_the_anchor_stays,
    usage::usage_is_added_up,
    usage::a_batch_is_counted_once,
    usage::usage_is_asked_for_by_each_dimension,
    usage::only_usage_that_matches_is_told,
    usage::a_day_of_usage_is_bounded_and_loses_nothing,
    usage::old_usage_goes,
    series::series_are_added_up,
    series::a_batch_of_series_is_counted_once,
    series::only_points_and_values_asked_for_are_told,
    series::old_points_go_by_grain,
);

#[tokio::test]
async fn sled_keeps_everything_over_a_restart() {
    let Subject { backend, folder } = subject("sled:data");
    let stores = &backend.stores;
    let account = accounts::create(stores, "a").await;
    let key = keys::create(stores, "k", 1).await;
    let state = sample::state(account.id);
    stores
        .accounts
        .save_state(state.clone(), Vec::new())
        .await
        .unwrap();
    let token = stores
        .accounts
        .put_token(sample::token("a"), Expect::Absent, None)
        .await
        .unwrap();
    let session = sample::session(1, 2);
    stores.sessions.save(vec![session]).await.unwrap();
    stores
        .keys
        .save_totals(key.id, sample::totals(5))
        .await
        .unwrap();
    stores
        .resources
        .own(sample::owner("file_1", "k"))
        .await
        .unwrap();
    stores
        .meta
        .put_if_absent("pepper", vec![0, 255])
        .await
        .unwrap();
    let usage = usage::batch_of(7, 0..2);
    stores.usage.add(usage.clone()).await.unwrap();
    let by_key = UsageQuery {
        to_day: 7,
        ..UsageQuery::default()
    };
    let used = stores.usage.query(by_key.clone()).await.unwrap();
    let events = stores.events.after(0, 10).await.unwrap();
    assert!(format!("{backend:?}").len() < 200, "{backend:?}");
    backend.close().await.unwrap();

    let backend = reopen(folder.path());
    let stores = &backend.stores;
    assert_eq!(stores.accounts.list().await.unwrap(), [account]);
    assert_eq!(stores.accounts.states().await.unwrap(), [state]);
    assert_eq!(stores.accounts.tokens().await.unwrap(), [token]);
    assert_eq!(stores.sessions.load(0, 9).await.unwrap(), [session]);
    assert_eq!(
        stores.keys.list().await.unwrap(),
        std::slice::from_ref(&key)
    );
    assert_eq!(stores.keys.totals(key.id).await.unwrap(), sample::totals(5));
    assert_eq!(
        stores.resources.owner("file_1".into()).await.unwrap(),
        Some(sample::owner("file_1", "k"))
    );
    assert_eq!(stores.meta.get("pepper").await.unwrap(), Some(vec![0, 255]));
    assert_eq!(stores.events.after(0, 10).await.unwrap(), events);
    stores.usage.add(usage).await.unwrap();
    assert_eq!(
        stores.usage.query(by_key).await.unwrap(),
        used,
        "told again"
    );
    let next = keys::create(stores, "next", 2).await;
    let last = stores.events.after(events.len() as u64, 10).await.unwrap();
    assert_eq!(last, [(events.len() as u64 + 1, sample::key_event(&next))]);
    backend.close().await.unwrap();
}
