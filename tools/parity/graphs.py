"""Random models: one layer, chains, branches, nested and shared layers."""

from . import operators, pointwise, recipes, registry, sequences, spatial  # noqa: F401
from .kit import Kit

MERGES = "Add Subtract Multiply Average Maximum Minimum Concatenate".split()


def plan(kit):
    """What each model is about, the same list for every run with this Keras."""
    alone = [(name, "alone", one(name)) for name in registry.available(kit)]
    merged = [(name, "merge", merge(name)) for name in MERGES]
    special = [(make.__name__, "special", make) for make in (multi_head_attention, multi_head_attention, attention, embedding)]
    whole = [(make.__name__, "graph", make) for make in (chain, chain, branches, branches, nested, nested, shared, several_ends, several_ends)]
    known = [(make.__name__, "recipe", make) for make in recipes.RECIPES + operators.RECIPES]
    return alone + merged + special + whole + known


def one(name):
    """A model of that one layer, with something behind it half of the time."""

    def build(kit):
        if name == "Embedding":
            return embedding(kit)
        layer = None
        while layer is None:
            shape = kit.input_shape(kit.pick(registry.ranks(name)))
            layer = registry.make(kit, name, shape)
            # Some layers have no data format.
            kit.first = kit.first and layer is not None
        inputs = new_input(kit, shape)
        x = layer(inputs)
        if kit.chance(0.3):
            x = step(kit, x) if kit.chance(0.5) else classifier(kit, x)
        return sequential(kit, inputs, x) if kit.chance(0.5) else model(kit, inputs, x)

    return build


def new_input(kit, shape, dtype=None):
    name = kit.common().get("name") if kit.traps else None
    options = {"name": name} if name else {}
    if dtype:
        options["dtype"] = dtype
    return kit.keras.Input(shape, **options)


def model(kit, inputs, outputs):
    name = {"name": f"net_{kit.int(0, 99)}"} if kit.chance(0.3) else {}
    return kit.keras.Model(inputs, outputs, **name)


def sequential(kit, inputs, outputs):
    """The layers of a chain once more, as a Sequential model."""
    chain = kit.keras.Model(inputs, outputs).layers[1:]
    fresh = [type(layer).from_config(layer.get_config()) for layer in chain]
    shape = tuple(inputs.shape[1:])
    how = kit.rng.random()
    if how < 0.5:
        return kit.keras.Sequential([kit.keras.Input(shape), *fresh])
    if how < 0.8:
        # The first layer says what it takes, or nobody does until the first call.
        whole = kit.keras.Sequential()
        for layer in fresh:
            whole.add(layer)
        whole.build((None, *shape))
        return whole
    whole = kit.keras.Sequential(name=f"net_{kit.int(0, 99)}")
    whole.add(kit.keras.layers.InputLayer(shape) if kit.keras3 else kit.keras.layers.InputLayer(input_shape=shape))
    for layer in fresh:
        whole.add(layer)
    return whole


# Steps of a network

HEAVY = set("Embedding LSTM GRU SimpleRNN Bidirectional TimeDistributed UpSampling2D Resizing RepeatVector".split())


def shape_of(x):
    return tuple(int(size) for size in x.shape[1:])


def step(kit, x):
    """One more layer, of any class that suits."""
    shape = shape_of(x)
    names = [name for name in registry.available(kit) if name not in HEAVY or kit.chance(0.1)]
    names = [name for name in names if len(shape) in registry.ranks(name) and name != "Embedding"]
    for _ in range(100):
        layer = registry.make(kit, kit.pick(names), shape)
        if layer is not None:
            return layer(x)
    raise ValueError(f"no layer for {shape}")


def size_of(x):
    total = 1
    for size in shape_of(x):
        total *= size
    return total


def steps(kit, x, count):
    for _ in range(count):
        if size_of(x) > 4000:
            x = registry.make(kit, "GlobalAveragePooling2D", shape_of(x))(x) if len(shape_of(x)) == 3 else x
            break
        x = step(kit, x)
    return x


def classifier(kit, x):
    """What most published models end with."""
    if len(shape_of(x)) == 3 and kit.chance(0.5):
        pool = kit.pick(["GlobalAveragePooling2D", "GlobalMaxPooling2D"])
        x = getattr(kit.layers, pool)(data_format=kit.format)(x)
    elif len(shape_of(x)) > 1:
        x = kit.layers.Flatten(**kit.common())(x)
    if kit.chance(0.3):
        x = kit.layers.Dense(kit.int(2, 10), activation="relu", **kit.common())(x)
    if kit.chance(0.4):
        x = kit.layers.Dense(10, **kit.common())(x)
        return kit.layers.Softmax(**kit.common())(x) if kit.chance(0.4) else x
    return kit.layers.Dense(10, activation="softmax", **kit.common())(x)


