#!/usr/bin/env bash
# the documentation builds without a warning
set -u
. tests/steps/lib.sh

RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --workspace --no-deps --all-features
