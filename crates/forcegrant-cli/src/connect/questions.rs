//! The three values, asked for in the terminal.

use std::io::{self, Read};

use forcegrant::{InputField, Secret};

use super::ConnectionEntries;
use super::entries::{hint, label};
use crate::console::Console;
use crate::terminal::{read_line, read_secret};

/// Asks for what is not there. `None`: the input ended.
pub(super) fn ask(
    known: &ConnectionEntries,
    input: &mut dyn Read,
    console: &mut Console<'_>,
) -> io::Result<Option<ConnectionEntries>> {
    let mut entries = known.clone();
    for (field, value) in [
        (InputField::LoginUrl, &mut entries.login_url),
        (InputField::ClientId, &mut entries.client_id),
    ] {
        console.tell(hint(field))?;
        let proposed = match value.as_str() {
            "" => String::new(),
            value => format!(" [{value}]"),
        };
        console.ask(&format!("{}{proposed}:", label(field)))?;
        match read_line(input)? {
            None => return Ok(None),
            // Return alone takes what is proposed.
            Some(line) if line.is_empty() => {}
            Some(line) => *value = line,
        }
    }
    let field = InputField::ClientSecret;
    console.tell(&format!("{} It is not shown as you type.", hint(field)))?;
    let secret = read_secret(input, || console.ask(&format!("{}:", label(field))));
    // The line end was not shown either.
    console.tell("")?;
    let Some(secret) = secret? else {
        return Ok(None);
    };
    console.hide(&secret);
    entries.client_secret = Some(Secret::new(secret));
    Ok(Some(entries))
}