def chain(kit):
    inputs = new_input(kit, kit.input_shape(kit.pick([1, 2, 3, 3, 3, 3])))
    x = classifier(kit, steps(kit, inputs, kit.int(2, 7)))
    return sequential(kit, inputs, x) if kit.chance(0.5) else model(kit, inputs, x)


def same_shape(kit, x):
    """A layer that keeps the shape."""
    shape = shape_of(x)
    names = "BatchNormalization Activation ReLU LeakyReLU ELU PReLU Rescaling Dropout Softmax LayerNormalization"
    if len(shape) == 3 and kit.chance(0.5):
        return kit.layers.Conv2D(
            kit.channels(shape), kit.int(1, 3), padding="same", activation=kit.activation(),
            data_format=kit.format, **kit.common(),
        )(x)
    if len(shape) == 1 and kit.chance(0.5):
        return kit.layers.Dense(shape[0], activation=kit.activation(), **kit.common())(x)
    while True:
        layer = registry.make(kit, kit.pick(names.split()), shape)
        if layer is not None:
            return layer(x)


def merge_layer(kit, name, rank):
    if name != "Concatenate":
        return getattr(kit.layers, name)(**kit.common())
    axis = 1 if kit.first else -1
    if kit.chance(0.3):
        axis = kit.int(1, rank) if kit.chance(0.5) else -kit.int(1, rank)
    return kit.layers.Concatenate(**({} if axis == -1 else {"axis": axis}), **kit.common())


def merged(kit, name, x):
    """Branches from x that come together again."""
    count = 2 if name == "Subtract" or kit.chance(0.6) else kit.int(2, 4)
    branches = []
    for _ in range(count):
        branch = x
        for _ in range(kit.int(0, 2)):
            branch = same_shape(kit, branch)
        branches.append(branch)
    if all(branch is x for branch in branches) and kit.chance(0.8):
        branches[0] = same_shape(kit, x)
    rank = len(shape_of(x))
    if rank == 3 and name != "Concatenate" and kit.chance(0.2):
        # One value for each channel, as squeeze and excitation has it.
        pooled = kit.layers.GlobalAveragePooling2D(keepdims=True, data_format=kit.format)(branches[0])
        branches[kit.int(0, 1) and len(branches) - 1] = pooled
    layer = merge_layer(kit, name, rank)
    if name == "Concatenate" and rank == 1 and kit.chance(0.5):
        branches[-1] = kit.layers.Dense(kit.int(1, 5))(branches[-1])
    return layer(branches)


def merge(name):
    def build(kit):
        inputs = new_input(kit, kit.input_shape(kit.pick([1, 2, 3, 3])))
        x = same_shape(kit, inputs) if kit.chance(0.3) else inputs
        x = merged(kit, name, x)
        if kit.chance(0.3):
            x = classifier(kit, x)
        return model(kit, inputs, x)

    return build


def branches(kit):
    """Steps and merges in turn, now and then with a layer whose result nobody uses."""
    inputs = new_input(kit, kit.input_shape(kit.pick([1, 2, 3, 3, 3])))
    x = inputs
    for _ in range(kit.int(2, 4)):
        x = steps(kit, x, kit.int(0, 2))
        if size_of(x) > 4000:
            break
        x = merged(kit, kit.pick(MERGES), x)
        if kit.chance(0.1):
            same_shape(kit, x)
    return model(kit, inputs, classifier(kit, x))


def submodel(kit, x, depth):
    """A model of its own that is then used as a layer of x."""
    kit.used.append(set())
    inputs = kit.keras.Input(shape_of(x))
    inner = steps(kit, inputs, kit.int(1, 3))
    if depth > 0 and kit.chance(0.5):
        inner = submodel(kit, inner, depth - 1)
    if kit.chance(0.3) and size_of(inner) < 2000:
        inner = merged(kit, kit.pick(MERGES), inner)
    try:
        used = sequential(kit, inputs, inner) if is_chain(inputs, inner, kit) and kit.chance(0.6) else model(kit, inputs, inner)
    finally:
        kit.used.pop()
    if kit.chance(0.15):
        used.trainable = False
    return used(x)


def is_chain(inputs, outputs, kit):
    """Whether each layer takes what the one before it gives."""
    found = kit.keras.Model(inputs, outputs)
    before = inputs
    for layer in found.layers[1:]:
        if isinstance(layer, kit.keras.Model) or layer.input is not before:
            return False
        before = layer.output
    return True


def nested(kit):
    inputs = new_input(kit, kit.input_shape(kit.pick([1, 2, 3, 3, 3])))
    x = steps(kit, inputs, kit.int(0, 2))
    for _ in range(kit.int(1, 2)):
        x = submodel(kit, x, depth=2)
        x = steps(kit, x, kit.int(0, 1))
    return model(kit, inputs, classifier(kit, x))


