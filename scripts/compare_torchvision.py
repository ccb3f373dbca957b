#!/usr/bin/env python3
"""Compares the zoo's networks in their real-valued form (triton run --fp32) with torchvision's, on the same random weights and image.

    scripts/compare_torchvision.py                 ResNet-18 and MobileNetV2 at -O2
    scripts/compare_torchvision.py --all -O 0,2    every ImageNet network, at two levels

The first run makes a Python environment of its own from PyPI (torch, torchvision) in --work, which may be thrown away at any time.
Exit 0: every output is within --tolerance of torchvision's, relative to its largest magnitude.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
NETWORKS = {
    "resnet18-imagenet": "resnet18", "mobilenetv2-imagenet": "mobilenet_v2", "resnet34-imagenet": "resnet34",
    "resnet50-imagenet": "resnet50", "vgg16-imagenet": "vgg16", "efficientnetb0-imagenet": "efficientnet_b0",
}


def enter_environment(work):
    """Goes on in an environment that has torchvision: this one if it does, else one made from PyPI."""
    try:
        import torchvision  # noqa: F401
        return
    except ImportError:
        pass
    python = work / "venv" / "bin" / "python"
    if os.environ.get("TRITON_DSL_IN_VENV"):
        sys.exit(f"{work}/venv has no torchvision: remove it and try again")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(work / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "torch", "torchvision", "numpy"], check=True)
    os.execve(python, [str(python), *sys.argv], {**os.environ, "TRITON_DSL_IN_VENV": "1"})


def random_network(name):
    """torchvision's network in eval mode. A fresh batch norm is the identity, so its numbers are drawn as well; variances stay
    near one, so that activations neither vanish nor explode."""
    import torch
    import torchvision
    torch.manual_seed(1)
    module = getattr(torchvision.models, name)(weights=None).eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.1)
    return module


def compare(triton, zoo_name, name, levels, tolerance, folder):
    import numpy
    import torch
    module = random_network(name)
    weights, image_file, output_file = (str(folder / file) for file in ("weights.pth", "image.npy", "logits.npy"))
    torch.save(module.state_dict(), weights)
    image = torch.randn(1, 3, 224, 224)
    numpy.save(image_file, image.numpy())
    with torch.no_grad():
        truth = module(image).numpy()
    good = True
    for level in levels:
        subprocess.run([triton, "run", str(ROOT / "model_zoo" / zoo_name / "model.tri"), "--fp32", "--weights", weights, f"-O{level}",
                        "--input", f"image={image_file}", "--output", output_file, "--quiet"], check=True)
        ours = numpy.load(output_file)
        error = float(abs(ours - truth).max() / abs(truth).max())
        good &= ours.shape == truth.shape and error <= tolerance
        print(f"{zoo_name} -O{level}: largest difference {error:.2e} of the largest logit {abs(truth).max():.3g}"
              f"{'' if error <= tolerance else '  TOO LARGE'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triton", default=str(ROOT / "build" / "bin" / "triton"))
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "torchvision")
    parser.add_argument("--all", action="store_true", help="every ImageNet network, not only ResNet-18 and MobileNetV2")
    parser.add_argument("-O", dest="levels", default="2", help="levels, comma-separated")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    enter_environment(options.work)
    names = list(NETWORKS) if options.all else list(NETWORKS)[:2]
    with tempfile.TemporaryDirectory() as folder:
        good = [compare(options.triton, name, NETWORKS[name], options.levels.split(","), options.tolerance, pathlib.Path(folder))
                for name in names]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
