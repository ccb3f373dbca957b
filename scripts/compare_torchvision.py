#!/usr/bin/env python3
"""Compares the zoo's networks in their real-valued form (triton run --fp32) with torchvision's, on the same random weights and image.

    scripts/compare_torchvision.py                 ResNet-18 and MobileNetV2 at -O2
    scripts/compare_torchvision.py --all -O 0,2    every ImageNet network, at two levels
    scripts/compare_torchvision.py --pictures 8    `zoo eval` of ResNet-18 on the first 8 pictures of a folder in ImageNet's layout

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


def make_folder(root):
    """1000 classes of one made-up picture each: JPEG in colour, gray and CMYK, and PNG, of many sizes."""
    import numpy
    from PIL import Image
    random = numpy.random.default_rng(1)
    for label in range(1000):
        height, width = (int(n) for n in random.integers(120, 330, 2))
        y, x = numpy.mgrid[0:height, 0:width]
        waves = random.uniform(0.01, 0.2, 6)
        planes = [127 + 120 * numpy.sin(x * waves[c] + label) * numpy.cos(y * waves[c + 3]) for c in range(3)]
        image = Image.fromarray(numpy.clip(numpy.stack(planes, -1) + random.integers(-20, 20, (height, width, 3)), 0, 255).astype(numpy.uint8))
        place = root / "val" / f"n{label:08d}"
        place.mkdir(parents=True)
        if label % 4 == 3:
            image.save(place / "picture.png")
        else:
            image.convert(("RGB", "L", "CMYK")[label % 4]).save(place / "picture.JPEG", quality=int(random.integers(60, 96)))


def compare_pictures(triton, count, folder):
    """What `zoo eval` predicts for pictures, against torchvision's ImageFolder, transforms and network."""
    import hashlib
    import json
    import torch
    from torchvision import datasets, transforms
    make_folder(folder / "pictures")
    data = datasets.ImageFolder(folder / "pictures" / "val", transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]))
    images = torch.stack([data[i][0] for i in range(max(count, 16))])
    module = random_network("resnet18")
    with torch.no_grad():
        # Made-up weights prefer a class whatever they see: the last layer looks at what differs between pictures.
        features = torch.nn.Sequential(*list(module.children())[:-1])(images).flatten(1)
        weight = torch.randn(1000, features.shape[1]) / (features.std(0) + 1e-3)
        module.fc.weight.copy_(5 * weight / weight.norm(dim=1, keepdim=True))
        module.fc.bias.copy_(-(module.fc.weight @ features.mean(0)))
        classes = module(images[:count]).argmax(1).tolist()
    torch.save(module.state_dict(), folder / "pictures.pth")
    done = subprocess.run([triton, "zoo", "eval", "resnet18-imagenet", "--fp32", "--data-dir", str(folder / "pictures"), "--weights",
                           str(folder / "pictures.pth"), "--limit", str(count), "--batch", "4", "--json"], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    same = found["predictions_sha256"] == hashlib.sha256(b"".join(c.to_bytes(2, "little") for c in classes)).hexdigest()
    print(f"resnet18-imagenet on {count} pictures: {len(set(classes))} classes predicted, {'the same as' if same else 'OTHER THAN'} torchvision's")
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triton", default=str(ROOT / "build" / "bin" / "triton"))
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "torchvision")
    parser.add_argument("--all", action="store_true", help="every ImageNet network, not only ResNet-18 and MobileNetV2")
    parser.add_argument("-O", dest="levels", default="2", help="levels, comma-separated")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--pictures", type=int, metavar="N", help="compare `zoo eval` on N pictures instead")
    options = parser.parse_args()
    enter_environment(options.work)
    names = list(NETWORKS) if options.all else list(NETWORKS)[:2]
    with tempfile.TemporaryDirectory() as folder:
        if options.pictures:
            return 0 if compare_pictures(options.triton, options.pictures, pathlib.Path(folder)) else 1
        good = [compare(options.triton, name, NETWORKS[name], options.levels.split(","), options.tolerance, pathlib.Path(folder))
                for name in names]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
