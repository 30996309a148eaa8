"""One module a subject; each has HANDLERS for the fixtures it can check (see parity.py)."""
