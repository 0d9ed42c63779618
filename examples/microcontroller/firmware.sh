# Builds the firmware. Sourced, from the project's root, after tests/steps/lib.sh.

firmware_manifest=examples/microcontroller/Cargo.toml

# Sets `target` and `features` for a board; further arguments are further features.
board() {
    case $1 in
        mps2-an385) target=thumbv7m-none-eabi ;;
        rp2040-w5500) target=thumbv6m-none-eabi ;;
        *)
            echo "no such board: $1 (mps2-an385, rp2040-w5500)" >&2
            return 2
            ;;
    esac
    features=(--no-default-features --features "$*")
}

# A compiler for the board's target: one that builds the core library too, so that all is built for size, or rustup's target.
compiler() {
    library_builder >/dev/null ||
        debian rustc-web cargo-web rust-web-src lld-22 ||
        rustup component add rust-src ||
        rustup target add "$target"
}

# Sets `firmware` to the path of the image.
build() {
    build_image "$firmware_manifest" firmware "${features[@]}" || return
    firmware=$image
}

# Builds a package's binary for the board's target, with further arguments for cargo; sets `image` to its path.
build_image() {
    local manifest=$1 binary=$2
    shift 2
    flags_of_target
    bare_cargo "$target" build --quiet --locked --release --bin "$binary" --manifest-path "$manifest" "$@" || return
    image=$(ls -t "$CARGO_TARGET_DIR"{,/bare}/"$target/release/$binary" 2>/dev/null | head -n 1)
}

# Exports what cargo is told beside its arguments. With `panics=speak` a panic says its reason, as in any program.
flags_of_target() {
    local builder lld sources variable flags=()
    variable=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")
    # rustup brings its own linker; Debian's compiler is told where the system's is.
    lld=$(compgen -c | grep -E '^ld\.lld(-[0-9]+)?$' | sort -V | tail -n 1) || true
    [ -z "$lld" ] || export "${variable}_LINKER=$lld"
    # Panic messages name source files: without this machine's folders, which take room and are nobody's business.
    for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/ "$PWD/"; do
        flags+=("--remap-path-prefix=$sources=")
    done
    # A panic is a trap, and the fault handler tells its address, from which the image's tables tell the function. Reasons and
    # places of what is not to happen would take 20 KiB of flash.
    if builder=$(library_builder); then
        [ "${panics:-trap}" != trap ] || ! traps "$builder" || flags+=(-Zunstable-options -Cpanic=immediate-abort)
        # How much stack each function takes stands beside the image.
        flags+=(-Zemit-stack-sizes)
    fi
    export "${variable}_RUSTFLAGS=${flags[*]}"
    # Where the core library is built too, it is built for size.
    export CARGO_UNSTABLE_BUILD_STD_FEATURES=optimize_for_size
}

# Whether a compiler can make a panic a trap.
traps() {
    RUSTC_BOOTSTRAP=1 "$1" -Zunstable-options -Cpanic=immediate-abort --print cfg >/dev/null 2>&1
}

# The memory that the image takes; the stack comes on top.
sizes() {
    size -A "$1" | awk '
        $1 ~ /^\.(boot2|vector_table|text|rodata|data|gnu\.sgstubs)$/ { flash += $2 }
        $1 ~ /^\.(data|bss|uninit)$/ { ram += $2 }
        END { printf "flash       %7d bytes\nstatic RAM  %7d bytes, stack not counted\n", flash, ram }'
}
