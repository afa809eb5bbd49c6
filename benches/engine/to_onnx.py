"""A Keras picture classifier as ONNX, the way onnxruntime likes it best.

Channels first; BatchNormalization and Rescaling are folded into the weights, and the rows of a Dense after Flatten
are put in the channels-first order, so that not one node is spent on what an exporter may leave behind.
"""

import keras
import numpy as np
import onnx
from keras import layers
from onnx import TensorProto, helper, numpy_helper

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softmax": "Softmax"}


class Writer:
    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, values):
        self.count += 1
        name = f"w{self.count}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def node(self, kind, inputs, **attributes):
        self.count += 1
        name = f"t{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def activation(self, x, name):
        return x if name == "linear" else self.node(ACTIVATIONS[name], [x])


def pads(layer, size, window):
    """Explicit padding as TensorFlow's "same" has it: the odd pixel goes to the end."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    total = [
        max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, layer.strides, window)
    ]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def folded(layer, after):
    """Kernel and bias of a convolution, with the BatchNormalization that follows it."""
    kernel = np.asarray(layer.kernel, np.float64)
    filters = layer.compute_output_shape(layer.input.shape)[-1]
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else np.zeros(filters)
    if isinstance(after, layers.BatchNormalization):
        gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in after.get_weights())
        scale = gamma / np.sqrt(variance + after.epsilon)
        kernel = kernel * (scale.reshape(kernel.shape[-2:]) if isinstance(layer, layers.DepthwiseConv2D) else scale)
        bias = (bias - mean) * scale + beta
    return kernel, bias


def sources(layer):
    """The layers that a layer reads."""
    return [tensor._keras_history.operation for tensor in keras.tree.flatten(layer.input)]


def only_reader(model, layer):
    readers = [reader for reader in model.layers if layer in sources(reader)]
    return readers[0] if len(readers) == 1 else None


def lstm(w, layer, x):
    """The last state. Keras has its gates in the order input, forget, cell, output; ONNX has the output second."""

    def gates(values):
        i, f, c, o = np.split(np.asarray(values), 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1).T[None]

    bias = gates(layer.cell.bias)
    inputs = [w.node("Transpose", [x], perm=[1, 0, 2]), w.weight(gates(layer.cell.kernel)),
              w.weight(gates(layer.cell.recurrent_kernel)), w.weight(np.concatenate([bias, 0 * bias], axis=-1))]
    w.count += 1
    last = f"t{w.count}"
    w.nodes.append(helper.make_node("LSTM", inputs, ["", last], hidden_size=layer.units))
    return w.node("Flatten", [last], axis=2)


def to_onnx(model):
    w = Writer()
    names = {}  # of what each layer gives
    first = 1.0
    for layer in model.layers:
        inputs = [names.get(id(source), "x") for source in sources(layer)] or ["x"]
        x = inputs[0]
        size = layer.input.shape[1:3] if hasattr(layer.input, "shape") else None
        if isinstance(layer, layers.Flatten) and layer is model.layers[-1]:
            assert layer.input.shape[-1] == 1, "channels would be in another order"
            x = w.node("Flatten", [x])
        elif isinstance(layer, (layers.InputLayer, layers.Dropout, layers.Flatten)):
            pass
        elif isinstance(layer, layers.Rescaling):
            assert layer.offset == 0.0
            first = layer.scale
        elif isinstance(layer, layers.BatchNormalization):
            assert isinstance(layer.input._keras_history.operation, (layers.Conv2D, layers.DepthwiseConv2D))
        elif isinstance(layer, layers.DepthwiseConv2D):
            kernel, bias = folded(layer, only_reader(model, layer))
            channels = kernel.shape[2]
            kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
            x = w.node("Conv", [x, w.weight(kernel), w.weight(bias)], group=channels, strides=layer.strides,
                       pads=pads(layer, size, layer.kernel_size))
            x = w.activation(x, layer.activation.__name__)
        elif isinstance(layer, layers.Conv2D):
            kernel, bias = folded(layer, only_reader(model, layer))
            kernel, first = kernel * first, 1.0
            x = w.node("Conv", [x, w.weight(kernel.transpose(3, 2, 0, 1)), w.weight(bias)], strides=layer.strides,
                       pads=pads(layer, size, layer.kernel_size))
            x = w.activation(x, layer.activation.__name__)
        elif isinstance(layer, layers.Conv2DTranspose):
            assert layer.padding == "same" and layer.use_bias and first == 1.0
            kernel, bias = np.asarray(layer.kernel).transpose(3, 2, 0, 1), np.asarray(layer.bias)
            total = [max(k - s, 0) for k, s in zip(layer.kernel_size, layer.strides)]
            x = w.node("ConvTranspose", [x, w.weight(kernel), w.weight(bias)], strides=layer.strides,
                       pads=[t // 2 for t in total] + [t - t // 2 for t in total])
            x = w.activation(x, layer.activation.__name__)
        elif isinstance(layer, layers.Dense):
            kernel, bias = np.asarray(layer.kernel, np.float64) * first, np.asarray(layer.bias)
            first = 1.0
            before = layer.input._keras_history.operation
            while isinstance(before, layers.Dropout):
                before = before.input._keras_history.operation
            if isinstance(before, layers.Flatten):
                x = w.node("Flatten", [x])
                if len(before.input.shape) == 4:
                    h, wd, c = before.input.shape[1:]
                    kernel = kernel.reshape(h, wd, c, -1).transpose(2, 0, 1, 3).reshape(h * wd * c, -1)
            x = w.node("Gemm", [x, w.weight(kernel), w.weight(bias)])
            x = w.activation(x, layer.activation.__name__)
        elif isinstance(layer, layers.ReLU):
            if layer.max_value is None:
                x = w.node("Relu", [x])
            else:
                x = w.node("Clip", [x, w.weight(np.array(0.0)), w.weight(np.array(layer.max_value))])
        elif isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
            kind = "MaxPool" if isinstance(layer, layers.MaxPooling2D) else "AveragePool"
            x = w.node(kind, [x], kernel_shape=layer.pool_size, strides=layer.strides,
                       pads=pads(layer, size, layer.pool_size))
        elif isinstance(layer, layers.GlobalAveragePooling2D):
            x = w.node("Flatten", [w.node("GlobalAveragePool", [x])])
        elif isinstance(layer, layers.LSTM):
            x = lstm(w, layer, x)
        elif isinstance(layer, layers.Add):
            x = w.node("Add", inputs)
        else:
            raise ValueError(f"no ONNX for {layer}")
        names[id(layer)] = x
    shape = model.input_shape[1:]
    shape = [shape[2], *shape[:2]] if len(shape) == 3 else list(shape)
    graph = helper.make_graph(
        w.nodes, "kiln",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", model.output_shape[-1]])], w.weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()
