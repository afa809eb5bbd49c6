"""Makers of layers for pictures and signals: convolution, pooling, borders, sizes."""

from .registry import maker


# Convolutions


def window(kit, shape, largest=4):
    """Kernel, strides, dilation and padding that fit the picture."""
    sizes = kit.spatial(shape)
    kernel = tuple(kit.int(1, min(largest, size)) for size in sizes)
    strides = tuple(1 for _ in sizes)
    dilation = tuple(1 for _ in sizes)
    padding = kit.pick(["valid", "same"])
    kind = kit.rng.random()
    if kind < 0.35:
        strides = tuple(kit.int(1, 3) for _ in sizes)
    elif kind < 0.6:
        dilation = tuple(kit.int(1, 3) for _ in sizes)
    if padding == "valid" and any((k - 1) * d + 1 > s for k, d, s in zip(kernel, dilation, sizes)):
        dilation = tuple(1 for _ in sizes)
    return kernel, strides, dilation, padding


def maybe_one(kit, values):
    """A number where all axes have the same, as people write it."""
    return values[0] if len(set(values)) == 1 and kit.chance(0.7) else values


def convolution(kit, shape, groups=1):
    kernel, strides, dilation, padding = window(kit, shape)
    options = {
        "filters": groups * kit.int(1, 6 if groups == 1 else 3),
        "kernel_size": maybe_one(kit, kernel),
        "strides": maybe_one(kit, strides),
        "padding": padding,
        "dilation_rate": maybe_one(kit, dilation),
        "activation": kit.activation(),
        "use_bias": kit.chance(0.7),
        **kit.where(),
        **kit.common(),
    }
    if groups > 1:
        options["groups"] = groups
    return options


def groups(kit, shape):
    channels = kit.channels(shape)
    if kit.chance(0.75):
        return 1
    return kit.pick([g for g in range(1, channels + 1) if channels % g == 0])


@maker(3)
def Conv2D(kit, shape):
    return kit.layers.Conv2D(**convolution(kit, shape, groups(kit, shape)))


@maker(2)
def Conv1D(kit, shape):
    options = convolution(kit, shape, groups(kit, shape))
    if not kit.first and kit.chance(0.25):
        options["padding"] = "causal"
    return kit.layers.Conv1D(**options)


def depthwise(kit, shape):
    options = convolution(kit, shape)
    options["depth_multiplier"] = kit.pick([1, 1, 2, 3])
    # TensorFlow wants the same step down and to the right, and no step with dilation.
    strides = options["strides"]
    options["strides"] = strides if isinstance(strides, int) else max(strides)
    return options


@maker(3)
def DepthwiseConv2D(kit, shape):
    options = depthwise(kit, shape)
    del options["filters"]
    return kit.layers.DepthwiseConv2D(**options)


@maker(3)
def SeparableConv2D(kit, shape):
    return kit.layers.SeparableConv2D(**depthwise(kit, shape))


def transposed(kit, shape):
    options = convolution(kit, shape)
    options.pop("dilation_rate")
    if kit.chance(0.2):
        options |= {"strides": 1, "dilation_rate": kit.int(1, 2)}
    return options


@maker(3)
def Conv2DTranspose(kit, shape):
    options = transposed(kit, shape)
    if kit.chance(0.2):
        options |= {"strides": 2, "output_padding": kit.pick([0, 1, (1, 0)]), "kernel_size": kit.int(2, 4)}
        options.pop("dilation_rate", None)
    return kit.layers.Conv2DTranspose(**options)


# Pooling


def pooling(kit, shape):
    sizes = kit.spatial(shape)
    pool = tuple(kit.int(1, min(4, size)) for size in sizes)
    strides = None if kit.chance(0.4) else maybe_one(kit, tuple(kit.int(1, 3) for _ in sizes))
    return {
        "pool_size": maybe_one(kit, pool),
        "strides": strides,
        "padding": kit.pick(["valid", "same"]),
        **kit.where(),
        **kit.common(),
    }


