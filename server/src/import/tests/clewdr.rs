use super::shown;
use crate::import::clewdr;

#[test]
fn the_form_of_2026() {
    let plan = clewdr(include_str!("golden/clewdr_2026.toml")).unwrap();
    insta::assert_json_snapshot!(shown(&plan));
}

#[test]
fn the_forms_of_2025() {
    let plan = clewdr(include_str!("golden/clewdr_2025.toml")).unwrap();
    insta::assert_json_snapshot!(shown(&plan));
}

#[test]
fn a_file_that_is_no_toml_is_told_by_line_and_not_quoted() {
    let error = clewdr("ip = \"127.0.0.1\"\npassword = hunter2-hunter2\n").unwrap_err();
    assert_eq!(error.line, Some(2));
    assert_eq!(error.to_string(), "clewdr.toml: line 2: is not valid TOML");
    let twice = clewdr("ip = \"a\"\nip = \"b\"\n").unwrap_err();
    assert_eq!(twice.line, Some(2));
}
