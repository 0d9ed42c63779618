#!/usr/bin/env bash
# the official SDKs' clients, rmcp, FastMCP and the Inspector, unmodified, complete the flow, ours at the SDKs' servers too; no secret is in any log
set -u
. tests/steps/lib.sh
. tests/device/images.sh

status=0
for test in tests/interop/test_*.py; do
    python3 "$test" 2>&1 || status=1
done
cargo build --quiet --locked --release || exit 1
# The programs of the examples come with their tests; built as in the step `test`, so that what that has built is used.
cargo test --quiet --locked --workspace --all-features --no-run --test desktop_server --test rmcp_client || exit 1
cargo build --quiet --locked --manifest-path tests/interop/rmcp/Cargo.toml || exit 1
arguments=(--program "$CARGO_TARGET_DIR/release/portcullis" --examples "$CARGO_TARGET_DIR/debug" --cache "$CACHE/interop")
if can_emulate "the columns of the microcontroller"; then
    lock images
    example_images && arguments+=(--images "$images") || status=1
    unlock
fi
python3 tests/interop/run.py "${arguments[@]}" || status=1
if debian dbus-daemon dbus-bin gnome-keyring >/dev/null; then
    python3 tests/interop/keyring_login.py --program "$CARGO_TARGET_DIR/release/portcullis" || status=1
else
    echo "skip - keyring, Secret Service: the Debian packages dbus-daemon, dbus-bin and gnome-keyring cannot be had"
fi
exit $status
