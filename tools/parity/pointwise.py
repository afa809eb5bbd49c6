"""Makers of layers for any shape: shapes, normalization, Dense, activations, what only training does."""

import numpy as np

from .registry import maker


# Shapes


@maker(1, 2, 3)
def Flatten(kit, shape):
    where = kit.where() if len(shape) > 1 else {}
    return kit.layers.Flatten(**where, **kit.common())


@maker(1, 2, 3)
def Reshape(kit, shape):
    total = int(np.prod(shape))
    target = []
    for _ in range(kit.int(0, 2)):
        size = kit.pick([d for d in range(1, total + 1) if total % d == 0])
        target.append(size)
        total //= size
    target.append(total)
    kit.rng.shuffle(target)
    target = [int(size) for size in target]
    if kit.chance(0.4):
        target[kit.int(0, len(target) - 1)] = -1
    return kit.layers.Reshape(tuple(target), **kit.common())


@maker(2, 3)
def Permute(kit, shape):
    axes = tuple(int(axis) + 1 for axis in kit.rng.permutation(len(shape)))
    return kit.layers.Permute(axes, **kit.common())


@maker(1)
def RepeatVector(kit, shape):
    return kit.layers.RepeatVector(kit.int(1, 5), **kit.common())


# Normalization


def axis(kit, shape):
    if kit.chance(0.7):
        return 1 if kit.first else -1
    one = kit.int(1, len(shape))
    return one if kit.chance(0.5) else one - len(shape) - 1


@maker(1, 2, 3)
def BatchNormalization(kit, shape):
    options = {"axis": axis(kit, shape), "epsilon": kit.pick([1e-3, 1e-5, 0.1])}
    options |= {name: kit.chance(0.8) for name in ("center", "scale")}
    return kit.layers.BatchNormalization(**options, **kit.common())


@maker(1, 2, 3)
def LayerNormalization(kit, shape):
    options = {name: kit.chance(0.8) for name in ("center", "scale")}
    options["epsilon"] = kit.pick([1e-3, 1e-5, 1e-6])
    options["axis"] = kit.pick([-1, len(shape), tuple(range(1, len(shape) + 1)), list(range(-len(shape), 0))])
    axes = options["axis"] if not isinstance(options["axis"], int) else [options["axis"]]
    # Fewer values have too small a variance to be divided by.
    if np.prod([shape[a - 1 if a > 0 else a] for a in axes]) < 4:
        return None
    if isinstance(options["axis"], (tuple, list)) and not kit.keras3 and min(options["axis"]) < 0:
        options["axis"] = -1
        if shape[-1] < 4:
            return None
    return kit.layers.LayerNormalization(**options, **kit.common())


