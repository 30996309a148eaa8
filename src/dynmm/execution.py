"""How a job is executed, as opposed to what it computes: no result follows from these settings.

The workflow hands the block `execution` of its configuration to every job in an environment
variable: as an option or a parameter it would count as a change of the job.
"""

import json
import os
from dataclasses import dataclass

VARIABLE = "DYNMM_EXECUTION"


@dataclass(frozen=True)
class Execution:
    """Settings of a run.

    Args:
        checkpoint_seconds: between two checkpoints of a training, in seconds.
        deterministic: whether a GPU may use algorithms without a fixed order of summation.
    """

    checkpoint_seconds: float = 60.0
    deterministic: bool = False


def execution(environment=None):
    """The settings that the workflow handed over; those above where a program is run by hand.

    Args:
        environment: mapping that stands for `os.environ`.
    """
    environment = os.environ if environment is None else environment
    return Execution(**json.loads(environment.get(VARIABLE, "{}")))
