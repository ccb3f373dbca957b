#!/usr/bin/env bash
# The remote's tests against a real bazel-remote: the one in PATH, or one that is built here when Go and its modules are there.
# Usage: bazel_remote.sh TEST_PROGRAM FOLDER      Exit status 77: there is none, nothing was tested.
set -euo pipefail
test=$1 folder=$2
program=$(command -v bazel-remote || true)
if [ -z "$program" ] && [ ! -x "$folder/bazel-remote" ]; then
  command -v go >/dev/null || { echo "skipped: neither bazel-remote nor Go is installed"; exit 77; }
  mkdir -p "$folder"
  env GOBIN="$folder" GOPATH="$folder/go" GOCACHE="$folder/objects" GOFLAGS=-modcacherw \
    go install github.com/buchgr/bazel-remote/v2@v2.6.2 || { echo "skipped: bazel-remote cannot be built (see above)"; exit 77; }
  rm -rf "$folder/go" "$folder/objects"
fi
TRITON_BAZEL_REMOTE=${program:-$folder/bazel-remote} exec "$test" --gtest_filter='*BazelRemote*'
