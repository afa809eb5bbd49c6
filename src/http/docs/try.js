"use strict";
let ids = 0;

/** A labelled control for a value. */
function control(name, schema, { example, required } = {}) {
  const options = schema.type === "boolean" ? ["", "true", "false"] : schema.enum ? ["", ...schema.enum] : null;
  const id = `control-${++ids}`;
  const input = options
    ? h("select", { id }, options.map((value) => h("option", { value }, value || "(not sent)")))
    : h("input", { id, type: "text", placeholder: example ?? "", required, autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  return { name, required, input, element: h("label", { for: id }, name, input) };
}

/** What is sent when nobody has a picture at hand: the seven of examples/, which the document has in Base64. */
function exampleFile(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new File([bytes], "seven.png", { type: "image/png" });
}

/** Where a picture is chosen, photographed or dropped. */
function picture(changed, example) {
  const state = { file: null };
  const shown = h("p", { class: "shown", role: "status" });
  const id = `control-${++ids}`;
  const input = h("input", { id, type: "file", accept: "image/*", change: () => set(input.files[0]) });
  function set(file) {
    state.file = file ?? null;
    shown.replaceChildren();
    if (file) {
      const image = h("img", { alt: "", src: URL.createObjectURL(file), load: () => URL.revokeObjectURL(image.src) });
      image.addEventListener("error", () => image.remove());
      shown.append(image, `${file.name}, ${file.size.toLocaleString()} bytes`);
    }
    changed();
  }
  const take = h("button", { type: "button", click: () => { input.value = ""; set(exampleFile(example)); } }, "Take an example");
  const element = h("div", { class: "file" }, h("label", { for: id }, "file", input), h("div", { class: "buttons" }, take), shown);
  const over = (is) => (event) => { event.preventDefault(); element.classList.toggle("over", is); };
  element.addEventListener("dragover", over(true));
  element.addEventListener("dragleave", over(false));
  element.addEventListener("drop", (event) => { over(false)(event); set(event.dataTransfer.files[0]); });
  return { element, state };
}

/** The body of a request: which of its forms, and what is in it. */
function body(operation, changed) {
  const content = resolve(operation.requestBody)?.content;
  if (!content) return null;
  const kinds = Object.keys(content);
  const kind = h("select", { id: `control-${++ids}`, change: () => { show(); changed(); } }, kinds.map((value) => h("option", { value }, value)));
  const example = Object.values(content["application/json"]?.examples ?? {})[0]?.value ?? {};
  const file = picture(changed, example.image);
  const text = h("textarea", { id: `control-${++ids}`, spellcheck: "false", input: changed });
  text.value = JSON.stringify(example, null, 2);
  const json = h("label", { for: text.id }, "body", text);
  const isJson = () => kind.value === "application/json";
  const isForm = () => kind.value === "multipart/form-data";
  const type = () => (kind.value.includes("*") ? file.state.file?.type || "image/png" : kind.value);
  function show() { file.element.hidden = isJson(); json.hidden = !isJson(); }
  show();
  return {
    element: h("div", { class: "body" }, h("label", { for: kind.id }, "Body as", kind), file.element, json),
    missing: () => (isJson() || file.state.file ? "" : "Choose a picture first, or take the example."),
    /** What `fetch` is to send. */
    sent() {
      if (isJson()) return { body: text.value, headers: { "content-type": "application/json" } };
      if (!isForm()) return { body: file.state.file, headers: { "content-type": type() } };
      const form = new FormData();
      form.append("file", file.state.file);
      return { body: form };
    },
    /** The same for curl. */
    curl() {
      const name = quoted(`@${file.state.file?.name ?? "picture.png"}`);
      if (isJson()) return `-H 'content-type: application/json' -d ${quoted(text.value)}`;
      if (isForm()) return `-F ${quoted(`file=@${file.state.file?.name ?? "picture.png"}`)}`;
      return `-H ${quoted(`content-type: ${type()}`)} --data-binary ${name}`;
    },
  };
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A text that can be copied. */
function copyable(title, pre) {
  const button = h("button", { type: "button", click: async () => {
    try {
      await navigator.clipboard.writeText(pre.textContent);
    } catch {
      // A page without TLS has no clipboard of its own, but may still copy what is selected.
      getSelection().selectAllChildren(pre);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } }, "Copy");
  button.setAttribute("aria-label", `Copy ${title}`);
  return h("div", { class: "titled" }, h("div", { class: "title" }, h("h4", {}, title), button), pre);
}

/** A form that sends an operation's request and shows what comes. */
function tryIt(method, path, operation) {
  const answer = h("div", { class: "answer" });
  const outcome = h("p", { class: "outcome", role: "status" });
  const curl = h("pre", { tabindex: "0", "aria-label": "curl" });
  const parameters = (operation.parameters ?? []).map(resolve).map((parameter) =>
    control(parameter.name, resolve(parameter.schema), parameter));
  const sending = body(operation, describe);
  const url = () => {
    const query = new URLSearchParams();
    for (const { name, input, required } of parameters) if (input.value || required) query.set(name, input.value);
    return new URL(path + (query.size ? `?${query}` : ""), location.origin);
  };
  function describe() {
    curl.textContent = ["curl", sending?.curl(), quoted(String(url()))].filter(Boolean).join(" ");
  }
  const form = h("form", { novalidate: true, input: describe, submit: send },
    h("h4", {}, "Try it"),
    parameters.length ? h("div", { class: "pairs" }, parameters.map(({ element }) => element)) : null,
    sending?.element,
    h("div", { class: "buttons" }, h("button", { class: "send", type: "submit" }, "Send")),
    outcome, answer, copyable("curl", curl));
  describe();

  async function send(event) {
    event.preventDefault();
    answer.replaceChildren();
    outcome.textContent = sending?.missing() ?? "";
    if (outcome.textContent) return;
    outcome.textContent = "Sending…";
    const begun = performance.now();
    try {
      const response = await fetch(url(), { method: method.toUpperCase(), ...sending?.sent() });
      const text = await response.text();
      const time = Math.round(performance.now() - begun);
      outcome.replaceChildren(status(response.status), `${response.statusText} in ${time} ms`);
      answer.replaceChildren(...shown(response, text));
    } catch {
      outcome.textContent = "The server does not answer. Is it running?";
    }
  }
  return form;
}

function status(code) {
  return h("span", { class: `status ${String(code) < "4" ? "good" : "bad"}` }, String(code));
}

/** The headers and the body of an answer. */
function shown(response, text) {
  const type = response.headers.get("content-type") ?? "";
  if (/json/.test(type)) {
    // Numbers of one list side by side, as people write them.
    const pretty = () => JSON.stringify(JSON.parse(text), null, 2).replace(/\[[^[\]{}"]*\]/g, (list) => list.replace(/\s+/g, " "));
    try { text = pretty(); } catch { /* shown as it came */ }
  }
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return [
    text ? h("pre", { tabindex: "0", "aria-label": "Body of the answer" }, text) : "",
    h("details", {}, h("summary", {}, "Headers"), h("pre", { tabindex: "0", "aria-label": "Headers of the answer" }, headers)),
  ];
}
