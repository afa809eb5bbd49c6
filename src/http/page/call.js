// The same call from elsewhere: curl, grpcurl and Python, ready to copy.
"use strict";

const GRPC_PORT = 50051;
const tabs = [...element("tabs").children];

// `model` is the one chosen, or null for the server's default.
const call = { model: null, fit: null };

const SNIPPETS = {
  curl: (file, query) => `curl "${location.origin}/predict${query}" \\\n  --data-binary @${file}`,

  grpcurl: (file) => {
    const members = [`\\"image\\":\\"$(base64 < ${file} | tr -d '\\n')\\"`];
    if (call.model) members.push(`\\"model\\":${inDoubleQuotes(JSON.stringify(call.model))}`);
    // The service of digits for digits; the other one says classes, and fits pictures as the model wants them.
    const method = call.fit ? "kiln.v1.ClassifierService/Classify" : "mnist.v1.MnistService/Predict";
    return `grpcurl -plaintext -d "{${members.join(",")}}" \\\n  ${location.hostname}:${GRPC_PORT} ${method}`;
  },

  python: (file, query) => `import json, urllib.request

with open("${file}", "rb") as picture:
    call = urllib.request.Request("${location.origin}/predict${query}", data=picture.read())
with urllib.request.urlopen(call) as answer:
    print(json.load(answer)["label"])`,
};

function inDoubleQuotes(text) {
  return text.replace(/[\\"$`]/g, "\\$&");
}

function query(more = {}) {
  const options = { ...call.model && { model: call.model }, ...call.fit && { fit: call.fit }, ...more };
  const text = new URLSearchParams(options).toString();
  return text && `?${text}`;
}

function canSave() {
  return !sheet.empty && !sheet.now.picture?.refused;
}

function showCall() {
  const tab = tabs.find((each) => each.getAttribute("aria-selected") === "true");
  element("call").textContent = SNIPPETS[tab.id.slice(4)](fileName(), query());
  element("call").setAttribute("aria-labelledby", tab.id);
  element("save").textContent = `Save ${fileName()}`;
  setDisabled(element("save"), !canSave());
}

function chooseTab(tab) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", each === tab);
    each.tabIndex = each === tab ? 0 : -1;
  }
  showCall();
}

for (const tab of tabs) tab.addEventListener("click", () => chooseTab(tab));
element("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  chooseTab(next);
  next.focus();
});

// A phone that came by plain http has no clipboard to write to, but the old command; if that is gone too, the text is
// left selected.
async function copy() {
  const text = element("call").textContent;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(element("call"));
    return document.execCommand("copy");
  }
}

element("copy").addEventListener("click", async () => {
  const words = await copy() ? "Copied" : "Selected";
  element("copy").textContent = words;
  say(words);
  setTimeout(() => { element("copy").textContent = "Copy"; }, 1500);
});

element("save").addEventListener("click", async () => {
  if (!canSave()) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await sheetFile());
  link.download = fileName();
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});
