//! The certificate that all servers show: a key of its own for each start, ECDSA P-256, signed by itself.

use std::{fs, path::Path};

use crate::failure::{Context, Failure};

/// Writes `cert.pem`, `key.pem`, and both in one file, as HAProxy wants them.
pub fn write(dir: &Path) -> Result<(), Failure> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    for (name, text) in [("cert.pem", &certificate), ("key.pem", &key), ("both.pem", &format!("{certificate}{key}"))] {
        let file = dir.join(name);
        fs::write(&file, text).context(|| file.display().to_string())?;
    }
    Ok(())
}
