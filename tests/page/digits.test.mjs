// Ten digits, three hands, a finger and a mouse.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { HANDS, strokesOf } from "./hands.mjs";
import { DEVICES, Kiln, draw, picture, picturesSideBySide, settled, startBrowser, state, withPage } from "./support.mjs";

let kiln, browser;
before(async () => { [kiln, browser] = [await Kiln.start(), await startBrowser()]; });
after(async () => { await browser?.close(); await kiln?.kill(); });

for (const [device, look] of Object.entries(DEVICES)) {
  for (const [name, hand] of Object.entries(HANDS)) {
    test(`on the ${device}, all ten digits of ${name} are read`, () => withPage(browser, kiln.url, look, async (page) => {
      for (let digit = 0; digit < 10; digit++) {
        await draw(page, strokesOf(hand, digit));
        const answer = await settled(page);
        assert.equal(answer.digit, `${digit}`, JSON.stringify(answer));
        assert.equal(answer.state, "answer");
        assert.match(answer.bars[digit], new RegExp(`^${digit} \\d+(\\.\\d)? %$`));
        assert.match(answer.caption, / % sure/);
        await page.click("#clear");
        assert.equal(await state(page), "idle");
      }
    }));
  }
}

test("the digit is told while it is drawn, with what the network saw and how long it took", () =>
  withPage(browser, kiln.url, DEVICES.desk, async (page) => {
    const [stroke] = strokesOf(HANDS["a large, upright hand"], 8);
    const box = await page.locator("#ink").boundingBox();
    const move = ([x, y]) => page.mouse.move(box.x + x * box.width, box.y + y * box.height);
    await move(stroke[0]);
    await page.mouse.down();
    for (const point of stroke) await move(point);
    // The button is not let go.
    await page.waitForFunction(() => document.getElementById("digit").textContent === "8");
    assert.match(await page.textContent("#network-time"), /^[\d.]+ (µs|ms)$/);
    assert.match(await page.textContent("#way-time"), /^[\d.]+ (µs|ms)$/);
    assert.equal(await page.getAttribute("#seen", "aria-label"), "The 28 by 28 picture that the network saw");
    const light = await page.evaluate(() => {
      const pixels = document.getElementById("seen").getContext("2d").getImageData(0, 0, 28, 28).data;
      return { corner: pixels[0], most: Math.max(...pixels.filter((_, i) => i % 4 === 0)) };
    });
    assert.equal(light.corner, 0);
    assert.ok(light.most > 200, "light ink on dark");
    await page.mouse.up();
    await settled(page);
    await page.waitForFunction(() => /^8, .* sure$/.test(document.getElementById("spoken").textContent));
  }));

test("pictures of the page are kept", async () => {
  for (const [device, look] of Object.entries(DEVICES)) {
    for (const colorScheme of ["light", "dark"]) {
      await withPage(browser, kiln.url, { ...look, colorScheme }, async (page) => {
        await draw(page, strokesOf(HANDS["a large, upright hand"], 3));
        await settled(page);
        await page.waitForTimeout(300);
        await picture(page, `${device}-${colorScheme}`);
      });
    }
  }
  await picturesSideBySide(browser, "side-by-side", ["desk-light", "phone-dark"]);
});
