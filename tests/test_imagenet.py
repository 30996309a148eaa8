"""ImageNet encoders: from files, and from a server through the workflow's own rule."""

import hashlib
import http.server
import json
import threading

import pytest
import torch
import torchvision
import yaml

from dynmm.configuration import segmentation
from dynmm.errors import InputError
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.resnet import ResNetEncoder
from nyu_files import write_raw
from workflow_tree import CONFIG, ROOT, configured, copy_workflow, planned, snakemake

NETWORK = {
    "encoder": "resnet18",
    "block": "BasicBlock",
    "channels_decoder": [16, 16, 16],
    "nr_decoder_blocks": [1, 1, 1],
    "fusion": "SE-add",
    "height": 64,
    "width": 64,
}
DATASETS = yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text())


def torchvision_file(folder, encoder):
    """A network of torchvision with fresh weights and its file, named as torchvision names them."""
    network, path = getattr(torchvision.models, encoder)(weights=None), folder / "new.pth"
    torch.save(network.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return network, path.rename(folder / f"{encoder}-{digest[:8]}.pth")


def build(kind, path, **network):
    return build_segmentation(kind, {**NETWORK, **network, "pretrained": path})


@pytest.mark.parametrize(
    ("encoder", "block"), [("resnet18", "BasicBlock"), ("resnet50", "Bottleneck")]
)
def test_encoders_start_from_torchvision_s_weights(tmp_path, encoder, block):
    published, path = torchvision_file(tmp_path, encoder)
    model = build("dynamic", path, encoder=encoder, block=block)
    for name in ("conv1.weight", "layer3.0.conv2.weight", "layer4.1.bn1.running_var"):
        expected = published.state_dict()[name]
        assert torch.equal(model.state_dict()[f"encoder_rgb.{name}"], expected)
        if name == "conv1.weight":
            expected = expected.sum(1, keepdim=True)
        assert torch.equal(model.state_dict()[f"encoder_depth.{name}"], expected)


def test_our_encoder_computes_what_torchvision_s_does(tmp_path):
    published, path = torchvision_file(tmp_path, "resnet18")
    published, model = published.eval(), build("rgb", path).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        x = published.maxpool(published.relu(published.bn1(published.conv1(image))))
        y = published.maxpool(model.encoder.stem(image))
        for stage in (1, 2, 3, 4):
            x, y = getattr(published, f"layer{stage}")(x), model.encoder.stage(stage, y)
            torch.testing.assert_close(y, x)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no such weights file; file: .*resnet18-f37072fd\.pth"):
        build("static", tmp_path / "resnet18-f37072fd.pth")


def test_a_file_with_one_wrong_bit_is_refused(tmp_path):
    _, path = torchvision_file(tmp_path, "resnet18")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"are damaged; file: .*found: SHA-256.*as its name says"):
        build("static", path)


def test_a_file_of_another_network_is_refused(tmp_path):
    _, path = torchvision_file(tmp_path, "resnet34")
    with pytest.raises(InputError, match="do not fit"):
        build("static", path)
    torch.save({"weight": torch.zeros(1)}, path.with_name("other.pth"))
    with pytest.raises(InputError, match=r"no encoder.*conv1\.weight"):
        build("static", path.with_name("other.pth"))


def test_non_bottleneck_encoders_take_esanet_s_file(tmp_path):
    published = ResNetEncoder("resnet34", "NonBottleneck1D", 3)
    state = {f"module.encoder.{key}": value for key, value in published.state_dict().items()}
    state["module.fc.weight"] = torch.zeros(1000, 512)
    path = tmp_path / "r34_NBt1D.pth"
    torch.save({"epoch": 1, "state_dict": state}, path)
    model = build("depth", path, encoder="resnet34", block="NonBottleneck1D")
    loaded, expected = model.encoder.state_dict(), published.state_dict()
    assert torch.equal(loaded["layer2.0.conv1x3_1.weight"], expected["layer2.0.conv1x3_1.weight"])
    assert torch.equal(loaded["conv1.weight"], expected["conv1.weight"].sum(1, keepdim=True))


def test_the_files_are_those_that_torchvision_names_and_their_checksums_fit_their_names():
    assert set(segmentation.TORCHVISION_FILES.values()) == set(DATASETS["imagenet"]["files"])
    for encoder, name in segmentation.TORCHVISION_FILES.items():
        weights = torchvision.models.get_weight(
            f"{encoder.replace('resnet', 'ResNet')}_Weights.IMAGENET1K_V1"
        )
        source = DATASETS["imagenet"]["files"][name]
        assert source["addresses"] == [weights.url] and weights.url.endswith(f"/{name}")
        assert source["sha256"].startswith(name.removesuffix(".pth").rpartition("-")[2])
        assert source["bytes"] / 2**20 == pytest.approx(weights.meta["_file_size"], abs=1e-3)


