"""Makers of layers for rows: recurrent ones, those around other layers, embeddings."""

from .registry import maker


def recurrent(kit):
    sigmoids = ["sigmoid", "hard_sigmoid", "tanh"]
    options = {
        "units": kit.int(1, 8),
        "return_sequences": kit.chance(0.5),
        "go_backwards": kit.chance(0.2),
        "use_bias": kit.chance(0.8),
    }
    if kit.chance(0.4):
        options["activation"] = kit.pick(["tanh", "relu", "elu", "softsign", "linear"])
    if kit.chance(0.3):
        options["recurrent_activation"] = kit.pick(sigmoids)
    return {**options, **kit.common()}


@maker(2)
def LSTM(kit, shape):
    options = recurrent(kit)
    if options.get("activation") in ("relu", "linear", "elu"):
        options["activation"] = "tanh"
    return kit.layers.LSTM(unit_forget_bias=kit.chance(0.5), **options)


@maker(2)
def GRU(kit, shape):
    return kit.layers.GRU(reset_after=kit.chance(0.6), **recurrent(kit))


@maker(1)
def Embedding(kit, shape):
    """Takes whole numbers; see graphs.embedding for the input that goes with it."""
    return kit.layers.Embedding(10, kit.int(2, 6), **kit.common())


@maker(2)
def SimpleRNN(kit, shape):
    options = recurrent(kit)
    options.pop("recurrent_activation", None)
    return kit.layers.SimpleRNN(**options)


@maker(2)
def Bidirectional(kit, shape):
    inner = kit.pick([LSTM, GRU, SimpleRNN])(kit, shape)
    mode = kit.pick(["concat", "concat", "sum", "mul", "ave"])
    return kit.layers.Bidirectional(inner, merge_mode=mode, **kit.common())


@maker(2, 3)
def TimeDistributed(kit, shape):
    layers, inner = kit.layers, len(shape) - 1
    choices = [
        lambda: layers.Dense(kit.int(1, 6), activation=kit.activation()),
        lambda: layers.Activation("relu"),
        lambda: layers.LayerNormalization(epsilon=1e-2),
    ]
    if inner == 2:
        choices += [
            lambda: layers.Flatten(),
            lambda: layers.LSTM(3),
            lambda: layers.GlobalAveragePooling1D(),
        ]
    if kit.first or shape[-1] < 3:
        return None
    return layers.TimeDistributed(kit.pick(choices)(), **kit.common())
