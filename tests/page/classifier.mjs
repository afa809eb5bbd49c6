// A model that tells no digits: how light a picture is, in seven words. Written as `kiln convert` writes a model.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

const SIDE = 32;
// For each word, what its score gains from light, and what it has anyway.
const WORDS = { night: [-8, 4], dusk: [0, -1], dawn: [0, -0.5], "white paper": [8, -4], fog: [0, 0], snow: [0, -1.5], moon: [0, -2] };

export function saveClassifier() {
  const words = Object.keys(WORDS);
  const units = words.length;
  const values = SIDE * SIDE;
  const node = (name, kind, layer, inputs, output_shape) => ({ name, class: kind, layer, inputs, output_shape, weights_of: null });
  const row = (name, kind, output_shape, parameters) => ({ name, class: kind, output_shape, parameters, trainable: parameters, connected_to: [] });
  const model = {
    name: "light",
    keras_version: "3.15.1",
    nodes: [
      node("image", "InputLayer", "Input", [], [SIDE, SIDE, 1]),
      node("flatten", "Flatten", { Reshape: { target: [values] } }, [0], [values]),
      node("dense", "Dense", { Dense: { units, use_bias: true, activation: "Softmax" } }, [1], [units]),
    ],
    summary: { rows: [row("flatten", "Flatten", [values], 0), row("dense", "Dense", [units], units * (values + 1))], is_graph: false },
  };
  const bias = Float32Array.from(words, (word) => WORDS[word][1]);
  const kernel = Float32Array.from({ length: values * units }, (_, i) => WORDS[words[i % units]][0] / values);
  const header = JSON.stringify({
    __metadata__: { "kiln.model": JSON.stringify({ format: 2, model }) },
    "dense.bias": { dtype: "F32", shape: [units], data_offsets: [0, bias.byteLength] },
    "dense.kernel": { dtype: "F32", shape: [values, units], data_offsets: [bias.byteLength, bias.byteLength + kernel.byteLength] },
  });
  const text = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const folder = mkdtempSync(`${tmpdir()}/kiln-page-`);
  writeFileSync(`${folder}/light.safetensors`, Buffer.concat([length, text, Buffer.from(bias.buffer), Buffer.from(kernel.buffer)]));
  writeFileSync(`${folder}/light.labels.txt`, words.join("\n"));
  return `${folder}/light.safetensors`;
}
