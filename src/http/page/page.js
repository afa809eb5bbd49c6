// Ties the parts together: tools, pictures, models.
"use strict";

// As GET /models has them; `chosen` is null until they are known, and then the server's default is asked, for a digit.
let models = [];
let preferred = null;
let chosen = null;
// Before the page was loaded again.
let chosenBefore = null;

const takesDrawings = () => !chosen || chosen.digits;
ask.digits = takesDrawings;
ask.ready = () => takesDrawings() || (chosen.classifier && Boolean(sheet.now.picture));

function showSheet() {
  const drawing = takesDrawings();
  const { picture } = sheet.now;
  element("ghost").hidden = !sheet.empty || !drawing;
  // It lies on the sheet, so it goes when there is something to see.
  element("keys").hidden = !sheet.empty || !drawing;
  element("offer").hidden = drawing || Boolean(picture) || !chosen.classifier;
  ink.setAttribute("aria-label", picture ? "Your picture; draw to begin anew" : "Draw a digit here");
  setDisabled(element("undo"), !sheet.canUndo);
  setDisabled(element("redo"), !sheet.canRedo);
  setDisabled(element("clear"), sheet.empty);
  redraw();
  showCall();
}

function changed(final) {
  showSheet();
  sheetChanged(final);
  if (final) keepSheet({ model: chosen?.name });
}
pen.onstroke = changed;

// Not `disabled`, which would take the keyboard's place away from whoever just pressed it.
function setDisabled(button, disabled) {
  button.setAttribute("aria-disabled", disabled);
}

function act(what) {
  if (pen.pointer) end();
  liftKeys();
  what();
  changed(true);
}

const tools = { undo: () => sheet.undo(), redo: () => sheet.redo(), clear: () => sheet.clear() };
for (const [id, what] of Object.entries(tools)) element(id).addEventListener("click", () => act(what));

document.addEventListener("keydown", (event) => {
  if (event.target.closest("select, input, textarea")) return;
  const key = event.key.toLowerCase();
  const command = event.ctrlKey || event.metaKey;
  let what;
  if (command && key === "z") what = event.shiftKey ? tools.redo : tools.undo;
  else if (command && key === "y") what = tools.redo;
  else if (!command && (key === "delete" || key === "backspace")) what = tools.clear;
  else return;
  event.preventDefault();
  act(what);
});

async function takePicture(files) {
  const file = [...files ?? []].find((each) => each.type.startsWith("image/")) ?? files?.[0];
  if (!file) return;
  sheet.addPicture(await pictureOf(file));
  changed(true);
}

for (const id of ["camera", "choose"]) {
  const input = element(`${id}-file`);
  element(id).addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    await takePicture(input.files);
    // The same picture again is a change as well.
    input.value = "";
  });
}
element("offer-choose").addEventListener("click", () => element("choose-file").click());

document.addEventListener("paste", (event) => takePicture(event.clipboardData?.files));
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    element("paper").classList.toggle("dropping", event.dataTransfer.types.includes("Files"));
  });
}
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    if (name === "drop" || !event.relatedTarget) element("paper").classList.remove("dropping");
  });
}
document.addEventListener("drop", (event) => takePicture(event.dataTransfer?.files));

// A model that tells no digits is shown pictures; one that is no classifier is not asked at all.
function useModel(model) {
  chosen = model;
  pen.enabled = model.digits;
  call.model = model.name === preferred ? null : model.name;
  call.fit = model.digits ? null : "resize";
  names = model.digits ? [..."0123456789"] : (model.labels ?? []).slice(0, 5);
  element("model").value = model.name;
  element("model-name").textContent = `${model.name} ${model.version}`;
  ink.tabIndex = model.digits ? 0 : -1;
  changed(true);
}

ask.onidle = () => {
  if (!chosen || chosen.classifier) showIdle();
  else showRefused(`${chosen.name} cannot be asked here: ${chosen.reason}`);
};

function listModels() {
  element("model").replaceChildren(...models.map((model) => {
    const option = new Option(model.classifier ? model.name : `${model.name}: ${model.reason}`, model.name);
    option.disabled = !model.classifier;
    return option;
  }));
  element("model").hidden = models.length < 2;
}

element("model").addEventListener("change", () => useModel(models.find((each) => each.name === element("model").value)));

async function loadModels() {
  try {
    const { answer } = await fetchJson("/models", new AbortController());
    ask.failures = 0;
    const news = JSON.stringify(answer) !== JSON.stringify({ default: preferred, models });
    ({ models, default: preferred } = answer);
    if (news) {
      listModels();
      const named = (name) => models.find((each) => each.name === name && each.classifier);
      const model = named(chosen?.name ?? chosenBefore) ?? named(preferred) ?? models.find((each) => each.classifier) ?? models[0];
      if (model) useModel(model);
    }
    if (sheet.empty || !ask.ready()) ask.onidle();
  } catch (error) {
    if (error.later) tryLater(error.retryAfter);
  }
}
// The server was away, and may have come back with other models.
ask.onback = loadModels;

restoreSheet().then((kept) => {
  chosenBefore = kept?.model;
  showSheet();
  ask.onidle();
  loadModels();
});
