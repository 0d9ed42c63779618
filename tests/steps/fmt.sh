#!/usr/bin/env bash
# the code is formatted
set -u
. tests/steps/lib.sh

cargo fmt --all --check -- --color never
