//! Two nodes, callers and strangers, over sockets.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tonic::codegen::Service as _;

use super::*;
use crate::issue::Authority;
use crate::role::Role;
use crate::token::{Claims, SigningKey, TokenError};
use crate::{CallerTls, names};

/// When all of this happens, in seconds since 1970: certificates are checked by the system's clock too.
fn today_s() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

fn authority() -> Authority {
    Authority::new("an authority", 3_650).unwrap().0
}

/// Certificate and key in PEM.
fn issue(authority: &Authority, unit: Option<&str>, uri: Option<&str>, days: i64) -> (String, String) {
    let issued = match (unit, uri.and_then(NodeName::from_uri)) {
        (_, Some(node)) => {
            authority.node(&node, &["localhost".to_owned(), "127.0.0.1".to_owned()], days).unwrap()
        }
        (Some(unit), None) => authority.client("checkout", unit.parse().unwrap(), days).unwrap(),
        (None, None) => panic!("neither a node nor a caller"),
    };
    (issued.certificate, issued.key)
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn name(node_id: u64) -> NodeName {
    NodeName { cluster: "shop".to_owned(), node_id }
}

fn write_node(dir: &Path, authority: &Authority, uri: &str, days: i64) {
    let (certificate, key) = issue(authority, None, Some(uri), days);
    write(dir, names::CA_CERT, &authority.certificates);
    write(dir, names::NODE_CERT, &certificate);
    write(dir, names::NODE_KEY, &key);
}

fn open(dir: &Path, node_id: u64) -> Result<Credentials, Error> {
    Credentials::open(dir, name(node_id), Clock::system())
}

/// What became of the certificates, and of the lists together.
fn look(one: &Credentials) -> (Looked, Looked) {
    let (certificates, lists) = one.look();
    let refused = lists.iter().find(|looked| matches!(looked, Looked::Refused(_)));
    let changed = lists.iter().find(|looked| **looked == Looked::Changed);
    (certificates, refused.or(changed).cloned().unwrap_or(Looked::Same))
}

fn node(authority: &Authority, node_id: u64) -> (tempfile::TempDir, Credentials) {
    let dir = tempfile::tempdir().unwrap();
    write_node(dir.path(), authority, &name(node_id).to_string(), 30);
    let credentials = open(dir.path(), node_id).unwrap();
    (dir, credentials)
}

/// A handshake over a socket: what each end says of it. TLS 1.3 lets the client believe that it is through before the
/// server has looked at its certificate, so the client goes on to read.
async fn shake(
    server: &Credentials,
    audience: Audience,
    mut connector: Connector,
) -> (io::Result<Option<Arc<Shown>>>, io::Result<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        server.accept(audience, stream).await.map(|stream| stream.certificate.clone())
    };
    let both = async { tokio::join!(serve, async { connector.call(uri).await.map(|_| ()) }) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("a handshake ends")
}

#[tokio::test]
async fn nodes_of_a_cluster_believe_each_other_by_id() {
    let authority = authority();
    let ((_one, one), (_two, two)) = (node(&authority, 1), node(&authority, 2));
    let (shown, connected) = shake(&one, Audience::Peers, two.connector(Some(1))).await;
    connected.unwrap();
    let connection = ConnectionInfo { remote: None, certificate: shown.unwrap() };
    one.check_peer(Some(&connection), 2).unwrap();
    let claimed = one.check_peer(Some(&connection), 3).unwrap_err();
    assert!(claimed.contains("node 3 was named") && claimed.contains("/node/2"), "{claimed}");
    assert!(one.check_peer(None, 2).is_err());
    let (_, connected) = shake(&one, Audience::Peers, two.connector(None)).await;
    connected.unwrap();
    let (_, connected) = shake(&one, Audience::Peers, two.connector(Some(3))).await;
    let error = connected.unwrap_err().to_string();
    assert!(error.contains("node 3 of cluster shop was expected"), "{error}");
}

#[tokio::test]
async fn strangers_get_through_to_no_peer() {
    let (authority, foreign) = (authority(), self::authority());
    let (_one, one) = node(&authority, 1);
    let (_foreign, stranger) = node(&foreign, 2);
    let (accepted, connected) = shake(&one, Audience::Peers, stranger.connector(Some(1))).await;
    assert!(accepted.is_err() && connected.is_err());
    // A caller's certificate is no node's, and another cluster's node is none of this one.
    for (unit, uri) in [(Some("admin"), None), (None, Some("stockade://other/node/2"))] {
        let (certificate, key) = issue(&authority, unit, uri, 30);
        let caller = CallerTls::with_ca(authority.certificates.clone()).with_certificate(certificate, key);
        let (accepted, _) = shake(&one, Audience::Peers, caller.connector()).await;
        assert!(accepted.is_err(), "{unit:?} {uri:?}");
    }
    let (accepted, _) =
        shake(&one, Audience::Peers, CallerTls::with_ca(authority.certificates.clone()).connector()).await;
    assert!(accepted.is_err(), "without a certificate");
}

#[tokio::test]
async fn a_caller_may_come_without_a_certificate_and_believes_its_authority_only() {
    let (authority, foreign) = (authority(), self::authority());
    let (_one, one) = node(&authority, 1);
    let (shown, connected) =
        shake(&one, Audience::Callers, CallerTls::with_ca(authority.certificates.clone()).connector()).await;
    connected.unwrap();
    assert!(shown.unwrap().is_none());
    let (_, connected) =
        shake(&one, Audience::Callers, CallerTls::with_ca(foreign.certificates.clone()).connector()).await;
    assert!(connected.is_err());
    let elsewhere = CallerTls::with_ca(authority.certificates.clone()).with_server_name("shop.example");
    let (_, connected) = shake(&one, Audience::Callers, elsewhere.connector()).await;
    assert!(connected.is_err(), "the certificate has another name");
}

#[tokio::test]
async fn plain_text_is_refused() {
    use tokio::io::AsyncWriteExt as _;
    let authority = authority();
    let (_one, one) = node(&authority, 1);
    for audience in [Audience::Callers, Audience::Peers, Audience::Http] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        caller.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let error = one.accept(audience, stream).await.unwrap_err().to_string();
        assert!(error.contains("does not speak TLS"), "{audience:?}: {error}");
    }
}

