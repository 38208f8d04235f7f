//! Decodes the encodings in which a server can echo a text. Pure.

use std::ops::Range;

/// Encodings within encodings that are undone.
const MAX_ROUNDS: usize = 6;

/// One character of a decoded text, and the bytes of the original text that it stands for.
#[derive(Clone)]
pub(super) struct Unit {
    pub(super) shown: char,
    pub(super) place: Range<usize>,
}

/// A text with all encodings undone, in the form in which texts are compared.
pub(super) fn decoded(text: &str) -> Vec<Unit> {
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

/// Ignores letter case, the `+` that a form writes for a blank, and the other alphabet of Base64.
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
