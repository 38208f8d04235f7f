//! How entries are named and sealed, so that a store need not be trusted.
//!
//! Names and keys are derived from the client secret by HKDF-SHA256, with the endpoint as the context. So there is no
//! other key to manage; clients with another secret, host or way to authenticate share nothing; and a name reveals
//! nothing about the org.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::credentials::ClientCredentials;

/// The format of names and entries. Another version neither reads nor replaces these.
const VERSION: u8 = 1;
/// AES-256-GCM.
const ALGORITHM: u8 = 1;
const MAGIC: [u8; 2] = *b"fg";
const KEY_ID: usize = 8;
const NONCE: usize = 12;
const HEADER: usize = MAGIC.len() + 2 + KEY_ID + NONCE;

/// What an entry holds: part of its name, and covered by its seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A token.
    Token,
    /// Why the last login failed.
    Failure,
}

/// Names and seals the entries of one set of client credentials at one endpoint.
pub struct Sealer {
    name: String,
    key_id: [u8; KEY_ID],
    key: LessSafeKey,
}

/// The length of a derived value.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Sealer {
    /// For these credentials. `endpoint` is everything else that two clients must have in common to share a token.
    #[expect(clippy::missing_panics_doc, reason = "the lengths are constants")]
    pub fn new(credentials: &ClientCredentials, endpoint: &str) -> Self {
        let salt = Salt::new(HKDF_SHA256, b"forcegrant store 1");
        let secret = salt.extract(credentials.expose_client_secret().as_bytes());
        // One block of output for each use, each with a context of its own.
        let mut name = [0; 16];
        let mut key_id = [0; KEY_ID];
        let mut key = Zeroizing::new([0; 32]);
        for (purpose, output) in [
            ("name", &mut name[..]),
            ("key id", &mut key_id[..]),
            ("key", &mut key[..]),
        ] {
            let context = [
                purpose.as_bytes(),
                b"\0",
                credentials.client_id().as_bytes(),
                b"\0",
                endpoint.as_bytes(),
            ];
            secret
                .expand(&context, Length(output.len()))
                .and_then(|block| block.fill(output))
                .expect("these lengths are below HKDF's limit");
        }
        let key = UnboundKey::new(&AES_256_GCM, &*key).expect("the key has AES-256's length");
        Self {
            name: hex(&name),
            key_id,
            key: LessSafeKey::new(key),
        }
    }

    /// The name of the entry of this kind.
    pub fn name(&self, kind: EntryKind) -> String {
        let kind = match kind {
            EntryKind::Token => "token",
            EntryKind::Failure => "failure",
        };
        format!("fg{VERSION}:{}:{kind}", self.name)
    }

    /// Seals an entry. `None`: it is longer than AES-GCM can seal.
    ///
    /// The nonce is random, because the counters of forked or copied processes would repeat. 2^32 entries with one key
    /// are safe; a login every second for a century is fewer.
    pub fn seal(&self, kind: EntryKind, plain: &[u8], nonce: [u8; NONCE]) -> Option<Vec<u8>> {
        let mut entry = Vec::with_capacity(HEADER + plain.len() + AES_256_GCM.tag_len());
        entry.extend_from_slice(&MAGIC);
        entry.extend_from_slice(&[VERSION, ALGORITHM]);
        entry.extend_from_slice(&self.key_id);
        entry.extend_from_slice(&nonce);
        let covered = self.covered(kind, &entry);
        // Encrypted in place, so that no copy of the plain text is left behind.
        let mut text = Zeroizing::new(plain.to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(covered),
                &mut text,
            )
            .ok()?;
        entry.extend_from_slice(&text);
        entry.extend_from_slice(tag.as_ref());
        Some(entry)
    }

    /// The content of a sealed entry. `None`: it has another version or key, was put under another name, or is damaged.
    pub fn open(&self, kind: EntryKind, mut entry: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
        let header = entry.get(..HEADER)?;
        let (start, nonce) = header.split_at(HEADER - NONCE);
        let expected = [&MAGIC[..], &[VERSION, ALGORITHM], &self.key_id].concat();
        if start != expected {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let covered = self.covered(kind, header);
        let mut text = Zeroizing::new(entry.split_off(HEADER));
        let length = self
            .key
            .open_in_place(nonce, Aad::from(covered), &mut text)
            .ok()?
            .len();
        text.truncate(length);
        Some(text)
    }

    /// What a seal covers besides the text: the header and the name.
    fn covered(&self, kind: EntryKind, header: &[u8]) -> Vec<u8> {
        [header, self.name(kind).as_bytes()].concat()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The name of the login counter of an app in an org. It needs no secret: anyone who can guess both may know the count.
pub fn counter_name(host: &str, client_id: &str) -> String {
    let text = format!("{host}\0{client_id}");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("fg{VERSION}:{}:logins", hex(&digest.as_ref()[..16]))
}

/// Whether this is a name that [`Sealer::name`] or [`counter_name`] returns.
pub fn is_name(text: &str) -> bool {
    let words = text.strip_prefix(&format!("fg{VERSION}:"));
    let Some((name, kind)) = words.and_then(|words| words.split_once(':')) else {
        return false;
    };
    is_owner(name) && matches!(kind, "token" | "failure" | "logins")
}

/// Whether this is 32 hexadecimal digits, as those of [`owner`] are.
pub fn is_owner(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A new owner of leases, from 128 random bits.
pub fn owner(random: [u8; 16]) -> String {
    hex(&random)
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCES: [[u8; NONCE]; 2] = [[1; NONCE], [2; NONCE]];
    const ENDPOINT: &str = "https://acme.my.salesforce.com/services/oauth2/token";

    fn sealer(id: &str, secret: &str, endpoint: &str) -> Sealer {
        Sealer::new(&ClientCredentials::new(id, secret).unwrap(), endpoint)
    }

    #[test]
    fn what_is_sealed_opens_and_shows_nothing() {
        let sealer = sealer("id", "hunter22", ENDPOINT);
        let entry = sealer
            .seal(EntryKind::Token, b"the token", NONCES[0])
            .unwrap();
        assert!(!entry.windows(5).any(|bytes| bytes == b"token"));
        assert_eq!(
            *sealer.open(EntryKind::Token, entry.clone()).unwrap(),
            b"the token"
        );
        assert_ne!(
            entry,
            sealer
                .seal(EntryKind::Token, b"the token", NONCES[1])
                .unwrap()
        );
        assert!(!format!("{sealer:?}").contains("hunter22"));
    }

    /// Nor does another kind.
    #[test]
    fn another_secret_id_or_endpoint_shares_nothing() {
        let one = sealer("id", "hunter22", ENDPOINT);
        let entry = one.seal(EntryKind::Token, b"the token", NONCES[0]).unwrap();
        for other in [
            sealer("id", "hunter23", ENDPOINT),
            sealer("ie", "hunter22", ENDPOINT),
            sealer("id", "hunter22", "https://other.my.salesforce.com/"),
        ] {
            assert_ne!(one.name(EntryKind::Token), other.name(EntryKind::Token));
            assert_eq!(other.open(EntryKind::Token, entry.clone()), None);
        }
        assert_eq!(one.open(EntryKind::Failure, entry), None);
        assert_ne!(one.name(EntryKind::Token), one.name(EntryKind::Failure));
    }

    /// The format is shared by languages and releases: a change of it is a new version.
    #[test]
    fn names_stay_as_they_are() {
        let sealer = sealer("id", "hunter22", ENDPOINT);
        assert_eq!(sealer.name(EntryKind::Token), NAME_OF_THE_EXAMPLE);
        assert_eq!(
            counter_name("acme.my.salesforce.com", "id"),
            COUNTER_OF_THE_EXAMPLE
        );
        let old = EXAMPLE
            .as_bytes()
            .chunks(2)
            .map(|credentials| {
                u8::from_str_radix(std::str::from_utf8(credentials).unwrap(), 16).unwrap()
            })
            .collect();
        assert_eq!(*sealer.open(EntryKind::Token, old).unwrap(), b"the token");
    }

    const NAME_OF_THE_EXAMPLE: &str = "fg1:d43705a5d280ec2d1da10ec8c9462c76:token";
    const COUNTER_OF_THE_EXAMPLE: &str = "fg1:bebcb22302b2b2c4d6ded0b7a269563f:logins";
    const EXAMPLE: &str = "66670101840e98e0c51ff6f496ab0503cedaa5e2017aea018292c0660f77843d4d883a2302884544e6c4f067a723aec4d1";

    proptest! {
        /// No change of a single bit, no cut and no garbage opens.
        #[test]
        fn nothing_else_opens(bit in 0usize..64 * 8, cut in 0usize..64, garbage in any::<Vec<u8>>()) {
            let sealer = sealer("id", "hunter22", ENDPOINT);
            let entry = sealer.seal(EntryKind::Token, b"a token of some length, sealed", NONCES[0]).unwrap();
            let mut torn = entry.clone();
            let place = bit % (torn.len() * 8);
            torn[place / 8] ^= 1 << (place % 8);
            prop_assert_eq!(sealer.open(EntryKind::Token, torn), None);
            let cut = cut % entry.len();
            prop_assert_eq!(sealer.open(EntryKind::Token, entry[..cut].to_vec()), None);
            prop_assert_eq!(sealer.open(EntryKind::Token, garbage), None);
        }
    }
}
