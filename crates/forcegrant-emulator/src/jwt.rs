//! JWT-based access tokens and the key that verifies them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::ids;
use crate::sessions::EmulatedSession;

/// Anybody has this key: it signs tokens of the emulator only.
const TEST_KEY: &[u8] = include_bytes!("jwt_test_key.pem");

pub(crate) struct Signer {
    key: RsaKeyPair,
    key_id: String,
    modulus: String,
    exponent: String,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(TEST_KEY).expect("the built-in key is PEM");
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("the built-in key is RSA");
        let public = rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
        let fingerprint = digest(&SHA256, &public.n);
        let key_id = ids::hex(&fingerprint.as_ref()[..4]).to_uppercase();
        Self {
            key,
            key_id,
            modulus: URL_SAFE_NO_PAD.encode(public.n),
            exponent: URL_SAFE_NO_PAD.encode(public.e),
        }
    }

    /// A signed token for a session; its times are those of the session.
    pub(crate) fn sign(&self, session: &EmulatedSession, issuer: &str) -> String {
        let org = &session.org_id[..15];
        let header = json!({
            "alg": "RS256", "typ": "JWT", "kid": self.key_id, "tty": "sfdc-core-token",
            "tnk": format!("core/emulator/{org}"), "ver": "1.0",
        });
        let starts = session.starts_ms / 1000;
        let claims = json!({
            "scp": session.scopes.join(" "),
            "aud": [issuer],
            "iss": issuer,
            "sub": format!("uid:{}", session.user_id),
            "nbf": starts,
            "iat": starts,
            "exp": session.ends_ms / 1000,
            "client_id": session.client_id,
            "mty": "oauth",
            // Makes two tokens of one second differ.
            "sfi": ids::random_hex(),
        });
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encoded(&header), encoded(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .expect("the buffer has the key's size");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The key set that verifies the tokens.
    pub(crate) fn key_set(&self) -> Value {
        json!({ "keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id,
            "n": self.modulus, "e": self.exponent,
        }] })
    }
}
