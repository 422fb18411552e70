//! An account with a proxy of its own goes by it for everything: tokens too.

use crate::gateway::{Pool, Socks, api, keys, message, oauth};

#[tokio::test]
async fn tokens_are_got_through_the_accounts_proxy() {
    let proxy = Socks::start("user", "pass-0123456789");
    let by = |password: &str| format!(", proxy: \"socks5://user:{password}@{}\"", proxy.address());
    let mut pool = Pool::new(
        &[
            "accounts:\n",
            &oauth("a", "app", &by("pass-0123456789")),
            &oauth("wrong", "app", &by("nonsense-0123456789")),
            &api("direct", ""),
            &keys(&[
                ("a", ", accounts: [a]"),
                ("wrong", ", accounts: [wrong]"),
                ("direct", ", accounts: [direct]"),
            ]),
        ]
        .concat(),
    );
    pool.seed("a", 3_600_000);
    pool.seed("wrong", 3_600_000);
    pool.serve();
    pool.until_state("a", "active");
    assert_eq!(proxy.sent_to(), [pool.mock.address()], "the token's way");
    assert_eq!(pool.family("a").spends, 1);
    let (answer, asked) = pool.tell("a", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked, ["oauth:a"]);
    assert_eq!(
        proxy.sent_to(),
        [pool.mock.address(); 2],
        "the request's way"
    );

    assert_eq!(pool.ask("direct", message()).await.status, 200);
    assert_eq!(proxy.sent_to().len(), 2);

    // Where the proxy refuses, nothing goes round it, and nothing tells its password.
    let account = pool.until("wrong", "postponed", |account| {
        account["credentials"][0]["token"]["phase"] == "postponed"
    });
    let own = pool.ask("wrong", message()).await;
    assert_eq!(own.status, 503, "{}", own.text());
    assert_eq!((pool.family("wrong").spends, pool.entries().len()), (0, 2));
    for told in [account.to_string(), own.text(), pool.log()] {
        assert!(!told.contains("nonsense-0123456789"), "{told}");
        assert!(!told.contains("pass-0123456789"), "{told}");
    }
}
