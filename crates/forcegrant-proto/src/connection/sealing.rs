//! Sealing the client secret of a connection, for servers, shared disks and databases.
//!
//! A sealed text is `fgc1.<key id>.<nonce, text and tag>`: the id of the key in 16 hexadecimal digits, and the rest
//! in base64url. The seal (AES-256-GCM) is bound to the format, the connection's id, the token endpoint and the
//! client id, so that who can write the text but has no key can neither move the secret nor send it elsewhere.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use super::ConnectionProblem;
use crate::error::{Error, InputField, Setting};
use crate::secret::Secret;

/// The length of a key.
pub const KEY_BYTES: usize = 32;
/// The length of the random number that each seal needs.
pub const NONCE_BYTES: usize = 12;

const FORMAT: &str = "fgc1";
const KEY_FORM: &str = "A key is 32 random bytes in base64: `openssl rand -base64 32` makes one. Several have a comma between them;\nthe first seals, all open.";

/// Keys of 32 bytes, which seal the secrets of connections: the first seals, all open.
pub struct SealingKeys {
    first: SealingKey,
    others: Vec<SealingKey>,
}

struct SealingKey {
    id: String,
    key: LessSafeKey,
}

/// What a seal is bound to.
pub struct SealedTo<'a> {
    pub id: &'a str,
    pub token_url: String,
    pub client_id: &'a str,
}

impl SealingKeys {
    /// Keys in base64, as `forcegrant connections key` or `openssl rand -base64 32` makes one; several have a comma
    /// between them.
    ///
    /// # Errors
    /// `invalid_option`: something in it is not a key.
    pub fn new(keys: impl Into<Secret>) -> Result<Self, Error> {
        Self::parse(Setting::Option("key"), &keys.into())
    }

    /// From their text. `setting` is where it came from.
    #[doc(hidden)]
    pub fn parse(setting: Setting<'_>, text: &Secret) -> Result<Self, Error> {
        let mut keys = text.expose().split(',').map(|text| decode_key(text.trim()));
        let first = keys.next().flatten();
        match (first, keys.collect()) {
            (Some(first), Some(others)) => Ok(Self { first, others }),
            _ => Err(setting.wrong("it holds something that is not a key", KEY_FORM)),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The id of the key that seals: what a sealed text says about its key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.first.id
    }

    /// `None`: the text is too long for AES-GCM.
    #[doc(hidden)]
    pub fn seal(
        &self,
        secret: &Secret,
        bound: &SealedTo<'_>,
        nonce: [u8; NONCE_BYTES],
    ) -> Option<String> {
        let SealingKey { id, key } = &self.first;
        // With space for the tag, so that the text is encrypted where it stands and no copy is left behind.
        let mut sealed = Vec::with_capacity(secret.expose().len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(secret.expose().as_bytes());
        let aad = Aad::from(bound.bytes());
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, aad, &mut sealed)
            .ok()?;
        let body = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        Some(format!("{FORMAT}.{id}.{body}"))
    }

    /// `keys`: what there is to open it with.
    #[doc(hidden)]
    pub fn open(
        keys: Option<&Self>,
        text: &str,
        bound: &SealedTo<'_>,
    ) -> Result<Secret, ConnectionProblem> {
        let problem = |reason: String, cure: &str| {
            ConnectionProblem::new(reason, cure).about(InputField::ClientSecret)
        };
        let mut parts = text.split('.');
        let (Some(FORMAT), Some(id), Some(body), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(problem(
                "its sealed secret is not of a form that this release knows".to_owned(),
                "It was made by a newer forcegrant, or was changed: authorize the connection again.",
            ));
        };
        let known = || keys.into_iter().flat_map(Self::iter);
        let Some(key) = known().find(|key| key.id == id) else {
            let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            let id = if is_id { id } else { "of an unknown form" };
            let at_hand: Vec<_> = known().map(|key| key.id.as_str()).collect();
            let at_hand = match at_hand.join(", ") {
                none if none.is_empty() => "there is none".to_owned(),
                ids => format!("there is {ids}"),
            };
            return Err(problem(
                format!("its secret is sealed with the key {id}, and {at_hand}"),
                "Give that key (in FORCEGRANT_CONNECTIONS_KEY, in the file that FORCEGRANT_CONNECTIONS_KEY_FILE names, or as the option `key`); keys\nthat only open stand after the first, with a comma between. Or authorize the connection again.",
            ));
        };
        open_with(key, body, bound).ok_or_else(|| {
            problem(
                "the seal of its secret does not fit: the text, the id, the login URL or the client id was changed".to_owned(),
                "Put back what was changed, or authorize the connection again.",
            )
        })
    }
}

fn open_with(key: &SealingKey, body: &str, bound: &SealedTo<'_>) -> Option<Secret> {
    let body = URL_SAFE_NO_PAD.decode(body).ok()?;
    let (nonce, sealed) = body.split_at_checked(NONCE_BYTES)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = Zeroizing::new(sealed.to_vec());
    let aad = Aad::from(bound.bytes());
    let opened = key.key.open_in_place(nonce, aad, &mut text).ok()?;
    std::str::from_utf8(opened).ok().map(Secret::new)
}

impl SealedTo<'_> {
    /// Each part with its length, so that no two bindings have the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let parts = [FORMAT, self.id, &self.token_url, self.client_id];
        let with_length =
            |part: &&str| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat();
        parts.iter().flat_map(with_length).collect()
    }
}

