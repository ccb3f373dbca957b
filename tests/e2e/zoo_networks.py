#!/usr/bin/env python3
"""The zoo's networks against the architectures that they stand for: keys, shapes, parameters and multiply-accumulates.

The networks are written down here once more, layer by layer with the names of torchvision's state_dict, and counted by this file
alone; nothing is read back from the compiler but what is compared. For the ImageNet networks the totals must also be those that
torchvision publishes (num_params and GFLOPS of its weights' metadata, where one multiply-accumulate counts as one operation).

Usage: zoo_networks.py TRITON_BIN_DIR     compares 'triton zoo list|show' and docs/zoo.md, and weighs an artifact
       zoo_networks.py --table            prints the table of docs/zoo.md
"""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# torchvision.models.*_Weights: num_params, GFLOPS.
PUBLISHED = {
    "resnet18-imagenet": (11689512, 1.814), "resnet34-imagenet": (21797672, 3.664), "resnet50-imagenet": (25557032, 4.089),
    "mobilenetv2-imagenet": (3504872, 0.301), "vgg16-imagenet": (138357544, 15.47), "efficientnetb0-imagenet": (5288548, 0.386),
}


class Network:
    """Collects parameters and counts while the size of the image is followed through the layers."""

    def __init__(self, channels, size):
        self.channels, self.size = channels, size
        self.shapes, self.params, self.macs = {}, 0, 0

    def parameter(self, key, *shape, trained=True):
        assert key not in self.shapes, key
        self.shapes[key] = list(shape)
        count = 1
        for n in shape:
            count *= n
        self.params += count if trained else 0
        return count

    def conv(self, key, cout, k=1, stride=1, padding=None, groups=1, bias=False, cin=None, size=None):
        """Square kernel and image; `cin` and `size` are of the running image unless given. Returns the output's size."""
        own = cin is None
        cin, size = cin or self.channels, size or self.size
        padding = (k - 1) // 2 if padding is None else padding
        out = (size + 2 * padding - k) // stride + 1
        self.macs += self.parameter(f"{key}.weight", cout, cin // groups, k, k) * out * out
        if bias:
            self.parameter(f"{key}.bias", cout)
        if own:
            self.channels, self.size = cout, out
        return out

    def norm(self, key, channels=None):
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.parameter(f"{key}.{name}", channels or self.channels, trained=not name.startswith("running"))

    def linear(self, key, k, n):
        self.macs += self.parameter(f"{key}.weight", n, k)
        self.parameter(f"{key}.bias", n)

    def pool(self, k, stride, padding=0):
        self.size = (self.size + 2 * padding - k) // stride + 1


def resnet(depths, bottleneck, classes, channels, size, small, width=64, stem=64):
    net = Network(channels, size)
    if small:
        net.conv("conv1", stem, 3)
    else:
        net.conv("conv1", stem, 7, 2)
    net.norm("bn1")
    if not small:
        net.pool(3, 2, 1)
    for stage, depth in enumerate(depths):
        inner = width << stage
        for block in range(depth):
            path, stride = f"layer{stage + 1}.{block}", 2 if stage and not block else 1
            cin, size_in = net.channels, net.size
            layers = [(1, 1, inner), (3, stride, inner), (1, 1, inner * 4)] if bottleneck else [(3, stride, inner), (3, 1, inner)]
            for i, (k, s, cout) in enumerate(layers, 1):
                net.conv(f"{path}.conv{i}", cout, k, s)
                net.norm(f"{path}.bn{i}")
            if stride != 1 or cin != net.channels:
                net.conv(f"{path}.downsample.0", net.channels, 1, stride, cin=cin, size=size_in)
                net.norm(f"{path}.downsample.1")
    net.linear("fc", net.channels, classes)
    return net


def divisible(value):
    near = max(8, int(value + 4) // 8 * 8)
    return near + 8 if near < 0.9 * value else near


def mobilenet_v2(classes, channels, size, small, width=1.0):
    net = Network(channels, size)

    def conv_bn(key, *args, **kwargs):
        net.conv(f"{key}.0", *args, **kwargs)
        net.norm(f"{key}.1")

    conv_bn("features.0", divisible(32 * width), 3, 1 if small else 2)
    at = 1
    for expand, c, n, stride in [(1, 16, 1, 1), (6, 24, 2, 1 if small else 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                 (6, 320, 1, 1)]:
        for i in range(n):
            path, mid, j = f"features.{at}.conv", net.channels * expand, 0
            if expand != 1:
                conv_bn(f"{path}.0", mid)
                j = 1
            conv_bn(f"{path}.{j}", mid, 3, 1 if i else stride, groups=mid)
            net.conv(f"{path}.{j + 1}", divisible(c * width))
            net.norm(f"{path}.{j + 2}")
            at += 1
    conv_bn(f"features.{at}", divisible(1280 * max(1.0, width)))
    net.linear("classifier.1", net.channels, classes)
    return net


def vgg16(classes, size, small):
    net, at = Network(3, size), 0
    for stage in [(64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)]:
        for cout in stage:
            net.conv(f"features.{at}", cout, 3, bias=True)
            if small:
                net.norm(f"features.{at + 1}")
            at += 3 if small else 2
        net.pool(2, 2)
        at += 1
    if small:
        net.linear("classifier", net.channels * net.size ** 2, classes)
    else:
        net.linear("classifier.0", net.channels * net.size ** 2, 4096)
        net.linear("classifier.3", 4096, 4096)
        net.linear("classifier.6", 4096, classes)
    return net


def efficientnet_b0(classes, size):
    net = Network(3, size)

    def conv_bn(key, *args, **kwargs):
        net.conv(f"{key}.0", *args, **kwargs)
        net.norm(f"{key}.1")

    conv_bn("features.0", 32, 3, 2)
    for stage, (expand, k, stride, cout, n) in enumerate([(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
                                                          (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)], 1):
        for i in range(n):
            cin, path, j = net.channels, f"features.{stage}.{i}.block", 0
            if expand != 1:
                conv_bn(f"{path}.0", cin * expand)
                j = 1
            conv_bn(f"{path}.{j}", cin * expand, k, 1 if i else stride, groups=cin * expand)
            squeezed = max(1, cin // 4)
            net.conv(f"{path}.{j + 1}.fc1", squeezed, bias=True, cin=net.channels, size=1)
            net.conv(f"{path}.{j + 1}.fc2", net.channels, bias=True, cin=squeezed, size=1)
            conv_bn(f"{path}.{j + 2}", cout)
    conv_bn("features.8", 1280)
    net.linear("classifier.1", net.channels, classes)
    return net


def mlp():
    net = Network(1, 28)
    for key, k, n in (("fc1", 784, 1024), ("fc2", 1024, 512), ("fc3", 512, 10)):
        net.linear(key, k, n)
    return net


def lenet5():
    net = Network(1, 28)
    net.conv("conv1", 6, 5, padding=2, bias=True)
    net.norm("bn1")
    net.pool(2, 2)
    net.conv("conv2", 16, 5, padding=0, bias=True)
    net.norm("bn2")
    net.pool(2, 2)
    net.linear("fc1", net.channels * net.size ** 2, 120)
    net.norm("bn3", 120)
    net.linear("fc2", 120, 84)
    net.norm("bn4", 84)
    net.linear("fc3", 84, 10)
    return net


def resnet20():
    return resnet((3, 3, 3), False, 10, 1, 28, True, width=16, stem=16)


def expected():
    networks = {"mlp-fashion-mnist": mlp(), "lenet5-fashion-mnist": lenet5(), "resnet20-fashion-mnist": resnet20(),
                "resnet18-fashion-mnist": resnet((2, 2, 2, 2), False, 10, 1, 28, True),
                "mobilenetv2-fashion-mnist": mobilenet_v2(10, 1, 28, True, 0.5)}
    for name, depths, bottleneck in (("resnet18", (2, 2, 2, 2), False), ("resnet34", (3, 4, 6, 3), False), ("resnet50", (3, 4, 6, 3), True)):
        networks[f"{name}-cifar10"] = resnet(depths, bottleneck, 10, 3, 32, True)
        networks[f"{name}-cifar100"] = resnet(depths, bottleneck, 100, 3, 32, True)
        networks[f"{name}-imagenet"] = resnet(depths, bottleneck, 1000, 3, 224, False)
    networks["mobilenetv2-cifar10"] = mobilenet_v2(10, 3, 32, True)
    networks["mobilenetv2-cifar100"] = mobilenet_v2(100, 3, 32, True)
    networks["mobilenetv2-imagenet"] = mobilenet_v2(1000, 3, 224, False)
    networks["vgg16-cifar10"] = vgg16(10, 32, True)
    networks["vgg16-imagenet"] = vgg16(1000, 224, False)
    networks["efficientnetb0-imagenet"] = efficientnet_b0(1000, 224)
    return networks


def table(networks):
    rows = ["| network | parameters | MACs an image | torchvision publishes |", "| --- | ---: | ---: | --- |"]
    for name in sorted(networks):
        published = f"{PUBLISHED[name][0]:,} parameters, {PUBLISHED[name][1]} G" if name in PUBLISHED else ""
        rows.append(f"| {name} | {networks[name].params:,} | {networks[name].macs:,} | {published} |")
    return "\n".join(rows) + "\n"


def differences(networks, triton):
    def document(*words):
        return json.loads(subprocess.run([triton, "zoo", *words, "--json"], check=True, capture_output=True, text=True).stdout)

    listed = {model["name"]: model for model in document("list")["models"]}
    if set(listed) != set(networks):
        yield f"'zoo list' has {sorted(set(listed) - set(networks))} more and {sorted(set(networks) - set(listed))} less"
    for name, net in networks.items():
        if name in PUBLISHED:
            params, giga = PUBLISHED[name]
            digits = len(str(giga).split(".")[1])
            if net.params != params or round(net.macs / 1e9, digits) != giga:
                yield f"{name}: this file counts {net.params} parameters and {net.macs} MACs, torchvision publishes {params} and {giga} G"
        for key in ("params", "macs"):
            if listed.get(name, {}).get(key) != getattr(net, key):
                yield f"{name}: {key} are {listed.get(name, {}).get(key)}, expected {getattr(net, key)}"
        shown = document("show", name)
        shapes = {p["key"]: json.loads(p["shape"]) for p in shown["parameters"]}
        for key in sorted(set(shapes) ^ set(net.shapes)):
            yield f"{name}: '{key}' is {'missing' if key in net.shapes else 'not in the architecture'}"
        for key in sorted(set(shapes) & set(net.shapes)):
            if shapes[key] != net.shapes[key]:
                yield f"{name}: '{key}' is {shapes[key]}, expected {net.shapes[key]}"
        weights = [p for p in shown["parameters"] if p["storage"] in ("trit", "int8")]
        if not weights or sum(shown["elements"].values()) != net.params or "trit" not in shown["elements"]:
            yield f"{name}: 'zoo show' counts {shown['elements']}"
        # The first and the last layer keep 8 bits.
        if name != "mlp-fashion-mnist" and [weights[0]["storage"], weights[-1]["storage"]] != ["int8", "int8"]:
            yield f"{name}: the first or the last layer has no 8-bit weights"
    with open(os.path.join(ROOT, "docs", "zoo.md")) as page:
        if table(networks) not in page.read():
            yield "docs/zoo.md has another table; 'zoo_networks.py --table' prints this one"


def oversized(networks, triton):
    """ResNet-18's artifact takes at most 1/16 of its float32 parameters, int8 layers, scales, code and all."""
    name = "resnet18-imagenet"
    net = networks[name]
    # Made-up weights have norms without a shift: a real checkpoint's shifts take a float32 for each channel.
    shifts = 4 * sum(shape[0] for key, shape in net.shapes.items() if key.endswith("running_mean"))
    for target in ("x86-64-v3", "x86-64-v4", "x86-64-v4+vnni", "aarch64"):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "net.tern")
            subprocess.run([triton, "compile", os.path.join(ROOT, "model_zoo", name, "model.tri"), "--random-weights", "--target", target, "-o", out],
                           check=True, capture_output=True)
            size = os.path.getsize(out) + shifts
        if size * 16 > net.params * 4:
            yield f"{name}: {size} bytes for {target}, more than 1/16 of {net.params * 4}"


def main():
    networks = expected()
    if sys.argv[1:] == ["--table"]:
        print(table(networks), end="")
        return 0
    triton = os.path.join(sys.argv[1], "triton")
    problems = [*differences(networks, triton), *oversized(networks, triton)]
    for problem in problems[:40]:
        print(problem)
    print(f"{len(networks)} networks, {len(problems)} differences")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
