import contextlib
import json
import math
import struct

import torch
import torch.nn.functional as F
from torch import nn


def _splitmix(seed, count, device):
    """The 53 high bits of SplitMix64's numbers for elements 0..count-1, as int64."""

    def signed(value):
        return value - (1 << 64) if value >= 1 << 63 else value

    def right(z, n):  # a logical shift: int64 has an arithmetic one alone
        return (z >> n) & ((1 << (64 - n)) - 1)

    z = (torch.arange(1, count + 1, dtype=torch.int64, device=device) * signed(0x9E3779B97F4A7C15)) + signed(seed & (1 << 64) - 1)
    z = (z ^ right(z, 30)) * signed(0xBF58476D1CE4E5B9)
    z = (z ^ right(z, 27)) * signed(0x94D049BB133111EB)
    return right(z ^ right(z, 31), 11)


class _Storage:
    """How a weight is stored: codes times a scale, or floats. All of it in float64, as the compiler does it."""

    def __init__(self, shape, storage, axis=0, scale="per_channel", method="twn", threshold=0.7, group=0, seed=0):
        self.shape, self.storage, self.axis, self.method, self.threshold, self.seed = shape, storage, axis, method, threshold, seed
        channels = shape[axis] if shape else 1
        self.scale_shape = (channels,)
        if storage == "trit" and scale == "per_tensor":
            self.scale_shape = ()
        if storage == "trit" and scale == "per_group":
            self.scale_shape = (channels, math.prod(shape) // channels // group)

    def rows(self, w):
        """One row for each scale."""
        return w.movedim(self.axis, 0).reshape(math.prod(self.scale_shape), -1)

    def back(self, rows):
        shape = list(self.shape)
        first = shape.pop(self.axis) if shape else None
        return rows.reshape([first] + shape).movedim(0, self.axis) if first is not None else rows.reshape(())

    def codes(self, w, delta=None, scale=None, step=0):
        """Codes (float64) and scales (float32), a row for each scale."""
        w = self.rows(w.detach()).double()
        a = w.abs()
        if self.storage != "trit":
            limit = 7 if self.storage == "int4" else 127
            s = a.amax(1) / limit
            s = torch.where(s == 0, 1.0, s)
            return torch.round(w / s[:, None]).clamp(-limit, limit), s.float()
        mean = a.mean(1)
        if self.method == "absmean":
            s = torch.where(mean == 0, 1.0, mean)
            return torch.round(w / s[:, None]).clamp(-1, 1), s.float()
        if self.method == "stochastic":
            s = a.amax(1)
            s = torch.where(s == 0, 1.0, s)
            draws = _splitmix(self.seed + step, w.numel(), w.device).reshape(w.shape)
            zero = draws < ((1 - a / s[:, None]) * 2.0**53).long()
            return torch.where(zero, 0.0, w.sign()), s.float()
        if self.method == "learned":
            return torch.where(a > delta.detach().double().reshape(-1, 1), w.sign(), 0.0), scale.detach().float().reshape(-1)
        bound = self.threshold * mean[:, None] if self.method == "twn" else self.threshold
        kept = a > bound
        count = kept.sum(1)
        s = torch.where(count == 0, 1.0, (a * kept).sum(1) / count.clamp_min(1))
        return torch.where(kept, w.sign(), 0.0), s.float()


class _FakeWeight(torch.autograd.Function):
    """codes * scale of a weight. The gradient passes unchanged (straight-through); a learned threshold and scale get theirs."""

    @staticmethod
    def forward(ctx, w, delta, scale, storage, step):
        codes, scales = storage.codes(w, delta, scale, step)
        ctx.storage = storage
        if delta is not None:
            ctx.save_for_backward(w, delta, scale, codes.float())
        return storage.back(codes.to(w.dtype) * scales.to(w.dtype)[:, None])

    @staticmethod
    def backward(ctx, grad):
        grad_delta = grad_scale = None
        if ctx.saved_tensors:
            w, delta, scale, codes = ctx.saved_tensors
            g, rows, d = ctx.storage.rows(grad), ctx.storage.rows(w), delta.reshape(-1, 1)
            grad_scale = (g * codes).sum(1).reshape(scale.shape)
            # The step at |w| = delta is smeared over a window as wide as delta (a box of area 1).
            window = ((rows.abs() - d).abs() < d / 2) / d.clamp_min(1e-8)
            grad_delta = -(g * rows.sign() * scale.reshape(-1, 1) * window).sum(1).reshape(delta.shape)
        return grad, grad_delta, grad_scale, None, None


class _FakeActivation(torch.autograd.Function):
    """codes * scale of an activation; a learned scale by LSQ (Esser et al. 2020)."""

    @staticmethod
    def forward(ctx, x, scale, lo, hi):
        ctx.save_for_backward(x, scale)
        ctx.range = lo, hi
        return _FakeActivation.codes(x, scale, lo, hi) * scale

    @staticmethod
    def codes(x, scale, lo, hi):
        if (lo, hi) == (-1, 1):
            return torch.where(x.abs() > scale / 2, x.sign(), 0.0)
        return torch.round(x * scale.reciprocal()).nan_to_num(0.0).clamp(lo, hi)

    @staticmethod
    def backward(ctx, grad):
        (x, scale), (lo, hi) = ctx.saved_tensors, ctx.range
        v = x / scale
        inside = (v >= lo) & (v <= hi)
        codes = _FakeActivation.codes(x, scale, lo, hi)
        slope = torch.where(inside, codes - v, codes)
        return grad * inside, (grad * slope).sum() / math.sqrt(x.numel() * hi), None, None


class _FakeDynamic(torch.autograd.Function):
    """codes * scale with a scale of the moment, for the tensor or for each row of the last axis."""

    @staticmethod
    def forward(ctx, x, lo, hi, per_row):
        a = x.abs().amax(-1, keepdim=True) if per_row else x.abs().amax()
        scale = torch.where(a == 0, torch.ones_like(a), a / hi)
        ratio = torch.where(a == 0, torch.zeros_like(a), hi / a)
        return torch.round(x * ratio).clamp(lo, hi) * scale

    @staticmethod
    def backward(ctx, grad):
        return grad, None, None, None


def read_checkpoint(path):
    """The tensors of a .safetensors file, or of one of torch.save (nothing but tensors is loaded)."""
    if not str(path).endswith(".safetensors"):
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        return tensors.get("state_dict", tensors)
    kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I8": torch.int8, "U8": torch.uint8,
             "I32": torch.int32, "I64": torch.int64}
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    out = {}
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = bytearray(data[8 + length + begin : 8 + length + end])
        values = torch.frombuffer(raw, dtype=kinds[entry["dtype"]]) if raw else torch.empty(0, dtype=kinds[entry["dtype"]])
        out[key] = values.reshape(entry["shape"])
    return out


