#!/usr/bin/env bash
# the code is formatted
set -u
. tests/steps/lib.sh

status=0
for manifest in Cargo.toml examples/microcontroller/Cargo.toml tests/firmware/Cargo.toml tests/device/measure/Cargo.toml \
    tests/interop/rmcp/Cargo.toml; do
    cargo fmt --all --manifest-path $manifest --check -- --color never || status=1
done
exit $status
