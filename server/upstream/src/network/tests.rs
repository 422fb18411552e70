use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::*;

const PASSWORD: &str = "p@ss:w/rd";

/// RFC 7468; on one long line, as a reader must take it.
pub(crate) fn pem(kind: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

fn network(proxy: &str) -> Result<Network, NetworkError> {
    Network::new(Some(&SecretString::from(proxy)), None)
}

#[test]
fn proxies_are_read() {
    use ProxyScheme::{Http, Https, Socks5, Socks5h};
    for (text, scheme, host, port, label) in [
        ("http://h", Http, "h", 80, "http://h:80"),
        ("http://h:80", Http, "h", 80, "http://h:80"),
        (
            " https://H.example/ ",
            Https,
            "h.example",
            443,
            "https://h.example:443",
        ),
        ("socks5://h", Socks5, "h", 1080, "socks5://h:1080"),
        ("socks5://h:80", Socks5, "h", 80, "socks5://h:80"),
        ("socks5h://[::1]:9", Socks5h, "::1", 9, "socks5h://[::1]:9"),
        (
            "SOCKS5H://127.1:9",
            Socks5h,
            "127.0.0.1",
            9,
            "socks5h://127.0.0.1:9",
        ),
        // The operator's own machine and network.
        (
            "http://localhost:3128",
            Http,
            "localhost",
            3128,
            "http://localhost:3128",
        ),
        (
            "http://10.0.0.1",
            Http,
            "10.0.0.1",
            80,
            "http://10.0.0.1:80",
        ),
    ] {
        let network = network(text).unwrap();
        let proxy = network.proxy().unwrap();
        assert_eq!(
            (proxy.scheme, proxy.host.as_str(), proxy.port),
            (scheme, host, port)
        );
        assert_eq!(network.proxy_label(), Some(label));
        assert!(proxy.credential.is_none());
        assert_eq!(proxy.url().expose_secret(), label);
    }
}

#[test]
fn credentials_are_decoded_and_never_shown() {
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let network = network(&format!("{scheme}://us%20er:p%40ss%3Aw%2Frd@h:1")).unwrap();
        let proxy = network.proxy().unwrap();
        let Credential { user, password } = proxy.credential.as_ref().unwrap();
        assert_eq!(user.expose_secret(), "us er");
        assert_eq!(password.expose_secret(), PASSWORD);
        assert_eq!(
            proxy.url().expose_secret(),
            format!("{scheme}://us%20er:p%40ss%3Aw%2Frd@h:1")
        );
        for shown in [
            format!("{network:?}"),
            format!("{proxy:?}"),
            proxy.label.to_string(),
        ] {
            assert!(shown.contains(&format!("{scheme}://h:1")), "{shown}");
            for part in [PASSWORD, "p%40", "us er", "us%20er"] {
                assert!(!shown.contains(part), "{shown}");
            }
        }
    }
}

#[test]
fn what_is_no_proxy_is_refused_without_its_password() {
    use NetworkError as E;
    let long = format!("socks5://{}:x@h", "u".repeat(256));
    for (text, error) in [
        ("h:3128", Some(E::ProxyScheme)),
        ("127.0.0.1:3128", None),
        ("user:secret@h:3128", Some(E::ProxyScheme)),
        ("socks4://user:secret@h", Some(E::ProxyScheme)),
        ("socks://user:secret@h", Some(E::ProxyScheme)),
        ("", Some(E::ProxyScheme)),
        ("http://", Some(E::ProxyNoHost)),
        ("socks5://", Some(E::ProxyNoHost)),
        ("http://user:secret@h/path", Some(E::ProxyPath)),
        ("socks5://user:secret@h/?q", Some(E::ProxyPath)),
        ("http://user:secret@h/#f", Some(E::ProxyPath)),
        (
            "http://user:secret@169.254.169.254",
            Some(E::ProxyLinkLocal),
        ),
        (
            "socks5://user:secret@169.254.169.254:1080",
            Some(E::ProxyLinkLocal),
        ),
        ("socks5h://[fe80::1]", Some(E::ProxyLinkLocal)),
        ("socks5h://0xa9fea9fe", Some(E::ProxyLinkLocal)),
        ("https://metadata.google.internal", Some(E::ProxyLinkLocal)),
        ("socks5://METADATA.google.internal", Some(E::ProxyLinkLocal)),
        ("http://user:secret@h:99999", None),
        ("http://user:secret@a b", None),
        ("socks5://user:secret@a%20b", None),
        ("http://u%ff:secret@h", Some(E::ProxyUserInfo("not UTF-8"))),
        (
            "http://u%0d%0ax:secret@h",
            Some(E::ProxyUserInfo("control characters")),
        ),
        (
            "http://u%3Ax:secret@h",
            Some(E::ProxyUserInfo("a colon in the user")),
        ),
        (
            "socks5://user@h",
            Some(E::ProxyUserInfo(
                "SOCKS takes 1 to 255 bytes of user and of password",
            )),
        ),
        (
            &long,
            Some(E::ProxyUserInfo(
                "SOCKS takes 1 to 255 bytes of user and of password",
            )),
        ),
    ] {
        let err = network(text).unwrap_err();
        assert!(!format!("{err} {err:?}").contains("secret"), "{err:?}");
        match error {
            Some(error) => assert_eq!(err, error, "{text}"),
            None => assert!(
                matches!(err, E::ProxySyntax(_) | E::ProxyScheme),
                "{text}: {err:?}"
            ),
        }
    }
}

#[test]
fn a_ca_is_certificates_in_pem() {
    let made = rcgen::generate_simple_self_signed(vec!["h".to_owned()]).unwrap();
    let pem = self::pem("CERTIFICATE", made.cert.der());
    for (ca, count) in [(pem.clone(), 1), (format!("a comment\n{pem}\n{pem}"), 2)] {
        let network = Network::new(None, Some(ca.as_bytes())).unwrap();
        assert_ne!(network.key(), NetworkKey::DIRECT);
        assert!(format!("{network:?}").contains(&format!("ca_certificates: {count}")));
        let tls = network.tls().unwrap();
        assert!(Arc::ptr_eq(&tls, &network.tls().unwrap()));
    }
    let key = self::pem("PRIVATE KEY", &made.signing_key.serialize_der());
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (ca, text) in [
        (b"".as_slice(), "holds no certificate"),
        (key.as_bytes(), "holds no certificate"),
        (made.cert.der(), "holds no certificate"),
        (broken.as_bytes(), "cannot be read"),
        (hollow.as_bytes(), "cannot be read"),
        (&[b' '; CA_MAX_BYTES + 1], "larger than"),
    ] {
        let err = Network::new(None, Some(ca)).unwrap_err().to_string();
        assert!(err.contains(text), "{err}");
    }
}

#[test]
fn without_settings_it_is_the_direct_one() {
    let network = Network::new(None, None).unwrap();
    assert_eq!(network.key(), NetworkKey::DIRECT);
    assert_eq!(format!("{network:?}"), "Network(direct)");
    assert_eq!(size_of::<Network>(), size_of::<usize>());
}