class TernaryModule(nn.Module):
    """A network of triton: the same keys as its checkpoints, the same fake quantisation as its training.

    Train it as any other module, in one process or by torchrun. `calibrate` sets the activation scales before the first step;
    `load_checkpoint` takes what `triton` reads (float weights, or codes with scales), and `torch.save(net.state_dict(), "net.pth")`
    gives what `triton compile --weights net.pth` takes. With `quantized=False` it is the fp32 twin.
    """

    def __init__(self, quantized=True):
        super().__init__()
        self.quantized = quantized
        self.steps = 0  # of training: what stochastic weights draw by
        self._storage, self._ranges, self._fixed, self._final, self._known = {}, {}, {}, set(), set()
        self._calibrating = False
        # A name of PyTorch may hold no dot: `fc.weight.delta` is `fc.weight__delta` here.
        self._register_state_dict_hook(TernaryModule._saved)
        self._register_load_state_dict_pre_hook(self._loaded)

    # What the network declares.
    def _put(self, key, tensor, kind):
        *path, name = key.split(".")
        at = self
        for part in path:  # not add_module: a layer may have the name of a method
            at = at._modules.setdefault(part, nn.Module())
        if kind in ("buffer", "passing"):
            at._buffers[name] = tensor
            if kind == "passing":
                at._non_persistent_buffers_set.add(name)
        else:
            at._parameters[name] = nn.Parameter(tensor, requires_grad=kind != "frozen")

    def _get(self, key):
        *path, name = key.split(".")
        at = self
        for part in path:
            at = at._modules[part]
        return at._parameters[name] if name in at._parameters else at._buffers[name]

    def declare(self, key, shape, init="zeros", values=None, trained=True, buffer=False, **storage):
        """A parameter or buffer. `storage` of a weight: see _Storage."""
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
        if values is not None:
            tensor = torch.tensor(values, dtype=torch.float32).reshape(shape)
        elif init == "conv":  # He et al. 2015, by the fan out
            tensor = torch.randn(shape) * math.sqrt(2 / (math.prod(shape) / shape[1]))
        elif init == "linear":
            tensor = (torch.rand(shape) * 2 - 1) / math.sqrt(fan_in)
        elif init == "table":
            tensor = torch.randn(shape) * 0.02
        else:
            tensor = torch.ones(shape) if init == "ones" else torch.zeros(shape)
        self._put(key, tensor, "buffer" if buffer else "trained" if trained else "frozen")
        if not storage:
            return
        self._storage[key] = s = _Storage(tuple(shape), **storage)
        if s.storage == "trit" and s.method == "learned":
            mean = s.rows(tensor.double()).abs().mean(1)
            kept = (s.rows(tensor).abs() > 0.7 * mean[:, None]).double()
            scale = (s.rows(tensor.double()).abs() * kept).sum(1) / kept.sum(1).clamp_min(1)
            self._put(key + "__delta", (0.7 * mean).float().reshape(s.scale_shape), "trained")
            self._put(key + "__scale", torch.where(scale == 0, 1.0, scale).float().reshape(s.scale_shape), "trained")

    def declare_activation(self, key, lo, hi, clip, scale=None):
        """A static quantiser. Unless the program gives its scale, it is base * exp(parameter): it stays positive, and a step changes it
        by a ratio. Checkpoints hold the product; 0 is a scale that is not known yet."""
        self._ranges[key] = lo, hi, clip
        if scale is None:
            self._put(key, torch.zeros(()), "trained")
            self._put(key + "__base", torch.zeros(()), "passing")
        else:
            self._fixed[key] = scale

    def _scale(self, key):
        return self._get(key + "__base") * self._get(key).exp()

    # What `forward` is made of.
    def weight(self, key):
        """A weight as it will run."""
        w = self._get(key)
        storage = self._storage.get(key)
        if not self.quantized or storage is None or (key in self._final and not self.training):
            return w
        if storage.storage in ("float16", "bfloat16"):
            return w + (w.to(getattr(torch, storage.storage)).to(w.dtype) - w).detach()
        learned = storage.storage == "trit" and storage.method == "learned"
        delta, scale = (self._get(key + "__delta"), self._get(key + "__scale")) if learned else (None, None)
        return _FakeWeight.apply(w, delta, scale, storage, self.steps if self.training else 0)

    def activation(self, key, x):
        """codes * scale of a static quantiser."""
        if not self.quantized:
            return x
        lo, hi, clip = self._ranges[key]
        if key in self._fixed:
            return _FakeActivation.apply(x, torch.tensor(self._fixed[key], dtype=x.dtype, device=x.device), lo, hi)
        if key not in self._known:
            base = self._get(key + "__base")
            if float(base) > 0:
                self._known.add(key)
            elif self._calibrating:
                magnitudes = x.detach().abs().flatten()
                rank = min(max(math.ceil(clip / 100 * magnitudes.numel()), 1), magnitudes.numel())
                bound = float(magnitudes.float().kthvalue(rank).values)
                base.fill_(bound / hi if bound > 0 else 1.0)
                self._known.add(key)
            else:
                raise RuntimeError(f"the activation scale '{key}' is not known: load a checkpoint that has it, or call calibrate(images)")
        return _FakeActivation.apply(x, self._scale(key), lo, hi)

    def dynamic(self, x, lo, hi, per_row):
        return _FakeDynamic.apply(x, lo, hi, per_row) if self.quantized else x

    def batch_norm(self, x, key_mean, key_var, weight, bias, eps):
        mean, var = self._get(key_mean), self._get(key_var)
        if self._calibrating and self.training:
            return F.batch_norm(x, None, None, weight, bias, True, 0.0, eps)  # the running statistics stay as they are
        return F.batch_norm(x, mean, var, weight, bias, self.training, 0.1, eps)

    @staticmethod
    def attend(q, k, v, causal, scale):
        repeat = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
        scores = q @ k.transpose(-1, -2) * (scale or 1 / math.sqrt(q.shape[-1]))
        if causal:
            t, s = q.shape[2], k.shape[2]
            scores = scores.masked_fill(torch.ones(t, s, dtype=torch.bool, device=q.device).triu(s - t + 1), -math.inf)
        return scores.softmax(-1) @ v

    @staticmethod
    def rotate(x, base, offset):
        t, half = x.shape[2], x.shape[3] // 2
        frequency = base ** (torch.arange(half, dtype=torch.float64, device=x.device) * (-1.0 / half))
        angle = (torch.arange(t, dtype=torch.float64, device=x.device) + offset)[:, None] * frequency
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    # What a user calls.
    def train(self, mode=True):
        if mode:
            self._final.clear()  # weights that move are quantised anew
        return super().train(mode)

    @contextlib.contextmanager
    def _measuring(self):
        self._calibrating = True
        try:
            yield
        finally:
            self._calibrating = False

    @torch.no_grad()
    def calibrate(self, *inputs):
        """Sets the activation scales that are not known yet from what the layers give for these inputs."""
        with self._measuring():
            return self(*inputs)

    def scale_parameters(self):
        """The scales and thresholds: they want a smaller step than the weights, and no weight decay."""
        names = set(self._ranges) | {k + end for k in self._storage for end in ("__delta", "__scale")}
        return [p for name, p in self.named_parameters() if name in names]

    def load_checkpoint(self, path_or_tensors):
        """Takes the tensors of a checkpoint by their keys; returns the keys that nobody reads. Weights that it has as codes with
        scales are used as they are, until `train()` quantises them anew."""
        tensors = dict(path_or_tensors) if isinstance(path_or_tensors, dict) else read_checkpoint(path_or_tensors)
        tensors = {key.removeprefix("module."): value for key, value in tensors.items()}
        state = {}
        final = set()
        for key, storage in self._storage.items():
            if key in tensors and tensors[key].dtype == torch.int8:
                codes, scale = tensors.pop(key), tensors.pop(key + ".scale").float()
                state[key] = storage.back(storage.rows(codes).float() * scale.reshape(-1, 1))
                final.add(key)
        optional = set(self._ranges) | {k + end for k in final for end in (".delta", ".scale")}
        for key, value in self.state_dict().items():
            if key in state:
                continue
            if key not in tensors:
                if key in optional:
                    continue
                raise KeyError(f"the checkpoint has no tensor '{key}'")
            if tensors[key].shape != value.shape:
                raise ValueError(f"'{key}' has shape {tuple(tensors[key].shape)}, expected {tuple(value.shape)}")
            state[key] = tensors.pop(key).to(value.dtype)
        self.load_state_dict({**self.state_dict(), **state})
        self._final = final
        return sorted(key for key in tensors if not key.endswith("num_batches_tracked"))

    # What checkpoints hold: products of scales, and names with a dot.
    @staticmethod
    def _saved(module, state, prefix, metadata):
        for key in module._ranges.keys() - module._fixed.keys():
            state[prefix + key] = module._scale(key).detach()
        for key in list(state):
            if key.endswith(("__delta", "__scale")):
                state[key[: -len("__delta")] + "." + key[-len("delta") :]] = state.pop(key)
        return state

    @torch.no_grad()
    def _loaded(self, state, prefix, *_):
        for key in self._ranges.keys() - self._fixed.keys():
            if prefix + key in state:
                self._get(key + "__base").copy_(state[prefix + key])
                state[prefix + key] = torch.zeros(())
        for key, storage in self._storage.items():
            for end in ("delta", "scale"):
                if prefix + key + "." + end in state and storage.method == "learned":
                    state[prefix + key + "__" + end] = state.pop(prefix + key + "." + end)
        self._final.clear()
        self._known.clear()
