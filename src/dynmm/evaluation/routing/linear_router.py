"""The cheapest thing that learns to route: ridge regression of the gain on the features."""

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dynmm.errors import InputError

STRENGTHS = np.logspace(-1, 7, 17)  # of the ridge, on features of deviation 1


def fit_linear_router(features, losses):
    """Learn what each path saves from the features of the validation split.

    The gain of path k is loss_0 - loss_k. Features are standardised; the one strength of the ridge
    for all paths is that of the lowest squared error in leave-one-out cross-validation inside the
    split.

    Args:
        features: (N, D) of the validation samples.
        losses: (N, K) of every validation sample on each path.

    Returns:
        Function from features (M, D) to predicted losses (M, K), relative to path 0.

    Raises:
        InputError: not one row of losses a sample, or fewer than three samples.
    """
    features, losses = np.asarray(features, np.float64), np.asarray(losses, np.float64)
    if len(features) != len(losses) or len(losses) < 3:
        raise InputError(
            "no linear router can be fitted",
            found=f"{len(features)} rows of features, {len(losses)} of losses",
            expected="the same number, three or more",
        )
    gains = losses[:, :1] - losses[:, 1:]
    model = make_pipeline(StandardScaler(), RidgeCV(STRENGTHS)).fit(features, gains)

    def predict(features):
        gains = model.predict(np.asarray(features, np.float64)).reshape(len(features), -1)
        return np.concatenate([np.zeros((len(gains), 1)), -gains], axis=1)

    return predict
