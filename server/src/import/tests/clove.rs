use super::{left, shown};
use crate::import::clove;

const ACCOUNTS: &[u8] = include_bytes!("golden/clove_accounts.json");
const CONFIG: &[u8] = include_bytes!("golden/clove_config.json");

#[test]
fn accounts_and_configuration() {
    let plan = clove(ACCOUNTS, Some(CONFIG)).unwrap();
    insta::assert_json_snapshot!(shown(&plan));
}

#[test]
fn the_same_source_gives_the_same_ids_and_names() {
    let once = clove(ACCOUNTS, Some(CONFIG)).unwrap();
    let again = clove(ACCOUNTS, Some(CONFIG)).unwrap();
    assert_eq!(shown(&once), shown(&again));
    // An account that is gone changes nothing about the others.
    let text = String::from_utf8(ACCOUNTS.to_vec()).unwrap();
    let mut less: serde_json::Value = serde_json::from_str(&text).unwrap();
    less.as_object_mut()
        .unwrap()
        .remove("0b9c5e60-6ac3-4f5e-9f0a-3c1de5a5a0f1");
    let less = clove(less.to_string().as_bytes(), Some(CONFIG)).unwrap();
    for account in &less.accounts {
        let same = |other: &&crate::import::ImportedAccount| other.source_id == account.source_id;
        if let Some(before) = once.accounts.iter().find(same) {
            assert_eq!(before.name, account.name);
        }
    }
}

#[test]
fn without_a_configuration_its_absence_is_told() {
    let plan = clove(ACCOUNTS, None).unwrap();
    assert!(left(&plan, "config.json: not given"));
    assert!(plan.keys.is_empty() && plan.accounts.len() == 3);
}

#[test]
fn a_file_that_is_no_accounts_json() {
    for (text, says) in [
        ("[]", "accounts.json: is no object"),
        ("{\n\"a\": {\n", "accounts.json: line 3: ends in the middle"),
        ("{\n\"a\": x}", "accounts.json: line 2: is not valid JSON"),
        ("{\"a\": 1,\n\"a\": 2}", "`a` is written twice"),
    ] {
        let error = clove(text.as_bytes(), None).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = clove(b"{}", Some(b"[]")).unwrap_err().to_string();
    assert!(error.contains("config.json: is no object"), "{error}");
}