def shared(kit):
    """A layer, or a whole model, that is used more than once."""
    shape = kit.input_shape(kit.pick([1, 3]))
    inputs = new_input(kit, shape)
    x = same_shape(kit, inputs)
    if kit.chance(0.4):
        kit.used.append(set())
        inner = kit.keras.Input(shape)
        twice = kit.keras.Model(inner, same_shape(kit, same_shape(kit, inner)))
        kit.used.pop()
    elif len(shape) == 1:
        twice = kit.layers.Dense(shape[0], activation=kit.activation(), **kit.common())
    else:
        twice = kit.layers.Conv2D(
            kit.channels(shape), 3, padding="same", activation=kit.activation(), data_format=kit.format, **kit.common()
        )
    how = kit.rng.random()
    if how < 0.4:
        x = twice(same_shape(kit, twice(x)))
    elif how < 0.7:
        x = kit.layers.Add()([twice(x), twice(inputs)])
    else:
        x = kit.layers.Concatenate(axis=1)([twice(x), twice(twice(inputs)), x])
    return model(kit, inputs, classifier(kit, x))


def several_ends(kit):
    """Several inputs, and several outputs most of the time, in any order."""
    inputs = [new_input(kit, kit.input_shape(kit.pick([1, 2, 3]))) for _ in range(kit.int(2, 3))]
    rows = []
    for x in inputs:
        x = steps(kit, x, kit.int(0, 2))
        x = x if len(shape_of(x)) == 1 else kit.layers.Flatten(**kit.common())(x)
        rows.append(kit.layers.Dense(kit.int(2, 5), **kit.common())(x))
    whole = kit.layers.Concatenate()(rows)
    outputs = [classifier(kit, whole)]
    if kit.chance(0.7):
        outputs.append(kit.pick(rows))
    if kit.chance(0.4):
        outputs.insert(0, same_shape(kit, whole))
    return model(kit, inputs, outputs if len(outputs) > 1 else outputs[0])


# Layers that need more than one input or another kind of input


def multi_head_attention(kit):
    inputs = new_input(kit, (kit.int(2, 8), kit.int(2, 8)))
    x = inputs if kit.chance(0.5) else kit.layers.LayerNormalization(epsilon=1e-3)(kit.layers.Dense(8)(inputs))
    options = {"num_heads": kit.int(1, 4), "key_dim": kit.int(1, 6), "use_bias": kit.chance(0.8)}
    if kit.chance(0.3):
        options["value_dim"] = kit.int(1, 6)
    if kit.chance(0.2):
        options["output_shape"] = kit.int(1, 6)
    if kit.chance(0.3):
        options["dropout"] = 0.1
    attention = kit.layers.MultiHeadAttention(**options, **kit.common())
    how = kit.rng.random()
    other = kit.layers.Dense(kit.int(2, 6))(x) if kit.chance(0.4) else x
    if how < 0.5:
        y = attention(x, other)
    elif how < 0.7:
        y = attention(query=x, value=other)
    elif how < 0.85:
        y = attention(x, other, key=kit.layers.Dense(kit.int(2, 6))(x))
    else:
        y = attention(x, other, other)
    if kit.chance(0.5):
        y = classifier(kit, y)
    return model(kit, inputs, y)


def attention(kit):
    """Of one head and no projections."""
    inputs = new_input(kit, (kit.int(2, 8), kit.int(3, 8)))
    width = kit.int(2, 6)
    query, value, key = (kit.layers.Dense(width)(inputs) for _ in range(3))
    layer = kit.layers.Attention(use_scale=kit.chance(0.4), **kit.common())
    y = layer([query, value] if kit.chance(0.5) else [query, value, key])
    return model(kit, inputs, classifier(kit, y) if kit.chance(0.3) else y)


def embedding(kit):
    inputs = new_input(kit, (kit.int(2, 8),), dtype=kit.pick(["int32", "float32"]))
    x = registry.make(kit, "Embedding", shape_of(inputs))(inputs)
    if kit.chance(0.5):
        x = kit.layers.GlobalAveragePooling1D()(x)
    if kit.chance(0.5):
        x = classifier(kit, x)
    built = model(kit, inputs, x)
    built.whole_numbers = 10
    return built


def entry(keras, index):
    """What the model at that place of the plan is about: focus, kind, maker."""
    whole = plan(Kit(keras, None))
    return whole[index % len(whole)]


def focus(keras, index):
    return entry(keras, index)[0]


def build(keras, index, rng):
    """A model of that place of the plan."""
    focus, kind, make = entry(keras, index)
    first = bool(rng.random() < 0.25) and kind != "special" and focus not in ("LSTM", "GRU", "Embedding", "Random")
    kit = Kit(keras, rng, first=first, traps=bool(rng.random() < 0.4))
    for _ in range(kit.int(0, 3)):
        # Elsewhere in the program other layers have used up the first numbers of the automatic names.
        kit.layers.Dense(1), kit.layers.Conv2D(1, 1), kit.keras.Sequential()
    return focus, kit, make(kit)
