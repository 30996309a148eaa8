"""Gates and experts of the modality level for the routing study, from what evaluations stored."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dynmm.budget_records import with_budgets
from dynmm.errors import InputError
from dynmm.evaluation.modality.own_experts import TEST_OUTPUTS, VALIDATION_OUTPUTS
from dynmm.evaluation.routing.linear_router import fit_linear_router
from dynmm.evaluation.routing.paths import (
    TOTAL,
    GateChoices,
    PathResults,
    PolicyCosts,
    check_samples,
)
from dynmm.evaluation.routing.study import GateGroup, GatePoint, family_of
from dynmm.stored_arrays import ALONE, GATED, OUTPUTS, OWN_EXPERTS, PREDICTIONS, read_arrays
from dynmm.stored_records import require_numbers

FROM_RAW = "from_raw"  # cost name: with the features' own cost
CONVENTION = "complete"
SAME = {"rtol": 1e-2, "atol": 1e-2}  # outputs of one expert in batches of other sizes


class StoredResults:
    """Everything that the study of one task reads, file by file.

    Args:
        routing: the task's module, see `tasks.load_routing`.
        splits: (validation, test), as the prepared data names them.
        prepared_dir: folder of the prepared arrays.
        sizes: feature size of each modality.
        feature_madds: modality -> multiply-adds of its features from raw input; empty where they
            are not known.
        letters: modality -> its letter in `metrics.json`.
        records: contents of the `metrics.json` files by their folder.
        files: paths of `predictions.npz` and `outputs_validation.npy` beside them.
    """

    def __init__(
        self, routing, splits, prepared_dir, sizes, feature_madds, letters, records, files
    ):
        self.routing, self.sizes = routing, sizes
        self.feature_madds, self.letters = feature_madds, letters
        self.records = records
        self._files = {(Path(path).parent, Path(path).name): Path(path) for path in files}
        self._prepared, (self._validation, self._test) = prepared_dir, splits
        self._features, self._targets = {}, {}
        self._routers = {}

    def groups(self):
        """The gates with hard choices, as `GateGroup`s: frozen experts first, then families.

        Raises:
            InputError: predictions that are missing, or of other samples or experts.
        """
        points = {}
        for folder, stored in self.records.items():
            for record in with_budgets(stored):
                if record.get("inference") == "hard":
                    key = tuple(record["point"].items()), record.get("family")
                    points.setdefault(key, {})[record["seed"]] = folder, record
        frozen, own = [], {}
        for (settings, family), found in points.items():
            point = dict(settings)
            seeds = {seed: self._gate(*one) for seed, one in sorted(found.items())}
            name = family or family_of(point, "dynmm")
            made = GatePoint("dynmm", point, name, {s: (p, g) for s, (p, g, _) in seeds.items()})
            if any(apart for _, _, apart in seeds.values()):
                own.setdefault(name, []).append(made)
            else:
                frozen.append(made)
        groups = []
        if frozen:
            seeds = sorted({seed for point in frozen for seed in point.seeds})
            shared = {seed: self._first(frozen, seed) for seed in seeds}
            groups.append(GateGroup("frozen experts", frozen, shared))
        return groups + [
            GateGroup(f"experts trained with the gate: {n}", p) for n, p in own.items()
        ]

    @staticmethod
    def _first(points, seed):
        """The paths of a seed, from the first point that has it: one may lack a seed."""
        return next(point.seeds[seed][0] for point in points if seed in point.seeds)

    def static(self):
        """Everything beside the hard gates: experts, and gates that stay soft and run them all.

        Returns:
            List of dicts of `run`, `family` (None, or the curve that it belongs to), of an expert
            `model` and `width`, `point` (None for an expert) and `seeds`: dicts of seed, the task's
            `scores` and `costs`.
        """
        found = {}
        for record in self.records.values():
            if record.get("inference") == "hard":
                continue
            point = record.get("point")
            key = record["run"], point and tuple(point.items())
            entry = {
                "run": record["run"],
                "family": record.get("family"),
                **{key: record[key] for key in ("model", "width") if key in record},
                "point": point,
                "seeds": [],
            }
            found.setdefault(key, entry)["seeds"].append(self._measured(record))
        for entry in found.values():
            entry["seeds"].sort(key=lambda row: row["seed"])
        return list(found.values())

    def _measured(self, record):
        require_numbers(record, "metrics", record["metrics"], self.routing.SCORES)
        scores = {name: record["metrics"][name] for name in self.routing.SCORES}
        madds = record["madds"][CONVENTION]["total"]
        costs = {TOTAL: madds}
        if self.feature_madds:
            costs[FROM_RAW] = madds + self._raw(self._modalities(record))
        return {"seed": record["seed"], "scores": scores, "costs": costs}

    def _gate(self, folder, record):
        """`PathResults`, `GateChoices`, and whether the experts are the point's own, of one run."""
        experts = list(record["expert_shares"])
        require_numbers(record, "madds", record["madds"][CONVENTION]["experts"], experts)
        stored = self._predictions(folder, GATED, {"paths": len(experts)})
        apart = TEST_OUTPUTS in stored
        if apart:
            outputs, key = stored[TEST_OUTPUTS], folder
        else:
            outputs, key = self._frozen_outputs(experts, record["seed"], stored), None
        chosen = stored["chosen"]
        own = outputs[np.arange(len(chosen)), chosen]
        if not np.allclose(own, stored["outputs"], **SAME):
            raise InputError(
                "the experts' predictions are not those under the gate",
                file=folder / "predictions.npz",
                found=f"outputs that differ by up to {np.abs(own - stored['outputs']).max():.3g}",
                expected="those of the expert that the gate chose",
                fix="Evaluate experts and dynamic models again.",
            )
        paths = self._paths(outputs, stored["targets"], experts, record["seed"], key)
        paths = replace(paths, costs=self._costs(record, experts))
        logits = stored["gate_logits"]
        if "budget" in record:
            logits = logits - np.array(record["budget"]["offsets"])
            chosen = logits.argmax(axis=1)
        return paths, GateChoices(chosen, logits), apart

    def _paths(self, outputs, targets, experts, seed, folder):
        """Results of the paths, costs aside; those of frozen experts are made once a seed."""
        key = folder or (tuple(experts), seed)
        if key not in self._routers:
            self._routers[key] = self._make_paths(outputs, targets, experts, seed, folder)
        return self._routers[key]

    def _make_paths(self, outputs, targets, experts, seed, folder):
        routing, paths = self.routing, range(outputs.shape[1])
        validation = self._validation_outputs(experts, seed, folder)
        learned = [routing.losses(validation[:, k], self._labels()) for k in paths]
        predict = fit_linear_router(self._feature(self._validation), np.stack(learned, axis=1))
        return PathResults(
            counts=np.stack([routing.counts(outputs[:, k], targets) for k in paths], axis=1),
            losses=np.stack([routing.losses(outputs[:, k], targets) for k in paths], axis=1),
            uncertainty=routing.uncertainty(outputs[:, 0]),
            costs={},
            predicted=predict(self._feature(self._test)),
        )

    def _costs(self, record, experts):
        madds = record["madds"][CONVENTION]
        own = np.array([madds["experts"][name] for name in experts])
        gate, router = madds["gate"], self.routing.router_madds(self.sizes, len(experts))
        after_first = np.concatenate([own[:1], own[0] + own[1:]])
        ran = after_first if record["reads_first"] else own
        costs = {TOTAL: PolicyCosts(own, gate + ran, after_first, router + own)}
        if not self.feature_madds:
            return costs
        reads = [self._modalities(self._expert(name, record["seed"])) for name in experts]
        raw = np.array([self._raw(modalities) for modalities in reads])
        both = np.array([self._raw(reads[0] | modalities) for modalities in reads])
        gated, whole = self._raw(self._modalities(record)), self._raw(set(self.sizes))
        costs[FROM_RAW] = PolicyCosts(
            own + raw, gate + ran + gated, after_first + both, router + own + whole
        )
        return costs

    def _raw(self, modalities):
        return sum(self.feature_madds.get(name, 0) for name in modalities)

    def _modalities(self, record):
        read = record["modality"].split("+")
        return {name for name, letter in self.letters.items() if letter in read}

    def _expert(self, name, seed):
        return self.records[self._expert_folder(name, seed)]

    def _expert_folder(self, name, seed):
        for folder, record in self.records.items():
            if record["run"] == name and record["seed"] == seed:
                return folder
        raise InputError("no metrics of an expert under the gate", key=name, found=f"seed {seed}")

    def _frozen_outputs(self, experts, seed, of_gate):
        parts, sizes = [], {"outputs": of_gate["outputs"].shape[1]}
        for name in experts:
            folder = self._expert_folder(name, seed)
            stored = self._predictions(folder, sizes=sizes)
            check_samples(of_gate["ids"], stored["ids"], folder / "predictions.npz")
            parts.append(stored["outputs"])
        return np.stack(parts, axis=1)

    def _validation_outputs(self, experts, seed, folder):
        if folder is not None:
            return self._predictions(folder, OWN_EXPERTS)[VALIDATION_OUTPUTS]
        folders = [self._expert_folder(name, seed) for name in experts]
        return np.stack([self._stored_outputs(one) for one in folders], axis=1)

    def _predictions(self, folder, more=None, sizes=None):
        path = self._path(folder, "predictions.npz")
        sizes = {"validation": len(self._labels()), **(sizes or {})}
        return read_arrays(path, PREDICTIONS | (more or {}), OWN_EXPERTS, sizes)

    def _stored_outputs(self, folder):
        path, sizes = self._path(folder, "outputs_validation.npy"), self._labels().shape
        sizes = dict(zip(("samples", "outputs"), sizes, strict=True))
        return read_arrays(path, OUTPUTS, sizes=sizes)[ALONE]

    def _path(self, folder, name):
        path = self._files.get((folder, name))
        if path is None:
            raise InputError("a file of the routing study is missing", file=folder / name)
        return path

    def _feature(self, split):
        if split not in self._features:
            self._features[split] = self.routing.features(self._prepared, split)
        return self._features[split]

    def _labels(self):
        return self.routing.targets(self._prepared, self._validation)
