"""Counts on layers worked out by hand; those of whole networks stand with the networks' tests."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from dynmm.models.madds import count_by_module, count_madds

LENGTH, WIDTH, HEADS, HIDDEN = 50, 120, 5, 2048
PROJECTIONS = 4 * WIDTH * WIDTH * LENGTH
FEED_FORWARD = 2 * WIDTH * HIDDEN * LENGTH
PRODUCTS = 2 * LENGTH * LENGTH * WIDTH


def transformer(batch_first=True):
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, batch_first=batch_first)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def test_linear_and_batch_norm():
    network = nn.Sequential(nn.Linear(300, 512), nn.BatchNorm1d(512), nn.Linear(512, 23))
    counts = count_madds(network, torch.randn(1, 300))
    assert counts["complete"] == 300 * 512 + 512 * 23
    assert counts["per_module"] == 300 * 512 + 512 * 23 + 2 * 512


def test_convolutions_with_stride_groups_and_bias():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2, bias=False), nn.Conv2d(8, 8, 3, groups=4)
    )
    counts = count_madds(network, torch.randn(1, 3, 32, 48))
    first, second = 8 * 16 * 24 * 3 * 25, 8 * 14 * 22 * 2 * 9
    assert counts["complete"] == first + second
    assert counts["per_module"] == first + second + 8 * 14 * 22


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_cannot_hide_in_a_fused_kernel(batch_first):
    shape = (1, LENGTH, WIDTH) if batch_first else (LENGTH, 1, WIDTH)
    counts = count_madds(transformer(batch_first), torch.randn(shape))
    assert counts["complete"] == 2 * (PROJECTIONS + FEED_FORWARD + PRODUCTS)
    assert counts["attention_products"] == 2 * PRODUCTS
    assert counts["per_module"] == 2 * FEED_FORWARD


def test_the_mosei_text_transformer_counted_again():
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN)
            self.conv = nn.Conv1d(300, WIDTH, 1, bias=False)
            self.transformer = nn.TransformerEncoder(layer, 5, enable_nested_tensor=False)
            self.head = nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 1))

        def forward(self, x):
            return self.head(self.transformer(self.conv(x).permute(2, 0, 1))[-1])

    counts = count_madds(Text(), torch.randn(1, 300, LENGTH))
    assert counts["per_module"] == pytest.approx(124.9e6, rel=0.01)
    # torch's own counter leaves the attention kernel out on a CPU
    assert counts["complete"] - counts["attention_products"] == pytest.approx(139.1e6, rel=0.01)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_layers(bidirectional):
    network = nn.GRU(10, 16, num_layers=2, bidirectional=bidirectional)
    directions = 2 if bidirectional else 1
    expected = 7 * directions * 3 * 16 * ((10 + 16) + (16 * directions + 16))
    counts = count_madds(network, torch.randn(7, 1, 10))
    assert counts["complete"] == counts["per_module"] == expected


def test_packed_sequences_count_their_true_steps():
    packed = pack_padded_sequence(torch.randn(2, 7, 10), torch.tensor([7, 5]), batch_first=True)
    counts = count_madds(nn.GRU(10, 16, batch_first=True), packed)
    assert counts["complete"] == counts["per_module"] == 12 * 3 * 16 * 26


def test_a_bound_method_is_counted_under_the_same_names():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.stem(x))

        def infer(self, x):
            return self.stem(x)

    network, x = Network(), torch.randn(1, 4)
    by_name = count_by_module(network, x)
    assert by_name["complete"] == {"": 0, "stem": 32, "head": 16}
    assert by_name["per_module"] == {"stem": 32, "head": 16}
    assert count_madds(network, x, forward=network.infer)["complete"] == 32


def test_counting_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    count_madds(network, torch.randn(1, 4))
    assert [module.training for module in network] == [True, False, True]
    assert torch.backends.mha.get_fastpath_enabled() == fast_path
    assert not network[0]._forward_hooks
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
