# What the steps share. Sourced, from the project's root.
#
# A step tells its cases by lines: `ok - TITLE`, `not ok - TITLE: WHY`, `skip - TITLE: WHY`; the result
# lines of cargo test and of Python's unittest count too. It ends with SKIPPED when there was nothing it
# could do here, having said why.

SKIPPED=77
CACHE=$PWD/tests/.cache
# Read-only material beside the project: public test vectors and advisories. May be absent.
SHARED=$PWD/../shared
JOBS=$(nproc)
# Whether a step is to build what it needs, and to leave what it promises for later: `tests/run` has that done ahead.
ONLY_BUILD=${ONLY_BUILD:-}

# A build from nothing gains nothing by being incremental, and one on top of another has met a fault of the compiler.
export CARGO_INCREMENTAL=0
export CARGO_TERM_COLOR=never PYTHONDONTWRITEBYTECODE=1
export PATH=$HOME/.cargo/bin:$PATH
# One build for all steps, wherever the caller wants it.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$CACHE/log"

# Puts Node first that the step `setup` has fetched where the system's is too old.
node_of_the_cache() {
    local folder
    for folder in "$CACHE"/node/node_modules/node-linux-*/bin; do
        if [ -x "$folder/node" ]; then export PATH=$folder:$PATH; fi
    done
}
node_of_the_cache

# Prints the numbers of passed, failed and skipped cases in a step's log.
count() {
    awk '
        /^ok - / { p++ }
        /^not ok - / { f++ }
        /^skip - / { s++ }
        /^test result: / {
            for (i = 2; i <= NF; i++) {
                if ($i == "passed;") p += $(i - 1)
                if ($i == "failed;") f += $(i - 1)
                if ($i == "ignored;") s += $(i - 1)
            }
        }
        /^Ran [0-9]+ tests? in / { ran = $2 }
        /^OK( \(skipped=[0-9]+\))?$/ { p += ran; ran = 0 }
        /^FAILED \(/ { f++; ran = 0 }
        END { print p + 0, f + 0, s + 0 }
    ' "$1"
}

# Runs a command as one case; its output stays above the case when it fails.
case_of() {
    local title=$1 status
    shift
    "$@" 2>&1
    status=$?
    if [ $status -eq 0 ]; then echo "ok - $title"; else echo "not ok - $title: status $status"; fi
    return $status
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Installs the Debian packages that are missing.
debian() {
    local missing=() package
    local install=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends)
    command -v apt-get >/dev/null || return 1
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    "${install[@]}" "${missing[@]}" \
        >/dev/null 2>&1 && return 0
    as_root apt-get -o DPkg::Lock::Timeout=300 update -qq >/dev/null 2>&1
    "${install[@]}" "${missing[@]}"
}

# Waits until nobody else builds what has this name: a step, and the same one that builds ahead. Until `unlock`.
lock() {
    exec {locked}>"$CACHE/$1.lock" && flock "$locked"
}
unlock() {
    exec {locked}>&-
}

# Builds a cargo tool of an exact version into the cache; sets TOOL to its path.
#
# Without optimisation: the tools run for seconds, and building them is what takes time.
cargo_tool() {
    local name=$1 version=$2
    TOOL=$CACHE/tools/$name-$version/bin/$name
    lock tools
    local status=0
    [ -x "$TOOL" ] || CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$CACHE/tools/build cargo install --quiet --debug \
        --locked "$name" --version "$version" --root "$CACHE/tools/$name-$version" || status=$?
    rm -rf "$CACHE/tools/build"
    unlock
    return $status
}

# Builds the programs of the workspace as the step `test` does, so that what that has built is used; sets PROGRAMS to their
# folder. They are not optimised: that takes a third of the time of all steps, and what is tested is what they do.
programs() {
    cargo build --quiet --locked --workspace --all-features --bins --tests && PROGRAMS=$CARGO_TARGET_DIR/debug
}

# Prints the compiler that can build the core library for bare targets, for it has the library's source: Debian's, or
# rustup's with its component rust-src.
library_builder() {
    local rustc
    for rustc in /usr/bin/rustc "$(command -v rustc)"; do
        [ -d "$("$rustc" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core" ] && echo "$rustc" && return
    done
    return 1
}

# Runs cargo for a bare target: the core library is built with everything else, or comes with rustup's target.
bare_cargo() {
    local target=$1 command=$2 builder
    shift 2
    if builder=$(library_builder); then
        env PATH="$(dirname "$builder"):$PATH" RUSTC="$builder" RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$CARGO_TARGET_DIR/bare" \
            cargo "$command" -Z build-std=core --target "$target" "$@"
    else
        cargo "$command" --target "$target" "$@"
    fi
}
