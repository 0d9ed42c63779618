#!/usr/bin/env bash
# a device in QEMU: every scenario as on the desktop, its authorization server, abuse, budgets, no panic
set -u
. tests/steps/lib.sh
. tests/device/images.sh

test_manifest=tests/firmware/Cargo.toml
measure_manifest=tests/device/measure/Cargo.toml

# Each part prints its cases, and ends with an error when one of them failed. The first two lines run beside each other, for an
# emulator keeps one processor busy; what is measured in seconds runs by itself.
first=(rogue peers lifecycle)
second=(lints scenarios budgets panics)
last=(abuse)

# What the parts are about: `firmware` and `test_image` are their paths, and in `$images` lie those of tests/device.
images() {
    example_images || return
    case_of "the test image builds" build_image $test_manifest test-image || return
    test_image=$image
    case_of "the measuring image builds" build_image $measure_manifest measure || return
    cp "$image" "$images/measure"
    # The same with panics that say their reasons: there it shows who could panic.
    local panics=speak
    case_of "the example firmware builds, with panics that speak" build || return
    cp "$firmware" "$images/speaking"
    case_of "the measuring image builds, with panics that speak" build_image $measure_manifest measure || return
    cp "$image" "$images/clean"
    case_of "the measuring image builds, with a planted panic" \
        build_image $measure_manifest measure --features planted || return
    cp "$image" "$images/planted"
}

# What only a bare target compiles: Debian has the lints of its compiler in a package of their own.
lints() {
    local status=0
    if [ "$(library_builder)" = /usr/bin/rustc ] && ! debian rust-web-clippy; then
        echo "skip - lints of what is built for the device only: no clippy for $target (Debian's rust-web-clippy)"
        return
    fi
    case_of "lints, the example firmware" lint $firmware_manifest "${features[@]}" || status=1
    case_of "lints, the test image" lint $test_manifest || status=1
    case_of "lints, the measuring image" lint $measure_manifest --all-features || status=1
    return $status
}

lint() {
    local manifest=$1
    shift
    bare_cargo "$target" clippy --quiet --locked --release --manifest-path "$manifest" "$@" -- -D warnings
}

# The scenarios of the desktop over the test image; says itself how many there were.
scenarios() {
    PORTCULLIS_FIRMWARE=$test_image cargo test --locked --workspace --all-features --test firmware 2>&1 |
        grep -vE '^(test .* ok|running .*|)$|^ +(Compiling|Downloaded|Downloading|Finished|Running) '
    return "${PIPESTATUS[0]}"
}

# Flash, RAM and instructions, each within its budget.
budgets() {
    local status=0
    built_for_size && llvm || return 0
    python3 tests/device/budgets.py --firmware "$images/firmware" --measure "$images/measure" || status=1
    python3 tests/device/stack.py --firmware "$images/firmware" || status=1
    return $status
}

# No panic comes from the project's own code; of others no more than listed.
panics() {
    built_for_size && llvm || return 0
    python3 tests/device/no_panic.py --linked "$images/firmware" --speaking "$images/speaking" \
        --clean "$images/clean" --planted "$images/planted"
}

# Whether the core library is built as the rest of the firmware is.
built_for_size() {
    library_builder >/dev/null || {
        echo "skip - budgets and panics of the linked firmware: its core library comes as rustup built it"
        return 1
    }
}

llvm() {
    command -v llvm-objdump >/dev/null && command -v llvm-symbolizer >/dev/null || debian llvm || {
        echo "skip - what the linked firmware is made of: no llvm-objdump"
        return 1
    }
}

# Keys that change, power that is cut, provisionings that are refused, calls that are cut off.
lifecycle() {
    debian libfaketime || echo "another time of day cannot be had: no libfaketime"
    python3 tests/device/lifecycle.py --firmware "$images/firmware"
}

# A hostile authorization server, and false ones, against a device that asks.
rogue() {
    command -v openssl >/dev/null || debian openssl || echo "no certificates can be made: no openssl"
    python3 tests/device/rogue.py --introspecting "$images/introspecting" --program "$PROGRAMS/portcullis"
}

# The device and its authorization server, in both ways to verify tokens: challenges to the letter, and an outage.
peers() {
    python3 tests/device/peers.py --firmware "$images/firmware" --introspecting "$images/introspecting" \
        --program "$PROGRAMS/portcullis"
}

# Hostile peers, over the emulator's network and over one of packets; afterwards the device is as before.
abuse() {
    local status=0
    python3 tests/device/abuse.py --firmware "$images/firmware" &
    python3 tests/device/packets.py --firmware "$images/firmware" || status=1
    wait $! || status=1
    return $status
}

can_emulate "the firmware" || exit $SKIPPED
# Each build puts its image where the one before had its own.
lock images
images || exit 1
unlock
[ -z "$ONLY_BUILD" ] || exit 0
programs || exit 1

run_parts() {
    local status=0 part began
    for part in "$@"; do
        began=$SECONDS
        $part || status=1
        echo "# $part: $((SECONDS - began)) s"
    done
    return $status
}

status=0
run_parts "${second[@]}" >"$CACHE/log/firmware-second" 2>&1 &
run_parts "${first[@]}" || status=1
wait $! || status=1
cat "$CACHE/log/firmware-second"
run_parts "${last[@]}" || status=1
exit $status