@maker(2, 3)
def GroupNormalization(kit, shape):
    channels = kit.channels(shape)
    rest = int(np.prod(shape)) // channels
    fits = [g for g in range(1, channels + 1) if channels % g == 0 and rest * channels // g >= 4]
    if not fits:
        return None
    options = {name: kit.chance(0.8) for name in ("center", "scale")}
    options |= {"groups": -1 if kit.chance(0.1) and rest >= 4 else kit.pick(fits), "epsilon": kit.pick([1e-3, 1e-5])}
    return kit.layers.GroupNormalization(axis=1 if kit.first else -1, **options, **kit.common())


@maker(1, 2, 3)
def Normalization(kit, shape):
    size = shape[-1]
    if kit.chance(0.5):
        mean, variance = kit.rng.normal(0, 1, size), kit.rng.uniform(0.5, 2, size)
        given = {"mean": [round(float(v), 4) for v in mean], "variance": [round(float(v), 4) for v in variance]}
        return kit.layers.Normalization(axis=-1, **given, **kit.common())
    return kit.layers.Normalization(axis=kit.pick([-1, -1, None, len(shape)]), **kit.common())


@maker(1, 2, 3)
def UnitNormalization(kit, shape):
    every = list(range(1, len(shape) + 1))
    return kit.layers.UnitNormalization(axis=kit.pick([-1, len(shape), every]), **kit.common())


@maker(1, 2, 3, since=(3, 9))
def RMSNormalization(kit, shape):
    if shape[-1] < 3:
        return None
    return kit.layers.RMSNormalization(epsilon=kit.pick([1e-6, 1e-3]), **kit.common())


@maker(1, 2, 3)
def Rescaling(kit, shape):
    def number():
        return kit.pick([kit.float(-1.5, 1.5), 1 / 3])

    if kit.chance(0.25):
        scale = [number() for _ in range(shape[-1])]
        offset = [number() for _ in range(shape[-1])]
        return kit.layers.Rescaling(scale, offset=offset, **kit.common())
    return kit.layers.Rescaling(number(), offset=kit.pick([0.0, number()]), **kit.common())


# Dense and activations


@maker(1, 2, 3)
def Dense(kit, shape):
    return kit.layers.Dense(
        kit.int(1, 16), activation=kit.activation(), use_bias=kit.chance(0.8), **kit.common()
    )


@maker(1, 2, 3)
def Activation(kit, shape):
    return kit.layers.Activation(kit.activation() or kit.pick(kit.activations()), **kit.common())


@maker(1, 2, 3)
def ReLU(kit, shape):
    options = {}
    if kit.chance(0.5):
        options["max_value"] = kit.pick([6, 6.0, 1.5])
    if kit.chance(0.5):
        options["negative_slope"] = kit.float(0, 0.5)
    if kit.chance(0.4):
        options["threshold"] = kit.float(0, 1)
    return kit.layers.ReLU(**options, **kit.common())


@maker(1, 2, 3)
def LeakyReLU(kit, shape):
    slope = "negative_slope" if kit.keras3 else "alpha"
    options = {} if kit.chance(0.3) else {slope: kit.float(0, 0.5)}
    return kit.layers.LeakyReLU(**options, **kit.common())


@maker(1, 2, 3)
def ELU(kit, shape):
    options = {} if kit.chance(0.3) else {"alpha": kit.float(0.2, 1.5)}
    return kit.layers.ELU(**options, **kit.common())


@maker(1, 2, 3)
def PReLU(kit, shape):
    axes = [a for a in range(1, len(shape) + 1) if kit.chance(0.5)]
    if len(axes) == len(shape) and kit.chance(0.7):
        axes = axes[:-1]
    return kit.layers.PReLU(shared_axes=axes or None, **kit.common())


@maker(1, 2, 3)
def Softmax(kit, shape):
    return kit.layers.Softmax(**({} if kit.chance(0.5) else {"axis": axis(kit, shape)}), **kit.common())


# Layers that act only in training


@maker(1, 2, 3)
def Dropout(kit, shape):
    layers = kit.layers
    return kit.pick(
        [
            lambda: layers.Dropout(kit.float(0.1, 0.6), **kit.common()),
            lambda: layers.GaussianDropout(0.2, **kit.common()),
            lambda: layers.GaussianNoise(0.3, **kit.common()),
            lambda: layers.AlphaDropout(0.2, **kit.common()),
            lambda: layers.ActivityRegularization(l2=0.1, **kit.common()),
            lambda: layers.Identity(**kit.common()),
        ]
    )()


@maker(3)
def SpatialDropout2D(kit, shape):
    options = kit.common()
    options.pop("trainable", None)
    return kit.layers.SpatialDropout2D(0.4, **kit.where(), **options)


@maker(2)
def SpatialDropout1D(kit, shape):
    options = kit.common()
    options.pop("trainable", None)
    return kit.layers.SpatialDropout1D(0.4, **options)


@maker(3)
def Random(kit, shape):
    if kit.first or shape[-1] not in (1, 3):
        return None
    layers, common = kit.layers, kit.common()
    common.pop("trainable", None)
    return kit.pick(
        [
            lambda: layers.RandomFlip("horizontal", **common),
            lambda: layers.RandomRotation(0.1, **common),
            lambda: layers.RandomZoom(0.2, **common),
            lambda: layers.RandomTranslation(0.1, 0.1, **common),
            lambda: layers.RandomContrast(0.2, **common),
            lambda: layers.RandomBrightness(0.2, **common),
        ]
    )()
