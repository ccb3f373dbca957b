#!/usr/bin/env bash
# Installs what is missing, builds everything and runs every test that needs no GPU. CI runs this on a clean clone.
# Usage: scripts/test.sh [--fast]   --fast: only the tests labelled fast, without the sanitizer build
set -euo pipefail
cd "$(dirname "$0")/.."
fast=no
[ "${1:-}" = --fast ] && fast=yes

scripts/setup.sh build test train
jobs=$(nproc)

step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }
step "configure"
cmake --preset release
step "build"
cmake --build build -j "$jobs"
step "test"
if [ "$fast" = yes ]; then
  ctest --test-dir build -L fast -j "$jobs" --output-on-failure
  exit 0
fi
ctest --test-dir build -LE gpu -j "$jobs" --output-on-failure
step "the runtime alone, without LLVM"
cmake --preset runtime-only >/dev/null
cmake --build build-runtime-only -j "$jobs"
step "sanitizers: address and undefined behaviour"
cmake --preset asan-ubsan >/dev/null
cmake --build build-asan-ubsan -j "$jobs"
ctest --test-dir build-asan-ubsan -L fast -j "$jobs" --output-on-failure
step "done"