def test_only_runs_that_start_anew_read_the_file():
    config = configured({"preset": "paper"})
    asked = {run: segmentation.imagenet_file(config, run) for run in config["nyuv2"]["runs"]}
    starts = {run for run, own in config["nyuv2"]["runs"].items() if "init_from" not in own}
    assert {run for run, name in asked.items() if name} == starts
    assert asked["esanet"] == "resnet50-0676ba61.pth"
    config["nyuv2"]["network"] |= {"encoder": "resnet34", "block": "NonBottleneck1D"}
    assert segmentation.imagenet_file(config, "esanet") == "r34_NBt1D.pth"
    config["nyuv2"]["network"]["pretrained"] = "none"
    assert segmentation.imagenet_file(config, "esanet") is None


# through the workflow


@pytest.fixture
def server(tmp_path):
    """Serves the files of a folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=tmp_path / "served")

        def log_message(self, *_):
            asked.append(self.path)

    asked = []
    (tmp_path / "served").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as result:
        result.asked, result.folder = asked, tmp_path / "served"
        thread = threading.Thread(target=result.serve_forever, args=(0.02,))
        thread.start()
        yield result
        result.shutdown()
        thread.join()


@pytest.fixture
def tree(tmp_path, server):
    """A workflow of one small network that starts from weights which the server has."""
    tree = copy_workflow(tmp_path / "tree")
    write_raw(tree / "resources/sample/nyuv2")
    _, made = torchvision_file(server.folder, "resnet18")
    name = segmentation.TORCHVISION_FILES["resnet18"]
    source = DATASETS["imagenet"]["files"][name] | {
        "addresses": [f"http://127.0.0.1:{server.server_port}/{made.name}"],
        "bytes": made.stat().st_size,
        "sha256": hashlib.sha256(made.read_bytes()).hexdigest(),
    }
    described = DATASETS | {"imagenet": DATASETS["imagenet"] | {"files": {made.name: source}}}
    (tree / "config/datasets.yaml").write_text(yaml.safe_dump(described))
    code = tree / "src/dynmm/configuration/segmentation.py"
    code.write_text(code.read_text().replace(name, made.name))
    config = yaml.safe_load((tree / CONFIG).read_text())
    config["data"] = {"imagenet": {"download": True}}
    config["nyuv2"] |= {
        "network": {"height": 64, "width": 64, "pretrained": "imagenet"},
        "training": {"batch_size": 3, "select_on": "test"},
        "runs": {
            **dict.fromkeys(("dynmm_b_79", "dynmm_b_45")),  # need frames held out, here are none
            **{run: {"training": {"epochs": 1}} for run in ("esanet", "stage1")},
        },
    }
    (tree / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    return tree, made


MODELS = "results/sample/nyuv2/models"


@pytest.mark.slow
def test_weights_are_fetched_once_before_the_training_that_starts_from_them(
    tree, server, monkeypatch
):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")  # nobody listens
    tree, made = tree
    targets = [f"{MODELS}/{run}/seed0/weights.safetensors" for run in ("esanet", "stage1")]
    jobs = planned(tree, *targets)
    fetch = f"download_raw_{made.stem.replace('-', '_')}"
    assert jobs[fetch, ""] == 1 and jobs["train_segmentation", "esanet"] == 1
    snakemake(tree, *targets)
    fetched = tree / "data/imagenet" / made.name
    assert len(server.asked) == 1
    assert fetched.read_bytes() == made.read_bytes() and not fetched.stat().st_mode & 0o222
    record = json.loads((tree / MODELS / "esanet/seed0/training.json").read_text())
    inputs = record["provenance"]["inputs_sha256"]
    assert inputs["imagenet"] == hashlib.sha256(made.read_bytes()).hexdigest()
    record = json.loads((tree / MODELS / "stage1/seed0/training.json").read_text())
    assert set(record["provenance"]["inputs_sha256"]) == {"manifest", "init"}
    fetched.touch()
    assert not planned(tree, *targets)


@pytest.mark.slow
def test_a_training_does_not_start_on_weights_with_a_wrong_checksum(tree, server):
    tree, made = tree
    content = bytearray(made.read_bytes())
    content[-1] ^= 1
    (server.folder / made.name).write_bytes(content)
    result = snakemake(tree, f"{MODELS}/esanet/seed0/weights.safetensors", check=False)
    assert result.returncode == 1 and "wrong content" in result.stderr
    assert "rule train_segmentation" not in result.stderr
    assert not (tree / "data/imagenet" / made.name).exists()


def test_a_file_that_nothing_fetches_is_named_with_what_to_do(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    write_raw(tree / "resources/sample/nyuv2")
    target = f"{MODELS}/esanet/seed0/weights.safetensors"
    for network, message in (
        ("", "a raw file is missing: data/imagenet/resnet18-f37072fd.pth. Put it there, point"),
        (", encoder: resnet34, block: NonBottleneck1D", "Fetch that file from https://github.com/"),
    ):
        (tree / "mine.yaml").write_text(f"nyuv2: {{network: {{pretrained: imagenet{network}}}}}\n")
        result = snakemake(tree, target, "-n", "--configfile", "mine.yaml", check=False)
        assert result.returncode == 1 and message in result.stderr.splitlines()[-1]
