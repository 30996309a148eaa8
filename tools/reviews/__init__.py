"""Builder of the embedded sample in the form of CMU-MOSEI: film-review sentences."""
