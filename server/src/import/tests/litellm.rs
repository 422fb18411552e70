use super::{left, notes, shown};
use crate::import::litellm_yaml;

const YAML: &str = include_str!("golden/litellm.yaml");

fn env(name: &str) -> Option<String> {
    (name == "ANTHROPIC_KEY_ONE").then(|| "sk-ant-api03-FAKE-KEY-ONE".to_owned())
}

#[test]
fn a_configuration() {
    let plan = litellm_yaml(YAML, &env).unwrap();
    insta::assert_json_snapshot!(shown(&plan));
}

#[test]
fn an_account_keeps_its_id_when_the_list_is_turned_round() {
    let list = |first: &str, second: &str| {
        let entry = |key: &str| {
            format!(
                "  - model_name: claude-haiku-4-5\n    litellm_params: {{ model: claude-haiku-4-5, api_key: {key} }}\n"
            )
        };
        let text = format!("model_list:\n{}{}", entry(first), entry(second));
        let plan = litellm_yaml(&text, &|_| None).unwrap();
        let mut ids: Vec<_> = plan
            .accounts
            .into_iter()
            .map(|a| (a.source_id, a.name))
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(list("key-one", "key-two"), list("key-two", "key-one"));
    assert_eq!(list("key-one", "key-two").len(), 2);
}

#[test]
fn the_environments_defaults_are_used_as_litellm_does() {
    let text = "model_list:\n- {model_name: a, litellm_params: {model: claude-haiku-4-5}}\n";
    let env = |name: &str| match name {
        "ANTHROPIC_API_KEY" => Some("sk-ant-api03-FAKE".to_owned()),
        "ANTHROPIC_BASE_URL" => Some("https://relay.example.org/".to_owned()),
        "LITELLM_MASTER_KEY" => Some("sk-FAKE-MASTER-KEY-000000".to_owned()),
        _ => None,
    };
    let plan = litellm_yaml(text, &env).unwrap();
    assert_eq!(
        plan.accounts[0].base_url.as_deref(),
        Some("https://relay.example.org")
    );
    assert_eq!(plan.keys.len(), 1);
    assert!(litellm_yaml(text, &|_| None).unwrap().accounts.is_empty());
}

#[test]
fn nothing_and_nonsense() {
    let plan = litellm_yaml("", &|_| None).unwrap();
    assert!(plan.accounts.is_empty() && notes(&plan).is_empty());
    let plan = litellm_yaml("model_list: 5\n", &|_| None).unwrap();
    assert!(left(&plan, "model_list: is no list"));
    let error = litellm_yaml("a: b\nc: \"sk-hunter2\nd: e\n", &|_| None).unwrap_err();
    assert!(error.line.is_some(), "{error}");
    assert!(!error.to_string().contains("hunter2"));
    assert!(
        litellm_yaml("- a\n", &|_| None)
            .unwrap_err()
            .to_string()
            .contains("no mapping")
    );
}
