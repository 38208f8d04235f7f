//! The Connect page as HTML: pure functions from what is known to a text. No script, no image, no font.
//!
//! Every value is escaped by [`Html::text`]; only literals of this file are written as they are.

use forcegrant::{InputField, SetupStep};

use super::entries::{hint, label};
use super::{CompletedConnection, RefusedAttempt};

const STYLE: &str = include_str!("page.css");

/// What the form shows.
pub(crate) struct FormPage<'a> {
    pub(crate) connection: &'a str,
    pub(crate) login_url: &'a str,
    pub(crate) client_id: &'a str,
    /// A secret was entered before, and an empty field stands for it.
    pub(crate) has_secret: bool,
    /// The saved connection that this one would replace: "org 00D..., verified 3 May 2026".
    pub(crate) replaces: Option<&'a str>,
    /// Why the last attempt was refused.
    pub(crate) refused: Option<&'a RefusedAttempt>,
    /// Attempts that were made; it marks the page for programs that drive a browser.
    pub(crate) attempts: u32,
}

/// The page with the form, the last refusal and the guide.
pub(crate) fn form(page: &FormPage<'_>, nonce: &str) -> String {
    let title = format!("Connect Salesforce: {}", page.connection);
    let title = match page.refused {
        Some(_) => format!("Error: {title}"),
        None => title,
    };
    let mut html = Html::begin(&title, nonce, page.attempts);
    html.raw("<header><p class=brand>forcegrant</p><h1>Connect Salesforce</h1><p class=lead>Connection <strong>")
        .text(page.connection)
        .raw("</strong>, OAuth 2.0 client credentials. What you enter goes to this computer only, and from here to your Salesforce org.</p></header>")
        .raw("<div class=columns><section class=card aria-label=\"Credentials\">");
    if let Some(refused) = page.refused {
        refusal(&mut html, refused);
    }
    if let Some(replaces) = page.replaces {
        html.raw("<div class=note><p>This connection exists: ")
            .text(replaces)
            .raw(". It stays as it is until the new entries are verified.</p></div>");
    }
    // Without `novalidate` the browser itself says which field is empty.
    html.raw("<form method=post autocomplete=off>");
    let wrong = page.refused.and_then(|refused| refused.field);
    let first = wrong.unwrap_or(if page.login_url.is_empty() {
        InputField::LoginUrl
    } else if page.client_id.is_empty() {
        InputField::ClientId
    } else {
        InputField::ClientSecret
    });
    for field in InputField::ALL {
        input(&mut html, page, field, wrong == Some(field), first == field);
    }
    if page.refused.is_some_and(|refused| refused.other_org) {
        html.raw(
            "<input type=hidden name=other_org value=yes><button type=submit>Replace it</button>",
        );
    } else {
        html.raw("<button type=submit>Authorize</button>");
    }
    html.raw("</form></section>");
    guide(&mut html, page.refused.and_then(|refused| refused.step));
    html.raw("</div>").end()
}

fn refusal(html: &mut Html, refused: &RefusedAttempt) {
    html.raw("<div class=\"note bad\" role=alert><h2>Not connected</h2><p>")
        .text(&refused.message)
        .raw("</p>");
    for paragraph in paragraphs(&refused.help) {
        html.raw("<p>").text(&paragraph).raw("</p>");
    }
    html.raw("<p class=hint>Code: <code>")
        .text(&refused.code)
        .raw("</code>. Nothing was saved.</p></div>");
}

/// The lines of a text for a terminal, those of one sentence in one.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match paragraphs.last_mut() {
            Some(last) if !last.ends_with(['.', ':', '?', '!']) => {
                last.push(' ');
                last.push_str(line);
            }
            _ => paragraphs.push(line.to_owned()),
        }
    }
    paragraphs
}

fn input(html: &mut Html, page: &FormPage<'_>, field: InputField, is_wrong: bool, has_focus: bool) {
    let name = field.as_str();
    let (kind, value) = match field {
        InputField::LoginUrl => ("text", page.login_url),
        InputField::ClientId => ("text", page.client_id),
        // The secret is never in the page, not even as the value of a hidden field.
        _ => ("password", ""),
    };
    let remembered = field == InputField::ClientSecret && page.has_secret;
    html.raw("<div class=field><label for=").raw(name).raw(">");
    html.text(label(field))
        .raw("</label><p class=hint id=")
        .raw(name);
    html.raw("-hint>").text(hint(field));
    if remembered {
        html.raw(" Leave it empty to use the one you entered before.");
    }
    html.raw("</p><input id=")
        .raw(name)
        .raw(" name=")
        .raw(name)
        .raw(" type=")
        .raw(kind);
    html.raw(" value=\"")
        .text(value)
        .raw("\" maxlength=4096 spellcheck=false autocapitalize=none autocomplete=off");
    html.raw(" aria-describedby=\"").raw(name).raw("-hint");
    if is_wrong {
        html.raw(" ").raw(name).raw("-wrong\" aria-invalid=true");
    } else {
        html.raw("\"");
    }
    if !remembered {
        html.raw(" required");
    }
    if has_focus {
        html.raw(" autofocus");
    }
    html.raw(">");
    if is_wrong {
        html.raw("<p class=wrong id=")
            .raw(name)
            .raw("-wrong>Check this value.</p>");
    }
    html.raw("</div>");
}