fn shown(authority: &Authority, unit: Option<&str>, days: i64) -> ConnectionInfo {
    read(&issue(authority, unit, None, days).0)
}

fn read(pem: &str) -> ConnectionInfo {
    let chain = crate::pem::certificates(Path::new("x"), pem.as_bytes(), 1).unwrap();
    ConnectionInfo { remote: None, certificate: Shown::new(&chain, 0, today_s()).unwrap().map(Arc::new) }
}

#[tokio::test]
async fn a_certificate_says_who_calls() {
    let authority = authority();
    let (dir, one) = node(&authority, 1);
    let identify = |connection: &ConnectionInfo| one.identify(Some(connection), None);
    let checkout = shown(&authority, Some("order"), 30);
    let identified = identify(&checkout).unwrap();
    assert_eq!((identified.name.as_str(), identified.role), ("checkout", Role::Order));
    let (of_node, _) = issue(&authority, None, Some("stockade://shop/node/2"), 30);
    assert_eq!(identify(&read(&of_node)), Err(Refused::NoCaller));
    let mut no_role = rcgen::CertificateParams::default();
    no_role.distinguished_name.push(rcgen::DnType::CommonName, "checkout");
    let no_role = no_role.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    assert_eq!(identify(&read(&no_role.pem())), Err(Refused::NoCaller));
    assert_eq!(identify(&shown(&authority, Some("order"), -2)), Err(Refused::CertificateExpired));
    assert_eq!(identify(&ConnectionInfo::default()), Err(Refused::Nothing));
    write(dir.path(), names::REVOKED_CERTS, &format!("{} # a lost laptop\n", identified.id));
    assert_eq!(look(&one), (Looked::Same, Looked::Changed));
    assert_eq!(identify(&checkout), Err(Refused::CertificateRevoked));
    assert_eq!(one.still_holds(&identified), Err(Refused::CertificateRevoked));
}

