"use strict";
/** An element. Attributes that are functions listen; children that are texts are texts. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** A text of the document, in which what stands between backquotes is code. */
function prose(text = "") {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

let api;

/** What a `$ref` stands for. */
function resolve(value) {
  while (value && value.$ref) {
    value = value.$ref.slice(2).split("/").reduce((at, key) => at[key.replace(/~1/g, "/")], api);
  }
  return value;
}

function typeOf(schema) {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.contentMediaType) return "file";
  const types = [schema.type ?? "bytes"].flat();
  let text = types.join(" or ");
  if (types.includes("array") && schema.items) text = text.replace("array", `array of ${typeOf(resolve(schema.items))}`);
  if (schema.contentEncoding) text += ` (${schema.contentEncoding})`;
  if (schema.minimum !== undefined && schema.maximum !== undefined) text += `, ${schema.minimum} to ${schema.maximum}`;
  if (schema.default !== undefined) text += `, default ${JSON.stringify(schema.default)}`;
  return text;
}

/** One named value, with what is inside it. */
function field(name, schema, required, description = schema.description) {
  const inside = schema.properties ? schema : resolve(schema.items);
  return h("li", {},
    h("code", {}, name), h("span", { class: "type" }, typeOf(schema)),
    required ? h("span", { class: "must" }, "required") : null,
    description ? h("p", {}, ...prose(description)) : null,
    inside?.properties ? fields(inside) : null);
}

/** What an object has. */
function fields(schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, one]) =>
    field(name, resolve(one), schema.required?.includes(name)));
  return h("ul", { class: "fields" }, rows);
}
