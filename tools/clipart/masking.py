"""Text of a picture without the words that give its labels away."""

import re

import numpy as np
from tools.wordvectors import words_of

SAME_WORD = 0.8  # cosine to a label's name above which a word counts as the label's variant


class MaskedText:
    """Words of an item, label words masked, and their mean vector.

    Masked are all keywords that stand for one of the labels, their singular and plural forms, and
    words whose vector has a cosine above SAME_WORD with a label's name: with them in place the
    text alone would solve the task.

    Args:
        vectors: tools.wordvectors.WordVectors of norm 1.
        labels: names of the labels in use.
        rules: tools.clipart.collection.LabelRules.
    """

    def __init__(self, vectors, labels, rules):
        self.vectors = vectors
        self.keywords = frozenset().union(*(rules.keywords[label] for label in labels))
        self.folders = rules.folders
        self.boilerplate = re.compile("|".join(rules.boilerplate), flags=re.I)
        pieces = {piece for word in self.keywords for piece in word.split("_")} - {"and"}
        self.forms = pieces | {p + "s" for p in pieces} | {p.rstrip("s") for p in pieces}
        self.names = np.stack([vectors[label] for label in labels])

    def is_masked(self, word):
        """Whether the word stands for a label."""
        word = word.lower()
        if word in self.forms:
            return True
        return word in self.vectors and (self.names @ self.vectors[word]).max() > SAME_WORD

    def words(self, item):
        """The item's words (title, description, other keywords) that are left, in order."""
        keywords = [
            word.replace("_", " ")
            for word in item.keywords
            if word not in self.keywords | self.folders and not word.startswith("0x")
        ]
        title = self.boilerplate.sub(" ", item.title)
        description = self.boilerplate.sub(" ", item.description)
        text = " ".join([title, description, *keywords]).replace("_", " ")
        return [
            word
            for word in words_of(text)
            if word in self.vectors and not word.isdigit() and not self.is_masked(word)
        ]

    def feature(self, words):
        """Mean vector of the words, (300,) float32."""
        return np.mean([self.vectors[word] for word in words], axis=0)
