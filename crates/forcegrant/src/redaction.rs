//! Takes secrets out of texts that come from outside: from a server, an error of another library, a
//! callback or a value that was pasted. Pure.
//!
//! A server can echo a secret in any encoding, escaped twice, cut or wrapped. So a text and a secret
//! are both brought to one form, in which percent, form, JSON and HTML encodings are undone and
//! letter case does not count; and every run of a few characters that both share is taken out. What
//! looks like a secret is taken out too, because a text can hold one that this client does not know.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use url::form_urlencoded::{byte_serialize, parse};
use zeroize::Zeroizing;

use crate::grant::request::percent_encode;
use crate::http::Request;
use crate::secret::Secret;

pub(crate) const HIDDEN: &str = "[redacted]";

/// A longer text from outside is cut before it is looked at: nobody reads that much of an error.
const MAX_CHARS_READ: usize = 16 * 1024;

/// A shorter secret cannot be told from ordinary words.
const SHORTEST: usize = 4;

/// A run of so many characters of a long secret is taken out, wherever it stands.
const LONGEST_RUN: usize = 8;

/// Encodings within encodings that are undone.
const MAX_ROUNDS: usize = 6;

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
    pub fn hide_pair(mut self, id: &str, secret: &str) -> Self {
        self.add(id, usize::MAX);
        for (id, secret) in sent_forms(id).iter().zip(sent_forms(secret)) {
            let pair = Zeroizing::new(format!("{}:{}", id.as_str(), secret.as_str()));
            self.add(&Zeroizing::new(STANDARD_NO_PAD.encode(&*pair)), LONGEST_RUN);
        }
        self.hide(secret)
    }

    /// Takes out what a request carries to prove who sends it.
    pub(crate) fn hide_request(self, request: &Request) -> Self {
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
pub(crate) fn printable(text: &str, limit: usize) -> String {
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

/// One character of a decoded text, and the bytes of the original text that it stands for.
#[derive(Clone)]
struct Unit {
    shown: char,
    place: Range<usize>,
}

/// A text with all encodings undone, in the form in which texts are compared.
fn decoded(text: &str) -> Vec<Unit> {
    let place = |(start, c): (usize, char)| Unit {
        shown: c,
        place: start..start + c.len_utf8(),
    };
    let mut units: Vec<Unit> = text.char_indices().map(place).collect();
    for _ in 0..MAX_ROUNDS {
        let before = units.len();
        units = decoded_once(&units);
        // Each escape is longer than what it stands for.
        if units.len() == before {
            break;
        }
    }
    let folded = units.into_iter().filter(|unit| unit.shown != '\\');
    folded
        .map(|unit| Unit {
            shown: folded_char(unit.shown),
            ..unit
        })
        .collect()
}

/// Letter case does not count, nor what a form (`+` for a blank) or the other alphabet of Base64
/// writes in another way.
fn folded_char(c: char) -> char {
    match c {
        '+' | '-' | '\u{a0}' => ' ',
        '_' => '/',
        c => c.to_lowercase().next().unwrap_or(c),
    }
}

fn decoded_once(units: &[Unit]) -> Vec<Unit> {
    let mut decoded = Vec::with_capacity(units.len());
    let mut rest = units;
    while let Some(first) = rest.first() {
        let (shown, used) = escape(rest).unwrap_or((first.shown, 1));
        decoded.push(Unit {
            shown,
            place: first.place.start..rest[used - 1].place.end,
        });
        rest = &rest[used..];
    }
    decoded
}

/// The character that an escape at the start stands for, and how many characters the escape has.
fn escape(text: &[Unit]) -> Option<(char, usize)> {
    match text.first()?.shown {
        '%' => percent(text),
        '\\' => backslash(text),
        '&' => entity(text),
        _ => None,
    }
}

/// `%C3%BC`: a character in UTF-8, or else one byte of Latin-1.
fn percent(text: &[Unit]) -> Option<(char, usize)> {
    let byte = |text: &[Unit]| match text {
        [mark, digits @ ..] if mark.shown == '%' => u8::try_from(number(digits, 2, 16)?).ok(),
        _ => None,
    };
    let bytes: Vec<u8> = text.chunks(3).take(4).map_while(byte).collect();
    let utf8 = (1..=bytes.len()).find_map(|length| std::str::from_utf8(&bytes[..length]).ok());
    match utf8.and_then(|text| text.chars().next()) {
        Some(c) => Some((c, 3 * c.len_utf8())),
        None => Some((char::from(*bytes.first()?), 3)),
    }
}

/// `\u002b`, `\x2b`, `\u{2b}`, and a backslash before a character that stands for itself.
fn backslash(text: &[Unit]) -> Option<(char, usize)> {
    let code = |at: usize, length: usize| number(text.get(at..)?, length, 16);
    let next = text.get(1)?.shown;
    let escaped = match next {
        'u' | 'U' if text.get(2)?.shown == '{' => {
            let length = text[3..].iter().position(|unit| unit.shown == '}')?;
            (code(3, length)?, length + 4)
        }
        'u' | 'U' => match (code(2, 4), code(8, 4)) {
            // Two halves of one character (UTF-16).
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                (0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00), 12)
            }
            (Some(code), _) => (code, 6),
            _ => (u32::from(next), 2),
        },
        'x' | 'X' => code(2, 2).map_or((u32::from(next), 2), |code| (code, 4)),
        _ => (u32::from(next), 2),
    };
    Some((char::from_u32(escaped.0)?, escaped.1))
}

