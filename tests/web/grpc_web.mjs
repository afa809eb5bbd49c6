// gRPC-Web as its clients speak it: Connect's over HTTP/1.1 and HTTP/2, and grpc-web itself, in binary and in text.
// node grpc_web.mjs GRPC_PORT HTTP_PORT PROTOSET PICTURE
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createFileRegistry, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import grpcWeb from "grpc-web";
import XMLHttpRequest from "xhr2";

const [grpcPort, httpPort, protoset, picture] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(protoset)));
const mnist = registry.getService("mnist.v1.MnistService");
const health = registry.getService("grpc.health.v1.Health");
const seven = new Uint8Array(readFileSync(picture));
const SERVING = 1;

async function connect(port, httpVersion) {
  const transport = createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion });
  const digits = createClient(mnist, transport);
  const checks = createClient(health, transport);

  assert.equal((await checks.check({})).status, SERVING);
  const answer = await digits.predict({ input: { case: "image", value: seven } });
  assert.equal(answer.digit, 7);
  assert.equal(answer.probabilities.length, 10);

  // A stream of answers, whose first comes while it is open.
  const watching = new AbortController();
  const watch = checks.watch({}, { signal: watching.signal });
  for await (const { status } of watch) {
    assert.equal(status, SERVING);
    break;
  }
  watching.abort();

  const refused = await failure(digits.predict({ input: { case: "image", value: new Uint8Array([1, 2, 3]) } }));
  assert.equal(refused.code, Code.InvalidArgument);
  assert.equal(refused.details[0].type, "google.rpc.BadRequest");
  assert.match(Buffer.from(refused.details[0].value).toString("latin1"), /image/);
  const unknown = await failure(digits.predict({ model: "nobody's", input: { case: "image", value: seven } }));
  assert.equal(unknown.code, Code.NotFound);

  // Several messages at once are no matter of gRPC-Web's.
  const streamed = await failure((async () => {
    const requests = async function* () { yield { input: { case: "image", value: seven } }; };
    for await (const answer of digits.predictStream(requests())) assert.fail(`answered ${answer.digit}`);
  })());
  assert.equal(streamed.code, Code.Unimplemented);
}

async function failure(call) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError, error);
    return error;
  }
  assert.fail("answered what is to be refused");
}

/** As in a browser, a text can be read while it comes; xhr2 has it at the end. */
class ProgressiveRequest extends XMLHttpRequest {
  get responseText() {
    const came = this.readyState === XMLHttpRequest.LOADING && this._responseParts;
    return came ? Buffer.concat(came).toString() : this.whole;
  }

  set responseText(text) { this.whole = text; }
}

/** grpc-web's own client, which tells an answer by callbacks. */
async function original(port, format) {
  globalThis.XMLHttpRequest = ProgressiveRequest;
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const base = `http://127.0.0.1:${port}`;
  const describe = (service, name, type) => {
    const method = service.methods.find((method) => method.name === name);
    const write = (message) => toBinary(method.input, message);
    const read = (bytes) => fromBinary(method.output, new Uint8Array(bytes));
    return [method, new grpcWeb.MethodDescriptor(`/${service.typeName}/${name}`, type, Object, Object, write, read)];
  };
  const call = (service, name, message) => new Promise((resolve, reject) => {
    const [method, descriptor] = describe(service, name, grpcWeb.MethodType.UNARY);
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    client.rpcCall(`${base}${descriptor.getName()}`, create(method.input, message), {}, descriptor, done);
  });

  assert.equal((await call(health, "Check", {})).status, SERVING);
  assert.equal((await call(mnist, "Predict", { input: { case: "image", value: seven } })).digit, 7);
  await assert.rejects(call(mnist, "Predict", {}), (error) => error.code === Code.InvalidArgument && /image/.test(error.message));

  // Its binary format gives no stream before all of it is there, and a Watch has no end.
  if (format === "text") {
    const [method, descriptor] = describe(health, "Watch", grpcWeb.MethodType.SERVER_STREAMING);
    const stream = client.serverStreaming(`${base}${descriptor.getName()}`, create(method.input, {}), {}, descriptor);
    const first = await new Promise((resolve, reject) => stream.on("data", resolve).on("error", reject));
    assert.equal(first.status, SERVING);
    stream.cancel();
  }
}

for (const [what, check] of [
  ["Connect, HTTP/2, the gRPC port", () => connect(grpcPort, "2")],
  ["Connect, HTTP/1.1, the gRPC port", () => connect(grpcPort, "1.1")],
  ["Connect, HTTP/1.1, the HTTP port", () => connect(httpPort, "1.1")],
  ["grpc-web in binary, the gRPC port", () => original(grpcPort, "binary")],
  ["grpc-web in text, the gRPC port", () => original(grpcPort, "text")],
  ["grpc-web in binary, the HTTP port", () => original(httpPort, "binary")],
  ["grpc-web in text, the HTTP port", () => original(httpPort, "text")],
]) {
  const patience = setTimeout(() => { console.error(`FAILED: ${what}: no answer`); process.exit(1); }, 60_000);
  await check();
  clearTimeout(patience);
  console.log(`ok: ${what}`);
}
process.exit(0);
