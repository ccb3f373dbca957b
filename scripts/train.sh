#!/usr/bin/env bash
# Trains a network of the zoo by its recipe and writes its weights and manifest. An interrupted run goes on where it stopped.
# Usage: scripts/train.sh NAME [options of triton-train]        for example: scripts/train.sh resnet20-fashion-mnist
#   TRITON=path/to/triton           the compiler (default: build/bin/triton)
#   LIBTORCH=path                   another LibTorch than the system's (its CPU libraries are used)
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-}
if [ -z "$name" ] || [ ! -f "model_zoo/$name/recipe.json" ]; then
  echo "train: give a network that has a recipe:" model_zoo/*/recipe.json >&2
  exit 2
fi
shift
triton=${TRITON:-build/bin/triton}
[ -x "$triton" ] || { echo "train: no compiler at $triton: build it first, or set TRITON" >&2; exit 2; }

work=build-trainer
options=()
[ -n "${LIBTORCH:-}" ] && options+=("-DTRITON_LIBTORCH=$LIBTORCH")
cmake -S model_zoo/trainer -B "$work" -DCMAKE_BUILD_TYPE=Release "${options[@]}" >/dev/null
cmake --build "$work" -j "$(nproc)"

run=$work/$name
mkdir -p "$run"
"$triton" compile "model_zoo/$name/model.tri" --emit=graph -o "$run/graph.json"
teacher=$(sed -n 's/.*"teacher_model": *"\([^"]*\)".*/\1/p' "model_zoo/$name/recipe.json")
if [ -n "$teacher" ]; then
  "$triton" compile "model_zoo/$teacher/model.tri" --emit=graph -o "$run/teacher.json"
  set -- --teacher "$run/teacher.json" --teacher-weights "model_zoo/$teacher/weights.safetensors" "$@"
fi
"$work/triton-train" --graph "$run/graph.json" --recipe "model_zoo/$name/recipe.json" --out "model_zoo/$name" --work "$run" "$@"
