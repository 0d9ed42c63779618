//! Gives the linker the firmware's memory layout; a desktop's tests are linked as ever.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=memory.x");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let out = env::var("OUT_DIR").map_err(io::Error::other)?;
        fs::copy("memory.x", Path::new(&out).join("memory.x"))?;
        println!("cargo::rustc-link-search={out}");
        println!("cargo::rustc-link-arg-bins=-Tlink.x");
    }
    Ok(())
}