/// `&amp;`, `&#43;`, `&#x2B;`
fn entity(text: &[Unit]) -> Option<(char, usize)> {
    const LONGEST: usize = 10;
    const NAMED: [(&str, char); 8] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("plus", '+'),
        ("sol", '/'),
        ("equals", '='),
    ];
    let end = text
        .iter()
        .take(LONGEST)
        .position(|unit| unit.shown == ';')?;
    let name: String = text[1..end].iter().map(|unit| unit.shown).collect();
    let named = NAMED
        .iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known));
    let code = match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => digits.parse().ok()?,
        },
        None => u32::from(latin_letter(&name).or(named.map(|(_, c)| *c))?),
    };
    Some((char::from_u32(code)?, end + 1))
}

/// `&uuml;` and the like.
fn latin_letter(name: &str) -> Option<char> {
    const LETTERS: &str = "AÄÁÀÂÃÅ EËÉÈÊ IÏÍÌÎ OÖÓÒÔÕ UÜÚÙÛ NÑ aäáàâãå eëéèê iïíìî oöóòôõ uüúùû nñ";
    const ACCENTS: [(&str, &str); 6] = [
        ("uml", "ÄËÏÖÜäëïöü"),
        ("acute", "ÁÉÍÓÚáéíóú"),
        ("grave", "ÀÈÌÒÙàèìòù"),
        ("circ", "ÂÊÎÔÛâêîôû"),
        ("tilde", "ÃÕÑãõñ"),
        ("ring", "Åå"),
    ];
    if name == "szlig" {
        return Some('ß');
    }
    let letter = name.chars().next()?;
    let accented = ACCENTS
        .iter()
        .find(|(accent, _)| name[letter.len_utf8()..].eq_ignore_ascii_case(accent))?
        .1;
    let group = LETTERS.split(' ').find(|group| group.starts_with(letter))?;
    group.chars().find(|c| accented.contains(*c))
}

fn number(text: &[Unit], length: usize, radix: u32) -> Option<u32> {
    let digits = text.get(..length).filter(|digits| !digits.is_empty())?;
    digits.iter().try_fold(0u32, |number, unit| {
        number
            .checked_mul(radix)?
            .checked_add(unit.shown.to_digit(radix)?)
    })
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

/// Takes out what has the form of a secret, and the user and password of a URL.
fn without_lookalikes(text: &str) -> String {
    let text = without_user_info(text);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    let mut before = "";
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let scheme = before.eq_ignore_ascii_case("basic") || before.eq_ignore_ascii_case("bearer");
        if looks_secret(word) || (scheme && looks_like_credentials(word)) {
            clean.push_str(HIDDEN);
        } else if let Some(word) = without_long_parts(word) {
            clean.push_str(&word);
        } else {
            clean.push_str(word);
        }
        let next = after.find(is_of_a_word).unwrap_or(after.len());
        clean.push_str(&after[..next]);
        if !word.is_empty() {
            before = word;
        }
        rest = &after[next..];
    }
    clean
}

fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '!' | '.' | '_' | '-' | '+' | '~')
}

/// Whether a text has the form of a consumer secret (64 hexadecimal digits, or about 19 decimal ones
/// in very old apps), a consumer key, a session id or a JWT, as in Salesforce's samples.
pub(crate) fn looks_secret(word: &str) -> bool {
    let starts = |start: &str| {
        word.get(..start.len())
            .is_some_and(|text| text.eq_ignore_ascii_case(start))
    };
    let key = word.len() >= 20 && starts("3MVG9");
    let session = word.split_once('!').is_some_and(|(org, rest)| {
        matches!(org.len(), 15 | 18) && starts("00D") && rest.len() >= 6
    });
    let jwt = word.starts_with("eyJ") && word.find('.').is_some_and(|header| header >= 16);
    key || session || jwt || looks_random(word)
}

/// A part of a word, of letters and digits alone, that no name has.
fn looks_random(part: &str) -> bool {
    let all = |is: fn(&u8) -> bool| part.bytes().all(|byte| is(&byte));
    let any = |is: fn(&u8) -> bool| part.bytes().any(|byte| is(&byte));
    let mixed =
        any(u8::is_ascii_digit) && any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase);
    match part.len() {
        0..16 => false,
        16..20 => all(u8::is_ascii_digit),
        20..32 => all(u8::is_ascii_digit) || (all(u8::is_ascii_alphanumeric) && mixed),
        32..=40 => all(u8::is_ascii_hexdigit) || (all(u8::is_ascii_alphanumeric) && mixed),
        _ => all(u8::is_ascii_alphanumeric),
    }
}

/// What stands behind `Basic` or `Bearer`, unless it is an ordinary word.
fn looks_like_credentials(word: &str) -> bool {
    word.len() >= 8
        && word
            .bytes()
            .any(|byte| byte.is_ascii_digit() || byte == b'!')
}

/// A word without its parts that look random. `None`: it has none.
fn without_long_parts(word: &str) -> Option<String> {
    let parts = || word.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let bare = |part: &str| {
        part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
            .len()
    };
    if !parts().any(|part| looks_random(&part[..bare(part)])) {
        return None;
    }
    let hidden = parts().map(|part| {
        let (name, end) = part.split_at(bare(part));
        let name = if looks_random(name) { HIDDEN } else { name };
        format!("{name}{end}")
    });
    Some(hidden.collect())
}

/// `https://user:password@host` becomes `https://[redacted]@host`.
fn without_user_info(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + 3);
        clean.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`'))
            .unwrap_or(after.len());
        let authority = &after[..end];
        match authority.rfind('@') {
            Some(at) => {
                clean.push_str(HIDDEN);
                clean.push_str(&authority[at..]);
            }
            None => clean.push_str(authority),
        }
        rest = &after[end..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests;
