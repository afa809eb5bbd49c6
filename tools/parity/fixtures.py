"""The small, fixed models of tests/fixtures/parity: every layer, in each Keras and each format."""

import json

import numpy as np

from . import answers, cases, checks, operators, recipes
from .kit import Kit, randomize


def sequence(kit, shape, layers):
    return kit.keras.Sequential([kit.keras.Input(shape), *layers])


def convolutions(kit):
    """Borders, steps, dilation, groups; names that are those of other layers' groups."""
    layers, conv = kit.layers, kit.layers.Conv2D
    return sequence(
        kit,
        (11, 10, 4),
        [
            conv(6, (3, 2), strides=(2, 1), activation="relu", name="conv2d_1"),
            layers.ZeroPadding2D(((0, 1), (2, 0))),
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", use_bias=False, name="conv2d"),
            layers.BatchNormalization(name="dense"),
            layers.ReLU(6.0),
            conv(4, 3, dilation_rate=(1, 2), groups=2, padding="same", name="batch_normalization"),
            layers.SeparableConv2D(5, 2, strides=2, depth_multiplier=2, name="conv2d_2"),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh"),
            layers.Cropping2D((1, 0)),
            conv(2, 1, name="stem"),
        ],
    )


def pictures(kit):
    """Pooling and sizes, of negative values too."""
    layers = kit.layers
    return sequence(
        kit,
        (9, 8, 3),
        [
            layers.MaxPooling2D(3, strides=2, padding="same"),
            layers.UpSampling2D((2, 3), interpolation="bilinear"),
            layers.AveragePooling2D((3, 2), strides=(1, 2), padding="same"),
            layers.Resizing(7, 5),
            layers.CenterCrop(5, 4),
            layers.UpSampling2D(2),
            layers.Permute((2, 1, 3)),
            layers.AveragePooling2D(2),
            layers.GlobalMaxPooling2D(keepdims=True),
            layers.GlobalAveragePooling2D(),
        ],
    )


def signals(kit):
    layers = kit.layers
    return sequence(
        kit,
        (17, 3),
        [
            layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu"),
            layers.ZeroPadding1D((2, 1)),
            layers.SeparableConv1D(3, 3, strides=2),
            layers.MaxPooling1D(2, strides=1, padding="same"),
            layers.DepthwiseConv1D(2, depth_multiplier=2),
            layers.SpatialDropout1D(0.2),
            layers.UpSampling1D(2),
            layers.Conv1DTranspose(3, 3, strides=2),
            layers.Cropping1D((1, 2)),
            layers.AveragePooling1D(3, padding="same"),
            layers.Conv1D(2, 3, strides=2, padding="same", groups=1),
            layers.GlobalMaxPooling1D(),
            layers.RepeatVector(3),
            layers.GlobalAveragePooling1D(),
        ],
    )


def merging(kit):
    """Every merge, a shared layer, a nested model, values repeated along axes."""
    layers = kit.layers
    inputs = kit.keras.Input((5, 5, 2), name="dense")
    shared = layers.Conv2D(2, 3, padding="same", name="shared")
    a, b = shared(inputs), shared(layers.Activation("tanh")(inputs))
    each = layers.GlobalAveragePooling2D(keepdims=True)(a)
    x = layers.Concatenate()([layers.Add()([a, b, inputs]), layers.Subtract()([a, b])])
    inner_inputs = kit.keras.Input((5, 5, 4))
    inner = layers.Dense(2, trainable=False)(layers.BatchNormalization()(inner_inputs))
    x = kit.keras.Model(inner_inputs, inner, name="inside")(x)
    x = layers.Maximum()([layers.Multiply()([x, each]), layers.Minimum()([a, b, x])])
    x = layers.Average()([x, a])
    x = layers.Concatenate(axis=1)([x, a])
    x = kit.keras.Sequential([layers.Flatten(), layers.Dense(4, activation="softmax", name="dense")])(x)
    return kit.keras.Model(inputs, x)


def normalizations(kit):
    layers = kit.layers
    newest = [layers.RMSNormalization(epsilon=1e-3)] if kit.version >= (3, 9) else []
    return sequence(
        kit,
        (4, 5, 6),
        [
            layers.Normalization(mean=[0.1, -0.2, 0.3, 0.0, 0.5, 1.0], variance=[1.0, 2.0, 0.5, 1.5, 1.0, 0.7]),
            layers.BatchNormalization(axis=1, scale=False, epsilon=0.01),
            layers.LayerNormalization(axis=[2, 3]),
            layers.GroupNormalization(groups=3),
            layers.Rescaling(0.5, offset=-0.25),
            layers.Normalization(axis=-1),
            layers.UnitNormalization(),
            *newest,
            layers.BatchNormalization(trainable=False),
            layers.Reshape((6, -1)),
            layers.LayerNormalization(center=False, epsilon=1e-5),
        ],
    )


def activations(kit):
    """Every function of this Keras by its name, and those that are layers."""
    layers = kit.layers
    slope = "negative_slope" if kit.keras3 else "alpha"
    inputs = kit.keras.Input((6,))
    results = [layers.Activation(name)(inputs) for name in kit.activations()]
    given = [layers.LeakyReLU(**{slope: 0.1}), layers.ELU(alpha=0.5), layers.ReLU(1.5, 0.25, 0.5), layers.Softmax()]
    results += [layer(inputs) for layer in [*given, layers.PReLU(), layers.Dropout(0.5), layers.Identity()]]
    x = layers.Concatenate()([inputs, layers.Dense(3, activation=layers.LeakyReLU(**{slope: 0.2}))(inputs), *results])
    return kit.keras.Model(inputs, x)


