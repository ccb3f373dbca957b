#!/usr/bin/env bash
# From a bare Debian bookworm to predictions: installs what is missing, builds, compiles the zoo's ResNet-20 and evaluates it on the
# 10,000 test images of Fashion-MNIST. Usage: scripts/quickstart.sh
set -euo pipefail
cd "$(dirname "$0")/.."
network=resnet20-fashion-mnist
folder=model_zoo/$network
jobs=$(nproc)

step() { printf '\n[%s/5] %s\n' "$1" "$2"; }

step 1 "install Debian's packages (compiler, LLVM/MLIR 19, ANTLR4, the Fashion-MNIST images)"
scripts/setup.sh build

step 2 "build the compiler and the runtime ($jobs jobs; the first build takes some minutes)"
cmake --preset release -DTRITON_BUILD_TESTS=OFF -DTRITON_BUILD_TRAINER=OFF -DTRITON_CROSS_AARCH64=OFF >build-quickstart.log 2>&1 ||
  { cat build-quickstart.log >&2; exit 1; }
rm -f build-quickstart.log
cmake --build build -j "$jobs" --target triton

step 3 "weights and test images: what is not here is downloaded"
build/bin/triton zoo download "$network"

step 4 "compile $network for this machine"
build/bin/triton compile "$folder/model.tri" --weights "$folder/weights.safetensors" -o build/resnet20.tern --timing

step 5 "evaluate it on 10,000 test images"
build/bin/triton zoo eval "$network" --threads "$jobs"

cat <<'END'

What to try next:
  build/bin/triton inspect build/resnet20.tern                    what is in the artifact
  build/bin/triton bench build/resnet20.tern --threads 2          latency and spread
  build/bin/triton compile model_zoo/resnet20-fashion-mnist/model.tri \
      --weights model_zoo/resnet20-fashion-mnist/weights.safetensors --verbose -o /tmp/r.tern
                                                                  which kernel each layer got, and why
  build/bin/triton zoo list                                       the other networks
  less docs/quickstart.md                                         write your own network
END
