//! The machine under a hand-moved clock: tables for what each fault, ask and outcome does, and models for what may
//! never happen whatever comes.

mod deadline;
mod faults;
mod health_model;
mod lanes;
mod leases;
mod probes;
mod renewals;
mod restart;
mod saves;
mod standing;
mod token_model;
mod updates;

use uuid::Uuid;

use super::*;
use crate::account::*;
use crate::id::AccountId;

const T0: Now = Now {
    unix_ms: 1_800_000_000_000,
    mono_ms: 50_000,
};
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn id() -> AccountId {
    AccountId(Uuid::from_u128(7))
}

fn oauth_settings(grant: Grant) -> OauthSettings {
    OauthSettings {
        grant,
        token_url: "http://127.0.0.1:1/token".into(),
        authorize_url: None,
        redirect_uri: None,
        client_id: None,
        scopes: Vec::new(),
        extra: BTreeMap::new(),
        format: TokenFormat::Json,
        assertion_file: None,
    }
}

/// An account with the settings for `auths`.
fn record(auths: &[Auth]) -> AccountRecord {
    let mut record = AccountRecord::new(
        id(),
        "main".into(),
        AccountKind::ApiKey,
        "http://127.0.0.1:1".into(),
    );
    if auths.contains(&Auth::Oauth) {
        record.oauth = Some(oauth_settings(Grant::RefreshToken));
    }
    if auths.contains(&Auth::Web) {
        record.web = Some(WebSettings {
            base_url: "http://127.0.0.1:2".into(),
            organization: None,
            preserve_chats: false,
        });
    }
    record
}

fn secrets(auths: &[Auth]) -> Secrets {
    let secret = |auth, text: &str| auths.contains(&auth).then(|| text.into());
    Secrets {
        api_key: secret(Auth::ApiKey, "key-1"),
        web_cookie: secret(Auth::Web, "cookie-1"),
        ..Secrets::default()
    }
}

/// A token of an hour, got at `T0`.
fn token(generation: u64) -> Token {
    token_at(generation, T0.unix_ms, HOUR_MS)
}

fn token_at(generation: u64, obtained_ms: u64, life_ms: u64) -> Token {
    Token {
        generation,
        obtained_ms,
        expires_ms: obtained_ms + life_ms,
        credential: Arc::new(Credential {
            scheme: Scheme::Bearer,
            secret: format!("access-{generation}").into(),
        }),
    }
}

fn seed(token: Token) -> TokenSeed {
    TokenSeed {
        token: Some(token),
        ..TokenSeed::default()
    }
}

fn done(token: Token) -> Renewed {
    Renewed::Done {
        token,
        adopted: false,
    }
}

fn unknown() -> Renewed {
    Renewed::Unknown {
        reason: "timed out".into(),
    }
}

fn refused() -> Renewed {
    Renewed::Refused {
        reason: "invalid_grant".into(),
    }
}

fn postponed() -> Renewed {
    Renewed::Postponed {
        reason: "no route".into(),
        after_ms: None,
    }
}

fn probe_ok() -> Probe {
    Probe::Ok {
        latency_ms: 1,
        said: String::new(),
    }
}

fn probe_rejected() -> Probe {
    Probe::Rejected {
        status: 401,
        message: String::new(),
    }
}

fn throttled(for_ms: u64) -> Verdict {
    Verdict::Throttled {
        for_ms: Some(for_ms),
        scope: Scope::Account,
    }
}

/// The machine, its clock and its slots.
struct Bench {
    account: Account,
    now: Now,
    slots: Arc<Slots>,
    tickets: u64,
}

impl Bench {
    fn start(
        record: AccountRecord,
        secrets: Secrets,
        token: TokenSeed,
        state: Option<AccountState>,
        now: Now,
    ) -> Self {
        let slots = Slots::new(None);
        let account = Account::new(record, secrets, token, state, Arc::clone(&slots), now);
        Self {
            account,
            now,
            slots,
            tickets: 0,
        }
    }

    fn of(auths: &[Auth]) -> Self {
        let token = match auths.contains(&Auth::Oauth) {
            true => seed(token(1)),
            false => TokenSeed::default(),
        };
        Self::start(record(auths), secrets(auths), token, None, T0)
    }

    fn key() -> Self {
        Self::of(&[Auth::ApiKey])
    }

    fn oauth() -> Self {
        Self::of(&[Auth::Oauth])
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
    }

