//! Gives the linker the board's memory layout; a desktop's tests are linked as ever. Notes when the image was
//! built: no clock is right that shows an earlier time.

use std::{
    env, fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Boards by their features, their folders, and what the linker needs: `--nmagic` where memory does not
/// begin at a whole page.
const BOARDS: [(&str, &str, &[&str]); 2] = [
    ("CARGO_FEATURE_MPS2_AN385", "src/board/mps2_an385", &["-Tlink.x"]),
    (
        "CARGO_FEATURE_RP2040_W5500",
        "src/board/rp2040_w5500",
        &["--nmagic", "-Tlink.x", "-Tlink-rp.x"],
    ),
];

fn main() -> io::Result<()> {
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    for (feature, folder, arguments) in BOARDS {
        let memory = Path::new(folder).join("memory.x");
        println!("cargo::rerun-if-changed={}", memory.display());
        if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none")
            && env::var_os(feature).is_some()
        {
            fs::copy(memory, Path::new(&out).join("memory.x"))?;
            println!("cargo::rustc-link-search={out}");
            for argument in arguments {
                println!("cargo::rustc-link-arg-bins={argument}");
            }
        }
    }
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    // The variable makes two builds of one source the same image.
    let built_at = match env::var("SOURCE_DATE_EPOCH") {
        Ok(secs) => secs.parse::<u64>().map_err(io::Error::other)?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_secs(),
    };
    println!("cargo::rustc-env=BUILT_AT={built_at}");
    Ok(())
}
