"""Graphs in which people compute with tensors instead of layers."""


def start(kit):
    kit.first = False
    inputs = kit.keras.Input((6, 6, 3))
    return inputs, kit.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)


def end(kit, inputs, x):
    if len(x.shape) > 2:
        x = kit.layers.Flatten()(x)
    return kit.keras.Model(inputs, kit.layers.Dense(5)(x))


def arithmetic(kit):
    """x + y and x * 2, written with Python's operators."""
    inputs, x = start(kit)
    y = kit.layers.Conv2D(4, 3, padding="same")(x)
    for _ in range(kit.int(1, 3)):
        number = kit.float(0.5, 2)
        x = kit.pick(
            [
                lambda: x + y,
                lambda: y + x,
                lambda: x - y,
                lambda: x * y,
                lambda: x + number,
                lambda: x * number,
                lambda: number * x,
                lambda: x / number,
                lambda: x - number,
                lambda: number - x,
            ]
        )()
    return end(kit, inputs, x)


def slicing(kit):
    """A part of a tensor, such as the first token of a sequence."""
    inputs, x = start(kit)
    x = kit.layers.Reshape((36, 4))(x)
    x = kit.pick(
        [
            lambda: x[:, 0],
            lambda: x[:, -1],
            lambda: x[:, 3:9],
            lambda: x[:, :, 1:],
            lambda: x[:, 0:1, :],
            lambda: x[:, 1:30:3],
            lambda: x[:, ::-1],
        ]
    )()
    return end(kit, inputs, x)


def functions(kit):
    """Functions of keras.ops, and of TensorFlow before there was that."""
    inputs, x = start(kit)
    y = kit.layers.Conv2D(4, 1)(x)
    if kit.keras3:
        ops = kit.keras.ops
        choices = [
            lambda: ops.relu(y),
            lambda: ops.mean(x, axis=(1, 2)),
            lambda: ops.add(x, y),
            lambda: ops.concatenate([x, y], axis=-1),
            lambda: ops.reshape(x, (-1, 36, 4)),
            lambda: ops.sigmoid(y) * x,
            lambda: ops.softmax(y),
            lambda: ops.max(x, axis=[1, 2], keepdims=True),
        ]
    else:
        import tensorflow as tf

        choices = [
            lambda: tf.nn.relu(y),
            lambda: tf.reduce_mean(x, axis=[1, 2]),
            lambda: tf.add(x, y),
            lambda: tf.concat([x, y], axis=-1),
            lambda: tf.reshape(x, (-1, 36, 4)),
            lambda: tf.sigmoid(y) * x,
            lambda: tf.nn.softmax(y),
            lambda: tf.reduce_max(x, axis=[1, 2], keepdims=True),
        ]
    return end(kit, inputs, kit.pick(choices)())


RECIPES = [arithmetic, slicing, functions]