def rows(kit):
    layers = kit.layers
    return sequence(
        kit,
        (4, 5, 1),
        [
            layers.Reshape((4, 5)),
            layers.LSTM(4, return_sequences=True),
            layers.Bidirectional(layers.GRU(3, return_sequences=True, reset_after=True)),
            layers.GRU(4, return_sequences=True, reset_after=False, go_backwards=True),
            layers.TimeDistributed(layers.Dense(3, activation="tanh")),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid"), "sum"),
            layers.SimpleRNN(4),
        ],
    )


def attention(kit):
    layers = kit.layers
    inputs = kit.keras.Input((6, 6, 1))
    x = layers.Reshape((9, 4))(layers.Conv2D(4, 2, strides=2)(inputs))
    y = layers.LayerNormalization(epsilon=1e-6)(x)
    y = layers.MultiHeadAttention(2, 3, value_dim=2, dropout=0.1)(y, y)
    x = layers.Add()([x, y])
    x = layers.Attention(use_scale=True)([x, layers.Dense(4, activation="gelu")(x)])
    return kit.keras.Model(inputs, layers.Flatten()(x))


def embedding(kit):
    layers = kit.layers
    inputs = kit.keras.Input((5,), dtype="int32")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(10, 3)(inputs))
    model = kit.keras.Model(inputs, layers.Dense(2)(x))
    model.whole_numbers = 10
    return model


def training_only(kit):
    """Layers that do nothing at inference, some in a model of their own."""
    layers = kit.layers
    names = """RandomFlip RandomBrightness RandomContrast AugMix CutMix MixUp RandAugment RandomColorDegeneration
        RandomColorJitter RandomElasticTransform RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert
        RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear""".split()
    with_factor = "RandomBrightness RandomContrast RandomColorDegeneration RandomHue RandomSaturation RandomSharpness"
    some = []
    for name in (name for name in names if hasattr(layers, name)):
        options = [0.2] if name in with_factor.split() else [4] if name == "RandomPosterization" else []
        some.append(getattr(layers, name)(*options))
    inputs = x = kit.keras.Input((4, 4, 3))
    for layer in [layers.RandomRotation(0.1), layers.RandomZoom(0.1), *some]:
        x = layer(x)
    augment = kit.keras.Model(inputs, x, name="augment")
    return sequence(
        kit,
        (4, 4, 3),
        [
            augment,
            layers.RandomTranslation(0.1, 0.1),
            layers.GaussianNoise(0.1),
            layers.SpatialDropout2D(0.1),
            layers.GaussianDropout(0.1),
            layers.AlphaDropout(0.1),
            layers.ActivityRegularization(l2=0.1),
            layers.Reshape((4, 2, 2, 3)),
            layers.SpatialDropout3D(0.1),
            layers.Flatten(),
            layers.Dense(3),
        ],
    )


def channels_first(kit):
    kit.first = True
    layers, first = kit.layers, {"data_format": "channels_first"}
    return sequence(
        kit,
        (3, 9, 8),
        [
            layers.Conv2D(4, 3, strides=2, padding="same", activation="softmax", **first),
            layers.BatchNormalization(axis=1),
            layers.DepthwiseConv2D(2, padding="same", **first),
            layers.UpSampling2D(2, **first),
            layers.SeparableConv2D(3, 3, **first),
            layers.MaxPooling2D(2, strides=1, padding="same", **first),
            layers.ZeroPadding2D((0, 1), **first),
            layers.Conv2DTranspose(2, 2, **first),
            layers.AveragePooling2D(2, **first),
            layers.GroupNormalization(2, axis=1),
            layers.Flatten(**first),
        ],
    )


def arithmetic(kit):
    return operators.arithmetic(kit)


def residual(kit):
    return recipes.resnet(kit)


def transfer(kit):
    return recipes.frozen_backbone(kit)


THEMES = [
    convolutions, pictures, signals, merging, activations, normalizations, rows, attention, training_only, embedding,
    channels_first, arithmetic, residual, transfer,
]  # fmt: skip


# In which format the models are saved, in turn; the two that are the hardest to map in both.
# (Keras 3.15 cannot save `training_only` as .h5, for RandomBrightness.)
TURNS = {"3.15": (0, 1), "2.15": (1, 0), "2.13": (0, 0, 1, 1)}
BOTH = (merging, transfer)


def write(keras, version, folder):
    """Each model with an input, Keras's answers and its summary; gives their names."""
    for index, theme in enumerate(THEMES):
        keras.backend.clear_session()
        keras.utils.set_random_seed(index)
        kit = Kit(keras, np.random.default_rng([index, int(version.replace(".", ""))]))
        model = theme(kit)
        randomize(kit, model)
        stem = folder / f"{theme.__name__}-{version}"
        x = answers.inputs(kit, model, 2)
        summary = answers.summary(kit, model)
        turn = TURNS[version][index % len(TURNS[version])]
        endings = ("keras", "h5") if theme in BOTH else [("keras", "h5")[turn]]
        for ending in endings:
            path = stem.with_name(f"{stem.name}.{ending}")
            model.save(path)
            if ending == "keras" and (version != "2.13" or theme not in (merging, convolutions)):
                # As Keras writes them the archives are not compressed, and ten times as large.
                cases.deflate(path)
        expected = answers.outputs(kit, model, x)
        assert np.isfinite(expected).all() and checks.difference(expected, expected)[0] == 0
        np.save(stem.with_name(f"{stem.name}.input.npy"), x)
        np.save(stem.with_name(f"{stem.name}.expected.npy"), np.ascontiguousarray(expected))
        stem.with_name(f"{stem.name}.summary.json").write_text(json.dumps(summary, separators=(",", ":")) + "\n")
        yield stem.name
