"""Checking the whole configuration: against its schema, and for what a schema cannot say."""

from dynmm.configuration.modality_validation import check_modality
from dynmm.configuration.networks_validation import check_networks
from dynmm.configuration.paths import check_paths
from dynmm.configuration.robustness_validation import check_robustness
from dynmm.configuration.schema import check_schema
from dynmm.configuration.segmentation_validation import check_segmentation
from dynmm.configuration.titles import check_titles
from dynmm.vocabulary import MODALITY_TASKS


def validate(config, schema):
    """Refuse a configuration with unknown keys, bad values or parts that do not go together.

    Args:
        config: the merged configuration as a dict.
        schema: the JSON schema as a dict.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    check_schema(config, schema)
    check_paths(config)
    check_segmentation(config)
    for task in MODALITY_TASKS:
        check_modality(config[task], task)
        check_networks(config[task], task)
    check_robustness(config)
    check_titles(config)
