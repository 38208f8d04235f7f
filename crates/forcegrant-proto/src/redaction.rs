//! Removes secrets from texts that come from outside: from a server, another library's error, a callback or a pasted
//! value. Pure.
//!
//! A server can echo a secret in any encoding, escaped twice, cut or wrapped. So the text and the secret are both
//! normalised: percent, form, JSON and HTML encodings are decoded and letter case is ignored. Then every run of a few
//! characters that both have in common is removed. Whatever looks like a secret is removed too, because a text can hold
//! one that this client does not know.

mod decoding;
mod lookalikes;

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use url::Url;
use url::form_urlencoded::{byte_serialize, parse};
use zeroize::Zeroizing;

use self::decoding::decoded;
use self::lookalikes::without_lookalikes;
pub use self::lookalikes::{looks_random, looks_secret};
use crate::http_message::Request;
use crate::percent_encoding::percent_encode;
pub use crate::secret::HIDDEN;
use crate::secret::Secret;

/// A longer text from outside is cut before it is looked at: nobody reads that much of an error.
const MAX_CHARS_READ: usize = 16 * 1024;

/// A shorter secret cannot be told from ordinary words.
const SHORTEST: usize = 4;

/// A run of so many characters of a long secret is taken out, wherever it stands.
const LONGEST_RUN: usize = 8;

/// Knows the secrets in use and takes every form of them out of a text.
///
/// Not part of the public API: the command line shares it.
#[derive(Clone, Default)]
pub struct Redactor {
    needles: Vec<Needle>,
}

/// The runs of one form of a secret, as hashes.
#[derive(Clone)]
struct Needle {
    run: usize,
    hashes: HashSet<u64>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Knows no secret, but takes out what looks like one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes this secret out: whole, in part, in each encoding, and as a part of a Base64 text.
    #[must_use]
    pub fn hide(mut self, secret: &str) -> Self {
        let length = secret.chars().count();
        self.add(secret, (length / 2).clamp(SHORTEST, LONGEST_RUN));
        for form in sent_forms(secret) {
            for part in base64_parts(form.as_bytes()) {
                self.add(&part, LONGEST_RUN);
            }
        }
        self
    }

    /// Takes a client id and its secret out, and both together as HTTP Basic authentication sends
    /// them. A part of the id alone stays, as it is no secret and may be a common word.
    #[must_use]
    pub fn hide_credentials(mut self, id: &str, secret: &str) -> Self {
        self.add(id, usize::MAX);
        for (id, secret) in sent_forms(id).iter().zip(sent_forms(secret)) {
            let pair = Zeroizing::new(format!("{}:{}", id.as_str(), secret.as_str()));
            self.add(&Zeroizing::new(STANDARD_NO_PAD.encode(&*pair)), LONGEST_RUN);
        }
        self.hide(secret)
    }

    /// Takes out the user and password of a proxy's URL.
    #[doc(hidden)]
    #[must_use]
    pub fn hide_proxy(self, url: &Url) -> Self {
        let decoded = |text: &str| {
            let kept = Zeroizing::new(format!("={}", text.replace('+', "%2B")));
            let decoded = parse(kept.as_bytes()).next();
            Zeroizing::new(decoded.map_or_else(String::new, |(_, text)| text.into_owned()))
        };
        let password = decoded(url.password().unwrap_or_default());
        self.hide_credentials(&decoded(url.username()), &password)
    }

    /// Takes out what a request carries to prove who sends it.
    #[doc(hidden)]
    #[must_use]
    pub fn hide_request(self, request: &Request) -> Self {
        let authorization = request
            .headers
            .iter()
            .filter(|(name, _)| *name == "authorization")
            .filter_map(|(_, value)| value.expose().split_once(' '));
        let hidden = authorization.fold(self, |redactor, (_, value)| redactor.hide(value));
        let form = request.body.as_ref().map_or("", Secret::expose);
        parse(form.as_bytes())
            .filter(|(name, _)| matches!(&**name, "client_secret" | "token"))
            .fold(hidden, |redactor, (_, value)| {
                redactor.hide(&Zeroizing::new(value.into_owned()))
            })
    }

