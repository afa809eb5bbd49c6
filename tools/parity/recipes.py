"""Blocks that people publish, and those where a graph compiler goes wrong."""


def conv(kit, x, filters, size, **options):
    options = {"padding": "same", "data_format": kit.format, **options}
    return kit.layers.Conv2D(filters, size, **options, **kit.common())(x)


def norm(kit, x):
    return kit.layers.BatchNormalization(axis=1 if kit.first else -1, **kit.common())(x)


def picture(kit, channels=None):
    channels = channels or kit.pick([1, 3, 4])
    return kit.keras.Input(kit.shape((kit.int(8, 13), kit.int(8, 13)), channels))


def head(kit, x, units=10):
    x = kit.layers.GlobalAveragePooling2D(data_format=kit.format)(x)
    return kit.layers.Dense(units, activation="softmax")(x)


def channels(kit, x):
    return kit.channels(tuple(x.shape[1:]))


def resnet(kit):
    inputs = picture(kit)
    x = kit.layers.Activation("relu")(norm(kit, conv(kit, inputs, 8, 3)))
    for _ in range(kit.int(1, 3)):
        strides = kit.int(1, 2)
        filters = kit.pick([4, 8])
        y = kit.layers.ReLU()(norm(kit, conv(kit, x, filters, 3, strides=strides, use_bias=False)))
        y = norm(kit, conv(kit, y, filters, 3, use_bias=False))
        if strides > 1 or channels(kit, x) != filters:
            x = norm(kit, conv(kit, x, filters, 1, strides=strides))
        x = kit.layers.ReLU()(kit.layers.Add()([x, y] if kit.chance(0.5) else [y, x]))
    return kit.keras.Model(inputs, head(kit, x))


def mobile(kit):
    """Inverted residuals with squeeze and excitation."""
    inputs = picture(kit, 3)
    x = kit.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = kit.layers.ZeroPadding2D(((0, 1), (0, 1)), data_format=kit.format)(x)
    x = conv(kit, x, 6, 3, strides=2, padding="valid", use_bias=False)
    x = kit.layers.ReLU(6.0)(norm(kit, x))
    for _ in range(kit.int(1, 2)):
        y = kit.layers.ReLU(6.0)(norm(kit, conv(kit, x, 12, 1, use_bias=False)))
        y = kit.layers.DepthwiseConv2D(3, padding="same", use_bias=False, data_format=kit.format)(y)
        y = kit.layers.Activation("swish")(norm(kit, y))
        s = kit.layers.GlobalAveragePooling2D(data_format=kit.format)(y)
        s = kit.layers.Reshape(kit.shape((1, 1), 12))(s)
        s = conv(kit, s, 3, 1, activation="relu")
        s = conv(kit, s, 12, 1, activation="sigmoid")
        y = kit.layers.Multiply()([y, s])
        y = norm(kit, conv(kit, y, 6, 1, use_bias=False))
        x = kit.layers.Add()([x, kit.layers.Dropout(0.2)(y)])
    return kit.keras.Model(inputs, head(kit, x))


def inception(kit):
    inputs = picture(kit)
    a = conv(kit, inputs, 3, 1, activation="relu")
    b = conv(kit, conv(kit, inputs, 2, 1, activation="relu"), 4, 3, activation="relu")
    c = conv(kit, inputs, 2, 5, activation="relu")
    d = kit.layers.MaxPooling2D(3, strides=1, padding="same", data_format=kit.format)(inputs)
    x = kit.layers.Concatenate(axis=1 if kit.first else -1)([a, b, c, conv(kit, d, 2, 1)])
    return kit.keras.Model(inputs, head(kit, x))


def densenet(kit):
    inputs = picture(kit)
    x = conv(kit, inputs, 4, 3)
    for _ in range(kit.int(2, 4)):
        y = kit.layers.Activation("relu")(norm(kit, x))
        y = conv(kit, y, 3, 3, use_bias=False)
        x = kit.layers.Concatenate(axis=1 if kit.first else -1)([x, y])
    x = kit.layers.AveragePooling2D(2, data_format=kit.format)(norm(kit, x))
    return kit.keras.Model(inputs, head(kit, x))


def xception(kit):
    inputs = picture(kit)
    x = inputs
    for _ in range(2):
        y = kit.layers.SeparableConv2D(6, 3, padding="same", use_bias=False, data_format=kit.format)(x)
        y = kit.layers.Activation("relu")(norm(kit, y))
        y = kit.layers.MaxPooling2D(3, strides=2, padding="same", data_format=kit.format)(y)
        x = kit.layers.Add()([y, conv(kit, x, 6, 1, strides=2)])
    return kit.keras.Model(inputs, head(kit, x))


