//! The clients: each goes round its sessions, one request after another, and remembers who answered.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::weather::{Dice, Weather};
use crate::gateway::{Client, Pool, message, request, secret};

const KEYS: [&str; 2] = ["wide", "tight"];

/// Who answered a session last, and how often that account had been ill by then.
type Home = Option<(String, u64)>;

#[derive(Debug, Default, Clone)]
pub struct Told {
    pub served: u64,
    /// Answers that were not 200.
    pub failures: u64,
    /// The first of them in words.
    pub first_failures: Vec<String>,
    /// Requests of sessions whose account had stayed healthy, and how many of them it answered.
    pub at_home_of: u64,
    pub at_home: u64,
}

#[derive(Debug)]
pub struct Crowd {
    sessions: [usize; 2],
    seed: u64,
    told: Mutex<Told>,
    asking_tight: AtomicUsize,
}

impl Crowd {
    pub fn new(seed: u64, sessions: [usize; 2]) -> Self {
        Self {
            sessions,
            seed,
            told: Mutex::default(),
            asking_tight: AtomicUsize::new(0),
        }
    }

    pub fn told(&self) -> Told {
        self.told.lock().expect("what is told").clone()
    }

    /// Requests of the tight key that have no answer yet.
    pub fn asking_tight(&self) -> usize {
        self.asking_tight.load(Ordering::SeqCst)
    }

    /// One client of `count`, with its share of the sessions.
    pub async fn client(
        crowd: Arc<Self>,
        pool: Arc<Pool>,
        weather: Arc<Weather>,
        (kind, lane, count): (usize, usize, usize),
        end: Instant,
    ) {
        let ours: Vec<usize> = (0..crowd.sessions[kind])
            .filter(|n| n % count == lane)
            .collect();
        let mut homes: Vec<Home> = vec![None; ours.len()];
        let mut dice = Dice::new(crowd.seed + (kind * 1_000 + lane) as u64 + 1);
        let mut client = Client::connect(pool.address).await;
        while Instant::now() < end {
            let at = dice.below(ours.len());
            let session = format!("{}-session-{}", KEYS[kind], ours[at]);
            crowd.asking_tight.fetch_add(kind, Ordering::SeqCst);
            let bytes = asking(KEYS[kind], &session);
            client.send(&bytes).await;
            let answer = client.answer().await;
            crowd.asking_tight.fetch_sub(kind, Ordering::SeqCst);
            if answer.status != 200 {
                let text = format!(
                    "{} {session}: {} {:?} {}",
                    KEYS[kind],
                    answer.status,
                    answer.headers,
                    answer.text()
                );
                crowd.fail(text);
                client = Client::connect(pool.address).await;
                continue;
            }
            let json = answer.json();
            let by = json["content"][0]["text"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            crowd.note(&weather, kind == 0, &mut homes[at], by);
        }
    }

    fn fail(&self, text: String) {
        let mut told = self.told.lock().expect("what is told");
        told.failures += 1;
        if told.first_failures.len() < 10 {
            told.first_failures.push(text);
        }
    }

    fn note(&self, weather: &Weather, counts: bool, home: &mut Home, by: String) {
        let mut told = self.told.lock().expect("what is told");
        told.served += 1;
        if counts
            && let Some((known, illnesses)) = home
            && weather.healthy(known) == Some(*illnesses)
        {
            told.at_home_of += 1;
            told.at_home += u64::from(*known == by);
        }
        *home = weather.healthy(&by).map(|illnesses| (by, illnesses));
    }
}

fn asking(key: &str, session: &str) -> Vec<u8> {
    let secret = secret(key);
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
        ("x-claude-code-session-id", session),
    ];
    request("POST", "/v1/messages", &headers, message().as_bytes())
}
