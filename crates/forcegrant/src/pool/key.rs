//! The key of a client in a pool, in the memory of its entry: a reader that compares it meets one cache miss less.

/// As long as the text of a UUID, and a little more. A longer key has an allocation of its own.
const MAX_INLINE: usize = 38;

/// What the user calls the org of a client: a tenant, a connection id.
pub(super) enum TenantKey {
    Inline { length: u8, bytes: [u8; MAX_INLINE] },
    Boxed(Box<str>),
}

impl TenantKey {
    pub(super) fn as_str(&self) -> &str {
        match self {
            // They were a text, so they are one.
            Self::Inline { .. } => str::from_utf8(self.bytes()).unwrap_or_default(),
            Self::Boxed(text) => text,
        }
    }

    #[inline]
    pub(super) fn is(&self, other: &str) -> bool {
        self.bytes() == other.as_bytes()
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Self::Boxed(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for TenantKey {
    fn from(text: &str) -> Self {
        let mut bytes = [0; MAX_INLINE];
        let length = u8::try_from(text.len());
        match (length, bytes.get_mut(..text.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Inline { length, bytes }
            }
            _ => Self::Boxed(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_length_are_whole() {
        for length in [0, 1, 18, 36, 37, 38, 39, 255, 256, 1_000] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let key = TenantKey::from(text.as_str());
            assert_eq!((key.as_str(), key.is(&text)), (text.as_str(), true));
            assert!(!key.is(&format!("{text}x")) && !key.is("another"));
        }
    }
}
