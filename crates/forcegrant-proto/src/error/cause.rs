//! What an error of another library said, as text.

/// The texts of a foreign error's chain. The error itself is not kept: it could hold a URL or a
/// header, and its type would become part of this crate's API.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct Cause {
    text: String,
    #[source]
    next: Option<Box<Cause>>,
}

impl Cause {
    /// Copies the texts of an error and its sources, each passed through `clean`.
    pub fn of(error: &dyn std::error::Error, clean: &dyn Fn(&str) -> String) -> Self {
        Self {
            text: clean(&error.to_string()),
            next: error.source().map(|next| Box::new(Self::of(next, clean))),
        }
    }

    /// The innermost text, which usually says the most.
    pub fn innermost(&self) -> &str {
        self.next
            .as_ref()
            .map_or(&self.text, |next| next.innermost())
    }
}
