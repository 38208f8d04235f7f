//! The one table of what a response of the token endpoint means, and whether a failure is temporary (another attempt
//! without a change may bring a token) or final. Pure.
//!
//! `refusal.rs` tells Salesforce's own refusals apart. Other responses often do not come from Salesforce: gateways,
//! captive portals and maintenance pages respond instead, with any status (reported). At the first contact the host is
//! probably wrong, and another attempt does not help. If the host has responded as a token endpoint before, the fault
//! is probably temporary.

/// What the body of a response is, as far as the table needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A JSON object without the field `error`.
    Object,
    /// An OAuth error (RFC 6749 section 5.2), and whether the refusal itself is temporary.
    OauthError { temporary: bool },
    /// Not a JSON object, cut short, or too large to be read.
    Other,
}

/// What a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It should hold a token.
    Token,
    /// An OAuth error says why there is no token.
    OauthError,
    /// Too many requests.
    RateLimited,
    /// The status itself says that another attempt may help.
    Unavailable,
    Redirect,
    /// Not the response of a token endpoint.
    Unrecognized,
}

/// One row of the table, applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classification {
    pub class: Class,
    /// If it gives no token: whether another attempt may bring one.
    pub temporary: bool,
}

/// Looks a response up. `known_endpoint`: this host has responded as a token endpoint before.
pub fn classify(status: u16, body: Body, known_endpoint: bool) -> Classification {
    let (class, temporary) = match (status, body) {
        (429, _) => (Class::RateLimited, true),
        // 408 and 425: the request was not processed, and may be repeated (RFC 9110, RFC 8470).
        // 406 and 420 are Salesforce's own for an org that is being set up or moved (reported).
        (406 | 408 | 420 | 425 | 500..=599, _) => (Class::Unavailable, true),
        // A temporary redirect leads to a login or maintenance page; a permanent one to another host.
        (302 | 303 | 307, _) => (Class::Redirect, known_endpoint),
        (300..=399, _) => (Class::Redirect, false),
        // With any other status: some gateways turn refusals into 200.
        (_, Body::OauthError { temporary }) => (Class::OauthError, temporary),
        (200..=299, Body::Object) => (Class::Token, known_endpoint),
        (_, Body::Object | Body::Other) => (Class::Unrecognized, known_endpoint),
    };
    Classification { class, temporary }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Body = Body::OauthError { temporary: false };
    const RETRY: Body = Body::OauthError { temporary: true };

    /// What is temporary in any case, what only once the endpoint is known, and what never.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Temporary {
        Always,
        OnceKnown,
        Never,
    }

    #[test]
    fn the_table() {
        use Temporary::{Always, Never, OnceKnown};
        let table = [
            (200, Body::Object, Class::Token, OnceKnown),
            (201, Body::Object, Class::Token, OnceKnown),
            (200, Body::Other, Class::Unrecognized, OnceKnown),
            (204, Body::Other, Class::Unrecognized, OnceKnown),
            (200, REFUSED, Class::OauthError, Never),
            (400, REFUSED, Class::OauthError, Never),
            (401, REFUSED, Class::OauthError, Never),
            (400, RETRY, Class::OauthError, Always),
            (403, RETRY, Class::OauthError, Always),
            (400, Body::Other, Class::Unrecognized, OnceKnown),
            (401, Body::Other, Class::Unrecognized, OnceKnown),
            (403, Body::Other, Class::Unrecognized, OnceKnown),
            (404, Body::Other, Class::Unrecognized, OnceKnown),
            (407, Body::Other, Class::Unrecognized, OnceKnown),
            (413, Body::Object, Class::Unrecognized, OnceKnown),
            (451, Body::Object, Class::Unrecognized, OnceKnown),
            (101, Body::Other, Class::Unrecognized, OnceKnown),
            (600, Body::Other, Class::Unrecognized, OnceKnown),
            (406, Body::Other, Class::Unavailable, Always),
            (408, Body::Other, Class::Unavailable, Always),
            (420, Body::Other, Class::Unavailable, Always),
            (425, Body::Other, Class::Unavailable, Always),
            (500, Body::Other, Class::Unavailable, Always),
            (502, REFUSED, Class::Unavailable, Always),
            (503, Body::Object, Class::Unavailable, Always),
            (511, Body::Other, Class::Unavailable, Always),
            (599, Body::Other, Class::Unavailable, Always),
            (429, Body::Other, Class::RateLimited, Always),
            (301, Body::Other, Class::Redirect, Never),
            (308, Body::Other, Class::Redirect, Never),
            (300, Body::Other, Class::Redirect, Never),
            (302, Body::Other, Class::Redirect, OnceKnown),
            (303, Body::Other, Class::Redirect, OnceKnown),
            (307, Body::Object, Class::Redirect, OnceKnown),
        ];
        for (status, body, class, temporary) in table {
            let [first, known] = [false, true].map(|known| classify(status, body, known));
            let seen = match (first.temporary, known.temporary) {
                (true, true) => Always,
                (false, true) => OnceKnown,
                _ => Never,
            };
            assert_eq!((first.class, seen), (class, temporary), "{status} {body:?}");
            assert_eq!(known.class, class, "{status} {body:?}");
        }
    }

    #[test]
    fn what_is_temporary_at_the_first_contact_stays_so() {
        for status in 0..=999 {
            for body in [Body::Object, Body::Other, REFUSED, RETRY] {
                let [first, known] = [false, true].map(|known| classify(status, body, known));
                assert_eq!(first.class, known.class);
                assert!(!first.temporary || known.temporary, "{status} {body:?}");
            }
        }
    }
}
