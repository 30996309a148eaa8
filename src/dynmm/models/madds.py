"""Multiply-adds measured from the modules of a network, by two named conventions.

complete
    Every multiply-add of convolutions, linear and recurrent layers and attention, as torch's
    operator counter sees them (floating-point operations halved), its blind spots opened: the
    fused attention kernel of the CPU, the fused transformer layers, cuDNN's recurrent layers.
per_module
    The authors' way (thop before its version 0.1): hooks on convolutions (with bias), linear and
    recurrent layers, batch norm (two an element) and average pooling modules. Functions called
    without a module are not seen: attention (its projections too) and functional pooling. It gives
    the constants typed into the authors' code to the last digit where the network is the same.
"""

import contextlib
import math

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

FUSED_ATTENTION = "scaled_dot_product"


def count_madds(model, *inputs, forward=None):
    """Multiply-adds of one call of the network on these inputs, in eval mode.

    Args:
        model: an nn.Module; its training flag is restored.
        inputs: arguments of the call; divide by the batch size for figures per sample.
        forward: what to call instead of `model`, for example a bound method of it.

    Returns:
        {"complete": int, "per_module": int, "attention_products": int}. The last is the part of
        `complete` done inside attention kernels (queries by keys, weights by values), which
        torch's counter leaves out on a CPU.
    """
    names = count_by_module(model, *inputs, forward=forward)
    return {convention: sum(counts.values()) for convention, counts in names.items()}


def count_by_module(model, *inputs, forward=None):
    """As `count_madds`, spread over the modules that do the work.

    Returns:
        {convention: {name: int}}; a name as in `model.named_modules()`, with only what the module
        does itself, not its children. What belongs to no called module stands under "".
    """
    by_hooks = {}
    handles = [
        module.register_forward_hook(_counting_hook(by_hooks, name))
        for name, module in model.named_modules()
        if _formula(module)
    ]
    training = {module: module.training for module in model.modules()}
    model.eval()
    counter = FlopCounterMode(display=False, custom_mapping=_extra_formulas())
    try:
        with torch.no_grad(), _plain_kernels(), counter:
            _Called(model, forward or model)(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, flag in training.items():
            module.training = flag
    complete, attention = _own_counts(counter.get_flop_counts())
    return {"complete": complete, "per_module": by_hooks, "attention_products": attention}


class _Called(nn.Module):
    """A root for the counter's names: a bound method of the network enters no module itself."""

    def __init__(self, network, function):
        super().__init__()
        self.network = network
        self.function = [function]  # in a list, so that it is not registered as a second child

    def forward(self, *inputs):
        return self.function[0](*inputs)


@contextlib.contextmanager
def _plain_kernels():
    """Run layers by operators that torch's counter knows."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _extra_formulas():
    def attention(query, key, value, *args, out_shape=None, **kwargs):
        return sdpa_flop_count(query, key, value)

    return {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention}


def _own_counts(flops):
    """Multiply-adds of each module without its children, in all and of fused attention."""
    own = {name: dict(operators) for name, operators in flops.items() if name != "Global"}
    for name, operators in flops.items():
        above = name.rpartition(".")[0]
        while above and above not in flops:
            above = above.rpartition(".")[0]
        for operator, count in operators.items() if above else ():
            own[above][operator] -= count
    complete, attention = {}, {}
    for name, operators in own.items():
        short = name.removeprefix("_Called").removeprefix(".network").removeprefix(".")
        complete[short] = complete.get(short, 0) + sum(operators.values()) // 2
        fused = [count for kind, count in operators.items() if FUSED_ATTENTION in str(kind)]
        attention[short] = attention.get(short, 0) + sum(fused) // 2
    return complete, attention


def _counting_hook(counts, name):
    def hook(module, inputs, output):
        counts[name] = counts.get(name, 0) + _formula(module)(module, inputs[0], output)

    return hook


def _formula(module):
    """The per-module formula for a module, or None where the authors' counter has none."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return _convolution
    if isinstance(module, nn.Linear):
        return lambda module, x, y: module.in_features * y.numel()
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return lambda module, x, y: 2 * x.numel()
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AvgPool2d):
        return lambda module, x, y: x.numel() + y.numel()
    if isinstance(module, nn.GRU):
        return _gru
    return None


def _convolution(module, x, y):
    taps = module.in_channels // module.groups * math.prod(module.kernel_size)
    return y.numel() * (taps + (module.bias is not None))


def _gru(module, x, y):
    steps = x.data.shape[0] if isinstance(x, PackedSequence) else x.numel() // x.shape[-1]
    directions = 2 if module.bidirectional else 1
    total = 0
    for layer in range(module.num_layers):
        width = module.input_size if layer == 0 else module.hidden_size * directions
        total += steps * directions * 3 * module.hidden_size * (width + module.hidden_size)
    return total
