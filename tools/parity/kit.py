"""Random choices, and the Keras that is asked."""

import numpy as np

FIRST, LAST = "channels_first", "channels_last"

# Names that look like the groups in which Keras stores the weights of other layers.
TRAPS = (
    "dense dense_1 dense_2 conv2d conv2d_1 conv2d_2 batch_normalization batch_normalization_1 "
    "sequential functional model input_1 vars layers stem head block1_conv a.b Über-Schicht 0 1"
).split()


def version():
    """Of the Keras of this venv; `tf.keras` itself does not say."""
    import keras

    return tuple(int(part) for part in keras.__version__.split(".")[:2])


class Kit:
    """What a maker of layers needs: the Keras, a random generator, the data format of the model."""

    def __init__(self, keras, rng, first=False, traps=False):
        self.keras = keras
        self.layers = keras.layers
        self.version = version()
        self.rng = rng
        self.first = first
        self.traps = traps
        self.used = [set()]

    @property
    def keras3(self):
        return self.version >= (3, 0)

    def chance(self, probability):
        return self.rng.random() < probability

    def int(self, low, high):
        """A whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def float(self, low, high):
        return round(float(self.rng.uniform(low, high)), 3)

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def pair(self, low, high, same=0.5):
        """One number for both axes, or two."""
        if self.chance(same):
            return self.int(low, high)
        return (self.int(low, high), self.int(low, high))

    @property
    def format(self):
        return FIRST if self.first else LAST

    def where(self):
        """The data format as an option; left out now and then where it is the default."""
        return {} if not self.first and self.chance(0.5) else {"data_format": self.format}

    def common(self):
        """Options that any layer takes."""
        options = {}
        if self.traps and self.chance(0.7):
            free = [name for name in TRAPS if name not in self.used[-1]]
            if not self.keras3:
                free = [name for name in free if name.isascii() and name[0].isalpha()]
                free += [name for name in ("block1/conv", "block1/bn") if name not in self.used[-1]]
            if free:
                options["name"] = self.pick(free)
                self.used[-1].add(options["name"])
        if self.chance(0.1):
            options["trainable"] = False
        return options

    def channels(self, shape):
        return shape[0] if self.first else shape[-1]

    def spatial(self, shape):
        return shape[1:] if self.first else shape[:-1]

    def shape(self, sizes, channels):
        return (channels, *sizes) if self.first else (*sizes, channels)

    def input_shape(self, rank):
        """The shape of an example of that many axes."""
        if rank == 1:
            return (self.int(2, 20),)
        if rank == 2:
            return self.shape((self.int(4, 12),), self.int(1, 8))
        if rank == 3:
            sizes = (self.int(5, 15), self.int(5, 15)) if self.chance(0.7) else (12, 12)
            return self.shape(sizes, self.pick([1, 2, 3, 4, 6, 8]))
        return tuple(self.int(2, 5) for _ in range(rank))

    def values(self, shape, scale=1.0):
        return (self.rng.normal(0, scale, shape)).astype("float32")

    def activation(self):
        """An activation as people give it: nothing, a name, a function of TensorFlow, a layer."""
        kind = self.rng.random()
        if kind < 0.3:
            return None
        if kind < 0.5:
            return "relu"
        if kind < 0.85:
            return self.pick(self.activations())
        if kind < 0.92 and not self.keras3:
            import tensorflow as tf

            return self.pick([tf.nn.relu, tf.nn.softmax, tf.nn.sigmoid, tf.nn.tanh, tf.nn.elu, tf.nn.selu])
        return self.activation_object()

    def activation_object(self):
        layers = self.layers
        slope = "negative_slope" if self.keras3 else "alpha"
        return self.pick(
            [
                lambda: layers.LeakyReLU(**{slope: self.float(0.05, 0.5)}),
                lambda: layers.ReLU(max_value=self.pick([None, 1.0, 6.0]), negative_slope=self.pick([0.0, 0.1])),
                lambda: layers.ELU(alpha=self.float(0.3, 1.5)),
                lambda: layers.Softmax(),
            ]
        )()

    def activations(self):
        """Every name in keras.activations that keeps the shape."""
        names = [name for name in dir(self.keras.activations) if not name.startswith("_")]
        # glu halves the last axis, which Keras's own Dense and Activation do not account for;
        # threshold takes arguments that a name cannot give.
        return [n for n in names if n not in ("deserialize", "get", "serialize", "glu", "threshold")]


def fan_in(shape, name):
    if name == "depthwise_kernel":
        return int(np.prod(shape[:-2]))
    return max(1, int(np.prod(shape[:-1])))


def randomize(kit, model):
    """Gives every weight a value of its own, biases and moving statistics too, so that each shows."""
    for weight in model.weights:
        name = weight.name.split("/")[-1].split(":")[0]
        shape = tuple(weight.shape)
        if "int" in str(weight.dtype):
            continue  # the state of a random generator, or the count of Normalization
        if name == "gamma":
            value = kit.rng.uniform(0.5, 1.5, shape) * kit.rng.choice([1, 1, 1, -1], shape)
        elif name in ("moving_variance", "variance"):
            value = kit.rng.uniform(0.5, 2.0, shape)
        elif name == "alpha":
            value = kit.rng.uniform(-0.3, 0.6, shape)
        elif name == "embeddings":
            value = kit.rng.normal(0, 1, shape)
        elif "kernel" in name:
            # The projections of attention have more than one output axis; all but the first are outputs.
            inputs = shape[0] if len(shape) == 3 and "attention" in weight_path(weight) else fan_in(shape, name)
            value = kit.rng.normal(0, inputs**-0.5, shape)
        else:
            value = kit.rng.normal(0, 0.4, shape)
        weight.assign(np.asarray(value, dtype="float32"))
    finalize(model)


def finalize(model):
    """Normalization computes with what it had when it was built until it is told."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            finalize(layer)
        elif type(layer).__name__ == "Normalization":
            layer.finalize_state()


def weight_path(weight):
    return getattr(weight, "path", weight.name)