    /// Takes this text out where it stands whole, in any encoding: for our own words, of which a part may
    /// be a part of a secret too.
    #[must_use]
    pub fn hide_whole(mut self, secret: &str) -> Self {
        self.add(secret, usize::MAX);
        self
    }

    fn add(&mut self, secret: &str, run: usize) {
        let canonical = Zeroizing::new(canonical(secret));
        let run = run.min(canonical.len());
        if run < SHORTEST {
            return;
        }
        let hashes = canonical.windows(run).map(hash).collect();
        self.needles.push(Needle { run, hashes });
    }

    /// The text, fit to be shown in one line of at most `limit` characters: without secrets, control
    /// characters and characters that change how the rest is displayed.
    #[must_use]
    pub fn clean(&self, text: &str, limit: usize) -> String {
        self.redact(text).trim().chars().take(limit).collect()
    }

    /// The same without a limit, and with the blanks at both ends.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let text = neutral(text.chars().take(MAX_CHARS_READ));
        without_lookalikes(&self.without_secrets(&text))
    }

    fn without_secrets(&self, text: &str) -> String {
        if self.needles.is_empty() {
            return text.to_owned();
        }
        let units = decoded(text);
        let chars: Vec<char> = units.iter().map(|unit| unit.shown).collect();
        let mut secret = vec![false; units.len()];
        for needle in &self.needles {
            for (start, window) in chars.windows(needle.run).enumerate() {
                if needle.hashes.contains(&hash(window)) {
                    secret[start..start + needle.run].fill(true);
                }
            }
        }
        let mut clean = String::with_capacity(text.len());
        let mut done = 0;
        let runs = units.iter().zip(&secret).collect::<Vec<_>>();
        for run in runs.chunk_by(|(_, one), (_, other)| one == other) {
            if let (Some((first, true)), Some((last, _))) = (run.first(), run.last()) {
                clean.push_str(&text[done..first.place.start.max(done)]);
                clean.push_str(HIDDEN);
                done = last.place.end;
            }
        }
        clean.push_str(&text[done..]);
        clean
    }
}

/// A text that the user gave, fit to be repeated to that user: what looks like a secret is taken out.
pub fn printable(text: &str, limit: usize) -> String {
    Redactor::new().clean(text, limit)
}

/// A value in the forms in which a request carries it.
fn sent_forms(text: &str) -> [Zeroizing<String>; 4] {
    let percent = percent_encode(text);
    [
        Zeroizing::new(text.to_owned()),
        Zeroizing::new(percent.to_ascii_lowercase()),
        Zeroizing::new(percent),
        Zeroizing::new(byte_serialize(text.as_bytes()).collect()),
    ]
}

/// How bytes look within a longer Base64 text: that depends on where among three bytes they start.
/// The characters at both ends, which depend on the neighbours too, are left out.
fn base64_parts(bytes: &[u8]) -> impl Iterator<Item = Zeroizing<String>> {
    (0..3).map(move |before| {
        let mut padded = Zeroizing::new(vec![0; before]);
        padded.extend_from_slice(bytes);
        let text = Zeroizing::new(STANDARD_NO_PAD.encode(&*padded));
        let (start, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        Zeroizing::new(text[start.min(end)..end].to_owned())
    })
}

fn hash(window: &[char]) -> u64 {
    let mut hasher = DefaultHasher::new();
    window.hash(&mut hasher);
    hasher.finish()
}

fn canonical(text: &str) -> Vec<char> {
    decoded(text).iter().map(|unit| unit.shown).collect()
}

/// Control characters and line ends become blanks. Characters that nobody sees and that change how
/// others are displayed (the direction of writing, joiners, tags) are left out.
fn neutral(text: impl Iterator<Item = char>) -> String {
    text.filter(|c| !is_invisible(*c))
        .map(|c| match c {
            '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests;
