# The example firmware and its emulator, for steps. Sourced, from the project's root, after tests/steps/lib.sh.

. examples/microcontroller/firmware.sh

board mps2-an385
# Where the images lie, by the names that the tests have for them.
images=$CACHE/device

# Whether firmware can be built and run here; says why not, as what is skipped then.
can_emulate() {
    compiler >/dev/null 2>&1 || {
        echo "skip - $1: no compiler for $target (Debian's rustc-web, cargo-web, rust-web-src, or rustup's rust-src or target)"
        return 1
    }
    debian qemu-system-arm >/dev/null 2>&1 || command -v qemu-system-arm >/dev/null || {
        echo "skip - $1: no qemu-system-arm"
        return 1
    }
}

# The example firmware, for a device that asks about tokens and for one that verifies them itself.
example_images() {
    mkdir -p "$images"
    case_of "the example firmware builds, with introspection" build_with introspection || return
    cp "$firmware" "$images/introspecting"
    case_of "the example firmware builds" build || return
    cp "$firmware" "$images/firmware"
}

build_with() {
    local features=("${features[@]}")
    features[-1]+=" $1"
    build
}
