"""Builder of the embedded NYU-form sample: rooms rendered from human-made furniture models."""
