//! Tokens that are believed, and all that is not.

use super::*;

fn claims() -> Claims {
    Claims {
        name: "checkout".to_owned(),
        role: Role::Order,
        cluster: "shop".to_owned(),
        issued_s: 1_000,
        expires_s: 2_000,
        id: Claims::new_id(),
    }
}

fn keys(of: &[&SigningKey]) -> VerifyingKeys {
    let pem: String = of.iter().map(|key| key.public_pem()).collect();
    VerifyingKeys::parse(Path::new("tokens.pub"), pem.as_bytes()).unwrap()
}

#[test]
fn a_token_says_what_was_signed_until_its_time_is_over() {
    let (key, _) = SigningKey::generate();
    let token = key.sign(&claims());
    let keys = keys(&[&key]);
    for _ in 0..2 {
        // The second time its signature is remembered.
        assert_eq!(keys.verify(&token, "shop", 1_999).unwrap().claims.name, "checkout");
        assert_eq!(keys.verify(&token, "shop", 2_000), Err(TokenError::Expired));
        assert_eq!(keys.verify(&token, "other", 1_999), Err(TokenError::Cluster));
    }
}

#[test]
fn a_key_goes_through_its_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (key, pem) = SigningKey::generate();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens.key");
    std::fs::write(&path, &pem).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(SigningKey::read(&path).unwrap_err().to_string().contains("chmod"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(SigningKey::read(&path).unwrap().id(), key.id());
}

#[test]
fn old_and_new_key_are_believed_side_by_side_and_others_are_not() {
    let ((old, _), (new, _), (foreign, _)) =
        (SigningKey::generate(), SigningKey::generate(), SigningKey::generate());
    let keys = keys(&[&old, &new]);
    assert!(keys.verify(&old.sign(&claims()), "shop", 0).is_ok());
    assert!(keys.verify(&new.sign(&claims()), "shop", 0).is_ok());
    assert_eq!(keys.verify(&foreign.sign(&claims()), "shop", 0), Err(TokenError::Signature));
    assert_eq!(VerifyingKeys::default().verify(&old.sign(&claims()), "shop", 0), Err(TokenError::Signature));
}

/// A token with another header or payload under the old signature.
fn forged(token: &str, header: Option<&str>, payload: Option<&str>) -> String {
    let (own_header, own_payload, signature) = parts(token).unwrap();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = header.map_or_else(|| own_header.to_owned(), encode);
    let payload = payload.map_or_else(|| own_payload.to_owned(), encode);
    format!("{header}.{payload}.{signature}")
}

#[test]
fn nothing_in_a_token_can_be_changed() {
    let (key, _) = SigningKey::generate();
    let token = key.sign(&claims());
    let keys = keys(&[&key]);
    let other = r#"{"sub":"checkout","role":"admin","aud":"shop","iat":0,"exp":9999999999,"jti":"00000000"}"#;
    assert_eq!(keys.verify(&forged(&token, None, Some(other)), "shop", 0), Err(TokenError::Signature));
    for alg in ["none", "HS256", "eddsa", "ES256", ""] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{}"}}"#, key.id());
        let forged = forged(&token, Some(&header), None);
        assert_eq!(keys.verify(&forged, "shop", 0), Err(TokenError::Malformed), "{alg}");
    }
    let unsigned = &token[..=token.rfind('.').unwrap()];
    assert_eq!(keys.verify(unsigned, "shop", 0), Err(TokenError::Signature));
    let long = format!("{token}{}", "A".repeat(limits::MAX_TOKEN_BYTES));
    for bad in ["", ".", "..", "a.b", "a.b.c.d", "é.é.é", &format!("{token}="), &long] {
        assert_eq!(keys.verify(bad, "shop", 0), Err(TokenError::Malformed), "{bad}");
    }
    assert!(keys.verify(&token, "shop", 0).is_ok(), "the token itself is sound");
}

#[test]
fn times_that_are_no_numbers_are_no_times() {
    let (key, _) = SigningKey::generate();
    let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{}"}}"#, key.id());
    for payload in [
        r#"{"sub":"a","role":"read","aud":"shop","iat":0,"exp":"9999999999","jti":"00000000"}"#,
        r#"{"sub":"a","role":"read","aud":"shop","iat":0,"jti":"00000000"}"#,
        r#"{"sub":"a b","role":"read","aud":"shop","iat":0,"exp":9999999999,"jti":"00000000"}"#,
        r#"{"sub":"a","role":"root","aud":"shop","iat":0,"exp":9999999999,"jti":"00000000"}"#,
    ] {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(payload));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.0.sign(signed.as_bytes())));
        assert_eq!(keys(&[&key]).verify(&token, "shop", 0), Err(TokenError::Malformed), "{payload}");
    }
}

#[test]
fn what_is_remembered_has_a_bound() {
    let (key, _) = SigningKey::generate();
    let keys = keys(&[&key]);
    for _ in 0..=limits::MAX_VERIFIED_TOKENS {
        keys.verify(&key.sign(&claims()), "shop", 0).unwrap();
        assert!(keys.verified.lock().len() <= limits::MAX_VERIFIED_TOKENS);
    }
}
