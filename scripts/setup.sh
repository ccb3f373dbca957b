#!/usr/bin/env bash
# Installs what the build and the tests need from Debian's packages, and says what it does. Nothing is installed twice.
# Usage: scripts/setup.sh [build|test|train]...   (default: build test train)
set -euo pipefail

build=(build-essential cmake ninja-build ccache git ca-certificates python3
       llvm-19-dev libmlir-19-dev mlir-19-tools llvm-19-tools lld-19 liblld-19-dev
       antlr4 libantlr4-runtime-dev libfmt-dev libflatbuffers-dev flatbuffers-compiler libxxhash-dev liblz4-dev libzstd-dev zlib1g-dev
       libpng-dev libjpeg62-turbo-dev libcurl4-openssl-dev libhiredis-dev pkg-config uuid-dev dataset-fashion-mnist)
test=(libgtest-dev libbenchmark-dev g++-aarch64-linux-gnu qemu-user redis-server)
train=(libtorch-dev)

wanted=()
for group in "${@:-build test train}"; do
  for name in $group; do
    case "$name" in
      build) wanted+=("${build[@]}") ;;
      test) wanted+=("${test[@]}") ;;
      train) wanted+=("${train[@]}") ;;
      *) echo "setup: unknown group '$name' (build, test, train)" >&2; exit 2 ;;
    esac
  done
done

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#wanted[@]} packages are installed"
  exit 0
fi

run=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run as root, or install sudo; missing: ${missing[*]}" >&2; exit 3; }
  run=(sudo)
fi
echo "setup: installing ${#missing[@]} packages: ${missing[*]}"
"${run[@]}" apt-get update -qq
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup: done"
