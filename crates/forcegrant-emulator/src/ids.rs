//! Identifiers, keys and tokens that look like Salesforce's own.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const TOKEN_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

/// An 18-character id with the given three-character key prefix, always the
/// same for the same seed.
pub(crate) fn record_id(prefix: &str, seed: &str) -> String {
    let hash = digest(&SHA256, format!("{prefix}/{seed}").as_bytes());
    let tail: String = hash.as_ref()[..9]
        .iter()
        .map(|byte| letter(*byte))
        .collect();
    // Real ids carry the instance and a run of zeros behind the prefix.
    with_checksum(&format!("{prefix}Fg0{tail}"))
}

/// A consumer key, always the same for the same seed.
pub(crate) fn consumer_key(seed: &str) -> String {
    let first = digest(&SHA256, format!("key 1/{seed}").as_bytes());
    let second = digest(&SHA256, format!("key 2/{seed}").as_bytes());
    let letters = first
        .as_ref()
        .iter()
        .chain(second.as_ref())
        .map(|byte| letter(*byte));
    format!("3MVG9.EMULATOR_ONLY.{}", letters.collect::<String>())
}

/// A consumer secret: 64 upper-case hexadecimal digits, always the same for
/// the same seed.
pub(crate) fn consumer_secret(seed: &str) -> String {
    let hash = digest(&SHA256, format!("secret/{seed}").as_bytes());
    format!("FACADE00{}", hex(&hash.as_ref()[4..]).to_uppercase())
}

/// A new opaque access token: the 15-character org id, `!`, 96 characters.
pub(crate) fn opaque_token(org_id: &str) -> String {
    let tail: String = random_bytes::<96>()
        .iter()
        .map(|byte| char::from(TOKEN_ALPHABET[usize::from(byte % 64)]))
        .collect();
    format!("{}!{tail}", &org_id[..15])
}

/// Random lower-case hexadecimal digits.
pub(crate) fn random_hex() -> String {
    hex(&random_bytes::<16>())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Random bytes from the operating system.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system has randomness");
    bytes
}

/// The 18-character form of a 15-character id: each suffix letter encodes
/// which of five characters are upper case.
pub(crate) fn with_checksum(id: &str) -> String {
    let suffix = id.as_bytes().chunks(5).map(|chunk| {
        let bits = chunk
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .fold(0_usize, |bits, (place, _)| bits | (1 << place));
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits])
    });
    format!("{id}{}", suffix.collect::<String>())
}

/// Whether this is an 18-character id with the right suffix.
pub(crate) fn is_record_id(id: &str, prefix: &str) -> bool {
    id.len() == 18
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && id.starts_with(prefix)
        && with_checksum(&id[..15]) == id
}

fn letter(byte: u8) -> char {
    char::from(ALPHANUMERIC[usize::from(byte) % ALPHANUMERIC.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_published_ids() {
        // Pairs as they appear in public documentation of the 18-character form.
        assert_eq!(with_checksum("001A0000006Vm9r"), "001A0000006Vm9rIAC");
        assert_eq!(with_checksum("00D000000000062"), "00D000000000062EAA");
    }

    #[test]
    fn shapes() {
        let org_id = record_id("00D", "acme");
        assert!(is_record_id(&org_id, "00D"));
        assert_eq!(org_id, record_id("00D", "acme"));
        assert_ne!(org_id, record_id("00D", "other"));
        assert!(!is_record_id("00DFg0aaaaaaaaaAAA", "00D"));

        let token = opaque_token(&org_id);
        assert_eq!(token.len(), 112);
        assert_eq!(
            token.split_once('!').map(|(org, _)| org),
            Some(&org_id[..15])
        );
        assert_ne!(token, opaque_token(&org_id));

        assert_eq!(consumer_key("x").len(), 84);
        let secret = consumer_secret("x");
        assert_eq!(secret.len(), 64);
        assert!(
            secret
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
        );
    }
}