fn guide(html: &mut Html, current: Option<SetupStep>) {
    html.raw("<section class=card aria-labelledby=guide><h2 id=guide>How to set it up in Salesforce</h2>")
        .raw("<p class=hint>Six steps, done once by an administrator of the org.</p><ol>");
    for (step, number) in SetupStep::ALL.into_iter().zip(1..) {
        let is_current = current == Some(step);
        html.raw(if is_current {
            "<li class=current>"
        } else {
            "<li>"
        });
        html.raw("<details id=step-").raw(step.as_str());
        html.raw(if is_current { " open" } else { "" })
            .raw("><summary>");
        html.text(&format!("{number}. {}", step.title()));
        if is_current {
            html.raw(" <span class=tag>(look here)</span>");
        }
        html.raw("</summary><p class=path>").text(step.setup_path());
        html.raw("</p><p>")
            .text(step.text())
            .raw("</p></details></li>");
    }
    html.raw("</ol></section>");
}

/// The page after a connection was saved.
pub(crate) fn connected(saved: &CompletedConnection, nonce: &str, attempts: u32) -> String {
    let id = &saved.id;
    let mut html = Html::begin(&format!("Connected: {id}"), nonce, attempts);
    html.raw("<header><p class=brand>forcegrant</p><h1>Connected</h1><p class=lead>You can close this tab.</p></header>")
        .raw("<section class=card aria-label=\"Connection\"><div class=\"note good\" role=status><h2>Connection ")
        .text(id)
        .raw(" is saved</h2><p>It was verified by a login and one API call.</p></div><dl>");
    for (term, value) in [
        ("Host", &saved.login_host),
        ("Organization", &saved.org_id),
        ("User", &saved.user_id),
    ] {
        html.raw("<dt>")
            .raw(term)
            .raw("</dt><dd><code>")
            .text(value)
            .raw("</code></dd>");
    }
    html.raw("</dl>");
    for note in &saved.notes {
        html.raw("<p>").text(note).raw("</p>");
    }
    html.raw("<h2>Try it</h2>");
    for (title, code) in [
        (
            "Command line",
            format!("forcegrant token --connection {id}"),
        ),
        ("Python", format!("Client.from_connection(\"{id}\")")),
        ("Node", format!("Client.fromConnection('{id}')")),
        ("Rust", format!("Client::from_connection(\"{id}\")?")),
    ] {
        html.raw("<p class=hint>")
            .raw(title)
            .raw("</p><pre>")
            .text(&code)
            .raw("</pre>");
    }
    html.raw("</section>").end()
}

/// A page that only says something: a used link, a wrong address.
pub(crate) fn message(title: &str, text: &str, nonce: &str) -> String {
    let mut html = Html::begin(title, nonce, 0);
    html.raw("<header><p class=brand>forcegrant</p><h1>")
        .text(title);
    html.raw("</h1><p class=lead>")
        .text(text)
        .raw("</p></header>");
    html.end()
}

/// Writes HTML. A value of the user or of a server goes through `text`.
struct Html(String);

impl Html {
    fn begin(title: &str, nonce: &str, attempts: u32) -> Self {
        let mut html = Self(String::with_capacity(16 * 1024));
        html.raw("<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\"><title>")
            .text(title)
            .raw("</title><style nonce=\"")
            .text(nonce)
            .raw("\">")
            .raw(STYLE)
            .raw("</style></head><body><main data-attempts=")
            .text(&attempts.to_string())
            .raw(">");
        html
    }

    fn raw(&mut self, literal: &str) -> &mut Self {
        self.0.push_str(literal);
        self
    }

    fn text(&mut self, value: &str) -> &mut Self {
        for character in value.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // A browser reads a NUL as U+FFFD; other controls are not text.
                control if control.is_control() && control != '\n' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        self
    }

    fn end(&mut self) -> String {
        self.raw("</main></body></html>\n");
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_not_broken_where_a_terminal_breaks_it() {
        let text =
            "The secret is wrong. Copy it again\nfrom the app's Settings.\n\nIt begins:\nabc\ndef";
        let expected = [
            "The secret is wrong. Copy it again from the app's Settings.",
            "It begins:",
            "abc def",
        ];
        assert_eq!(paragraphs(text), expected);
    }
}
