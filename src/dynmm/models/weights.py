"""Weights files: tensors by name and nothing else.

Ours are `.safetensors`. The authors' released `ckpt_best.pth` is a pickle; it is read with torch's
restricted loader, and only if its state dict holds tensors alone.
"""

import pickle

import torch
from safetensors.torch import load_file, save_file

from dynmm.errors import InputError
from dynmm.files import atomic_path

DATA_PARALLEL_PREFIX = "module."
SHOWN_KEYS = 3
SHOWN = 200  # characters of what was found
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def save_weights(model, path):
    """Write the state dict of a module (or a dict of tensors) to `path`, atomically."""
    state = model if isinstance(model, dict) else model.state_dict()
    with atomic_path(path) as temporary:
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in state.items()}, temporary
        )


def load_weights(model, path, *, optional=()):
    """Fill a module from a `.safetensors` file; returns the module.

    Args:
        model: the module to fill.
        path: the file.
        optional: parts of names that the file may lack, such as "gate_layer." where a dynamic
            network starts from a static one; those entries stay as they are.

    Raises:
        InputError: if the file is not there or broken, if its keys and shapes are not exactly the
            module's, or a number is not finite. The module is then unchanged.
    """
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise InputError("no such weights file", file=path) from None
    except Exception as error:  # safetensors' own, and what it stumbles on in a damaged head
        raise InputError(
            "not a readable .safetensors file",
            file=path,
            found=_first_line(error),
            fix="Train the run again.",
        ) from error
    return fill(model, tensors, path, optional=optional)


def load_released(model, path):
    """Fill a module from the authors' `ckpt_best.pth`: a dict with `state_dict`; returns it.

    A DataParallel prefix "module." is taken off the keys.

    Raises:
        InputError: if the file is not there or broken, holds anything but plain values and tensors,
            or does not fit the module. Nothing in the file is ever executed.
    """
    return fill(model, read_checkpoint(path), path)


def read_checkpoint(path, key="state_dict"):
    """The tensors under a key of a torch checkpoint, by name; see `load_released`.

    With None as key the checkpoint is the dict of tensors itself.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError("no such weights file", file=path) from None
    except pickle.UnpicklingError as error:
        raise InputError(
            "the checkpoint holds objects that are not tensors, or is no checkpoint; not loaded",
            file=path,
            found=_first_line(error),
            expected="a dict of tensors",
            fix="Download it again from its authors.",
        ) from None
    except Exception as error:  # torch raises what its readers stumble on
        raise InputError(
            "the checkpoint cannot be read",
            file=path,
            found=_first_line(error),
            fix="Download it again.",
        ) from error
    state = checkpoint
    if key is not None:
        state = checkpoint.get(key) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not state:
        found = f"a {type(checkpoint).__name__}"
        if isinstance(checkpoint, dict):
            found = ", ".join(key for key in list(checkpoint)[:10] if isinstance(key, str))[:SHOWN]
        raise InputError(
            "no weights in the checkpoint",
            file=path,
            found=found,
            expected=f"a dict with {key}" if key else "a dict of tensors",
        )
    for key, value in state.items():
        if not isinstance(key, str) or not _is_plain(value):
            raise InputError(
                "not a tensor of numbers",
                file=path,
                key=key if isinstance(key, str) else f"a {type(key).__name__}",
                found=type(value).__name__,
                expected="a tensor",
            )
    return {key.removeprefix(DATA_PARALLEL_PREFIX): value for key, value in state.items()}


def fill(module, tensors, file, *, optional=()):
    """Copy tensors into a module by name; returns the module.

    Args:
        module: the module to fill.
        tensors: {name: tensor}.
        file: where they came from, for the message.
        optional: parts of names that the tensors may lack.

    Raises:
        InputError: naming the first missing, unexpected or wrongly shaped keys, or those of another
            kind of number or with one that is not finite; the module is then unchanged.
    """
    state = module.state_dict()
    missing = [
        key for key in state if key not in tensors and not any(part in key for part in optional)
    ]
    unexpected = [key for key in tensors if key not in state]
    common = [key for key in state if key in tensors]
    misshapen = [key for key in common if tensors[key].shape != state[key].shape]
    for keys, problem in ((missing, "missing"), (unexpected, "unexpected")):
        if keys:
            raise InputError(
                f"the weights do not fit the network: {len(keys)} {problem} entries",
                file=file,
                key=_some(keys),
                fix="Check encoder, block, decoder and kind of network in the config.",
            )
    if misshapen:
        key = misshapen[0]
        raise InputError(
            f"the weights do not fit the network: {len(misshapen)} entries of another shape",
            file=file,
            key=_some(misshapen),
            found=tuple(tensors[key].shape),
            expected=tuple(state[key].shape),
            fix="Check encoder, block, decoder and number of classes in the config.",
        )
    spoiled = [key for key in common if not _is_sound(tensors[key], state[key])]
    if spoiled:
        raise InputError(
            f"{len(spoiled)} entries of the weights hold no finite numbers",
            file=file,
            key=_some(spoiled),
            found=f"NaN, infinity or another type among {tensors[spoiled[0]].dtype}",
            expected=f"finite numbers of {state[spoiled[0]].dtype}",
            fix="Train the run again, or fetch the file again.",
        )
    module.load_state_dict({**state, **{key: tensors[key] for key in common}})
    return module


def _is_plain(value):
    """Whether it is a tensor whose numbers lie in memory, one beside the other."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


def _is_sound(tensor, own):
    """Whether the numbers are of the kind of the module's own, and finite."""
    if not own.is_floating_point():
        return tensor.dtype == own.dtype
    return tensor.dtype in FLOATS and bool(torch.isfinite(tensor).all())


def _some(keys):
    more = f" and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(keys[:SHOWN_KEYS]) + more


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0][:SHOWN]
