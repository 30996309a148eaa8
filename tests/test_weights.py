import pickle

import pytest
import torch
from torch import nn

from dynmm.errors import InputError
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.weights import load_released, load_weights, save_weights

SMALL = {
    "encoder": "resnet18",
    "block": "BasicBlock",
    "channels_decoder": [16, 16, 16],
    "nr_decoder_blocks": [1, 1, 1],
    "fusion": "SE-add",
    "height": 64,
    "width": 64,
    "pretrained": "none",
}


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def same(first, second):
    other = second.state_dict()
    return all(torch.equal(value, other[key]) for key, value in first.state_dict().items())


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def test_weights_survive_a_file(tmp_path):
    saved, loaded = network().to(memory_format=torch.channels_last), network()
    saved[1].num_batches_tracked.fill_(7)
    path = tmp_path / "run" / "weights.safetensors"
    save_weights(saved, path)
    assert not same(saved, loaded)
    assert load_weights(loaded, path) is loaded
    assert same(saved, loaded)
    assert [file.name for file in path.parent.iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("2.bias"), r"1 missing entries.*2\.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 unexpected entries.*extra"),
        (
            lambda state: state.update({"2.weight": torch.zeros(5, 4, 1, 1)}),
            r"another shape.*2\.weight.*\(5, 4, 1, 1\).*\(2, 4, 1, 1\)",
        ),
    ],
)
def test_weights_that_do_not_fit_change_nothing(tmp_path, change, message):
    model, path = network(), tmp_path / "weights.safetensors"
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = network().state_dict()
    change(state)
    save_weights(dict(state), path)
    with pytest.raises(InputError, match=message) as caught:
        load_weights(model, path)
    assert caught.value.file == path
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_broken_or_absent_file_is_said_so(tmp_path):
    with pytest.raises(InputError, match="no such weights file"):
        load_weights(network(), tmp_path / "absent.safetensors")
    with pytest.raises(InputError, match="no such weights file"):
        load_released(network(), tmp_path / "absent.pth")
    save_weights(network(), tmp_path / "weights.safetensors")
    content = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"not a readable \.safetensors"):
        load_weights(network(), tmp_path / "weights.safetensors")
    torch.save({"state_dict": network().state_dict()}, tmp_path / "ckpt_best.pth")
    content = (tmp_path / "ckpt_best.pth").read_bytes()
    (tmp_path / "ckpt_best.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="checkpoint"):
        load_released(network(), tmp_path / "ckpt_best.pth")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda w: w.view(-1).__setitem__(3, torch.nan),
        lambda w: w.view(-1).__setitem__(0, -torch.inf),
        lambda w: w.data.zero_().to(torch.int32),
        lambda w: w.to(torch.float8_e4m3fn),
        lambda w: w.to(torch.complex64),
    ],
)
def test_weights_that_are_no_finite_numbers_change_nothing(tmp_path, spoil):
    model, path = network(), tmp_path / "weights.safetensors"
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = {key: value.clone() for key, value in network().state_dict().items()}
    changed = spoil(state["2.weight"])
    state["2.weight"] = state["2.weight"] if changed is None else changed
    save_weights(state, path)
    torch.save({"state_dict": state}, tmp_path / "ckpt_best.pth")
    for load, file in ((load_weights, path), (load_released, tmp_path / "ckpt_best.pth")):
        with pytest.raises(InputError, match=r"no finite numbers.*key: 2\.weight") as caught:
            load(model, file)
        assert caught.value.file == file
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    "value", [torch.zeros(2, 4, 1, 1).to_sparse(), torch.zeros(2, 4, 1, 1, device="meta")]
)
def test_tensors_without_numbers_in_memory_are_refused(tmp_path, value):
    torch.save({"state_dict": network().state_dict() | {"2.weight": value}}, tmp_path / "c.pth")
    with pytest.raises(InputError, match=r"not a tensor of numbers.*key: 2\.weight"):
        load_released(network(), tmp_path / "c.pth")


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"P", b"PK\x03\x04", b"{", b"\x00" * 8, b"\xff" * 99]
)
def test_a_file_of_a_few_bytes_is_one_message(tmp_path, content):
    for name, load in (("c.pth", load_released), ("w.safetensors", load_weights)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            load(network(), tmp_path / name)


def test_a_flipped_bit_of_a_checkpoint_is_one_message_or_finite_weights(tmp_path):
    torch.save({"state_dict": network().state_dict()}, tmp_path / "c.pth")
    sound = (tmp_path / "c.pth").read_bytes()
    refused = 0
    for place in range(0, len(sound), 17):
        content = bytearray(sound)
        content[place] ^= 1 << place % 8
        (tmp_path / "c.pth").write_bytes(content)
        try:
            model = load_released(network(), tmp_path / "c.pth")
        except InputError:
            refused += 1
        else:
            assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert refused > 30


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_released_checkpoint_loads_as_it_is(tmp_path, prefix):
    saved = build_segmentation("dynamic", SMALL)
    loaded = build_segmentation("dynamic", SMALL)
    state = {prefix + key: value for key, value in saved.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "ckpt_best.pth")
    assert not same(saved, loaded)
    load_released(loaded, tmp_path / "ckpt_best.pth")
    assert same(saved, loaded)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"0.weight": Malicious()}},
        {"state_dict": network().state_dict(), "note": Malicious()},
        Malicious(),
        network(),
    ],
)
def test_objects_are_refused_unexecuted(tmp_path, content):
    torch.save(content, tmp_path / "ckpt_best.pth")
    with pytest.raises(InputError, match="not tensors"):
        load_released(network(), tmp_path / "ckpt_best.pth")


def test_a_plain_pickle_is_refused_unexecuted(tmp_path):
    (tmp_path / "ckpt_best.pth").write_bytes(pickle.dumps({"state_dict": Malicious()}))
    with pytest.raises(InputError, match="checkpoint"):
        load_released(network(), tmp_path / "ckpt_best.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {"0.weight": [1.0, 2.0]}}, r"not a tensor.*0\.weight.*list"),
        ({"model": {}}, "no weights in the checkpoint.*model"),
        ([1, 2], "no weights in the checkpoint.*list"),
        ({"state_dict": {}}, "no weights"),
    ],
)
def test_a_checkpoint_of_other_things_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "ckpt_best.pth")
    with pytest.raises(InputError, match=message):
        load_released(network(), tmp_path / "ckpt_best.pth")


def test_weights_of_another_kind_of_network_are_refused(tmp_path):
    save_weights(build_segmentation("static", SMALL), tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"missing entries.*gate_layer\.conv\.0\.weight"):
        load_weights(build_segmentation("dynamic", SMALL), tmp_path / "weights.safetensors")


def test_a_dynamic_network_starts_from_a_static_one_but_not_the_other_way(tmp_path):
    static, dynamic = (build_segmentation(kind, SMALL) for kind in ("static", "dynamic"))
    save_weights(static, tmp_path / "static.safetensors")
    gate = {k: v.clone() for k, v in dynamic.state_dict().items() if k.startswith("gate_layer.")}
    with pytest.raises(InputError, match="missing entries"):
        load_weights(dynamic, tmp_path / "static.safetensors")
    load_weights(dynamic, tmp_path / "static.safetensors", optional=("gate_layer.",))
    for name, tensor in dynamic.state_dict().items():
        expected = gate[name] if name in gate else static.state_dict()[name]
        assert torch.equal(tensor, expected), name
    save_weights(dynamic, tmp_path / "dynamic.safetensors")
    with pytest.raises(InputError, match="unexpected entries"):
        load_weights(static, tmp_path / "dynamic.safetensors", optional=("gate_layer.",))
