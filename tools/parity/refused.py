"""Models that must be refused, with the name of the layer at fault."""


def custom_layer(keras):
    class Twice(keras.layers.Layer):
        def call(self, x):
            return x * 2

    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2)(Twice(name="my_twice")(inputs))), ["my_twice", "Twice"]


def custom_layer_in_a_nested_model(keras):
    class Thrice(keras.layers.Layer):
        def call(self, x):
            return x * 3

    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), Thrice(name="my_thrice")], name="inside")
    inputs = keras.Input((4,))
    return keras.Model(inputs, inner(inputs)), ["my_thrice", "Thrice"]


def subclass_of_a_known_layer(keras):
    class Dense(keras.layers.Dense):
        pass

    return keras.Sequential([keras.Input((4,)), Dense(3, name="not_keras_dense")]), ["not_keras_dense", "Dense"]


def python_code(keras):
    # The name says what is inside: bytecode of Python, which nobody but Python can run.
    inputs = keras.Input((4,))
    double = keras.layers.Lambda(lambda x: x * 2, name="my_lambda")
    return keras.Model(inputs, keras.layers.Dense(2)(double(inputs))), ["my_lambda", "Lambda"]


def layer_that_is_not_supported(keras):
    inputs = keras.Input((6, 6, 6, 1))
    return keras.Model(inputs, keras.layers.Conv3D(2, 3, name="my_conv3d")(inputs)), ["my_conv3d", "Conv3D"]


def axes_of_unknown_size(keras):
    inputs = keras.Input((None, None, 3), name="any_size")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(inputs))
    return keras.Model(inputs, x), ["any_size"]


def custom_activation(keras):
    def my_activation(x):
        return x * x

    layer = keras.layers.Dense(3, activation=my_activation, name="odd_dense")
    return keras.Sequential([keras.Input((4,)), layer]), ["odd_dense", "my_activation"]


MODELS = [
    custom_layer,
    custom_layer_in_a_nested_model,
    subclass_of_a_known_layer,
    python_code,
    layer_that_is_not_supported,
    axes_of_unknown_size,
    custom_activation,
]


def files(keras, folder):
    """Name, format, the words that the message must have, path."""
    for make in MODELS:
        keras.backend.clear_session()
        model, words = make(keras)
        # In the old format a layer is its name alone, and this one would be Keras's own.
        endings = ["keras"] if make is subclass_of_a_known_layer else ["keras", "h5"]
        for ending in endings:
            path = folder / f"{make.__name__}.{ending}"
            model.save(path)
            yield make.__name__, ending, words, path
