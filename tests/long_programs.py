"""Every program that runs long, on data small enough to kill it often."""

import contextlib
import hashlib
import http.server
import json
import re
import threading
import time

import numpy as np
import torch

import mmimdb_files
import modality_runs as runs
from dynmm.data.mmimdb.raw import FILE as MOVIES
from dynmm.data.nyuv2.prepare import prepare
from dynmm.data.nyuv2.raw import LABELED, MAPPING, SPLITS
from dynmm.files import write_json
from dynmm.inference.modality import run_expert
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.dynamic_build import dynamic_from, trained_part
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.path_costs import path_madds
from dynmm.models.weights import save_weights
from dynmm.published_weights import WEIGHTS
from dynmm.stored_records import sealed
from dynmm.training.modality.experts import open_data
from dynmm.training.modality.stored_outputs import save_stored
from fixture_rules import tiny_nyu
from nyu_files import write_raw
from segmentation_runs import CONFIG as SEGMENTATION
from training_programs import ROOT, command, training_of

SEED = 3
DESCRIBED = {"preset": "p", "content": "made up", "paper_data": False, "select_on": "validation"}
LOADING = {"batch_size": 4, "by_length": True}
NOISE = {"levels": [0, 0.3, 0.6], "runs": 2}
BLOCK, PAUSE = 16384, 0.02  # bytes that the slow server sends, and seconds between two blocks


def script(program, folder, config, **options):
    """The command line of a program; options whose values are lists take several words."""
    words = [str(ROOT / "workflow/scripts" / f"{program}.py"), "--config", json.dumps(config)]
    for option, value in {**options, "log": folder / "log"}.items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{option.replace('_', '-')}", *map(str, values)]
    return words


def training(program, folder, manifest, config, *more):
    """As `script`, of a training."""
    return command(program, folder, manifest, config, *more, seed=SEED)[1:]


class ModalityPrograms:
    """Prepared data of a task, experts and a gate with weights, and the programs that use them."""

    def __init__(self, task, folder):
        self.name, self.task = task, runs.task_of(task)
        self.manifest = runs.prepared(task, folder)
        splits, self.sizes, self.outputs = open_data(self.task, self.manifest)
        self.experts, self.trainings, self.stored = runs.EXPERTS[task], [], [[], []]
        torch.manual_seed(SEED)
        model = dynamic_from(task, self._gated, self.sizes, self.outputs)
        model.constant_experts = True
        for settings, expert in zip(self.experts, model.experts.values(), strict=True):
            self.trainings.append(_published(expert, folder / settings["name"]))
            self._store(expert.eval(), settings, splits, folder)
        self.trainings.insert(0, _published(trained_part(model), folder / "gate"))

    @property
    def _gated(self):
        return {"experts": self.experts, "gate": runs.GATES[self.name], "freeze": True}

    def _store(self, expert, settings, splits, folder):
        whole = expert_from(self.name, settings, self.sizes, self.outputs)
        whole.load_state_dict(expert.state_dict())
        for split, paths in zip(splits, self.stored, strict=True):
            paths.append(folder / f"{settings['name']}{len(split)}.npy")
            found = run_expert(whole.eval(), self.task, split, runs.TRAINING, runs.CPU)
            save_stored(found.outputs, paths[-1])

    def train_expert(self, folder):
        config = {"expert": self.experts[1], "training": {**runs.TRAINING, "epochs": 12}}
        return training("train_expert", folder, self.manifest, config, "--task", self.name)

    def train_dynamic(self, folder, freeze):
        more = {"epochs": 8, "temperature": [1.0, 0.1], "gumbel": True, "freeze": freeze}
        config = {**self._gated, "training": {**runs.POINT, **more}}
        words = ["--task", self.name, "--experts", *self.trainings[1:]]
        if freeze:
            words += ["--stored-train", *self.stored[0], "--stored-validation", *self.stored[1]]
        return training("train_dynamic", folder, self.manifest, config, *words)

    def cross_fit_expert(self, folder):
        config = {"expert": self.experts[0], "training": {**runs.TRAINING, "epochs": 12}}
        config |= {"folds": 3, "evaluation": LOADING}
        return self._script("cross_fit_expert", folder, config, name="text", fold=1, out="1.npz")

    def store_expert_outputs(self, folder):
        config = {"expert": self.experts[0], "evaluation": LOADING}
        where = {"train": folder / "train.npy", "validation": folder / "validation.npy"}
        return script(
            "store_expert_outputs",
            folder,
            config,
            task=self.name,
            prepared=self.manifest,
            training=self.trainings[1],
            **where,
        )

    def evaluate_modality(self, folder):
        config = {**self._gated, **DESCRIBED, "inference": "hard", "temperature": 1.0}
        config |= {"evaluation": LOADING, "point": {"lambda": "0.1"}, "budgets": [{"share": 0.5}]}
        where = {"metrics": folder / "metrics.json", "predictions": folder / "predictions.npz"}
        return script(
            "evaluate_modality",
            folder,
            config,
            task=self.name,
            name="dynmm",
            prepared=self.manifest,
            training=self.trainings,
            seed=SEED,
            **where,
        )

    def evaluate_feature_noise(self, folder):
        noise = {**NOISE, "settings": ["text"], "per": "batch", "batch_size": 2}
        config = {**self._gated, "inference": "hard", "temperature": 1.0}
        config |= {"evaluation": {"by_length": True}, "noise": noise}
        more = {"model": "dynmm", "training": self.trainings}
        return self._script("evaluate_feature_noise", folder, config, out="out.csv", **more)

    def _script(self, program, folder, config, out, **more):
        more |= {"task": self.name, "prepared": self.manifest, "seed": SEED}
        more |= {"resume_dir": folder / "resume", "out": folder / out}
        return script(program, folder, config, **more)


