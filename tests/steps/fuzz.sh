#!/usr/bin/env bash
# every parser and every machine keeps its law for a while of fuzzing, from the committed seeds
set -u
. tests/steps/lib.sh

SECS=${FUZZ_SECS:-8}
cargo_tool cargo-fuzz 0.13.2 || exit 1
PATH=$(dirname "$TOOL"):$PATH
# The stable compiler has all that cargo-fuzz asks of a nightly one.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/fuzz
cargo fuzz build --fuzz-dir core/fuzz 2>&1 | grep -vE '^ +(Compiling|Finished|Downloaded|Downloading)'
[ "${PIPESTATUS[0]}" -eq 0 ] || exit 1
[ -z "$ONLY_BUILD" ] || exit 0

status=0
targets=$(cargo fuzz list --fuzz-dir core/fuzz)
for target in $targets; do
    ls core/fuzz/seeds/"$target"/* >/dev/null 2>&1 || { echo "not ok - $target has seeds: none"; status=1; }
done

# One target the way README shows it, which makes its own corpus folder; the others by their program.
run() {
    local target=$1 log=$CACHE/log/fuzz-$1 corpus=$CACHE/corpus/$1 runs
    local options=(-max_total_time="$SECS" -max_len=8192 -timeout=10 -rss_limit_mb=2048)
    mkdir -p "$corpus"
    if [ "$target" = bearer ]; then
        cargo fuzz run --fuzz-dir core/fuzz bearer "$corpus" core/fuzz/seeds/bearer -- "${options[@]}" >"$log" 2>&1
    else
        "$CARGO_TARGET_DIR/$HOST/release/$target" "${options[@]}" -artifact_prefix="$corpus/../$target-" \
            "$corpus" "core/fuzz/seeds/$target" >"$log" 2>&1
    fi
    local ended=$?
    runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log")
    if [ $ended -eq 0 ] && [ "${runs:-0}" -gt 100 ]; then
        echo "ok - $target, $runs runs"
    else
        grep -E -A3 'panicked at|ERROR: |^SUMMARY|Test unit written' "$log" | cut -c1-300 | head -20
        echo "not ok - $target: status $ended after ${runs:-some} runs"
    fi
}
HOST=$(rustc -vV | sed -n 's/^host: //p')
export -f run
export HOST SECS CACHE CARGO_TARGET_DIR
xargs -P "$JOBS" -I{} bash -c 'run {}' <<<"$targets"
exit $status
