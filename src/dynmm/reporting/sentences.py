"""Which path each sentence of a review or video took, as data (figure 5)."""

import re
from pathlib import Path
from typing import NamedTuple

from dynmm.data.manifest import open_array, read_manifest
from dynmm.errors import InputError
from dynmm.stored_arrays import GATED, PREDICTIONS, read_arrays
from dynmm.vocabulary import MOSEI

SPLIT = "test"
SEGMENT = re.compile(r"(.*)\[(-?\d+)\]$")  # ids are `video[segment]`
ONE_SCORE = {"outputs": 1}  # sizes of axes


class Sentence(NamedTuple):
    """One sentence: id, words ("" where unknown), scores in [-3, 3], place of its expert."""

    id: str
    words: str
    true: float
    predicted: float
    expert: int

    @property
    def review(self):
        """The review or video that it belongs to: the id without the segment."""
        match = SEGMENT.match(self.id)
        return match[1] if match else self.id

    @property
    def segment(self):
        """Its place there."""
        match = SEGMENT.match(self.id)
        return int(match[2]) if match else 0


def read_sentences(predictions_path, manifest_path):
    """Predictions of the test split with the words of the prepared data.

    Args:
        predictions_path: `predictions.npz` of a dynamic model on CMU-MOSEI.
        manifest_path: `manifest.json` of the prepared data; its arrays lie beside it.

    Returns:
        List of `Sentence`s in the order of the predictions, and whether the data has words.

    Raises:
        InputError: a file or an array is missing or damaged, arrays differ in length, or a sample
            was predicted that the prepared data does not hold.
    """
    manifest_path = Path(manifest_path)
    stored = read_arrays(predictions_path, PREDICTIONS | GATED, sizes=ONE_SCORE)
    words, has_words = _words(manifest_path.parent)
    ids = [_text(value) for value in stored["ids"]]
    missing = [i for i in ids if i not in words]
    if missing:
        raise InputError(
            "predictions of a sentence that the prepared data lack",
            file=predictions_path,
            key=missing[0],
            fix=f"Evaluate again on the data of {manifest_path}.",
        )
    columns = (stored[name].ravel().tolist() for name in ("targets", "outputs", "chosen"))
    rows = zip(ids, *columns, strict=True)
    return [Sentence(i, words[i], true, out, expert) for i, true, out, expert in rows], has_words


def choose_review(sentences, wanted=None):
    """The sentences of one review, in their order there.

    Args:
        sentences: what `read_sentences` returned.
        wanted: its name; None takes the one with the most sentences among those that use more than
            one path (among all where none does), the first by name between equals.

    Raises:
        InputError: no sentence of that review.
    """
    reviews = {}
    for sentence in sentences:
        reviews.setdefault(sentence.review, []).append(sentence)
    if wanted is None:
        wanted = min(reviews, key=lambda name: (*_rank(reviews[name]), name))
    elif wanted not in reviews:
        raise _no_such_review(wanted, reviews)
    return sorted(reviews[wanted], key=lambda sentence: sentence.segment)


def check_review(manifest_path, wanted):
    """Refuse a review of which the prepared data hold no test sentence.

    Raises:
        InputError: no sentence of that review.
    """
    folder = Path(manifest_path).parent
    ids = open_array(folder, read_manifest(folder, MOSEI), f"{SPLIT}_ids.npy")
    reviews = {Sentence(name, "", 0, 0, 0).review for name in map(_text, ids)}
    if wanted not in reviews:
        raise _no_such_review(wanted, reviews)


def _no_such_review(wanted, reviews):
    return InputError(
        "no sentence of the review that config names",
        key="mosei.figure5.review",
        found=wanted,
        expected=f"a review of the {SPLIT} split, such as {min(reviews)}",
    )


def _words(prepared_dir):
    """Id -> words of the test split, "" where the data has none; and whether it has."""
    manifest = read_manifest(prepared_dir, MOSEI)
    ids = open_array(prepared_dir, manifest, f"{SPLIT}_ids.npy")
    texts = [b""] * len(ids)
    if manifest["sentences"]:
        texts = open_array(prepared_dir, manifest, f"{SPLIT}_sentences.npy")
    return dict(zip(map(_text, ids), map(_text, texts), strict=True)), manifest["sentences"]


def _rank(members):
    return (len({sentence.expert for sentence in members}) == 1, -len(members))


def _text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
