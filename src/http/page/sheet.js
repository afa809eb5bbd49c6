// The sheet: strokes or a picture, and all that it was before, for undo and redo.
"use strict";

// Of the side of the sheet; about as thick as the strokes of MNIST are.
const PEN = 0.075;
const MAX_STATES = 200;
// Of the PNG that is sent.
const SENT_SIDE = 280;
const STORE = "kiln-sheet";
// Characters; a browser keeps some five million a page.
const MAX_STORED = 3e6;

// A state is {strokes, picture}. A stroke is [x, y, x, y, ...], 0 to 1; a picture is {blob, name, bitmap}, and `refused`
// once the server cannot read it either. States share strokes, and are never changed but for the stroke that is being drawn.
const sheet = {
  states: [{ strokes: [], picture: null }],
  at: 0,
  get now() { return this.states[this.at]; },
  get empty() { return !this.now.picture && !this.now.strokes.length; },
  get canUndo() { return this.at > 0; },
  get canRedo() { return this.at + 1 < this.states.length; },

  put(state) {
    this.states = [...this.states.slice(0, this.at + 1), state].slice(-MAX_STATES);
    this.at = this.states.length - 1;
  },
  // A new stroke lies on the strokes that are there; a picture makes way for it.
  addStroke(stroke) { this.put({ strokes: [...this.now.strokes, stroke], picture: null }); },
  addPicture(picture) { this.put({ strokes: [], picture }); },
  clear() { if (!this.empty) this.put({ strokes: [], picture: null }); },
  undo() { if (this.canUndo) this.at -= 1; },
  redo() { if (this.canRedo) this.at += 1; },
  // The stroke that was begun last did not count.
  takeBack() { this.undo(); this.states.length = this.at + 1; },
};

function drawStrokes(context, strokes, side, colour) {
  context.strokeStyle = colour;
  context.lineWidth = PEN * side;
  context.lineCap = context.lineJoin = "round";
  for (const points of strokes) {
    const at = (i) => points[i] * side;
    context.beginPath();
    context.moveTo(at(0), at(1));
    // Through the middles between points, so that a fast hand is round.
    for (let i = 2; i + 3 < points.length; i += 2) {
      context.quadraticCurveTo(at(i), at(i + 1), (at(i) + at(i + 2)) / 2, (at(i + 1) + at(i + 3)) / 2);
    }
    // A hair's breadth on, or a dot would be no line at all.
    context.lineTo(at(points.length - 2) + 0.01, at(points.length - 1));
    context.stroke();
  }
}

// What is sent: a picture as it is, strokes as a PNG, black on white.
async function sheetFile() {
  const { picture, strokes } = sheet.now;
  if (picture) return picture.blob;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SENT_SIDE;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, SENT_SIDE, SENT_SIDE);
  drawStrokes(context, strokes, SENT_SIDE, "#000");
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function fileName() {
  const { picture } = sheet.now;
  return picture && !picture.refused ? picture.name : "digit.png";
}

// The types that the server reads.
const READ = { "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/bmp": "bmp", "image/webp": "webp" };
// More than any network wants to see, and a photograph of it is quickly sent.
const MAX_SIDE = 2000;
const MAX_FILE_BYTES = 2e6;

// A large picture is made smaller here, and one that only the browser can read becomes a JPEG. What the browser cannot
// read goes as it is: the server says best what is wrong with it.
async function pictureOf(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    return { blob, name: "picture", bitmap: null };
  }
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  if (READ[blob.type] && scale === 1 && blob.size <= MAX_FILE_BYTES) {
    return { blob, name: `picture.${READ[blob.type]}`, bitmap };
  }
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const smaller = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  return { blob: smaller, name: "picture.jpg", bitmap: await createImageBitmap(canvas) };
}

// The tab may be thrown out of memory, or the page loaded again.
async function keepSheet(more) {
  const { strokes, picture } = sheet.now;
  const kept = { ...more, strokes };
  if (picture) kept.picture = { name: picture.name, url: await dataUrl(picture.blob) };
  try {
    const text = JSON.stringify(kept);
    if (text.length <= MAX_STORED) sessionStorage.setItem(STORE, text);
    else sessionStorage.removeItem(STORE);
  } catch {
    // No room, or storage is forbidden: the sheet lives as long as the page.
  }
}

async function restoreSheet() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORE));
    if (kept?.picture) sheet.addPicture({ ...await pictureOf(blobOf(kept.picture.url)), name: kept.picture.name });
    else if (kept?.strokes.length) sheet.put({ strokes: kept.strokes, picture: null });
    return kept;
  } catch {
    // Nothing that can be read: an empty sheet.
    return null;
  }
}

function dataUrl(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = failed;
    reader.readAsDataURL(blob);
  });
}

function blobOf(url) {
  const [head, data] = url.split(",");
  return new Blob([bytesOf(data)], { type: head.slice(5).split(";")[0] });
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
