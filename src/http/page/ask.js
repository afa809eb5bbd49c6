// Asks the server: the newest drawing, one question at a time, and again by itself when the server was away.
"use strict";

// Milliseconds. Between two questions while a hand draws:
const PAUSE = 80;
// Until a question counts as lost:
const PATIENCE = 10000;
const FIRST_RETRY = 500;
const LAST_RETRY = 8000;
// The server, or the proxy before it, will answer this later.
const LATER = [408, 429, 502, 503, 504];
const NOTHING_TO_READ = ["no_digit"];
// The server's words are for whoever calls it from a program; these are for whoever shows it a file.
const IN_SHORT = [
  [/HEIC is not read/, "Kiln does not read HEIC.\nChoose JPEG: Settings > Camera > Formats > Most Compatible."],
  [/the bytes are no /, "This is no picture that Kiln reads (PNG, JPEG, GIF, BMP, WebP)."],
];

const ask = {
  // The question that is on its way; a newer drawing waits for it, and is asked next.
  current: null,
  waiting: false,
  timer: 0,
  last: 0,
  failures: 0,
  // Told by the page.
  ready: () => true,
  digits: () => true,
  onidle: () => {},
  onback: () => {},
};

// The sheet is another. `final`: the pen was lifted, and what is on its way is of no use any more.
function sheetChanged(final) {
  if (final) stopAsking();
  const nothing = sheet.empty || !ask.ready();
  showBusy(!nothing);
  if (nothing) {
    stopAsking();
    if (!ask.failures) ask.onidle();
    else tryLater();
    return;
  }
  if (ask.current) {
    ask.waiting = true;
  } else if (final || !ask.failures) {
    clearTimeout(ask.timer);
    ask.timer = setTimeout(question, final ? 0 : ask.last + PAUSE - performance.now());
  }
}

function stopAsking() {
  clearTimeout(ask.timer);
  ask.current?.abort();
  ask.current = null;
  ask.waiting = false;
}

async function question() {
  const mine = ask.current = new AbortController();
  ask.waiting = false;
  ask.last = performance.now();
  const digits = ask.digits();
  try {
    const file = await sheetFile();
    if (mine !== ask.current) return;
    const { answer, millis } = await fetchJson(`/predict${query({ show_input: true })}`, mine, file);
    if (mine !== ask.current) return;
    const inServer = answer.timing.queue_us + answer.timing.compute_us;
    showAnswer(answer, { digits, onTheWay: Math.max(0, millis * 1000 - inServer) });
    serverIsThere();
  } catch (error) {
    if (mine !== ask.current) return;
    if (error.later) {
      ask.current = null;
      return tryLater(error.retryAfter);
    }
    serverIsThere();
    if (NOTHING_TO_READ.includes(error.reason)) showNone(error.message);
    else refuse(error.message);
  }
  ask.current = null;
  if (ask.waiting) sheetChanged(false);
  else showBusy(false);
}

function refuse(why) {
  const short = IN_SHORT.find(([words]) => words.test(why));
  showRefused(short ? short[1] : why);
  // What neither the browser nor the server can read is nothing to save, or to send again.
  const { picture } = sheet.now;
  if (picture && !picture.bitmap) picture.refused = true;
  showCall();
}

// Throws what the server answered instead: its words, `reason`, and whether to come back `later`.
async function fetchJson(path, controller, body) {
  const lost = setTimeout(() => controller.abort(), PATIENCE);
  const start = performance.now();
  try {
    let response;
    try {
      response = await fetch(path, { method: body ? "POST" : "GET", body, signal: controller.signal, cache: "no-store" });
    } catch {
      throw Object.assign(new Error("no answer"), { later: true });
    }
    const answer = await response.json().catch(() => null);
    const millis = performance.now() - start;
    if (response.ok && answer) return { answer, millis };
    throw Object.assign(new Error(answer?.detail ?? `The server answered ${response.status}.`), {
      reason: answer?.reason,
      later: response.ok || LATER.includes(response.status),
      retryAfter: Number(response.headers.get("retry-after")) || 0,
    });
  } finally {
    clearTimeout(lost);
  }
}

function serverIsThere() {
  if (!ask.failures) return;
  ask.failures = 0;
  ask.onback();
}

function tryLater(seconds = 0) {
  ask.failures += 1;
  showAway();
  // Not all pages at the same moment, when a server comes back.
  const pause = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (ask.failures - 1)) * (0.75 + Math.random() / 2);
  clearTimeout(ask.timer);
  ask.timer = setTimeout(tryAgain, Math.max(pause, seconds * 1000));
}

// With nothing to ask, asking for the models shows as well whether the server is there.
function tryAgain() {
  clearTimeout(ask.timer);
  if (sheet.empty || !ask.ready()) ask.onback();
  else if (!ask.current) question();
}

// The network is back, or the page is looked at again: no need to wait.
addEventListener("online", () => { if (ask.failures) tryAgain(); });
document.addEventListener("visibilitychange", () => { if (ask.failures && !document.hidden) tryAgain(); });
