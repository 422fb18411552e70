//! The contract of the audit trail's mirror.

use std::sync::Arc;

use troupe_core::audit::{AuditAnchor, AuditFilter, AuditRow, AuditSearch, AuditStatus};
use troupe_core::port::Stores;

use super::is_conflict;

fn row(node: &str, seq: u64, at_ms: u64) -> AuditRow {
    AuditRow {
        node: node.into(),
        seq,
        at_ms,
        actor: if seq.is_multiple_of(2) {
            "cli"
        } else {
            "client"
        }
        .into(),
        action: if seq.is_multiple_of(2) {
            "key.created"
        } else {
            "keys"
        }
        .into(),
        resource: format!("key:ü{seq}").into(),
        status: if seq.is_multiple_of(3) {
            AuditStatus::Denied
        } else {
            AuditStatus::Ok
        },
        hash: format!("{node}{seq:064x}").into(),
        line: format!("{{\"seq\":{seq}}}").into(),
    }
}

fn rows(node: &str, seqs: std::ops::RangeInclusive<u64>) -> Vec<AuditRow> {
    seqs.map(|seq| row(node, seq, seq * 10)).collect()
}

async fn all(stores: &Stores) -> Vec<(Arc<str>, u64)> {
    let search = AuditSearch {
        limit: 99,
        ..AuditSearch::default()
    };
    let found = stores.audit.search(search).await.unwrap();
    found.into_iter().map(|row| (row.node, row.seq)).collect()
}

pub(super) async fn lines_are_mirrored_in_their_order(stores: &Stores) {
    let audit = &stores.audit;
    assert_eq!(audit.anchor("a".into()).await.unwrap(), None);
    audit.append(Vec::new()).await.unwrap();
    audit.append(rows("a", 1..=3)).await.unwrap();
    audit.append(rows("a", 2..=4)).await.unwrap();
    let anchor = AuditAnchor {
        node: "a".into(),
        seq: 4,
        hash: row("a", 4, 0).hash,
    };
    assert_eq!(
        audit.anchor("a".into()).await.unwrap(),
        Some(anchor.clone())
    );
    assert!(
        is_conflict(audit.append(rows("a", 6..=6)).await),
        "one is missing"
    );
    let mut other = row("a", 3, 30);
    other.hash = "another".into();
    let mixed = vec![row("a", 5, 50), other];
    assert!(
        is_conflict(audit.append(mixed).await),
        "another line of that number"
    );
    assert_eq!(
        audit.anchor("a".into()).await.unwrap(),
        Some(anchor),
        "all or none"
    );
    assert_eq!(audit.anchor("b".into()).await.unwrap(), None);
    let search = AuditSearch {
        limit: 1,
        ..AuditSearch::default()
    };
    assert_eq!(audit.search(search).await.unwrap(), [row("a", 4, 40)]);
}

pub(super) async fn a_mirror_may_begin_late(stores: &Stores) {
    stores.audit.append(rows("a", 7..=8)).await.unwrap();
    stores.audit.append(rows("b", 1..=1)).await.unwrap();
    assert_eq!(
        all(stores).await,
        [("a".into(), 8), ("a".into(), 7), ("b".into(), 1)]
    );
}

pub(super) async fn the_newest_lines_are_told_by_page(stores: &Stores) {
    let audit = &stores.audit;
    audit.append(rows("a", 1..=6)).await.unwrap();
    audit.append(rows("b", 1..=6)).await.unwrap();
    let mut told = Vec::new();
    let mut before = None;
    loop {
        let search = AuditSearch {
            limit: 5,
            before,
            ..AuditSearch::default()
        };
        let page = audit.search(search).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.at_ms, Arc::clone(&last.node), last.seq));
        told.extend(page.into_iter().map(|row| (row.at_ms, row.node, row.seq)));
    }
    let mut sorted = told.clone();
    sorted.sort_by(|one, other| other.cmp(one));
    assert_eq!((told.len(), &told), (12, &sorted));
}

pub(super) async fn only_lines_that_match_are_told(stores: &Stores) {
    stores.audit.append(rows("a", 1..=9)).await.unwrap();
    let filters = [
        (
            AuditFilter {
                actor: Some("cli".into()),
                ..AuditFilter::default()
            },
            vec![8, 6, 4, 2],
        ),
        (
            AuditFilter {
                action: Some("key".into()),
                ..AuditFilter::default()
            },
            vec![8, 6, 4, 2],
        ),
        (
            AuditFilter {
                action: Some("keys".into()),
                ..AuditFilter::default()
            },
            vec![9, 7, 5, 3, 1],
        ),
        (
            AuditFilter {
                resource: Some("key:ü7".into()),
                ..AuditFilter::default()
            },
            vec![7],
        ),
        (
            AuditFilter {
                resource: Some("key:ü".into()),
                ..AuditFilter::default()
            },
            vec![],
        ),
        (
            AuditFilter {
                status: Some(AuditStatus::Denied),
                ..AuditFilter::default()
            },
            vec![9, 6, 3],
        ),
        (
            AuditFilter {
                from_ms: Some(30),
                to_ms: Some(50),
                ..AuditFilter::default()
            },
            vec![4, 3],
        ),
    ];
    for (filter, wanted) in filters {
        let search = AuditSearch {
            filter: filter.clone(),
            limit: 99,
            before: None,
        };
        let found = stores.audit.search(search).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| row.seq).collect();
        assert_eq!(found, wanted, "{filter:?}");
    }
}

pub(super) async fn old_lines_go_and_the_anchor_stays(stores: &Stores) {
    stores.audit.append(rows("a", 1..=6)).await.unwrap();
    assert_eq!(stores.audit.retain(40).await.unwrap(), 3);
    assert_eq!(stores.audit.retain(40).await.unwrap(), 0);
    assert_eq!(
        all(stores).await,
        [("a".into(), 6), ("a".into(), 5), ("a".into(), 4)]
    );
    stores.audit.retain(1_000).await.unwrap();
    let anchor = stores.audit.anchor("a".into()).await.unwrap();
    assert_eq!(anchor.map(|anchor| anchor.seq), Some(6));
    stores.audit.append(rows("a", 2..=7)).await.unwrap();
    assert_eq!(all(stores).await.first(), Some(&("a".into(), 7)));
}
