#!/usr/bin/env bash
# the core builds without std or alloc for Cortex-M0, Cortex-M4F and RISC-V, in both feature sets
set -u
. tests/steps/lib.sh

status=0 tried=0
for target in thumbv6m-none-eabi thumbv7em-none-eabihf riscv32imc-unknown-none-elf; do
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] && [ ! -e /usr/lib/rustlib/src ] &&
        [ ! -e "$(/usr/bin/rustc --print sysroot 2>/dev/null)/lib/rustlib/src" ]; then
        echo "skip - $target: no compiler for it (rustup target, or Debian's rustc-web, cargo-web, rust-web-src)"
        continue
    fi
    tried=1
    for features in "" client; do
        case_of "$target, features [$features]" \
            bare_cargo "$target" build --quiet --locked -p portcullis-core --no-default-features --features "$features" ||
            status=1
    done
done
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
