//! When a token ends, and how that is known.

use std::time::SystemTime;

/// When a token ends, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    #[doc(hidden)]
    pub at: SystemTime,
    #[doc(hidden)]
    pub source: ExpirySource,
}

impl Expiry {
    /// The instant of the end, by this machine's wall clock.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> ExpirySource {
        self.source
    }

    /// Whether it was stated or guessed.
    #[must_use]
    pub fn certainty(&self) -> ExpiryCertainty {
        self.source.certainty()
    }

    /// Shorthand: the end was stated by Salesforce.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.certainty() == ExpiryCertainty::Known
    }
}

/// Where an [`Expiry`] comes from; the first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExpirySource {
    /// The `exp` claim of a JWT token.
    Jwt,
    /// The `expires_in` field of the response.
    ExpiresIn,
    /// The `exp` that introspection stated (option `introspect`).
    Introspection,
    /// Earlier rejections, from which this client learned.
    Learned,
    /// The `session_timeout` option.
    Configured,
    /// Nothing was stated or configured: 30 minutes.
    Default,
}

impl ExpirySource {
    /// A stable word: `jwt`, `expires_in`, `introspection`, `learned`, `configured`, `default`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::ExpiresIn => "expires_in",
            Self::Introspection => "introspection",
            Self::Learned => "learned",
            Self::Configured => "configured",
            Self::Default => "default",
        }
    }

    /// Whether an end from this source was stated or guessed.
    #[must_use]
    pub fn certainty(self) -> ExpiryCertainty {
        match self {
            Self::Jwt | Self::ExpiresIn | Self::Introspection => ExpiryCertainty::Known,
            Self::Learned | Self::Configured | Self::Default => ExpiryCertainty::Estimated,
        }
    }
}

/// How sure an [`Expiry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpiryCertainty {
    /// Salesforce stated it: the token is never served past it.
    Known,
    /// A guess: the token may end sooner or live on.
    Estimated,
}

impl ExpiryCertainty {
    /// `known` or `estimated`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Estimated => "estimated",
        }
    }
}
