"""The clip art collection: pictures with the titles, descriptions and keywords people gave them."""

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import yaml
from lxml import etree
from PIL import Image

MAX_PIXELS = 4_000_000  # a few giant pictures would take longer than all others together


@dataclass(frozen=True)
class LabelRules:
    """What labels.yaml says: which keywords stand for a label, and what is left out."""

    keywords: dict
    implied: dict
    folders: frozenset
    skipped: tuple
    boilerplate: tuple

    @classmethod
    def read(cls):
        """The rules of labels.yaml."""
        path = Path(__file__).with_name("labels.yaml")
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        return cls(
            keywords={label: frozenset(words.split()) for label, words in raw["keywords"].items()},
            implied=raw["implied"],
            folders=frozenset(raw["folders"]),
            skipped=tuple(raw["skipped"]),
            boilerplate=tuple(raw["boilerplate"]),
        )

    def labels_of(self, keywords):
        """The set of labels that the keywords stand for."""
        labels = {label for label, words in self.keywords.items() if words & set(keywords)}
        return labels | {self.implied[label] for label in labels if label in self.implied}


@dataclass
class Item:
    """One picture: path below the collection's root, its PNG, and what people wrote of it."""

    path: str
    png: Path
    title: str
    description: str
    keywords: list
    labels: set


def read_collection(svg_root, png_root, rules):
    """Every picture that has keywords, in the order of paths; of equal pictures the first."""
    items, seen = [], set()
    for svg in _files(svg_root):
        relative = svg.relative_to(svg_root)
        png = Path(png_root, relative).with_suffix(".png")
        if svg.is_symlink() or not png.is_file() or str(relative).startswith(rules.skipped):
            continue
        described = _description(svg)
        if described is None or not described[2]:
            continue
        digest = hashlib.sha256(png.read_bytes()).digest()
        if digest in seen or _too_large(png):
            continue
        seen.add(digest)
        title, text, keywords = described
        items.append(Item(str(relative), png, title, text, keywords, rules.labels_of(keywords)))
    return items


def _files(root):
    for folder, _, names in sorted(os.walk(root)):
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".svg"))


def _description(path):
    """Title, description and keywords in the SVG's metadata; None where it has none."""
    try:
        root = etree.parse(str(path), etree.XMLParser(recover=True, huge_tree=True)).getroot()
    except etree.XMLSyntaxError:
        return None
    works = root.xpath('.//*[local-name()="Work"]') if root is not None else []
    if not works:
        return None

    def text(name):
        return " ".join(works[0].xpath(f'./*[local-name()="{name}"]//text()')).strip()

    keywords = works[0].xpath('./*[local-name()="subject"]//*[local-name()="li"]//text()')
    keywords = [word.strip().lower().replace(" ", "_") for word in keywords if word.strip()]
    return text("title"), text("description"), keywords


def _too_large(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:  # reads the header only
                return image.width * image.height > MAX_PIXELS
        except Image.DecompressionBombError:
            return True
