// The answer: the digit, the bars, what the network saw, how long it took.
"use strict";

const element = (id) => document.getElementById(id);

// The names of the bars while there is no answer.
let names = [..."0123456789"];

// "idle", "answer", "none" (no digit found), "refused" or "away"; the look of each is in page.css. A caption is a few words
// below the digit, a note stands where the bars were.
function setState(state, { caption = "", note = "" } = {}) {
  element("answer").dataset.state = state;
  element("caption").textContent = caption;
  element("note").textContent = note;
  say(caption || note);
}

function showNothing() {
  showVerdict("");
  showBars(names.map((name) => [name, null]));
  showSeen(null);
  showTimes(null);
}

function showIdle() {
  showNothing();
  setState("idle");
}

function showAnswer(answer, { digits, onTheWay }) {
  const next = answer.classes[1];
  const verdict = digits ? answer.digit : answer.label;
  showVerdict(verdict);
  showBars(digits ? answer.probabilities.map((each, digit) => [digit, each]) : answer.classes.map((each) => [each.label, each.probability]));
  showSeen(answer.input);
  showTimes({ network: answer.timing.compute_us, onTheWay });
  element("model-name").textContent = `${answer.model} ${answer.version}`;
  const doubt = answer.confidence < 0.9 && next ? `, or ${next.label}` : "";
  const caption = `${share(answer.confidence)} sure${doubt}`;
  setState("answer", { caption });
  say(`${verdict}, ${caption}`);
}

// Nothing to read on the sheet yet, or too much: no fault of anybody.
function showNone(why) {
  showNothing();
  setState("none", { caption: /several/.test(why) ? "One digit at a time" : "No digit found" });
}

function showRefused(why) {
  showNothing();
  setState("refused", { note: why });
}

// The answer that is there stays, but is one of before.
function showAway() {
  setState("away", { note: "The server is away.\nYour drawing is kept. Trying again\u2026" });
}

// The sheet is newer than the answer.
function showBusy(busy) {
  element("answer").setAttribute("aria-busy", busy);
}

function showVerdict(text) {
  element("digit").textContent = text;
  element("digit").classList.toggle("label", text.length > 2);
}

function showBars(rows) {
  const list = element("bars");
  while (list.children.length > rows.length) list.lastChild.remove();
  while (list.children.length < rows.length) list.append(emptyBar());
  const best = Math.max(...rows.map(([, probability]) => probability));
  rows.forEach(([label, probability], i) => {
    const [name, bar, number] = list.children[i].children;
    name.textContent = name.title = label;
    bar.firstChild.style.transform = `scaleX(${probability ?? 0})`;
    number.textContent = probability === null ? "" : share(probability);
    list.children[i].classList.toggle("best", best > 0 && probability === best);
  });
  list.classList.toggle("labels", rows.length <= 5);
}

function emptyBar() {
  const item = document.createElement("li");
  for (const what of ["name", "bar", "number"]) {
    const part = document.createElement("span");
    part.className = what;
    item.append(part);
  }
  item.children[1].append(document.createElement("i"));
  return item;
}

function share(probability) {
  const percent = probability * 100;
  return `${percent >= 99.95 || percent < 0.05 ? Math.round(percent) : percent.toFixed(1)} %`;
}

// `input` is what the network was given: bytes, row by row, one or three a pixel.
function showSeen(input) {
  const canvas = element("seen");
  const context = canvas.getContext("2d");
  if (!input) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", "The picture that the network saw: nothing yet");
    return;
  }
  const { width, height, channels } = input;
  const bytes = bytesOf(input.pixels);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[i * channels + Math.min(c, channels - 1)];
    image.data[4 * i + 3] = 255;
  }
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  context.putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", `The ${width} by ${height} picture that the network saw`);
}

function showTimes(times) {
  element("network-time").textContent = times ? duration(times.network) : "–";
  element("way-time").textContent = times ? duration(times.onTheWay) : "–";
}

function duration(micros) {
  return micros < 1000 ? `${Math.round(micros)} µs` : `${(micros / 1000).toFixed(micros < 10000 ? 1 : 0)} ms`;
}

// For screen readers, when the hand has paused: half a sentence for every point would be noise.
let saying = 0;
function say(words) {
  clearTimeout(saying);
  saying = setTimeout(() => { element("spoken").textContent = words; }, 700);
}
