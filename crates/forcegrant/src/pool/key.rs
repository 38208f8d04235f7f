//! A key, kept beside its client: a reader who compares it meets one cache miss less.

use std::fmt;

/// As long as the text of a UUID, and a little more. A longer key stands apart.
const SHORT: usize = 38;

/// The key of a client in a pool; empty for a client by itself.
#[derive(Clone)]
pub(crate) struct Key(Text);

#[derive(Clone)]
enum Text {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

impl Key {
    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            // They were a text, so they are one.
            Text::Short { .. } => str::from_utf8(self.bytes()).unwrap_or_default(),
            Text::Long(text) => text,
        }
    }

    #[inline]
    pub(crate) fn is(&self, other: &str) -> bool {
        self.bytes() == other.as_bytes()
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short { length, bytes } => &bytes[..usize::from(*length)],
            Text::Long(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        let length = u8::try_from(text.len());
        match (length, bytes.get_mut(..text.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(text.as_bytes());
                Self(Text::Short { length, bytes })
            }
            _ => Self(Text::Long(text.into())),
        }
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::from("")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_length_are_kept_whole() {
        for length in [0, 1, 18, 36, 37, 38, 39, 255, 256, 1_000] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let key = Key::from(text.as_str());
            assert_eq!((key.as_str(), key.is(&text)), (text.as_str(), true));
            assert!(!key.is(&format!("{text}x")) && !key.is("another"));
        }
    }
}