class SegmentationPrograms:
    """Prepared frames, a network with weights, and the programs that use them."""

    def __init__(self, folder):
        two = {key: np.repeat(array, 2, axis=0) for key, array in tiny_nyu().items()}
        write_raw(folder / "raw", two, {"train": [1, 3, 5, 7, 9], "test": [2, 4, 6]})
        prepare(folder / "raw", folder / "prepared", SEGMENTATION["prepare"])
        self.manifest = folder / "prepared" / "manifest.json"
        many = {key: np.repeat(array, 40, axis=0) for key, array in tiny_nyu().items()}
        numbers = list(range(1, 241))
        self.raw = write_raw(folder / "many", many, {"train": numbers[:-9], "test": numbers[-9:]})
        torch.manual_seed(SEED)
        model = build_segmentation("dynamic", SEGMENTATION["network"]).eval()
        self.weights, self.madds = _published(model, folder / "network"), folder / "madds.json"
        write_json(self.madds, sealed({"madds": path_madds(model)}))

    def train_segmentation(self, folder, model, workers):
        more = {"model": model, "epochs": 2, "batch_size": 2}
        config = {**SEGMENTATION, "training": {**SEGMENTATION["training"], **more}}
        more = ("--workers", workers)
        return training("train_segmentation", folder, self.manifest, config, *more)

    def prepare_nyuv2(self, folder):
        raw = {"mat": LABELED, "splits": SPLITS, "mapping": MAPPING}
        paths = {option: self.raw / name for option, name in raw.items()}
        out = folder / "prepared"
        return script("prepare_nyuv2", folder, SEGMENTATION["prepare"], out=out, **paths)

    def evaluate_segmentation(self, folder):
        config = {**DESCRIBED, "evaluation": {"batch_size": 1}, "run": {"model": "dynamic"}}
        config["run"] |= {"select_on": "validation", "epochs_total": 25}
        where = {"metrics": folder / "metrics.json", "decisions": folder / "decisions.csv"}
        return self._script("evaluate_segmentation", folder, config, madds=self.madds, **where)

    def evaluate_noise(self, folder):
        noise = {**NOISE, "settings": ["both"], "per": "batch", "batch_size": 1}
        more = {"madds": self.madds, "out": folder / "out.csv", "resume_dir": folder / "resume"}
        config = {"model": "dynamic", "noise": noise}
        return self._script("evaluate_noise", folder, config, **more)

    def evaluate_paths(self, folder):
        more = {"out": folder / "out.npz", "resume_dir": folder / "resume"}
        config = {"evaluation": {"batch_size": 1}}
        return self._script("evaluate_paths", folder, config, **more)

    def _script(self, name, folder, config, **more):
        network = {k: v for k, v in SEGMENTATION["network"].items() if k != "pretrained"}
        config |= {"network": network, "prepare": SEGMENTATION["prepare"]}
        more |= {"prepared": self.manifest, "weights": self.weights}
        return script(name, folder, config, run="dynmm", seed=SEED, **more)


