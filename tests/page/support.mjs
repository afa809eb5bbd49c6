// A kiln that runs, a browser that looks at it, and what must be true of every page that is opened.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { chromium } from "playwright-core";

const { KILN, PICTURES, REPOSITORY } = process.env;
export const repository = REPOSITORY;

export const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
export const DESK = { viewport: { width: 1280, height: 800 } };
export const DEVICES = { phone: PHONE, desk: DESK };

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

const launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
/** Chromium sometimes crashes before it is there, which says nothing of the page. */
export const startBrowser = () => launch().catch(launch);

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export class Kiln {
  static async start(...options) {
    const kiln = new Kiln();
    kiln.options = options;
    kiln.http = await freePort();
    kiln.grpc = await freePort();
    kiln.url = `http://127.0.0.1:${kiln.http}`;
    await kiln.restart();
    return kiln;
  }

  async restart() {
    const listen = ["--http-listen", `127.0.0.1:${this.http}`, "--grpc-listen", `127.0.0.1:${this.grpc}`];
    this.process = spawn(KILN, ["serve", "--log", "warn", ...listen, ...this.options], { stdio: ["ignore", "inherit", "inherit"] });
    for (let patience = 200; patience > 0; patience--) {
      assert.equal(this.process.exitCode, null, "kiln serve ended");
      const ready = await fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false);
      if (ready) return;
      await new Promise((later) => setTimeout(later, 50));
    }
    assert.fail("kiln serve is not ready");
  }

  async kill() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }
}

// A browser notes every answer of 400; a half-drawn stroke may well be no digit.
const NO_DIGIT = /status of 400/;

// Opens the page, and gives it to `use`; then holds it to what is true of every page: no error, nothing that its policy
// forbids, no request to any other host.
export async function withPage(browser, url, device, use, { expected = NO_DIGIT } = {}) {
  const context = await browser.newContext({ acceptDownloads: true, colorScheme: "light", ...device });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expected.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  context.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== new URL(url).origin) faults.push(`asked ${request.url()}`);
  });
  await page.exposeFunction("fault", (what) => faults.push(what));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.fault(`forbidden: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  // The models are known.
  await page.waitForFunction(() => document.getElementById("model-name").textContent !== "–");
  const result = await use(page, context);
  assert.deepEqual(faults, []);
  await context.close();
  return result;
}

// What the page says when it has answered what is on the sheet.
export async function settled(page) {
  await page.waitForFunction(() => {
    const answer = document.getElementById("answer");
    return answer.getAttribute("aria-busy") === "false" && answer.dataset.state !== "idle";
  });
  return page.evaluate(() => ({
    state: document.getElementById("answer").dataset.state,
    digit: document.getElementById("digit").textContent,
    caption: document.getElementById("caption").textContent,
    note: document.getElementById("note").textContent,
    bars: [...document.querySelectorAll("#bars li")].map((bar) => bar.innerText.split(/\s+/).join(" ").trim()),
  }));
}

export const state = (page) => page.getAttribute("#answer", "data-state");
export const waitForState = (page, wanted) => page.waitForSelector(`#answer[data-state="${wanted}"]`);

// Draws as the device does: fingers touch, a mouse is pressed.
export async function draw(page, strokes) {
  const box = await page.locator("#ink").boundingBox();
  const place = ([x, y]) => ({ x: box.x + x * box.width, y: box.y + y * box.height });
  const touches = await page.evaluate(() => navigator.maxTouchPoints > 0);
  const pointer = touches ? await finger(page) : mouse(page);
  for (const [first, ...points] of strokes) {
    await pointer.down(place(first));
    for (const point of points) await pointer.move(place(point));
    await pointer.up();
  }
}

function mouse(page) {
  return {
    down: async ({ x, y }) => { await page.mouse.move(x, y); await page.mouse.down(); },
    move: ({ x, y }) => page.mouse.move(x, y),
    up: () => page.mouse.up(),
  };
}

async function finger(page) {
  page.fingers ??= await page.context().newCDPSession(page);
  const send = (type, ...touchPoints) => page.fingers.send("Input.dispatchTouchEvent", { type, touchPoints });
  return {
    down: (point) => send("touchStart", point),
    move: (point) => send("touchMove", point),
    up: () => send("touchEnd"),
  };
}

export const picture = (page, name) => page.screenshot({ path: `${PICTURES}/${name}.png` });

// For the README: several pictures as one.
export async function picturesSideBySide(browser, name, names) {
  const page = await browser.newPage({ viewport: { width: 1010, height: 460 } });
  const images = names.map((each) => `<img src="data:image/png;base64,${readFileSync(`${PICTURES}/${each}.png`, "base64")}">`);
  const style = "body { margin: 10px; display: flex; gap: 16px; justify-content: center } img { height: 440px; border-radius: 10px; box-shadow: 0 1px 6px #0005 }";
  await page.setContent(`<style>${style}</style>${images.join("")}`);
  await picture(page, name);
  await page.close();
}