def unet(kit):
    """Down and up again, with connections across."""
    inputs = kit.keras.Input(kit.shape((12, 12), 2))
    a = conv(kit, inputs, 4, 3, activation="relu")
    b = kit.layers.MaxPooling2D(2, data_format=kit.format)(a)
    b = conv(kit, b, 5, 3, activation="elu")
    how = kit.pick(["nearest", "bilinear"])
    up = kit.layers.UpSampling2D(2, interpolation=how, data_format=kit.format)(b)
    x = kit.layers.Concatenate(axis=1 if kit.first else -1)([up, a])
    x = kit.layers.Cropping2D(1, data_format=kit.format)(conv(kit, x, 3, 3))
    return kit.keras.Model(inputs, head(kit, x))


def vision_transformer(kit):
    """Patches by a convolution, attention, a perceptron; core layers only."""
    kit.first = False
    inputs = kit.keras.Input((8, 8, kit.pick([1, 3])))
    width = kit.pick([4, 8])
    x = kit.layers.Conv2D(width, 2, strides=2)(inputs)
    x = kit.layers.Reshape((16, width))(x)
    for _ in range(kit.int(1, 2)):
        y = kit.layers.LayerNormalization(epsilon=1e-3)(x)
        y = kit.layers.MultiHeadAttention(num_heads=2, key_dim=width // 2, dropout=0.1)(y, y)
        x = kit.layers.Add()([x, y])
        y = kit.layers.LayerNormalization(epsilon=1e-6)(x)
        y = kit.layers.Dense(width * 2, activation="gelu")(y)
        x = kit.layers.Add()([kit.layers.Dense(width)(kit.layers.Dropout(0.1)(y)), x])
    x = kit.layers.LayerNormalization(epsilon=1e-6)(x)
    x = kit.layers.Flatten()(x) if kit.chance(0.5) else kit.layers.GlobalAveragePooling1D()(x)
    return kit.keras.Model(inputs, kit.layers.Dense(10)(x))


def rows(kit):
    """A picture as a sequence of rows."""
    kit.first = False
    recurrent = kit.pick(["LSTM", "GRU"])
    layers = [kit.keras.Input((9, 7))]
    if kit.chance(0.5):
        layers = [kit.keras.Input((9, 7, 1)), kit.layers.Reshape((9, 7))]
    layers += [getattr(kit.layers, recurrent)(kit.int(3, 8), return_sequences=True)]
    layers += [getattr(kit.layers, recurrent)(kit.int(3, 8)), kit.layers.Dense(10, activation="softmax")]
    return kit.keras.Sequential(layers)


def signal(kit):
    """Convolutions over one axis."""
    kit.first = False
    layers = [kit.keras.Input((kit.int(16, 28), kit.int(1, 4)))]
    for _ in range(kit.int(1, 2)):
        layers += [kit.layers.Conv1D(kit.int(2, 6), 3, padding=kit.pick(["valid", "same", "causal"]), activation="relu")]
        layers += [kit.layers.BatchNormalization(), kit.pick([kit.layers.MaxPooling1D, kit.layers.AveragePooling1D])(2)]
    return kit.keras.Sequential([*layers, kit.layers.Flatten(), kit.layers.Dense(10, activation="softmax")])


def offset_at_the_border(kit):
    """Padding is zeros after the rescaling or normalization, not before it: no folding without care."""
    inputs = picture(kit)
    x = inputs
    if kit.chance(0.5):
        x = kit.layers.Rescaling(kit.float(0.5, 2), offset=kit.float(-2, 2))(x)
    else:
        x = norm(kit, x)
    how = kit.rng.random()
    if how < 0.4:
        x = conv(kit, x, 4, 3)
    elif how < 0.6:
        x = kit.layers.DepthwiseConv2D(3, padding="same", data_format=kit.format)(x)
    elif how < 0.8:
        x = conv(kit, kit.layers.ZeroPadding2D(1, data_format=kit.format)(x), 4, 3, padding="valid")
    else:
        x = kit.layers.AveragePooling2D(3, strides=2, padding="same", data_format=kit.format)(x)
        x = conv(kit, x, 3, 2)
    return kit.keras.Model(inputs, head(kit, x) if kit.chance(0.5) else x)


def normalized_after_activation(kit):
    """Convolution, activation, normalization and pooling in every order; negative gammas turn maxima round."""
    inputs = picture(kit)
    x = conv(kit, inputs, 6, 3, use_bias=kit.chance(0.5), activation=kit.pick([None, "relu", "tanh"]))
    blocks = [
        lambda x: norm(kit, x),
        lambda x: kit.layers.MaxPooling2D(2, data_format=kit.format)(x),
        lambda x: kit.layers.Activation(kit.pick(["relu", "sigmoid", "selu"]))(x),
        lambda x: kit.layers.Rescaling(kit.float(-2, 2), offset=kit.float(-1, 1))(x),
        lambda x: norm(kit, x),
    ]
    for index in kit.rng.permutation(len(blocks))[: kit.int(2, 5)]:
        x = blocks[index](x)
    x = kit.layers.Flatten(data_format=kit.format)(x)
    if kit.chance(0.5):
        x = kit.layers.BatchNormalization()(x)
    x = kit.layers.Dense(5, activation=kit.pick([None, "relu"]))(x)
    if kit.chance(0.5):
        x = kit.layers.BatchNormalization()(x)
    return kit.keras.Model(inputs, x)


def used_before_and_after(kit):
    """What comes out of the convolution is needed as it is and after normalization and activation."""
    inputs = picture(kit)
    x = conv(kit, inputs, 4, 3)
    y = norm(kit, x)
    z = kit.layers.ReLU()(y)
    wanted = [[x, y, z], [x, z], [y, z], [x, y]][kit.int(0, 3)]
    x = kit.pick([kit.layers.Add, kit.layers.Multiply, kit.layers.Maximum])()(wanted)
    return kit.keras.Model(inputs, x if kit.chance(0.5) else head(kit, x))


def ends_early(kit):
    """Models whose last layer does nothing, or is the only one."""
    inputs = picture(kit)
    x = kit.pick(
        [
            lambda: kit.layers.Dropout(0.5)(inputs),
            lambda: kit.layers.Flatten(data_format=kit.format)(inputs),
            lambda: kit.layers.Dropout(0.1)(conv(kit, inputs, 2, 3)),
            lambda: kit.layers.Activation("linear")(kit.layers.Flatten()(inputs)),
            lambda: kit.layers.Add()([inputs, inputs]),
            lambda: kit.layers.Softmax()(kit.layers.Activation("linear")(kit.layers.Flatten()(inputs))),
        ]
    )()
    return kit.keras.Model(inputs, x)


def frozen_backbone(kit):
    """A trained body that is kept, with a new head, as in transfer learning."""
    inputs = picture(kit, 3)
    body_input = kit.keras.Input(tuple(inputs.shape[1:]))
    x = conv(kit, body_input, 4, 3, strides=2)
    x = kit.layers.ReLU()(norm(kit, x))
    x = norm(kit, conv(kit, x, 4, 3))
    if kit.chance(0.5):
        body = kit.keras.Model(body_input, x, name="backbone")
    else:
        body = kit.keras.Sequential([*kit.keras.Model(body_input, x).layers[1:]])
    if kit.chance(0.5):
        body.trainable = False
    else:
        for layer in body.layers[: kit.int(0, len(body.layers))]:
            layer.trainable = False
    return kit.keras.Model(inputs, head(kit, body(inputs, training=False)))


def augmentation(kit):
    """A nested model of random layers in front, as the tutorials have it."""
    kit.first = False
    augment = kit.keras.Sequential(
        [kit.layers.RandomFlip("horizontal"), kit.layers.RandomRotation(0.1), kit.layers.RandomZoom(0.1)]
    )
    layers = [kit.keras.Input((10, 10, 3)), augment, kit.layers.Rescaling(1 / 255)]
    layers += [kit.layers.Conv2D(4, 3, activation="relu"), kit.layers.MaxPooling2D(), kit.layers.Dropout(0.2)]
    layers += [kit.layers.Flatten(), kit.layers.Dense(8, activation="relu"), kit.layers.Dense(10)]
    return kit.keras.Sequential(layers)


RECIPES = [
    resnet,
    mobile,
    inception,
    densenet,
    xception,
    unet,
    vision_transformer,
    rows,
    signal,
    offset_at_the_border,
    offset_at_the_border,
    normalized_after_activation,
    normalized_after_activation,
    used_before_and_after,
    ends_early,
    frozen_backbone,
    augmentation,
]
