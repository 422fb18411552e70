//! Files made to hurt: each is refused with a reason, or read within bounds.

use super::left;
use crate::import::{clewdr, clove, litellm_yaml};

#[test]
fn too_large() {
    let large = " ".repeat((64 << 20) + 1);
    assert!(
        clove(large.as_bytes(), None)
            .unwrap_err()
            .to_string()
            .contains("larger than 64 MiB")
    );
    assert!(
        clewdr(&large)
            .unwrap_err()
            .to_string()
            .contains("larger than 64 MiB")
    );
    assert!(
        litellm_yaml(&large, &|_| None)
            .unwrap_err()
            .to_string()
            .contains("larger than 64 MiB")
    );
}

#[test]
fn too_deep() {
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    assert!(clove(deep("[", "]").as_bytes(), None).is_err());
    let nested = format!("{{\"a\":{}}}", "[".repeat(70) + &"]".repeat(70));
    let error = clove(nested.as_bytes(), None).unwrap_err();
    assert!(
        error.to_string().contains("nested deeper than 64"),
        "{error}"
    );
    assert!(clewdr(&format!("a = {}", deep("[", "]"))).is_err());
    assert!(litellm_yaml(&format!("a: {}", deep("[", "]")), &|_| None).is_err());
    let blocks: String = (0..2_000)
        .map(|depth| format!("{}- \n", " ".repeat(depth)))
        .collect();
    assert!(litellm_yaml(&format!("a:\n{blocks}"), &|_| None).is_err());
}

#[test]
fn too_many_values() {
    let many = format!("{{\"a\":[{}1]}}", "1,".repeat(2_000_001));
    let error = clove(many.as_bytes(), None).unwrap_err();
    assert!(
        error.to_string().contains("more than 2000000 values"),
        "{error}"
    );
}

#[test]
fn anchors_that_multiply() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for at in 1..9 {
        let before = format!("*a{}, ", at - 1).repeat(10);
        text += &format!("a{at}: &a{at} [{before}]\n");
    }
    assert!(litellm_yaml(&text, &|_| None).is_err());
}

#[test]
fn marks_of_other_editors() {
    let marked = b"\xef\xbb\xbf{\r\n\"0b9c5e60-6ac3-4f5e-9f0a-3c1de5a5a0f1\": {\r\n\"cookie_value\": \"sk-ant-sid01-FAKE-AA\"\r\n}\r\n}\r\n";
    assert_eq!(clove(marked, None).unwrap().accounts.len(), 1);
    let toml = "\u{feff}cookie_array = [\"sk-ant-sid01-FAKE-AA\"]\r\n";
    assert_eq!(clewdr(toml).unwrap().accounts.len(), 1);
    let yaml = "\u{feff}model_list:\r\n- model_name: a\r\n  litellm_params:\r\n    model: claude-x\r\n    api_key: FAKE\r\n";
    assert_eq!(litellm_yaml(yaml, &|_| None).unwrap().accounts.len(), 1);
    let utf16 = b"\xff\xfe{\0}\0";
    assert!(
        clove(utf16, None)
            .unwrap_err()
            .to_string()
            .contains("line 1: is not UTF-8")
    );
}

#[test]
fn names_made_to_break_the_report() {
    let text = "{\"\\u001b[2J\\n- fake note\": {\"cookie_value\": \"sk-ant-sid01-FAKE-AA\", \"x\\r\\ny\": 1}}";
    let plan = clove(text.as_bytes(), None).unwrap();
    assert_eq!(plan.accounts.len(), 1);
    let account = &plan.accounts[0];
    assert!(
        account
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
        "{}",
        account.name
    );
    for note in &plan.notes {
        assert!(!note.what.contains(char::is_control) && !note.why.contains(char::is_control));
    }
}

#[test]
fn a_cookie_with_control_characters_is_left() {
    let plan = clove(
        br#"{"a": {"cookie_value": "sk-ant\u0000-x\r\nx: y"}}"#,
        None,
    )
    .unwrap();
    assert!(plan.accounts.is_empty());
    assert!(left(&plan, "cookie_value: is no session cookie"));
}

#[test]
fn a_report_is_bounded() {
    let fields: String = (0..20_000).map(|at| format!("field_{at} = 1\n")).collect();
    let plan = clewdr(&fields).unwrap();
    assert_eq!(plan.notes.len(), 10_001);
    assert!(left(&plan, "10000 more items"));
}