class RawPrograms:
    """Raw files of the modality-level tasks, a server that sends one slowly, and their programs."""

    def __init__(self, folder, address):
        folder.mkdir()
        self.address, self.rows = address, 3000
        self.raw = mmimdb_files.write(folder / MOVIES, mmimdb_files.arrays(self.rows))
        self.content = self.raw.read_bytes()
        self.snippets = folder / "snippets"
        runs.prepared("mosei", self.snippets)

    def prepare_mmimdb(self, folder):
        splits = {"train": self.rows - 20, "dev": 10, "test": 10}
        out = folder / "prepared"
        return script("prepare_mmimdb", folder, {"splits": splits}, raw=self.raw, out=out)

    def prepare_mosei(self, folder):
        raw = self.snippets / "raw"
        return script("prepare_mosei", folder, {}, raw_dir=raw, out=folder / "prepared")

    def download_raw(self, folder, name):
        digest = hashlib.sha256(self.content).hexdigest()
        known = {"bytes": len(self.content), "md5": None, "sha256": digest}
        source = {**known, "addresses": [self.address], "by_hand": "Ask."}
        entry = {"name": "made up", "page": "none", "licence": "none", "files": {name: source}}
        raw_dir = folder / "raw"
        return script("download_raw", folder, entry, task="mmimdb", raw_dir=raw_dir, file=name)


def _published(network, folder):
    """Weights as a training leaves them; their training.json."""
    save_weights(network.state_dict(), folder / WEIGHTS)
    return training_of(folder / WEIGHTS, epochs=4)


class SlowServer(http.server.ThreadingHTTPServer):
    """Sends its `content` by byte ranges and in small blocks; a context manager."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.address = b"", f"http://127.0.0.1:{self.server_port}/file"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    def handle_error(self, *_):
        """A client that was killed is no failure."""

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.content
        start, stop = 0, len(content)
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start = int(asked[1])
            stop = min(int(asked[2]) + 1, stop) if asked[2] else stop
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for position in range(start, stop, BLOCK):
                self.wfile.write(content[position : min(position + BLOCK, stop)])
                time.sleep(PAUSE)

    def log_message(self, *_):
        pass


def programs(folder, server):
    """Name -> function of a folder that gives the command line of a program which writes there."""
    movies, speech = (ModalityPrograms(task, folder / task) for task in ("mmimdb", "mosei"))
    rooms, raw = SegmentationPrograms(folder / "nyuv2"), RawPrograms(folder / "raw", server.address)
    server.content = raw.content
    return {
        "train_expert mmimdb": movies.train_expert,
        "train_expert mosei": speech.train_expert,
        "train_dynamic mmimdb": lambda folder: movies.train_dynamic(folder, freeze=False),
        "train_dynamic mosei": lambda folder: speech.train_dynamic(folder, freeze=True),
        "train_segmentation": lambda folder: rooms.train_segmentation(folder, "dynamic", 0),
        "train_segmentation 2": lambda folder: rooms.train_segmentation(folder, "rgb", 2),
        "cross_fit_expert": movies.cross_fit_expert,
        "prepare_nyuv2": rooms.prepare_nyuv2,
        "prepare_mmimdb": raw.prepare_mmimdb,
        "prepare_mosei": raw.prepare_mosei,
        "download_raw": lambda folder: raw.download_raw(folder, "file.bin"),
        "download_raw ranges": lambda folder: raw.download_raw(folder, MOVIES),
        "evaluate_segmentation": rooms.evaluate_segmentation,
        "evaluate_modality": movies.evaluate_modality,
        "evaluate_noise": rooms.evaluate_noise,
        "evaluate_feature_noise": speech.evaluate_feature_noise,
        "evaluate_paths": rooms.evaluate_paths,
        "store_expert_outputs": movies.store_expert_outputs,
    }
