// For every eye, hand and ear: axe, sizes, motion, zoom.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { HANDS, strokesOf } from "./hands.mjs";
import { DEVICES, Kiln, PHONE, draw, picture, settled, startBrowser, waitForState, withPage } from "./support.mjs";

let kiln, browser;
before(async () => { [kiln, browser] = [await Kiln.start(), await startBrowser()]; });
after(async () => { await browser?.close(); await kiln?.kill(); });

const seven = () => strokesOf(HANDS["a large, upright hand"], 7);

async function check(page, where) {
  // Colours that are fading say nothing.
  await page.waitForTimeout(400);
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run());
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], where);
}

for (const [device, look] of Object.entries(DEVICES)) {
  for (const colorScheme of ["light", "dark"]) {
    test(`on the ${device}, ${colorScheme}, axe finds nothing serious`, () =>
      withPage(browser, kiln.url, { ...look, colorScheme }, async (page) => {
        await check(page, "empty");
        await draw(page, seven());
        await settled(page);
        await check(page, "answered");
        await page.click("#tab-python");
        await check(page, "Python");
        await page.click("#clear");
        await page.focus("#ink");
        await page.keyboard.press("ArrowUp");
        await check(page, "by keyboard");
        await page.route("**/{predict,models}*", (route) => route.abort());
        await page.keyboard.press(" ");
        await page.keyboard.press(" ");
        await waitForState(page, "away");
        await check(page, "away");
      }, { expected: /ERR_FAILED|status of 400/ }));
  }
}

const SIZES = { "360x640": [360, 640], "390x844": [390, 844], "640x360": [640, 360], "844x390": [844, 390], "1280x800": [1280, 800], "768x1024": [768, 1024], "1920x1080": [1920, 1080] };
for (const [size, [width, height]] of Object.entries(SIZES)) {
  test(`at ${size} the sheet, the tools and the answer are seen at once`, () =>
    withPage(browser, kiln.url, { ...PHONE, viewport: { width, height } }, async (page) => {
      await draw(page, seven());
      await settled(page);
      const seen = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth,
        low: Math.max(...["ink", "clear", "answer"].map((id) => document.getElementById(id).getBoundingClientRect().bottom)),
        side: document.getElementById("ink").getBoundingClientRect().width,
      }));
      assert.ok(seen.wide <= width, `${seen.wide} wide`);
      assert.ok(seen.low <= height, `${seen.low} high`);
      assert.ok(seen.side >= Math.min(width, height) * 0.4, `a sheet of ${seen.side}`);
      await picture(page, size);
    }));
}

test("nothing moves when an answer comes", () => withPage(browser, kiln.url, PHONE, async (page) => {
  await page.evaluate(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const { sources } of list.getEntries()) window.shifts.push(...sources.map(({ node }) => node?.parentElement?.outerHTML ?? "?"));
    }).observe({ type: "layout-shift", buffered: false });
  });
  await draw(page, seven());
  await settled(page);
  await page.waitForTimeout(300);
  assert.deepEqual(await page.evaluate("window.shifts"), []);
}));

test("a finger on the sheet draws, beside it it scrolls, and two zoom", () => withPage(browser, kiln.url, PHONE, async (page) => {
  const touch = (selector) => page.$eval(selector, (each) => getComputedStyle(each).touchAction);
  assert.equal(await touch("#ink"), "none");
  for (const selector of ["html", "body", "main", ".sheet", ".paper", ".answer", "pre"]) assert.equal(await touch(selector), "auto", selector);
  assert.doesNotMatch(await page.getAttribute("meta[name=viewport]", "content"), /maximum-scale|user-scalable/);
  const small = await page.$$eval("button, select", (all) => all.filter((each) => each.offsetParent)
    .map((each) => [each.textContent.trim(), each.getBoundingClientRect()]).filter(([, box]) => box.width < 24 || box.height < 36).map(([name]) => name));
  assert.deepEqual(small, [], "too small for a finger");
}));

test("nothing is animated for those who do not want it", () =>
  withPage(browser, kiln.url, { ...PHONE, reducedMotion: "reduce" }, async (page) => {
    await draw(page, seven());
    await settled(page);
    await page.click("#clear");
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  }));

test("the focus stays where it was while answers come", () => withPage(browser, kiln.url, DEVICES.desk, async (page) => {
  await page.focus("#copy");
  await page.evaluate((strokes) => { sheet.put({ strokes, picture: null }); changed(true); }, seven().map((stroke) => stroke.flat()));
  await settled(page);
  assert.equal(await page.evaluate(() => document.activeElement.id), "copy");
}));
