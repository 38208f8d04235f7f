//! A file whose whole content is the consumer secret, as container secrets are mounted.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use forcegrant_proto::error::{Error, Setting};
use forcegrant_proto::pasted_text;
use forcegrant_proto::secret::Secret;

/// More bytes than any secret has: a wrong file is not read to its end.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// Reads the secret, without blanks and line breaks around it. `setting` names the file.
pub(crate) fn read_secret_file(setting: Setting<'_>, path: &Path) -> Result<Secret, Error> {
    const RIGHT: &str = "It names a file whose whole content is the consumer secret, as container secrets are mounted.";
    // The path is not repeated: it may be the secret itself.
    let failed = |error: io::Error| {
        setting.wrong(&format!("the file cannot be read: {}", error.kind()), RIGHT)
    };
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(failed)?.take(MAX_SECRET_FILE + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_SECRET_FILE {
        return Err(setting.wrong("the file is too large to hold a secret", RIGHT));
    }
    let content = pasted_text::decode(setting, bytes)?;
    let secret = Secret::new(pasted_text::meant(content.expose()));
    pasted_text::check(setting, secret.expose())?;
    Ok(secret)
}
