//! The admin page out of the binary, in a real browser.

mod driver;

use driver::Browser;

use crate::serve::{ACCOUNT, Ask, KEY, Place};

fn built() {
    let page = crate::house::root().join("admin/dist/index.html");
    assert!(
        page.exists(),
        "the admin page is not built: run `make admin`"
    );
}

#[test]
fn the_page_shows_the_state_and_the_console_is_silent() {
    built();
    let place = Place::new();
    let _gateway = place.serve();
    let base = format!("http://{}", place.address);
    let browser = Browser::start(place.path());

    // The door for people leads there.
    browser.open(&base);
    browser.shows("Ready");
    assert!(
        browser.url().starts_with(&format!("{base}/admin")),
        "{}",
        browser.url()
    );
    assert_eq!(browser.title(), "Ready · Troupe");
    assert!(
        browser.text().contains(env!("CARGO_PKG_VERSION")),
        "{}",
        browser.text()
    );
    let own = "return performance.getEntriesByType('resource').every(e => e.name.startsWith(location.origin))";
    assert_eq!(browser.run(own), true, "the page loads from elsewhere");

    // Without its account it says so by itself.
    place.configure(&format!("keys: [{{ name: declared, secret: {KEY} }}]\n"));
    browser.shows("Degraded");
    place.configure(&place.account("scripted", ACCOUNT));
    browser.shows("Ready");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_deep_link_opens_the_page_and_leads_back() {
    built();
    let place = Place::new();
    let _gateway = place.serve();
    let deep = format!("http://{}/admin/keys/17", place.address);
    let browser = Browser::start(place.path());
    browser.open(&deep);
    browser.shows("There is no such page");
    browser.reload();
    browser.shows("/admin/keys/17");
    browser.click("a.btn-primary");
    browser.shows("Ready");
    browser.back();
    browser.shows("/admin/keys/17");
    assert_eq!(browser.url(), deep);
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn only_the_page_itself_is_asked_for_again() {
    built();
    let place = Place::new();
    let _gateway = place.serve();
    let get = |path: &str| Ask::get(path).send(place.address);
    let page = get("/admin/");
    assert_eq!(
        (page.status, page.header("cache-control")),
        (200, Some("no-cache"))
    );
    let policy = page
        .header("content-security-policy")
        .expect("a content policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    let page = page.body();
    let assets: Vec<_> = page
        .split('"')
        .filter(|part| part.starts_with("/admin/assets/"))
        .collect();
    assert!(assets.iter().any(|path| path.ends_with(".wasm")), "{page}");
    for path in assets {
        let asset = get(path);
        assert_eq!(asset.status, 200, "{path}");
        let caching = asset.header("cache-control").unwrap_or_default();
        assert!(caching.contains("immutable"), "{path}: {caching}");
    }
    assert_eq!(get("/admin/assets/nothing.js").status, 404);
}
