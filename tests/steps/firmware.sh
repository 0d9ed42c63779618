#!/usr/bin/env bash
# a device in QEMU: the images are built and linted, and every scenario has the desktop's answers to the byte
set -u
. tests/steps/lib.sh
. examples/microcontroller/firmware.sh

board mps2-an385
test_manifest=tests/firmware/Cargo.toml

# Each part prints its cases, and ends with an error when one of them failed.
parts=(lints scenarios)

# What the parts are about: `firmware` and `test_image` are their paths.
images() {
    case_of "the example firmware builds" build || return
    case_of "the test image builds" build_image $test_manifest test-image || return
    test_image=$image
}

# What only a bare target compiles: Debian has the lints of its compiler, rustup needs the target.
lints() {
    local status=0
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] && ! debian rust-web-clippy; then
        echo "skip - lints of what is built for the device only: no clippy for $target (Debian's rust-web-clippy)"
        return
    fi
    case_of "lints, the example firmware" lint $firmware_manifest "${features[@]}" || status=1
    case_of "lints, the test image" lint $test_manifest || status=1
    return $status
}

lint() {
    local manifest=$1
    shift
    bare_cargo "$target" clippy --quiet --locked --release --manifest-path "$manifest" "$@" -- -D warnings
}

# The scenarios of the desktop over the test image; says itself how many there were.
scenarios() {
    PORTCULLIS_FIRMWARE=$test_image cargo test --locked -p portcullis-tests --test firmware 2>&1 |
        grep -vE '^(test .* ok|running .*|)$|^ +(Compiling|Downloaded|Downloading|Finished|Running) '
    return "${PIPESTATUS[0]}"
}

compiler >/dev/null 2>&1 || {
    echo "skip - the firmware: no compiler for $target (rustup's target, or Debian's rustc-web, cargo-web, rust-web-src)"
    exit $SKIPPED
}
debian qemu-system-arm >/dev/null 2>&1 || command -v qemu-system-arm >/dev/null || {
    echo "skip - the firmware: no qemu-system-arm"
    exit $SKIPPED
}
images || exit 1
status=0
for part in "${parts[@]}"; do
    $part || status=1
done
exit $status
