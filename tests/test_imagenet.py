"""ImageNet encoders from files in torch's cache; nothing is downloaded here."""

import pytest
import torch
import torchvision

from dynmm.errors import InputError
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.imagenet import published_weights
from dynmm.models.segmentation.resnet import ResNetEncoder

NETWORK = {
    "encoder": "resnet18",
    "block": "BasicBlock",
    "channels_decoder": [16, 16, 16],
    "nr_decoder_blocks": [1, 1, 1],
    "fusion": "SE-add",
    "height": 64,
    "width": 64,
    "pretrained": "imagenet",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens: every download fails
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder


def put_torchvision_file(cache, encoder):
    network = getattr(torchvision.models, encoder)(weights=None)
    torch.save(network.state_dict(), cache / published_weights(encoder).url.rpartition("/")[2])
    return network


@pytest.mark.parametrize("encoder", ["resnet18", "resnet50"])
def test_encoders_start_from_torchvision_s_weights(cache, encoder):
    published = put_torchvision_file(cache, encoder)
    model = build_segmentation("dynamic", {**NETWORK, "encoder": encoder})
    for name in ("conv1.weight", "layer3.0.conv2.weight", "layer4.1.bn1.running_var"):
        expected = published.state_dict()[name]
        assert torch.equal(model.state_dict()[f"encoder_rgb.{name}"], expected)
        if name == "conv1.weight":
            expected = expected.sum(1, keepdim=True)
        assert torch.equal(model.state_dict()[f"encoder_depth.{name}"], expected)


def test_our_encoder_computes_what_torchvision_s_does(cache):
    published = put_torchvision_file(cache, "resnet18").eval()
    model = build_segmentation("rgb", NETWORK).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        x = published.maxpool(published.relu(published.bn1(published.conv1(image))))
        y = published.maxpool(model.encoder.stem(image))
        for stage in (1, 2, 3, 4):
            x, y = getattr(published, f"layer{stage}")(x), model.encoder.stage(stage, y)
            torch.testing.assert_close(y, x)


def test_no_network_and_no_file_says_what_to_fetch_and_where_to_put_it(cache):
    with pytest.raises(InputError) as caught:
        build_segmentation("static", NETWORK)
    message = str(caught.value)
    assert published_weights("resnet18").url in message
    assert str(cache / "resnet18-f37072fd.pth") in message
    assert "pretrained: none" in message


def test_a_file_of_another_network_is_refused(cache):
    published = torchvision.models.resnet34(weights=None)
    torch.save(published.state_dict(), cache / "resnet18-f37072fd.pth")
    with pytest.raises(InputError, match="do not fit"):
        build_segmentation("static", NETWORK)


def test_non_bottleneck_encoders_need_esanet_s_file(cache):
    network = {**NETWORK, "encoder": "resnet34", "block": "NonBottleneck1D"}
    with pytest.raises(InputError, match=r"torchvision has no.*r34_NBt1D\.pth.*ESANet"):
        build_segmentation("rgb", network)
    published = ResNetEncoder("resnet34", "NonBottleneck1D", 3)
    state = {f"module.encoder.{key}": value for key, value in published.state_dict().items()}
    state["module.fc.weight"] = torch.zeros(1000, 512)
    torch.save({"epoch": 1, "state_dict": state}, cache / "r34_NBt1D.pth")
    model = build_segmentation("depth", network)
    loaded, expected = model.encoder.state_dict(), published.state_dict()
    assert torch.equal(loaded["layer2.0.conv1x3_1.weight"], expected["layer2.0.conv1x3_1.weight"])
    assert torch.equal(loaded["conv1.weight"], expected["conv1.weight"].sum(1, keepdim=True))
