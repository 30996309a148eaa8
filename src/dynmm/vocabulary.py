"""Words that the configuration, the files and several layers have to spell alike, each once."""

NYUV2, MMIMDB, MOSEI = "nyuv2", "mmimdb", "mosei"
MODALITY_TASKS = (MMIMDB, MOSEI)  # the tasks whose gate chooses between experts
TASKS = (NYUV2, *MODALITY_TASKS)
MOSEI_MODALITIES = ("vision", "audio", "text")  # in the authors' order, which concatenation keeps
MODALITIES = {MMIMDB: ("text", "image"), MOSEI: MOSEI_MODALITIES}

DYNAMIC = "dynmm"  # `run` of every dynamic model of the modality level, beside its experts' names
VALIDATION, TEST = "validation", "test"  # `select_on`: the samples that choose the best epoch

COST_CONVENTIONS = ("paper", "authors")  # of the resource term in the loss
MADDS_CONVENTIONS = ("complete", "per_module")  # of counting multiply-adds, see `models.madds`

# `freeze` of a grid point beside true and false: see `DynamicExperts`, `stored_outputs`
FREEZE_AUTHORS, CROSS_FITTED = "authors", "cross_fitted"

AVAILABLE = "available"  # among the inputs: (B, M) bool, false where a sample lacks a modality

NOISE, ZERO = "noise", "zero"  # `input` of a row of the noise sweeps: what was done to it
