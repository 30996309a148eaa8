"""What an expert sees of a batch."""


def rows_for(expert, inputs, rows=None):
    """The inputs that an expert reads, of some rows of the batch (None: of all)."""
    names = [*expert.modalities, *(["lengths"] if "lengths" in inputs else [])]
    if rows is None:
        return {name: inputs[name] for name in names}
    return {name: inputs[name].index_select(0, rows.to(inputs[name].device)) for name in names}
