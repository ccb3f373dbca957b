"""What is measured. A case is a network with one input; engines say themselves which cases they take.

kind: 'network' (torchvision architecture), 'linear' (x [batch, k] times W [n, k]), 'mlp' (widths with ReLU between), 'stream' (the sum
of different linear layers of one shape that together exceed a core's caches).
"""
import dataclasses
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = HERE.parent / "programs"
ZOO = HERE.parent.parent / "model_zoo"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    group: str
    kind: str
    batch: int = 1
    shape: tuple = ()            # of the input without the batch
    macs: int = 0                # for the whole batch
    parameters: int = 0
    program: str = ""            # .tri file
    defines: tuple = ()          # -D NAME=VALUE for it
    model: str = ""              # which architecture; widths or sizes for the rest
    widths: tuple = ()
    copies: int = 1              # 'stream': layers in the chain; a time is divided by it
    headline: bool = False       # re-measured most often
    beside: str = ""             # the case whose files the peers run: only Triton's program is another one

    @property
    def title(self):
        return f"{self.model}, batch {self.batch}"

    @property
    def files(self):
        """What the names of the peers' files begin with."""
        return self.beside or self.name

    def __post_init__(self):
        assert self.macs > 0 and self.parameters > 0 and self.copies > 0, self.name


def _networks():
    rows = [
        ("resnet18", "ResNet-18 at 224", (3, 224, 224), 1814073344, 11689512, ZOO / "resnet18-imagenet/model.tri", (1, 8)),
        ("resnet18-cifar", "ResNet-18 CIFAR shape", (3, 32, 32), 555422720, 11173962, ZOO / "resnet18-cifar10/model.tri", (1, 8)),
        ("resnet50", "ResNet-50 at 224", (3, 224, 224), 4089184256, 25557032, ZOO / "resnet50-imagenet/model.tri", (1,)),
        ("vgg16", "VGG-16 at 224", (3, 224, 224), 15470264320, 138357544, ZOO / "vgg16-imagenet/model.tri", (1,)),
        ("mobilenet_v2", "MobileNetV2 at 224", (3, 224, 224), 300774272, 3504872, ZOO / "mobilenetv2-imagenet/model.tri", (1,)),
    ]
    for name, title, shape, macs, parameters, program, batches in rows:
        for batch in batches:
            yield Case(f"{name}-b{batch}", "networks", "network", batch, shape, macs * batch, parameters, str(program), (), title,
                       headline=name != "vgg16")


def _six_bits():
    # Triton's activations have 6 bits; the peers have no form for that and run the files of the 8-bit case.
    for name, title, defines in (("resnet18", "ResNet-18 at 224, 6-bit activations", ()),
                                 ("resnet18-cifar", "ResNet-18 CIFAR shape, 6-bit activations", ("size=32", "classes=10", "small=true"))):
        for eight in (case for case in _networks() if case.name in (f"{name}-b1", f"{name}-b8")):
            yield dataclasses.replace(eight, name=f"{eight.name}-a6", program=str(PROGRAMS / "resnet18_6bit.tri"), defines=defines, model=title, beside=eight.name)


def _linears():
    for n in (100, 500, 1000, 2000):
        for batch in (1, 8, 32, 64, 128):
            yield Case(f"fc{n}-b{batch}", "fully connected", "linear", batch, (n,), n * n * batch, n * n, str(PROGRAMS / "linear.tri"),
                       (f"inputs={n}", f"outputs={n}"), f"{n} x {n}", (n, n), headline=batch in (1, 8))


def _mlps():
    for label, widths in (("100K", (256, 256, 128, 10)), ("1M", (784, 784, 512, 10)), ("10M", (2048, 2048, 2048, 1000)),
                          ("100M", (4096,) + (4096,) * 5 + (4000,))):
        macs = sum(a * b for a, b in zip(widths, widths[1:]))
        yield Case(f"mlp-{label}-b1", "MLP", "mlp", 1, (widths[0],), macs, macs + sum(widths[1:]), str(PROGRAMS / "mlp.tri"),
                   ("widths=[" + ", ".join(map(str, widths)) + "]",), f"MLP {label}", widths)


def _streams():
    # As many different matrices as are far beyond a core's own caches even with two bits for a weight. A large shared last level may
    # still hold them: the report says what the machine has.
    for n, k, copies in ((2048, 2048, 24), (4096, 4096, 8), (14336, 4096, 4)):
        for batch in (1, 16):
            yield Case(f"mv{k}x{n}-b{batch}", "matrix-vector beyond L2", "stream", batch, (k,), n * k * batch * copies, n * k * copies,
                       str(PROGRAMS / "stream.tri"), (f"inputs={k}", f"outputs={n}", f"layers={copies}"), f"{k} x {n}", (k, n), copies)


ALL = [*_networks(), *_six_bits(), *_linears(), *_mlps(), *_streams()]
BY_NAME = {case.name: case for case in ALL}


def select(patterns):
    """Cases whose name or group contains one of the patterns; 'headline' selects those; none: all. An unknown one is an error."""
    if not patterns:
        return list(ALL)
    out = []
    for pattern in patterns:
        found = [c for c in ALL if pattern == c.name] or \
                [c for c in ALL if pattern in c.name or pattern in c.group or (pattern == "headline" and c.headline)]
        if not found:
            raise SystemExit(f"run: no case matches '{pattern}'; 'run list' shows them")
        out += [c for c in found if c not in out]
    return out
