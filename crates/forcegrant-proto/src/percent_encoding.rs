//! Percent-encoding that every decoder of forms and of HTTP Basic understands.

/// Everything but RFC 3986's unreserved characters becomes `%XX` of its UTF-8 bytes. A blank is
/// `%20`: every form decoder reads that, and not every Basic decoder reads `+`.
pub fn percent_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}
