"use strict";
const METHODS = ["get", "post", "put", "patch", "delete"];
const main = document.querySelector("main");

/** All operations, each with its method and path. */
function operations() {
  return Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ method, path, ...item[method] })));
}

function badge(method) {
  return h("span", { class: `method ${method}` }, method.toUpperCase());
}

/** What may come back. */
function responses(operation) {
  return h("div", { class: "responses" }, Object.entries(operation.responses).map(([code, response]) => {
    const { description, content } = resolve(response);
    const title = [status(code), description];
    const kind = Object.keys(content ?? {})[0];
    const schema = kind && resolve(content[kind].schema);
    return schema?.properties
      ? h("details", {}, h("summary", {}, ...title), fields(schema))
      : h("p", {}, ...title);
  }));
}

/** What the body of a request may be. Options that the query may have too are told there. */
function bodies(operation, parameters) {
  const content = resolve(operation.requestBody)?.content ?? {};
  return Object.entries(content).map(([kind, { schema }]) => {
    const { description, properties = {}, required } = resolve(schema);
    const own = Object.entries(properties).filter(([name]) => !parameters.some((one) => one.name === name));
    return h("div", { class: "titled" }, h("h4", {}, "Body as ", h("code", {}, kind)),
      description ? h("p", {}, ...prose(description)) : null,
      own.length ? fields({ properties: Object.fromEntries(own), required }) : null);
  });
}

function section(operation) {
  const { method, path, summary, description, operationId } = operation;
  const parameters = (operation.parameters ?? []).map(resolve);
  const reading = h("div", {},
    description ? h("p", {}, ...prose(description)) : null,
    parameters.length ? h("h4", {}, "Parameters in the query") : null,
    parameters.length ? h("ul", { class: "fields" }, parameters.map((one) =>
      field(one.name, resolve(one.schema), one.required, one.description))) : null,
    bodies(operation, parameters),
    h("h4", {}, "Answers"), responses(operation));
  return h("section", { class: "operation", id: operationId, "aria-label": `${method.toUpperCase()} ${path}` },
    h("details", { open: method === "post" },
      h("summary", {}, h("h3", {}, badge(method), path), h("span", { class: "summary" }, summary)),
      h("div", { class: "parts" }, h("div", { class: "trying" }, tryIt(method, path, operation)), reading)));
}

function show() {
  const all = operations();
  const contents = document.querySelector(".contents");
  main.replaceChildren(h("div", { class: "intro" }, h("h1", {}, "The API"), h("p", {}, ...prose(api.info.description))));
  for (const { name, description } of api.tags) {
    const tagged = all.filter(({ tags }) => tags.includes(name));
    main.append(h("h2", {}, name), ...(description ? [h("p", {}, description)] : []), ...tagged.map(section));
    contents.append(h("p", { class: "tag" }, name), h("ul", {}, tagged.map(({ method, path, operationId }) =>
      h("li", {}, h("a", { href: `#${operationId}` }, badge(method), path)))));
  }
}

/** Opens and shows the operation that the address names. */
function goTo() {
  const named = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (!named || !named.classList.contains("operation")) return;
  named.querySelector("details").open = true;
  named.scrollIntoView();
}

addEventListener("hashchange", goTo);
fetch("/openapi.json")
  .then((answer) => answer.json())
  .then((document) => { api = document; show(); goTo(); })
  .catch(() => {
    main.querySelector(".state").textContent = "The server does not tell its API. Is it running? Load this page again once it is.";
  });
