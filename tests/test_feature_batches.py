import numpy as np
import pytest
import torch

import mmimdb_files
from dynmm.data.mmimdb.batches import FeatureSplit
from dynmm.data.mmimdb.prepare import prepare
from dynmm.data.ordering import shuffled, whole_batches
from dynmm.errors import InputError
from dynmm.metrics.multilabel import f1_scores
from mmimdb_files import SPLITS


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mmimdb")
    values = mmimdb_files.arrays()
    raw = mmimdb_files.write(folder / "raw.hdf5", values)
    prepare(raw, folder / "prepared", {"splits": SPLITS})
    return folder / "prepared", values


def test_batches_in_order_are_the_rows_of_the_file(prepared):
    folder, values = prepared
    split = FeatureSplit.open(folder, "test")
    batches = list(split.batches(2))
    assert [len(batch["targets"]) for batch in batches] == [2, 2, 1]
    image = torch.cat([batch["inputs"]["image"] for batch in batches])
    assert np.array_equal(image, values["vgg_features"][-5:])
    assert split.input_sizes == {"text": 6, "image": 10}
    assert len(split) == 5
    assert split.ids[0] == values["imdb_ids"][15]


def test_shuffled_batches_keep_samples_together_and_follow_seed_and_epoch(prepared):
    folder, values = prepared
    split = FeatureSplit.open(folder, "train")
    split.stored["expert_outputs"] = torch.arange(12.0).view(12, 1, 1).expand(12, 2, 3)

    def epoch(seed, number):
        batches = list(split.shuffled_batches(5, seed, number))
        rows = torch.cat([batch["expert_outputs"][:, 0, 0] for batch in batches]).long()
        text = torch.cat([batch["inputs"]["text"] for batch in batches])
        assert np.array_equal(text, values["features"][rows])
        targets = torch.cat([batch["targets"] for batch in batches])
        assert np.array_equal(targets, values["genres"][rows])
        return rows.tolist()

    assert sorted(epoch(0, 0)) == list(range(12))
    assert epoch(0, 0) == epoch(0, 0)
    assert len({tuple(epoch(*pair)) for pair in ((0, 0), (0, 1), (1, 0), (1, 1))}) == 4


def test_a_single_sample_left_over_joins_the_batch_before():
    assert [len(piece) for piece in whole_batches(torch.arange(11), 5)] == [5, 6]
    assert [len(piece) for piece in whole_batches(torch.arange(12), 5)] == [5, 5, 2]
    assert [len(piece) for piece in whole_batches(torch.arange(1), 5)] == [1]
    assert torch.equal(torch.cat(whole_batches(torch.arange(11), 5)), torch.arange(11))


def test_shuffling_is_a_permutation():
    assert torch.equal(shuffled(100, 3, 2).sort().values, torch.arange(100))


def test_writing_to_a_batch_leaves_the_file_alone(prepared):
    folder, values = prepared
    split = FeatureSplit.open(folder, "dev")
    next(split.batches(3))["inputs"]["text"].fill_(9.0)
    again = FeatureSplit.open(folder, "dev")
    assert np.array_equal(again.inputs["text"], values["features"][12:15])


def test_a_missing_or_foreign_array_is_named(prepared, tmp_path):
    folder, _ = prepared
    with pytest.raises(InputError, match="unknown split"):
        FeatureSplit.open(folder, "valid")
    with pytest.raises(InputError, match=r"manifest.json"):
        FeatureSplit.open(tmp_path, "train")
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    np.save(tmp_path / "dev_text.npy", np.zeros((3, 7), np.float32))
    with pytest.raises(InputError, match=r"dev_text.npy.*forcerun prepare_mmimdb"):
        FeatureSplit.open(tmp_path, "dev")


def test_f1_by_hand():
    logits = np.array([[2.0, -1.0, 0.0], [2.0, 3.0, -1.0], [-2.0, 1.0, -1.0]], np.float32)
    targets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    scores = f1_scores(logits, targets)
    # label 0: one hit of 2 predicted and 2 present; label 1: both; label 2: never predicted
    assert scores["label_f1"] == pytest.approx([0.5, 1.0, 0.0])
    assert scores["macro_f1"] == pytest.approx(0.5)
    assert scores["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))
    assert f1_scores(torch.from_numpy(logits), torch.from_numpy(targets)) == scores


def test_f1_equals_scikit_learn():
    from sklearn.metrics import f1_score

    random = np.random.default_rng(0)
    logits = random.standard_normal((50, 7)).astype(np.float32)
    targets = random.random((50, 7)) < 0.3
    scores = f1_scores(logits, targets)
    predicted = logits > 0
    assert scores["micro_f1"] == pytest.approx(f1_score(targets, predicted, average="micro"))
    assert scores["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
    assert scores["label_f1"] == pytest.approx(f1_score(targets, predicted, average=None))


def test_f1_refuses_other_shapes():
    with pytest.raises(ValueError, match="differ in shape"):
        f1_scores(np.zeros((2, 3), np.float32), np.zeros((2, 4)))
