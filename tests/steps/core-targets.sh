#!/usr/bin/env bash
# core and embassy adapter build without std or alloc for microcontrollers, and the firmware for a real board
set -u
. tests/steps/lib.sh

status=0 tried=0
compiler_for() {
    if ! library_builder >/dev/null && [ ! -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ]; then
        echo "skip - $1: no compiler for it (Debian's rustc-web, cargo-web, rust-web-src, or rustup's rust-src or target)"
        return 1
    fi
    tried=1
}

for target in thumbv6m-none-eabi thumbv7em-none-eabihf riscv32imc-unknown-none-elf; do
    compiler_for $target || continue
    for features in "" client; do
        case_of "$target, core, features [$features]" \
            bare_cargo "$target" build --quiet --locked -p portcullis-core --no-default-features --features "$features" ||
            status=1
    done
done
for target in thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabihf; do
    compiler_for $target || continue
    case_of "$target, embassy adapter" bare_cargo "$target" build --quiet --locked -p portcullis-embassy || status=1
done
if compiler_for thumbv6m-none-eabi; then
    case_of "the firmware for an RP2040 with a W5500 builds" examples/microcontroller/build rp2040-w5500 || status=1
fi
# The build itself must be able to fail: a crate that wants std finds none on these targets.
if [ $tried -eq 1 ]; then
    if bare_cargo thumbv7em-none-eabihf build --quiet --locked -p toml 2>&1 | grep -q "can't find crate for .std"; then
        echo "ok - a crate that needs std does not build"
    else
        echo "not ok - a crate that needs std does not build: no such error"
        status=1
    fi
fi
exit $status