#[test]
fn what_was_shown_counts_until_the_first_of_it_ends() {
    const DAY_S: i64 = 24 * 60 * 60;
    let authority = authority();
    let der = |days| {
        let pem = issue(&authority, Some("order"), None, days).0;
        crate::pem::certificates(Path::new("x"), pem.as_bytes(), 1).unwrap().remove(0)
    };
    let (own, sooner, over) = (der(30), der(3), der(-2));
    let end = |chain: &[_]| Shown::new(chain, 0, today_s()).unwrap().unwrap().not_after_s;
    let whole = end(std::slice::from_ref(&own));
    assert_eq!(end(&[own.clone(), der(60)]), whole, "its own end comes first");
    assert!(end(&[own.clone(), sooner.clone()]) < today_s() + 4 * DAY_S, "one between ends before it");
    assert_eq!(end(&[own.clone(), over]), whole, "TLS did without it");
    // It was in use when the connection was opened, and has ended since.
    let (dir, _) = node(&authority, 1);
    let clock = Clock::system();
    let one = Credentials::open(dir.path(), name(1), clock.clone()).unwrap();
    let shown = Shown::new(&[own, sooner], 0, today_s()).unwrap().map(Arc::new);
    let connection = ConnectionInfo { remote: None, certificate: shown };
    one.identify(Some(&connection), None).unwrap();
    clock.shift_us(4 * DAY_S * 1_000_000);
    assert_eq!(one.identify(Some(&connection), None), Err(Refused::CertificateExpired));
}

#[test]
fn a_certificate_whose_serial_number_begins_with_a_zero_can_be_revoked() {
    let authority = authority();
    let (dir, one) = node(&authority, 1);
    let zero = (0..1_000).map(|_| shown(&authority, Some("order"), 30));
    let mut zero = zero.filter(|shown| shown.certificate.as_ref().unwrap().serial.starts_with('0'));
    let zero = zero.next().expect("one in eight begins with a zero");
    let identified = one.identify(Some(&zero), None).unwrap();
    for written in [identified.id.clone(), identified.id.trim_start_matches('0').to_owned()] {
        write(dir.path(), names::REVOKED_CERTS, &written);
        assert_eq!(look(&one).1, Looked::Changed, "{written}");
        assert_eq!(one.identify(Some(&zero), None), Err(Refused::CertificateRevoked), "{written}");
        assert_eq!(one.still_holds(&identified), Err(Refused::CertificateRevoked), "{written}");
    }
}

#[tokio::test]
async fn a_token_says_who_calls_until_it_is_revoked() {
    let authority = authority();
    let (dir, one) = node(&authority, 1);
    let (key, _) = SigningKey::generate();
    let claims = Claims {
        name: "backoffice".to_owned(),
        role: Role::Stock,
        cluster: "shop".to_owned(),
        issued_s: today_s(),
        expires_s: today_s() + 60,
        id: Claims::new_id(),
    };
    let bearer = format!("Bearer {}", key.sign(&claims));
    // A token that is shown decides, even beside a certificate.
    let checkout = shown(&authority, Some("admin"), 30);
    let identify = |authorization: &str| one.identify(Some(&checkout), Some(authorization));
    assert_eq!(identify(&bearer), Err(Refused::Token(TokenError::Signature)));
    write(dir.path(), names::TOKEN_KEYS, &key.public_pem());
    assert_eq!(look(&one).1, Looked::Changed);
    let identified = identify(&bearer).unwrap();
    assert_eq!((identified.name.as_str(), identified.role), ("backoffice", Role::Stock));
    for bad in ["", "Bearer", "Basic eA==", &bearer.replace("Bearer", "Token")] {
        assert_eq!(identify(bad), Err(Refused::NoToken), "{bad}");
    }
    let expired = Claims { expires_s: today_s() - 1, ..claims.clone() };
    let expired = format!("Bearer {}", key.sign(&expired));
    assert_eq!(identify(&expired), Err(Refused::Token(TokenError::Expired)));
    // A broken list is refused as a whole, and what was in use stays.
    write(dir.path(), names::REVOKED_TOKENS, "no id at all\n");
    assert!(matches!(look(&one).1, Looked::Refused(_)));
    assert!(identify(&bearer).is_ok());
    write(dir.path(), names::REVOKED_TOKENS, &claims.id);
    assert_eq!(look(&one).1, Looked::Changed);
    assert_eq!(identify(&bearer), Err(Refused::Token(TokenError::Revoked)));
    assert_eq!(one.still_holds(&identified), Err(Refused::Token(TokenError::Revoked)));
}

