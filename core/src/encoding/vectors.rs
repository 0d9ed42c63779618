//! Public test vectors, where they are at hand.

use std::{fs, path::Path, println};

/// Reads one vector file; `None`, after saying so, where there are no vectors.
pub(crate) fn read(name: &str) -> Option<serde_json::Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(name);
    match fs::read(&path) {
        Ok(file) => Some(serde_json::from_slice(&file).expect("vectors are JSON")),
        Err(error) => {
            println!("skipped, {name} is not at hand: {error}");
            None
        }
    }
}
