"""The noise of the robustness study (paper, Fig. 6), which trainings may see too."""


def with_noise(x, level, normal, valid=None):
    """x + level * mean(|x|) * N(0, 1), the rule of the authors' `eval.py`.

    Args:
        x: tensor or array (B, ...) or of one sample, normalised; not changed.
        level: standard deviation of the noise in units of the mean magnitude of x.
        normal: standard normal numbers, of the shape and kind of x.
        valid: (B, T) bool tensor, the time steps of a padded (B, T, D) sequence that count: padding
            stays as it is and has no part in the mean. All of x where None.
    """
    if valid is None:
        return x + level * abs(x).mean() * normal
    magnitude = abs(x[valid]).mean()
    return x + level * magnitude * normal * valid.unsqueeze(-1)
