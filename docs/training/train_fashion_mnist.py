"""Trains a network of 'triton export torch' on Fashion-MNIST, in as many processes as torchrun starts.

    triton export torch model_zoo/lenet5-fashion-mnist/model.tri -o lenet5.py
    torchrun --nproc-per-node 2 docs/training/train_fashion_mnist.py lenet5.py --out lenet5.pth
    triton zoo eval lenet5-fashion-mnist --weights lenet5.pth

The fp32 network is trained first, then the ternary one from its weights: so the trits begin where they mean something.
"""
import argparse
import gzip
import importlib.util
import math
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel


def read_images(folder, part):
    def read(name, header):
        with gzip.open(os.path.join(folder, f"{part}-{name}-ubyte.gz")) as file:
            return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)

    return read("images-idx3", 16).reshape(-1, 1, 28, 28), read("labels-idx1", 8).long()


def network_of(path):
    """The one class of the module that is a network."""
    spec = importlib.util.spec_from_file_location("network", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return next(c for c in vars(module).values() if isinstance(c, type) and issubclass(c, module.TernaryModule) and c is not module.TernaryModule)


def evaluate(network, images, labels, device):
    """Right answers over all processes: each takes its share."""
    network.eval()
    rank, size = dist.get_rank(), dist.get_world_size()
    right = torch.zeros((), device=device)
    with torch.no_grad():
        for first in range(rank * 500, len(images), size * 500):
            x, y = images[first : first + 500].to(device), labels[first : first + 500].to(device)
            right += (network(x).argmax(1) == y).sum()
    dist.all_reduce(right)
    return float(right) / len(images)


def train(network, images, labels, epochs, rate, batch, device, what):
    wrapped = DistributedDataParallel(network)
    scales = {id(p) for p in network.scale_parameters()} if network.quantized else set()
    unused = {id(p) for p in network.scale_parameters()} - scales  # the fp32 twin has no use for them
    weights = [p for p in network.parameters() if p.requires_grad and id(p) not in scales and id(p) not in unused]
    optimizer = torch.optim.AdamW([{"params": weights}] + ([{"params": network.scale_parameters(), "lr": rate / 10, "weight_decay": 0.0}] if scales else []), lr=rate)
    rank, size = dist.get_rank(), dist.get_world_size()
    steps = epochs * (len(images) // (batch * size))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / max(1, steps))))
    for epoch in range(epochs):
        wrapped.train()
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        for step in range(len(images) // (batch * size)):
            mine = order[(step * size + rank) * batch : (step * size + rank + 1) * batch]
            x, y = images[mine].to(device), labels[mine].to(device)
            loss = F.cross_entropy(wrapped(x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        if rank == 0:
            print(f"{what} epoch {epoch + 1} of {epochs}: loss {float(loss):.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", help="what 'triton export torch' wrote")
    parser.add_argument("--data-dir", default="/usr/share/datasets/fashion-mnist", help="'triton zoo download fashion-mnist' says where")
    parser.add_argument("--out", default="network.pth")
    parser.add_argument("--epochs", type=int, default=10, help="of each of the two phases")
    parser.add_argument("--batch", type=int, default=128, help="of each process")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--images", type=int, default=60000, help="train with the first so many alone")
    options = parser.parse_args()

    cuda = torch.cuda.is_available()
    dist.init_process_group("nccl" if cuda else "gloo")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    torch.manual_seed(1)
    images, labels = read_images(options.data_dir, "train")
    images, labels = images[: options.images], labels[: options.images]

    make = network_of(options.module)
    twin = make(quantized=False).to(device)
    for p in twin.scale_parameters():
        p.requires_grad = False
    train(twin, images, labels, options.epochs, options.rate, options.batch, device, "fp32")
    network = make().to(device)
    network.load_state_dict(twin.state_dict())
    network.train()
    network.calibrate(images[:512].to(device))  # the same images everywhere: the same scales
    train(network, images, labels, options.epochs, options.rate, options.batch, device, "ternary")
    tests = read_images(options.data_dir, "t10k")
    accuracy = {name: evaluate(net, *tests, device) for name, net in (("fp32", twin), ("ternary", network))}
    if dist.get_rank() == 0:
        torch.save(network.state_dict(), options.out)
        print(f"accuracy {accuracy['ternary']:.4f}, fp32 {accuracy['fp32']:.4f}; written to {options.out}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
