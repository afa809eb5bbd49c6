// The server: when it is away, slow or full; and the same calls from elsewhere.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { gunzipSync } from "node:zlib";
import { after, before, test } from "node:test";
import { HANDS, strokesOf } from "./hands.mjs";
import { DESK, Kiln, PHONE, draw, picture, settled, startBrowser, state, waitForState, withPage } from "./support.mjs";

let kiln, browser;
before(async () => { [kiln, browser] = [await Kiln.start(), await startBrowser()]; });
after(async () => { await browser?.close(); await kiln?.kill(); });

const upright = (digit) => strokesOf(HANDS["a large, upright hand"], digit);
const AWAY = { expected: /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_FAILED|status of (400|429|503)/ };

test("a drawing is kept while the server is away, and answered when it is back", () =>
  withPage(browser, kiln.url, PHONE, async (page) => {
    await draw(page, upright(1));
    assert.equal((await settled(page)).digit, "1");
    await kiln.kill();
    await draw(page, [[[0.5, 0.2], [0.3, 0.5], [0.25, 0.6], [0.5, 0.6], [0.75, 0.6]]]);
    await waitForState(page, "away");
    assert.match(await page.textContent("#note"), /away.*kept/s);
    await page.waitForFunction(() => /away.*kept/s.test(document.getElementById("spoken").textContent));
    await picture(page, "away");
    await page.waitForFunction(() => ask.failures > 2);
    await kiln.restart();
    await waitForState(page, "answer");
    assert.equal((await settled(page)).digit, "4");
  }, AWAY));

test("an empty sheet too finds the server when it is back", () => withPage(browser, kiln.url, DESK, async (page) => {
  await kiln.kill();
  await draw(page, upright(7));
  await waitForState(page, "away");
  await page.click("#clear");
  await waitForState(page, "away");
  await kiln.restart();
  await waitForState(page, "idle");
  await draw(page, upright(7));
  assert.equal((await settled(page)).digit, "7");
}, AWAY));

test("a full server is asked again when it said", () => withPage(browser, kiln.url, DESK, async (page) => {
  const times = [];
  await page.route("**/predict*", (route) => {
    times.push(Date.now());
    if (times.length > 1) return route.continue();
    return route.fulfill({ status: 429, headers: { "retry-after": "1" }, contentType: "application/problem+json", body: '{"status":429,"detail":"full"}' });
  });
  await page.evaluate((strokes) => { sheet.put({ strokes, picture: null }); changed(true); }, upright(7).map((stroke) => stroke.flat()));
  await waitForState(page, "answer");
  assert.equal(times.length, 2);
  assert.ok(times[1] - times[0] >= 1000);
}, AWAY));

test("however slow the server, one question is on its way, and the newest drawing has the last word", () =>
  withPage(browser, kiln.url, DESK, async (page) => {
    let now = 0;
    let most = 0;
    let asked = 0;
    await page.route("**/predict*", async (route) => {
      asked += 1;
      most = Math.max(most, ++now);
      // The first answers come late; those that nobody waits for any more must not be shown.
      await new Promise((later) => setTimeout(later, asked < 4 ? 400 : 0));
      now -= 1;
      await route.continue().catch(() => {});
    });
    const shown = [];
    await page.exposeFunction("shown", (digit) => shown.push(digit));
    await page.evaluate(() => {
      const show = showAnswer;
      window.showAnswer = (...what) => { window.shown(what[0].digit); show(...what); };
    });
    await draw(page, upright(1));
    await draw(page, [[[0.5, 0.2], [0.3, 0.5], [0.25, 0.6], [0.5, 0.6], [0.75, 0.6]]]);
    assert.equal((await settled(page)).digit, "4");
    await page.click("#undo");
    assert.equal((await settled(page)).digit, "1");
    assert.equal(shown.at(-1), "1");
    // A lifted pen cancels the question before: the route sees both for a moment.
    assert.ok(most <= 4, `${most} at once`);
    assert.ok(asked < 12, `${asked} questions`);
  }));

test("curl, grpcurl and Python answer as the page does", () => withPage(browser, kiln.url, DESK, async (page) => {
  await draw(page, upright(2));
  assert.equal((await settled(page)).digit, "2");
  const cwd = mkdtempSync(`${tmpdir()}/kiln-page-`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  assert.equal(download.suggestedFilename(), "digit.png");
  await download.saveAs(`${cwd}/digit.png`);
  const run = (command, ...args) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

  assert.equal(JSON.parse(run("bash", "-c", await page.textContent("#call"))).digit, "2");
  await page.click("#tab-python");
  assert.match(run("python3", "-c", await page.textContent("#call")), /^2/);
  await page.click("#tab-grpcurl");
  const line = await page.textContent("#call");
  assert.match(line, /127\.0\.0\.1:50051 mnist\.v1\.MnistService\/Predict/);
  if (spawnSync("grpcurl", ["-version"]).error) return console.log("NOT CHECKED: grpcurl is not on the path");
  assert.equal(JSON.parse(run("bash", "-c", line.replace(":50051", `:${kiln.grpc}`))).digit, 2);
}));

test("on a phone by plain http, without a clipboard to write to, the call is copied all the same", () =>
  withPage(browser, kiln.url, PHONE, async (page) => {
    await page.evaluate(() => {
      Object.defineProperty(navigator, "clipboard", { value: undefined });
      document.addEventListener("copy", () => { window.copied = getSelection().toString(); });
    });
    await page.tap("#copy");
    await page.waitForFunction(() => /Copied|Selected/.test(document.getElementById("copy").textContent));
    assert.equal((await page.evaluate("window.copied")).trim(), (await page.textContent("#call")).trim());
  }));

test("the page is one document, small, and sent again only when it has changed", async () => {
  const curl = (...args) => execFileSync("curl", ["-si", ...args, `${kiln.url}/`]);
  const gzipped = curl("-H", "Accept-Encoding: gzip");
  const head = gzipped.toString("latin1").split("\r\n\r\n")[0];
  const body = gzipped.subarray(head.length + 4);
  assert.match(head, /content-encoding: gzip/i);
  assert.match(head, /content-security-policy: default-src 'none'; script-src 'sha256-/i);
  assert.doesNotMatch(head, /unsafe/);
  assert.ok(body.length < 60_000, `${body.length} bytes`);
  const plain = curl().toString();
  assert.doesNotMatch(plain.split("\r\n\r\n")[0], /content-encoding/i);
  assert.ok(plain.endsWith(gunzipSync(body).toString()));
  const tag = /etag: (.*)/i.exec(head)[1].trim();
  assert.match(curl("-H", `If-None-Match: ${tag}`).toString(), /^HTTP\/1\.1 304/);
  assert.match(curl("-H", 'If-None-Match: "another"').toString(), /^HTTP\/1\.1 200/);
  console.log(`the page: ${body.length} bytes gzipped`);
});

test("nothing but the page, the models and the answers is asked for", async () => {
  const asked = new Set();
  await withPage(browser, kiln.url, DESK, async (page) => {
    page.on("request", (request) => asked.add(new URL(request.url()).pathname));
    await page.reload();
    await draw(page, upright(7));
    await settled(page);
    assert.equal(await state(page), "answer");
  });
  assert.deepEqual([...asked].sort(), ["/", "/models", "/predict"]);
});
