#!/usr/bin/env bash
# Installs what is missing, builds everything and runs every test that needs no GPU, but for those at full length (label long).
# CI runs this on a clean clone.
# Usage: scripts/test.sh [--fast | --sanitizers]
#   --fast        only the tests labelled fast
#   --sanitizers  instead: builds with the address and undefined-behaviour sanitizers and runs the fast tests
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-all}
case "$mode" in all | --fast | --sanitizers) ;; *) echo "test: unknown option '$mode'" >&2; exit 2 ;; esac
jobs=$(nproc)
step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

if [ "$mode" = --sanitizers ]; then
  scripts/setup.sh build test
  step "configure and build with sanitizers"
  cmake --preset asan-ubsan
  cmake --build build-asan-ubsan -j "$jobs"
  step "test"
  ulimit -s 131072 2>/dev/null || ulimit -s unlimited # instrumented frames are several times larger; the deepest programs recurse
  exec ctest --test-dir build-asan-ubsan -L fast -j "$jobs" --output-on-failure
fi

scripts/setup.sh build test train
step "configure"
# Said in full: scripts/quickstart.sh configures the same folder without tests. What it has compiled there is not compiled again for
# the sake of a flag: warnings are errors where the build begins here.
[ -f build/build.ninja ] && werror=() || werror=(-DTRITON_WERROR=ON)
cmake --preset release "${werror[@]}" -DTRITON_BUILD_TESTS=ON -DTRITON_BUILD_TRAINER=ON -DTRITON_CROSS_AARCH64=ON -DTRITON_BUILD_BENCHMARKS=ON
step "build"
cmake --build build -j "$jobs"
if [ "$mode" = all ]; then
  step "build the runtime alone, without the compiler"
  cmake --preset runtime-only >/dev/null
  cmake --build build-runtime-only -j "$jobs"
fi
step "test"
# Tests at full length take half an hour by themselves: ctest --test-dir build -L long
select=(-LE 'gpu|long')
[ "$mode" = --fast ] && select=(-L fast)
exec ctest --test-dir build "${select[@]}" -j "$jobs" --output-on-failure
