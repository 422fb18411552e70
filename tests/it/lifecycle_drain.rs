//! How a gateway ends: what runs is finished, unless it is told twice or takes too long.

use std::time::{Duration, Instant};

use crate::process::{Process, until};
use crate::serve::{Ask, ENDS_WITHIN, KEY, Place, paced};

const SOON: Duration = Duration::from_secs(10);

fn place(drain: &str) -> Place {
    let place = Place::new();
    let rest = format!("keys: [{{ name: declared, secret: {KEY} }}]\n");
    place.configure(&format!(
        "{}\n{}{rest}",
        place.server(drain),
        place.account("scripted", crate::serve::ACCOUNT)
    ));
    place
}

fn drains(place: &Place, gateway: &Process) {
    let draining = || Ask::get("/readyz").status(place.address) == 503;
    assert!(until(SOON, draining), "{}", gateway.log());
}

#[test]
fn an_open_stream_is_finished() {
    let place = place("delay: 2s");
    let mut gateway = place.serve();
    let stream = place.running_stream(KEY, &paced(40));
    gateway.signal("TERM");
    drains(&place, &gateway);
    let late = Ask::get("/readyz").send(place.address);
    assert_eq!(late.header("connection"), Some("close"), "{late:?}");
    assert!(late.body().contains("draining"));
    let late = place.message(KEY, "default");
    assert_eq!(
        (late.status, late.header("connection")),
        (200, Some("close"))
    );
    assert!(stream.body().contains("event: message_stop"));
    assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());
    let open = || place.upstream.open_connections() == 0;
    assert!(until(SOON, open));
}

#[test]
fn a_second_signal_forces_it() {
    let place = place("delay: 60s");
    let mut gateway = place.serve();
    let mut stream = place.running_stream(KEY, "endless");
    gateway.signal("TERM");
    drains(&place, &gateway);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 1, "{}", gateway.log());
    // Cut, and told so.
    let _ = stream.rest();
    assert!(
        stream.so_far().contains("event: error"),
        "{}",
        stream.so_far()
    );
}

#[test]
fn its_longest_time_forces_it() {
    let place = place("delay: 0s, max: 500ms");
    let mut gateway = place.serve();
    let _stream = place.running_stream(KEY, "endless");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 1, "{}", gateway.log());
}

#[test]
fn a_silent_stream_does_not_hold_it() {
    let place = place("delay: 0s, idle: 500ms");
    let mut gateway = place.serve();
    let mut stream = place.running_stream(KEY, "stall");
    let told = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());
    assert!(told.elapsed() >= Duration::from_millis(400));
    let _ = stream.rest();
    assert!(
        stream.so_far().contains("event: error"),
        "{}",
        stream.so_far()
    );
}

#[test]
fn an_idle_connection_does_not_hold_it() {
    let place = place("delay: 0s");
    let mut gateway = place.serve();
    let idle = std::net::TcpStream::connect(place.address).expect("a connection");
    let told = Instant::now();
    gateway.signal("INT");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());
    assert!(told.elapsed() < SOON, "{:?}", told.elapsed());
    drop(idle);
}
