// The pen: finger, stylus, mouse or arrow keys, on the canvas.
"use strict";

const ink = element("ink");

// What the page tells the pen, and is told.
const pen = {
  enabled: true,
  // A stroke grew; `ended` when the pen was lifted.
  onstroke: (ended) => {},
  // Which pointer draws, and its stroke.
  pointer: null,
  stroke: null,
  // Where the arrow keys have brought it, and whether the space bar has set it down.
  at: null,
  down: false,
};

// Of the side of the sheet.
const KEY_STEP = 0.04;
const MOVES = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  Home: [-1, -1], PageUp: [1, -1], End: [-1, 1], PageDown: [1, 1],
};
const held = new Set();

let redrawing = 0;
function redraw() {
  redrawing ||= requestAnimationFrame(() => {
    redrawing = 0;
    paint();
  });
}

function paint() {
  const side = Math.round(ink.clientWidth * (devicePixelRatio || 1));
  if (ink.width !== side) ink.width = ink.height = side;
  const context = ink.getContext("2d");
  const style = getComputedStyle(ink);
  context.clearRect(0, 0, side, side);
  const { picture, strokes } = sheet.now;
  if (picture?.bitmap) {
    const scale = side / Math.max(picture.bitmap.width, picture.bitmap.height);
    const [width, height] = [picture.bitmap.width * scale, picture.bitmap.height * scale];
    context.imageSmoothingEnabled = scale < 2;
    context.drawImage(picture.bitmap, (side - width) / 2, (side - height) / 2, width, height);
  } else if (pen.enabled) {
    drawStrokes(context, strokes, side, style.getPropertyValue("--ink"));
  }
  if (pen.at) paintPen(context, side, style.getPropertyValue("--accent"));
}

// A ring where the keyboard's pen is: filled when it draws.
function paintPen(context, side, colour) {
  context.beginPath();
  context.arc(pen.at[0] * side, pen.at[1] * side, PEN * side * 0.62, 0, 7);
  context.lineWidth = Math.max(2, side / 120);
  context.strokeStyle = context.fillStyle = colour;
  context.stroke();
  if (pen.down) context.fill();
}

function round(value) {
  return Math.round(value * 1000) / 1000;
}

function place(event) {
  const box = ink.getBoundingClientRect();
  return [round((event.clientX - box.left) / box.width), round((event.clientY - box.top) / box.height)];
}

function begin(point) {
  pen.stroke = [...point];
  sheet.addStroke(pen.stroke);
  pen.onstroke(false);
}

function end() {
  pen.stroke = pen.pointer = null;
  pen.onstroke(true);
}

ink.addEventListener("pointerdown", (event) => {
  if (!pen.enabled || event.button !== 0) return;
  // One pointer draws; but a stylus comes after the palm of its hand, which did not mean to.
  if (pen.pointer && !(event.pointerType === "pen" && pen.pointer.pointerType === "touch")) return;
  if (pen.pointer) sheet.takeBack();
  liftKeys();
  pen.at = null;
  pen.pointer = event;
  ink.setPointerCapture(event.pointerId);
  begin(place(event));
});

ink.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pen.pointer?.pointerId) return;
  // All the places since the last frame, where the browser kept them.
  const events = event.getCoalescedEvents?.() ?? [];
  for (const each of events.length ? events : [event]) pen.stroke.push(...place(each));
  pen.onstroke(false);
});

for (const name of ["pointerup", "pointercancel"]) {
  ink.addEventListener(name, (event) => {
    if (event.pointerId === pen.pointer?.pointerId) end();
  });
}

function liftKeys() {
  if (!pen.down) return;
  pen.down = false;
  end();
}

ink.addEventListener("keydown", (event) => {
  if (!pen.enabled || pen.pointer || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") {
    if (event.repeat) return;
    if (pen.down) liftKeys();
    else {
      pen.at ??= [0.5, 0.5];
      pen.down = true;
      begin(pen.at);
    }
  } else if (MOVES[event.key]) {
    held.add(event.key);
    // Two arrow keys held go slantwise.
    const sum = (axis) => Math.sign([...held].reduce((all, key) => all + MOVES[key][axis], 0));
    const step = KEY_STEP * (event.shiftKey ? 0.25 : 1);
    const move = (axis) => round(Math.min(1, Math.max(0, pen.at[axis] + step * sum(axis))));
    pen.at = pen.at ? [move(0), move(1)] : [0.5, 0.5];
    if (pen.down) {
      pen.stroke.push(...pen.at);
      pen.onstroke(false);
    }
  } else if (event.key === "Enter" || event.key === "Escape") {
    liftKeys();
  } else return;
  event.preventDefault();
  redraw();
});
ink.addEventListener("keyup", (event) => held.delete(event.key));

ink.addEventListener("blur", () => {
  held.clear();
  liftKeys();
  pen.at = null;
  redraw();
});

new ResizeObserver(redraw).observe(ink);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
