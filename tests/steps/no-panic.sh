#!/usr/bin/env bash
# no panic path is left in the linked core, for the host and for a Cortex-M4F; a planted one is found
set -u
. tests/steps/lib.sh

command -v nm >/dev/null || debian binutils || exit 1
manifest=tests/promises/bare_image/Cargo.toml
name=bare-image

# Builds the image with a feature set ("" or "planted") and prints the path of the image.
host_image() {
    cargo rustc --quiet --locked --release --manifest-path $manifest --features "$1" -- \
        -C link-arg=-nostartfiles -C link-arg=-lc >&2 && echo "$CARGO_TARGET_DIR/release/$name"
}
lld() {
    compgen -c | grep -E '^(rust-lld|ld\.lld(-[0-9]+)?)$' | sort -V | tail -n 1
}
bare_image() {
    RUSTFLAGS="-C linker=$(lld) -C linker-flavor=ld.lld -C link-arg=--entry=_start" \
        bare_cargo "$1" build --quiet --locked --release --manifest-path $manifest --features "$2" >&2 || return 1
    find "$CARGO_TARGET_DIR" -path "*/$1/release/$name" -newer "$manifest" | head -n 1
}

# The panic functions and the marker of the panic handler that are in an image, a line each.
panic_paths() {
    nm --demangle "$1" | grep -E ' core::(panicking|option|result|slice|str|cell)::.*(panic|fail|unwrap|expect)' |
        sed 's/^[0-9a-f]* . //'
    grep -qa 'PORTCULLIS-PANIC-REACHABLE' "$1" && echo "the panic handler"
}

check() {
    local target=$1 clean planted paths
    clean=$2
    paths=$(panic_paths "$clean")
    if [ -z "$clean" ] || [ ! -s "$clean" ]; then
        echo "not ok - $target, no panic path: the image does not build"
    elif [ -z "$paths" ]; then
        echo "ok - $target, no panic path in $(stat -c %s "$clean") bytes"
    else
        echo "$paths"
        echo "not ok - $target, no panic path: $(wc -l <<<"$paths") found"
    fi
}

check_planted() {
    if [ -n "$2" ] && [ -n "$(panic_paths "$2")" ]; then
        echo "ok - $1, a planted panic path is found"
    else
        echo "not ok - $1, a planted panic path is found: it was not"
    fi
}

check host "$(host_image "")"
check_planted host "$(host_image planted)"
target=thumbv7em-none-eabihf
if library_builder >/dev/null || [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    check $target "$(bare_image $target "")"
    check_planted $target "$(bare_image $target planted)"
else
    echo "skip - $target: no compiler for it"
fi