@maker(3)
def MaxPooling2D(kit, shape):
    return kit.layers.MaxPooling2D(**pooling(kit, shape))


@maker(3)
def AveragePooling2D(kit, shape):
    return kit.layers.AveragePooling2D(**pooling(kit, shape))


@maker(2)
def MaxPooling1D(kit, shape):
    return kit.layers.MaxPooling1D(**pooling(kit, shape))


@maker(2)
def AveragePooling1D(kit, shape):
    return kit.layers.AveragePooling1D(**pooling(kit, shape))


def global_pooling(kit):
    keep = {"keepdims": True} if kit.chance(0.3) else {}
    return {**keep, **kit.where(), **kit.common()}


@maker(3)
def GlobalAveragePooling2D(kit, shape):
    return kit.layers.GlobalAveragePooling2D(**global_pooling(kit))


@maker(3)
def GlobalMaxPooling2D(kit, shape):
    return kit.layers.GlobalMaxPooling2D(**global_pooling(kit))


@maker(2)
def GlobalAveragePooling1D(kit, shape):
    return kit.layers.GlobalAveragePooling1D(**global_pooling(kit))


@maker(2)
def GlobalMaxPooling1D(kit, shape):
    return kit.layers.GlobalMaxPooling1D(**global_pooling(kit))


# Borders and sizes


def borders(kit, largest):
    kind = kit.rng.random()
    if kind < 0.3:
        return kit.int(0, largest)
    if kind < 0.6:
        return (kit.int(0, largest), kit.int(0, largest))
    return tuple((kit.int(0, largest), kit.int(0, largest)) for _ in range(2))


@maker(3)
def ZeroPadding2D(kit, shape):
    return kit.layers.ZeroPadding2D(borders(kit, 3), **kit.where(), **kit.common())


@maker(3)
def Cropping2D(kit, shape):
    largest = (min(kit.spatial(shape)) - 1) // 2
    return kit.layers.Cropping2D(borders(kit, min(3, largest)), **kit.where(), **kit.common())


@maker(3)
def UpSampling2D(kit, shape):
    how = {} if kit.chance(0.4) else {"interpolation": kit.pick(["nearest", "bilinear"])}
    return kit.layers.UpSampling2D(kit.pair(1, 3), **how, **kit.where(), **kit.common())


@maker(3)
def Resizing(kit, shape):
    how = {} if kit.chance(0.4) else {"interpolation": kit.pick(["nearest", "bilinear"])}
    if kit.keras3:
        how |= kit.where()
    elif kit.first:
        return None
    return kit.layers.Resizing(kit.int(2, 14), kit.int(2, 14), **how, **kit.common())


@maker(3)
def CenterCrop(kit, shape):
    if kit.first:
        return None
    return kit.layers.CenterCrop(kit.int(1, shape[0]), kit.int(1, shape[1]), **kit.common())


# Over one axis


@maker(2)
def SeparableConv1D(kit, shape):
    options = depthwise(kit, shape)
    if not kit.first and kit.chance(0.2):
        options["padding"] = "causal"
    return kit.layers.SeparableConv1D(**options)


@maker(2)
def DepthwiseConv1D(kit, shape):
    options = depthwise(kit, shape)
    del options["filters"]
    return kit.layers.DepthwiseConv1D(**options)


@maker(2)
def Conv1DTranspose(kit, shape):
    return kit.layers.Conv1DTranspose(**transposed(kit, shape))


@maker(2)
def ZeroPadding1D(kit, shape):
    if kit.first and not kit.keras3:
        return None
    how = kit.where() if kit.keras3 else {}
    return kit.layers.ZeroPadding1D(kit.pick([1, 2, (0, 2), (3, 1)]), **how, **kit.common())


@maker(2)
def Cropping1D(kit, shape):
    return kit.layers.Cropping1D(kit.pick([(1, 1), (0, 2), 1, (1, 0)]), **kit.common()) if shape[0] > 2 else None


@maker(2)
def UpSampling1D(kit, shape):
    return kit.layers.UpSampling1D(kit.int(1, 3), **kit.common())
