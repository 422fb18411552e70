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

#[test]
fn two_folders_on_one_database_are_two_nodes() {
    let database = Postgres::new();
    let (one, other) = (place(&database, PASSWORD), place(&database, PASSWORD));
    // Both have the one that the store was bound to.
    std::fs::create_dir_all(other.data()).expect("a folder");
    let gateway = one.serve();
    std::fs::copy(
        one.data().join("master.key"),
        other.data().join("master.key"),
    )
    .expect("a key");
    one.key("of-one");
    other.key("of-the-other");
    one.key("of-one-again");
    for (place, told, not) in [
        (&one, "of-one", "of-the-other"),
        (&other, "of-the-other", "of-one"),
    ] {
        let verified = place.run("audit verify");
        assert_eq!(verified.code, 0, "{verified:?} {}", gateway.log());
        let dir = place.data().join("audit");
        let dir = dir.display();
        let trail = place.run(&format!(
            "audit export --json --action key.created --dir {dir}"
        ));
        let trail = trail.ok();
        assert_eq!(
            trail.matches(&format!("\"key:{told}\"")).count(),
            1,
            "{trail}"
        );
        assert!(!trail.contains(&format!("\"key:{not}\"")), "{trail}");
    }
}