    fn step(&mut self, input: Input<Account>) -> Turn<Account> {
        let mut turn = Turn::default();
        self.account.handle(self.now, input, &mut turn);
        turn
    }

    fn ask(&mut self, ask: AccountAsk) -> Turn<Account> {
        self.tickets += 1;
        self.step(Input::Ask(Ticket(self.tickets), ask))
    }

    fn tell(&mut self, tell: AccountTell) -> Turn<Account> {
        self.step(Input::Tell(tell))
    }

    fn wake(&mut self) -> Turn<Account> {
        self.step(Input::Wake)
    }

    fn lease(&mut self, model: &str) -> Turn<Account> {
        let lease = LeaseAccount::of(&self.want(model));
        self.ask(AccountAsk::Lease(lease))
    }

    fn renew(&mut self, generation: u64, dead: bool) -> Turn<Account> {
        self.ask(AccountAsk::Renew { generation, dead })
    }

    fn renewed(&mut self, order: Renewal, outcome: Renewed) -> Turn<Account> {
        self.step(Input::Done(AccountDone::Renewed { order, outcome }))
    }

    fn probed(&mut self, auth: Auth, kind: ProbeKind, probe: Probe) -> Turn<Account> {
        self.step(Input::Done(AccountDone::Probed { auth, kind, probe }))
    }

    fn report(&mut self, auth: Auth, model: &str, verdict: Verdict) -> Turn<Account> {
        let generation = match auth {
            Auth::Oauth => self.account.generation(),
            _ => 0,
        };
        let report = Report::new(auth, generation, Some(model.into()), verdict);
        self.tell(AccountTell::Reports(vec![report]))
    }

    fn update(
        &mut self,
        record: AccountRecord,
        secrets: Secrets,
        token: Option<TokenSeed>,
    ) -> Turn<Account> {
        self.tell(AccountTell::Update(Box::new(AccountUpdate {
            record,
            secrets,
            token,
        })))
    }

    fn want<'a>(&self, model: &'a str) -> Want<'a> {
        Want {
            model: Some(model),
            is_message: true,
            web: true,
            unix_ms: self.now.unix_ms,
            ..Want::default()
        }
    }

    fn fit(&self, model: &str) -> Result<Fit, Unavailable> {
        self.account.view().fit(&self.want(model))
    }

    fn health(&self, auth: Auth) -> &'static str {
        let view = self.account.view();
        view.lane(auth).unwrap().health.as_str()
    }

    fn phase(&self) -> TokenPhase {
        let view = self.account.view();
        view.lane(Auth::Oauth).unwrap().token.clone().unwrap().phase
    }
}

fn orders(turn: &Turn<Account>) -> Vec<Renewal> {
    let order = |effect: &AccountEffect| match effect {
        AccountEffect::Renew { order, .. } => Some(*order),
        _ => None,
    };
    turn.effects.iter().filter_map(order).collect()
}

/// The one renewal of a step.
fn order(turn: &Turn<Account>) -> Renewal {
    match orders(turn)[..] {
        [order] => order,
        ref other => panic!("not one renewal but {other:?}"),
    }
}

fn probes(turn: &Turn<Account>) -> Vec<(Auth, ProbeKind)> {
    let probe = |effect: &AccountEffect| match effect {
        AccountEffect::Probe { auth, kind, .. } => Some((*auth, *kind)),
        _ => None,
    };
    turn.effects.iter().filter_map(probe).collect()
}

fn saves(turn: &Turn<Account>) -> Vec<&AccountState> {
    fn save(effect: &AccountEffect) -> Option<&AccountState> {
        match effect {
            AccountEffect::Save { state, .. } => Some(state),
            _ => None,
        }
    }
    turn.effects.iter().filter_map(save).collect()
}

fn refusals(turn: &Turn<Account>) -> Vec<Unavailable> {
    let refusal = |(_, reply): &(Ticket, AccountReply)| match reply {
        AccountReply::Refused(why) => Some(why.clone()),
        _ => None,
    };
    turn.replies.iter().filter_map(refusal).collect()
}

fn leased(turn: &Turn<Account>) -> Vec<Auth> {
    let lease = |(_, reply): &(Ticket, AccountReply)| match reply {
        AccountReply::Leased { auth, .. } => Some(*auth),
        _ => None,
    };
    turn.replies.iter().filter_map(lease).collect()
}