/// Of standard or URL-safe base64, with or without padding.
fn decode_key(text: &str) -> Option<SealingKey> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) {
        alphabet::URL_SAFE
    } else {
        alphabet::STANDARD
    };
    let mut bytes = GeneralPurpose::new(&alphabet, config).decode(text).ok()?;
    let key = (bytes.len() == KEY_BYTES)
        .then(|| UnboundKey::new(&AES_256_GCM, &bytes).ok())
        .flatten();
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"forcegrant connection key\0");
    context.update(&bytes);
    bytes.zeroize();
    let digest = context.finish();
    let id = digest.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"));
    Some(SealingKey {
        id: id.collect(),
        key: LessSafeKey::new(key?),
    })
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|key| &key.id))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    const SETTING: Setting<'_> = Setting::Variable("FORCEGRANT_CONNECTIONS_KEY");

    fn keys(bytes: &[u8]) -> SealingKeys {
        let texts: Vec<_> = bytes
            .iter()
            .map(|byte| STANDARD.encode([*byte; 32]))
            .collect();
        SealingKeys::parse(SETTING, &Secret::new(texts.join(", "))).unwrap()
    }

    fn bound() -> SealedTo<'static> {
        SealedTo {
            id: "acme",
            token_url: "https://acme.my.salesforce.com/services/oauth2/token".to_owned(),
            client_id: "3MVG9x",
        }
    }

    fn sealed(keys: &SealingKeys) -> String {
        let secret = Secret::new("hunter22-canary");
        keys.seal(&secret, &bound(), [7; NONCE_BYTES]).unwrap()
    }

    fn open(keys: &SealingKeys, text: &str, bound: &SealedTo<'_>) -> Option<String> {
        let opened = SealingKeys::open(Some(keys), text, bound).ok()?;
        Some(opened.expose().to_owned())
    }

    #[test]
    fn what_is_sealed_opens_and_shows_nothing() {
        let keys = keys(&[1]);
        let text = sealed(&keys);
        assert!(!text.contains("hunter22") && text.contains(keys.id()));
        assert_eq!(open(&keys, &text, &bound()).unwrap(), "hunter22-canary");
        assert!(!format!("{keys:?}").contains("AQEB"), "{keys:?}");
    }

    /// The format is shared by languages and releases: a change of it is a new one.
    #[test]
    fn the_format_stays() {
        assert_eq!(sealed(&keys(&[1])), SEALED_EXAMPLE);
    }

    const SEALED_EXAMPLE: &str =
        "fgc1.ea2d4dd0999a0b83.BwcHBwcHBwcHBwcH5YaE0Grcg5M0-WVex7IeXDvSa4iZof2G6za3-cW1BQ";

    #[test]
    fn no_flipped_bit_opens() {
        let keys = keys(&[1]);
        let text = sealed(&keys).into_bytes();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = String::from_utf8(flipped) else {
                continue;
            };
            let problem = SealingKeys::open(Some(&keys), &flipped, &bound()).unwrap_err();
            assert!(!format!("{problem:?}").contains("hunter22"), "bit {bit}");
        }
        for cut in 0..text.len() {
            let text = std::str::from_utf8(&text[..cut]).unwrap();
            assert_eq!(open(&keys, text, &bound()), None, "cut at {cut}");
        }
    }

    #[test]
    fn each_bound_field_counts() {
        let keys = keys(&[1]);
        let text = sealed(&keys);
        for other in [
            SealedTo {
                id: "acme2",
                ..bound()
            },
            SealedTo {
                token_url: "https://evil.example/services/oauth2/token".to_owned(),
                ..bound()
            },
            SealedTo {
                client_id: "3MVG9y",
                ..bound()
            },
            // The same letters, divided in another way.
            SealedTo {
                id: "acm",
                token_url: format!("e{}", bound().token_url),
                ..bound()
            },
        ] {
            assert_eq!(open(&keys, &text, &other), None);
        }
    }

    #[test]
    fn an_old_key_opens_and_a_wrong_one_is_named() {
        let old = sealed(&keys(&[1]));
        let rotated = keys(&[2, 1]);
        assert_eq!(open(&rotated, &old, &bound()).unwrap(), "hunter22-canary");
        assert!(sealed(&rotated).contains(keys(&[2]).id()));
        let wrong = keys(&[3]);
        let problem = SealingKeys::open(Some(&wrong), &old, &bound()).unwrap_err();
        let (sealed_with, at_hand) = (keys(&[1]).id().to_owned(), wrong.id());
        assert!(problem.reason.contains(&sealed_with) && problem.reason.contains(at_hand));
        let problem = SealingKeys::open(None, &old, &bound()).unwrap_err();
        assert!(problem.reason.contains(&sealed_with), "{problem:?}");
    }

    #[test]
    fn keys_are_32_bytes_in_any_base64() {
        let parse = |text: &str| SealingKeys::parse(SETTING, &Secret::new(text));
        let bytes = [0xfb; 32];
        let id = parse(&STANDARD.encode(bytes)).unwrap().id().to_owned();
        assert_eq!(parse(&URL_SAFE_NO_PAD.encode(bytes)).unwrap().id(), id);
        for bad in [
            "",
            ",",
            "hunter22",
            &STANDARD.encode([1; 31]),
            &STANDARD.encode([1; 33]),
            &format!("{},", STANDARD.encode(bytes)),
            &format!("{},hunter22", STANDARD.encode(bytes)),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.message().contains("FORCEGRANT_CONNECTIONS_KEY"));
            assert!(!format!("{error:?}").contains("hunter22"));
        }
    }
}
