#!/usr/bin/env bash
# the tools that the other steps need are there, or can be installed
set -u
. tests/steps/lib.sh

cargo --version && rustc --version || exit 1
for component in clippy rustfmt; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component" || exit 1
done
debian gcc g++ git python3 python3-venv || { command -v c++ && python3 -c 'import venv, ensurepip'; } || exit 1
# Where npm comes with Node, Debian's own cannot be installed.
command -v npm >/dev/null || debian nodejs npm || exit 1
# Node 20 or newer, for the clients in TypeScript, which Debian 12 and Ubuntu 24.04 do not have.
is_new_node() { [ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 20 ]; }
if ! is_new_node; then
    mkdir -p "$CACHE/node" && cp tests/node/package.json tests/node/package-lock.json "$CACHE/node" || exit 1
    npm ci --prefix "$CACHE/node" --ignore-scripts --no-audit --no-fund --silent || exit 1
    node_of_the_cache
    is_new_node || { echo "no Node 20 or newer could be installed"; exit 1; }
fi
# The tests start servers of their own, in temporary folders. A cluster that the package makes is not used.
debian postgresql || echo "no PostgreSQL could be installed: tests that need it say so and return"
debian chromium openssl fonts-dejavu-core || echo "no Chromium could be installed: the pages are not tested in a browser"
# Compiler and library source for the microcontroller targets; `rust-lld` is a dangling link without lld.
debian rustc-web cargo-web rust-web-src lld-22 || echo "no compiler for bare targets could be installed"
# For every lock file, so that later steps can do without a network.
while read -r lock; do
    cargo fetch --quiet --locked --manifest-path "${lock%.lock}.toml" || exit 1
done < <(git ls-files '*Cargo.lock')