#[test]
fn a_token_counts_no_more_once_its_key_is_taken_out() {
    let authority = authority();
    let (dir, one) = node(&authority, 1);
    let ((old, _), (new, _)) = (SigningKey::generate(), SigningKey::generate());
    let claims = Claims {
        name: "backoffice".to_owned(),
        role: Role::Stock,
        cluster: "shop".to_owned(),
        issued_s: today_s(),
        expires_s: today_s() + 60,
        id: Claims::new_id(),
    };
    write(dir.path(), names::TOKEN_KEYS, &format!("{}{}", new.public_pem(), old.public_pem()));
    assert_eq!(look(&one).1, Looked::Changed);
    let identify = |key: &SigningKey| one.identify(None, Some(&format!("Bearer {}", key.sign(&claims))));
    let (by_old, by_new) = (identify(&old).unwrap(), identify(&new).unwrap());
    write(dir.path(), names::TOKEN_KEYS, &new.public_pem());
    assert_eq!(look(&one).1, Looked::Changed);
    assert_eq!(one.still_holds(&by_old), Err(Refused::Token(TokenError::Signature)));
    one.still_holds(&by_new).unwrap();
}

#[test]
fn a_list_that_is_gone_stays_in_use_and_an_empty_one_says_that_there_are_none() {
    let authority = authority();
    let (dir, one) = node(&authority, 1);
    let (key, _) = SigningKey::generate();
    let lists = [
        (names::TOKEN_KEYS, key.public_pem()),
        (names::REVOKED_TOKENS, format!("{}\n", Claims::new_id())),
        (names::REVOKED_CERTS, "0a1b\nff\n".to_owned()),
    ];
    for (name, text) in &lists {
        write(dir.path(), name, text);
    }
    assert_eq!(look(&one), (Looked::Same, Looked::Changed));
    let all = InUse { token_keys: 1, revoked_tokens: 1, revoked_certificates: 2 };
    assert_eq!(one.in_use(), all);
    for (name, text) in &lists {
        std::fs::remove_file(dir.path().join(name)).unwrap();
        match look(&one) {
            (Looked::Same, Looked::Refused(why)) => assert!(why.contains(name), "{why}"),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(one.in_use(), all, "{name}");
        write(dir.path(), name, text);
        assert_eq!(look(&one), (Looked::Same, Looked::Same), "{name}");
    }
    for (name, _) in &lists {
        write(dir.path(), name, "");
    }
    // A file that is just being written is short for a moment: nobody is believed again by one look.
    assert_eq!(one.look().1, [Looked::Changed, Looked::Same, Looked::Same]);
    assert_eq!(one.in_use(), InUse { token_keys: 0, ..all });
    assert_eq!(one.look().1, [Looked::Same, Looked::Changed, Looked::Changed]);
    assert_eq!(one.in_use(), InUse::default());
}

#[test]
fn a_list_that_comes_back_shorter_revokes_what_it_revoked_and_holds_up_no_other() {
    let authority = authority();
    let (dir, one) = node(&authority, 1);
    let token = Claims::new_id();
    write(dir.path(), names::REVOKED_CERTS, "0a1b\nff\n");
    assert_eq!(one.look().1, [Looked::Same, Looked::Same, Looked::Changed]);
    std::fs::remove_file(dir.path().join(names::REVOKED_CERTS)).unwrap();
    write(dir.path(), names::REVOKED_TOKENS, &token);
    let (_, [_, tokens, certificates]) = one.look();
    assert_eq!(tokens, Looked::Changed);
    assert!(matches!(certificates, Looked::Refused(_)));
    // As by `>>`, after somebody had deleted it.
    write(dir.path(), names::REVOKED_CERTS, "ee\n");
    for _ in 0..3 {
        match &one.look().1[2] {
            Looked::Refused(why) => assert!(why.contains("lacks 2"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(one.in_use(), InUse { token_keys: 0, revoked_tokens: 1, revoked_certificates: 2 });
    write(dir.path(), names::REVOKED_CERTS, "ff\nee\n0a1b\n");
    assert_eq!(one.look().1[2], Looked::Changed);
    assert_eq!(one.in_use().revoked_certificates, 3);
    // With the file there all the time it may get shorter.
    write(dir.path(), names::REVOKED_CERTS, "ff\n");
    assert_eq!(one.look().1[2], Looked::Same);
    assert_eq!(one.look().1[2], Looked::Changed);
    assert_eq!(one.in_use().revoked_certificates, 1);
}

#[tokio::test]
async fn a_connection_is_opened_anew_when_what_the_other_end_has_shown_is_over() {
    let authority = authority();
    let clock = Clock::system();
    let (dir, _) = node(&authority, 1);
    let one = Credentials::open(dir.path(), name(1), clock.clone()).unwrap();
    let (_two, two) = node(&authority, 2);
    let renewals = one.renewals();
    shake(&two, Audience::Peers, one.connector(Some(2))).await.0.unwrap();
    assert_eq!((look(&one), renewals.count()), ((Looked::Same, Looked::Same), 0));
    clock.shift_us(40 * 24 * 60 * 60 * 1_000_000);
    look(&one);
    assert_eq!(renewals.count(), 1);
    look(&one);
    assert_eq!(renewals.count(), 1, "told once");
}

#[tokio::test]
async fn a_peer_is_held_against_what_is_in_use_now() {
    let (old, new) = (authority(), authority());
    let clock = Clock::system();
    let (dir, _) = node(&old, 1);
    let one = Credentials::open(dir.path(), name(1), clock.clone()).unwrap();
    let (_two, two) = node(&old, 2);
    let shown = shake(&one, Audience::Peers, two.connector(Some(1))).await.0.unwrap();
    let connection = ConnectionInfo { remote: None, certificate: shown };
    let refused = |what: &str| {
        let why = one.check_peer(Some(&connection), 2).unwrap_err();
        assert!(why.contains(what), "{what} in {why}");
    };
    one.check_peer(Some(&connection), 2).unwrap();
    let serial = connection.certificate.as_ref().unwrap().serial.clone();
    write(dir.path(), names::REVOKED_CERTS, &serial);
    assert_eq!(look(&one).1, Looked::Changed);
    refused("was revoked");
    write(dir.path(), names::REVOKED_CERTS, "");
    assert_eq!(look(&one).1, Looked::Same);
    assert_eq!(look(&one).1, Looked::Changed);
    one.check_peer(Some(&connection), 2).unwrap();
    // Both authorities, then the new one alone.
    write_node(dir.path(), &new, "stockade://shop/node/1", 30);
    write(dir.path(), names::CA_CERT, &format!("{}{}", new.certificates, old.certificates));
    assert_eq!(look(&one).0, Looked::Changed);
    one.check_peer(Some(&connection), 2).unwrap();
    write(dir.path(), names::CA_CERT, &new.certificates);
    assert_eq!(look(&one).0, Looked::Changed);
    refused("believed no more");
    write(dir.path(), names::CA_CERT, &format!("{}{}", new.certificates, old.certificates));
    assert_eq!(look(&one).0, Looked::Changed);
    one.check_peer(Some(&connection), 2).unwrap();
    clock.shift_us(40 * 24 * 60 * 60 * 1_000_000);
    refused("has expired");
}

#[test]
fn a_caller_of_an_authority_that_was_taken_out_is_nobody() {
    let (old, new) = (authority(), authority());
    let (dir, one) = node(&old, 1);
    let checkout = shown(&old, Some("order"), 30);
    let identified = one.identify(Some(&checkout), None).unwrap();
    write_node(dir.path(), &new, "stockade://shop/node/1", 30);
    assert_eq!(look(&one).0, Looked::Changed);
    assert_eq!(one.identify(Some(&checkout), None), Err(Refused::CertificateAuthority));
    assert_eq!(one.still_holds(&identified), Err(Refused::CertificateAuthority));
}

#[tokio::test]
async fn every_change_is_told_once() {
    let authority = authority();
    let (dir, one) = node(&authority, 1);
    let mut renewals = one.renewals();
    assert_eq!(look(&one), (Looked::Same, Looked::Same));
    assert_eq!(renewals.count(), 0);
    write_node(dir.path(), &authority, "stockade://shop/node/1", 30);
    write(dir.path(), names::REVOKED_CERTS, "ff");
    assert_eq!(look(&one), (Looked::Changed, Looked::Changed));
    renewals.next().await;
    assert_eq!(renewals.count(), 1);
    write(dir.path(), names::REVOKED_CERTS, "no serial");
    assert!(matches!(look(&one).1, Looked::Refused(_)));
    let told = tokio::time::timeout(Duration::from_millis(20), renewals.next()).await;
    assert!(told.is_err() && renewals.count() == 1, "nothing has changed");
}

#[test]
fn connections_between_nodes_stay_when_tokens_are_ended() {
    let authority = authority();
    let (dir, one) = node(&authority, 1);
    let renewals = one.renewals();
    write(dir.path(), names::REVOKED_TOKENS, &Claims::new_id());
    assert_eq!(look(&one).1, Looked::Changed);
    assert_eq!((one.in_use().revoked_tokens, renewals.count()), (1, 0));
}

#[tokio::test]
async fn new_certificates_are_taken_and_broken_ones_are_not() {
    let (old, new) = (authority(), authority());
    let ((dir, one), (_two, two)) = (node(&old, 1), node(&old, 2));
    let reached = async || shake(&one, Audience::Peers, two.connector(Some(1))).await.1.is_ok();
    assert_eq!(look(&one), (Looked::Same, Looked::Same));
    assert!(reached().await);
    let refused = |what: &str| match look(&one).0 {
        Looked::Refused(why) => assert!(why.contains(what), "{what} in {why}"),
        other => panic!("{what}: {other:?}"),
    };
    let (_, other_key) = issue(&old, None, Some("stockade://shop/node/1"), 30);
    let own_key = std::fs::read_to_string(dir.path().join(names::NODE_KEY)).unwrap();
    write(dir.path(), names::NODE_KEY, &other_key);
    refused("don't fit together");
    write(dir.path(), names::NODE_KEY, &own_key);
    assert_eq!(look(&one).0, Looked::Same);
    write(dir.path(), names::NODE_CERT, "-----BEGIN CERT");
    refused("node.crt");
    write_node(dir.path(), &old, "stockade://shop/node/2", 30);
    refused("this node is stockade://shop/node/1");
    write_node(dir.path(), &old, "stockade://shop/node/1", -2);
    refused("would not be believed");
    std::fs::set_permissions(dir.path().join(names::NODE_KEY), std::fs::Permissions::from_mode(0o604))
        .unwrap();
    refused("chmod");
    assert!(reached().await, "what was in use stays in use");
    // Another authority takes over: first both are believed, then the certificates change.
    write_node(dir.path(), &new, "stockade://shop/node/1", 5);
    write(dir.path(), names::CA_CERT, &format!("{}{}", old.certificates, new.certificates));
    assert_eq!(look(&one).0, Looked::Changed);
    assert!((4..=5).contains(&one.days_left().node), "{:?}", one.days_left());
    assert!(!reached().await, "node 2 does not believe the new authority yet");
}

#[test]
fn a_node_starts_with_nothing_that_is_over_or_another_s() {
    let authority = authority();
    let dir = tempfile::tempdir().unwrap();
    assert!(open(dir.path(), 1).unwrap_err().to_string().contains("ca.crt"));
    write_node(dir.path(), &authority, "stockade://shop/node/1", -2);
    assert!(open(dir.path(), 1).unwrap_err().to_string().contains("would not be believed"));
    write_node(dir.path(), &authority, "stockade://shop/node/1", 30);
    assert!(open(dir.path(), 2).unwrap_err().to_string().contains("this node is stockade://shop/node/2"));
    let credentials = open(dir.path(), 1).unwrap();
    assert!(!format!("{credentials:?}").contains("PRIVATE"));
}
