use super::*;
use crate::contract::bodies::sample;

const DAY_MS: u64 = 86_400_000;
const DAY: &str = "bodies/1970-01-01";

fn open(folder: &tempfile::TempDir) -> FrameBodies {
    FrameBodies::open(folder.path()).unwrap()
}

fn file(folder: &tempfile::TempDir, suffix: &str) -> PathBuf {
    folder.path().join(format!("{DAY}{suffix}"))
}

async fn filled(count: u64) -> (tempfile::TempDir, Vec<StoredBodies>) {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<_> = (1..=count).map(|n| sample(n, 500)).collect();
    open(&folder).append(all.clone()).await.unwrap();
    (folder, all)
}

async fn assert_found(store: &FrameBodies, all: &[StoredBodies]) {
    for one in all {
        assert_eq!(store.find(one.id).await.unwrap().as_ref(), Some(one));
    }
}

#[tokio::test]
async fn a_torn_frame_is_cut_wherever_it_was_torn() {
    let (folder, all) = filled(3).await;
    let whole = std::fs::read(file(&folder, FRAMES)).unwrap();
    let frame = whole.len() / 3;
    for cut in [1, HEADER_BYTES - 1, HEADER_BYTES, frame - 1] {
        std::fs::write(file(&folder, FRAMES), &whole[..2 * frame + cut]).unwrap();
        let store = open(&folder);
        assert_found(&store, &all[..2]).await;
        assert_eq!(store.find(all[2].id).await.unwrap(), None);
        assert_eq!(
            std::fs::read(file(&folder, FRAMES)).unwrap(),
            whole[..2 * frame]
        );
        store.append(vec![all[2].clone()]).await.unwrap();
        assert_found(&store, &all).await;
        assert_eq!(std::fs::read(file(&folder, FRAMES)).unwrap(), whole);
    }
}

#[tokio::test]
async fn ids_are_never_needed() {
    let (folder, all) = filled(40).await;
    let ids = std::fs::read(file(&folder, IDS)).unwrap();
    let store = open(&folder);
    let mut flipped = ids.clone();
    flipped[ids::ENTRY_BYTES * 5] ^= 1;
    let mut others = Vec::new();
    for one in &all {
        ids::encode(one.id, 0, &mut others);
    }
    for damaged in [
        Vec::new(),
        ids[..ids::ENTRY_BYTES * 7 + 3].to_vec(),
        ids[..ids::ENTRY_BYTES * 7].to_vec(),
        flipped,
        others,
    ] {
        std::fs::write(file(&folder, IDS), &damaged).unwrap();
        assert_found(&store, &all).await;
        assert_eq!(store.find(sample(99, 0).id).await.unwrap(), None);
    }
    std::fs::remove_file(file(&folder, IDS)).unwrap();
    assert_found(&store, &all).await;
    drop(open(&folder));
    assert_eq!(std::fs::read(file(&folder, IDS)).unwrap(), ids, "made anew");
}

#[tokio::test]
async fn damage_costs_its_frame_only() {
    let (folder, all) = filled(5).await;
    let whole = std::fs::read(file(&folder, FRAMES)).unwrap();
    let ids = std::fs::read(file(&folder, IDS)).unwrap();
    let frame = whole.len() / 5;
    let mut header = whole.clone();
    header[2 * frame + 5] ^= 1;
    let mut packed = whole.clone();
    packed[2 * frame + HEADER_BYTES + 9] ^= 1;
    for (damaged, is_known) in [(header, false), (packed, true)] {
        for keep_ids in [true, false] {
            std::fs::write(file(&folder, FRAMES), &damaged).unwrap();
            std::fs::write(file(&folder, IDS), &ids).unwrap();
            if !keep_ids {
                std::fs::remove_file(file(&folder, IDS)).unwrap();
            }
            let store = open(&folder);
            for (nth, one) in all.iter().enumerate() {
                let found = store.find(one.id).await;
                match nth {
                    2 if is_known => assert!(matches!(found, Err(StoreError::Corrupt(_)))),
                    2 => assert_eq!(found, Ok(None)),
                    _ => assert_eq!(found, Ok(Some(one.clone()))),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_full_store_refuses_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.bound(2_000);
    store.append(vec![sample(1, 900)]).await.unwrap();
    let more = vec![sample(DAY_MS, 400), sample(DAY_MS + 1, 600)];
    let refused = store.append(more.clone()).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(store.find(more[0].id).await.unwrap(), None, "none of them");
    let again = open(&folder);
    again.bound(2_000);
    assert!(again.append(more.clone()).await.is_err(), "counted at open");
    assert_eq!(store.retain(DAY_MS).await.unwrap(), 1);
    assert!(!file(&folder, IDS).exists());
    store.append(more.clone()).await.unwrap();
    assert!(store.append(vec![sample(DAY_MS + 2, 900)]).await.is_err());
    store.bound(MAX_BYTES);
    store.append(vec![sample(DAY_MS + 2, 900)]).await.unwrap();
    let huge = StoredBodies {
        packed: vec![0; usize::try_from(MAX_PACKED_BYTES).unwrap() + 1],
        ..sample(DAY_MS + 3, 0)
    };
    assert!(store.append(vec![huge]).await.is_err());
    assert_found(&store, &more).await;
}
