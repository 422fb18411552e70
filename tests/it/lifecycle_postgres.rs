//! The gateway on PostgreSQL: what is acknowledged is there after a restart and after `kill -9`, and its password is
//! shown to nobody.

use std::time::Duration;

use crate::postgres::{PASSWORD, Postgres};
use crate::process::until;
use crate::serve::{ENDS_WITHIN, KEY, Place};

fn place(database: &Postgres, password: &str) -> Place {
    let url = database.url().replace(PASSWORD, password);
    Place::with(&format!(
        "keys: [{{ name: declared, secret: {KEY} }}]\nstorage: {{ url: \"{url}\", dir: ./data }}\n"
    ))
}

fn names(place: &Place) -> Vec<String> {
    let keys = place.run("key list --json").ok();
    assert!(!keys.contains(PASSWORD), "{keys}");
    let mut names: Vec<_> = ["first", "second", "offline", "late"]
        .into_iter()
        .filter(|name| keys.contains(&format!("\"{name}\"")))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_acknowledged_is_there_after_a_restart_and_a_kill() {
    let database = Postgres::new();
    let place = place(&database, PASSWORD);
    let mut gateway = place.serve();
    let first = place.key("first");
    assert!(
        place
            .stream(&first, "default")
            .body()
            .contains("message_stop")
    );
    let logged = || place.run("request list --json").ok().contains("first");
    assert!(until(Duration::from_secs(10), logged), "{}", gateway.log());
    let second = place.command("serve");
    let second = place.finish(second, "");
    assert_eq!(second.code, 1, "one folder, one process: {second:?}");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());
    assert!(!gateway.log().contains(PASSWORD), "{}", gateway.log());

    // Without a gateway, on its store.
    let offline = place.key("offline");
    let mut gateway = place.serve();
    assert_eq!(names(&place), ["first", "offline"]);
    assert_eq!(place.message(&first, "default").status, 200);
    assert_eq!(place.models(&offline), 200);
    let late = place.key("late");
    gateway.signal("KILL");
    assert_eq!(gateway.ended(ENDS_WITHIN), 128 + 9);

    let _gateway = place.serve();
    assert_eq!(names(&place), ["first", "late", "offline"]);
    assert_eq!(place.models(&late), 200);
}

#[test]
fn the_password_is_shown_to_nobody() {
    let database = Postgres::new();
    let place = place(&database, PASSWORD);
    let shown = place.run("config show").ok();
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(
        shown.contains("postgres://postgres:***@127.0.0.1:"),
        "{shown}"
    );

    let wrong = self::place(&database, "wrong-password");
    let refused = wrong.finish(wrong.command("serve"), "");
    assert_eq!(refused.code, 1, "{refused:?}");
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(told.contains("user or password are refused"), "{told}");
    assert!(
        told.contains(&format!("127.0.0.1:{}", database.port())),
        "{told}"
    );
    assert!(!told.contains("wrong-password"), "{told}");
}
