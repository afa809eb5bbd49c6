// The sheet: what can be done to it by hand, by keyboard, with pictures.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { HANDS, strokesOf } from "./hands.mjs";
import { DESK, DEVICES, Kiln, PHONE, draw, picture, repository, settled, startBrowser, state, waitForState, withPage } from "./support.mjs";

let kiln, browser;
before(async () => { [kiln, browser] = [await Kiln.start(), await startBrowser()]; });
after(async () => { await browser?.close(); await kiln?.kill(); });

const upright = (digit) => strokesOf(HANDS["a large, upright hand"], digit);
const disabled = (page, id) => page.getAttribute(`#${id}`, "aria-disabled").then((value) => value === "true");

for (const [device, look] of Object.entries(DEVICES)) {
  test(`on the ${device}, strokes are undone and done again, and a cleared sheet comes back`, () =>
    withPage(browser, kiln.url, look, async (page) => {
      for (const id of ["undo", "redo", "clear"]) assert.ok(await disabled(page, id), id);
      await draw(page, upright(1));
      assert.equal((await settled(page)).digit, "1");
      // A bar and a foot make another digit of it, or none.
      await draw(page, [[[0.5, 0.2], [0.3, 0.5], [0.25, 0.6], [0.5, 0.6], [0.75, 0.6]]]);
      assert.equal((await settled(page)).digit, "4");
      await page.click("#undo");
      assert.equal((await settled(page)).digit, "1");
      await page.click("#redo");
      assert.equal((await settled(page)).digit, "4");
      await page.click("#clear");
      assert.equal(await state(page), "idle");
      assert.ok(await page.isVisible("#ghost"));
      await page.click("#undo");
      assert.equal((await settled(page)).digit, "4");
      assert.ok(!await page.isVisible("#ghost"));
    }));
}

test("by keyboard only, a digit is drawn, undone, drawn again, cleared, and its call copied", () =>
  withPage(browser, kiln.url, DESK, async (page, context) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const press = async (key, times = 1) => { for (let i = 0; i < times; i++) await page.keyboard.press(key); };
    const tabTo = async (id) => {
      for (let i = 0; i < 30; i++) {
        if (await page.evaluate(() => document.activeElement.id) === id) return;
        await press("Tab");
      }
      assert.fail(`Tab does not come to ${id}`);
    };
    await tabTo("ink");
    assert.ok(await page.isVisible("#keys"));
    assert.equal(await page.$eval("#keys", (keys) => getComputedStyle(keys).opacity), "1");
    // A seven: along the top, then down to the left.
    await press("ArrowUp", 9);
    await press("ArrowLeft", 5);
    assert.ok(await page.isVisible("#keys"), "until the pen is set down");
    await press(" ");
    assert.ok(!await page.isVisible("#keys"), "a drawing is not covered");
    await press("ArrowRight", 10);
    await press("ArrowDown", 2);
    for (let i = 0; i < 7; i++) { await press("ArrowDown", 2); await press("ArrowLeft"); }
    await press(" ");
    assert.equal((await settled(page)).digit, "7");
    await picture(page, "keyboard");
    await press("Control+z");
    assert.equal(await state(page), "idle");
    await press("Control+y");
    assert.equal((await settled(page)).digit, "7");
    await press("Delete");
    assert.equal(await state(page), "idle");
    assert.ok(await page.isVisible("#keys"));
    for (const id of ["undo", "redo", "clear"]) {
      await tabTo(id);
      await press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.id), id, "the place is kept");
    }
    await tabTo("choose");
    await tabTo("tab-curl");
    await press("ArrowRight", 2);
    assert.match(await page.textContent("#call"), /^import json/);
    await tabTo("copy");
    await press("Enter");
    await page.waitForFunction(() => document.getElementById("copy").textContent === "Copied");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.textContent("#call"));
  }));

test("two arrow keys held go slantwise, and Shift goes finer", () => withPage(browser, kiln.url, DESK, async (page) => {
  await page.focus("#ink");
  await page.keyboard.press(" ");
  await page.keyboard.down("ArrowDown");
  await page.keyboard.down("ArrowRight");
  await page.keyboard.up("ArrowRight");
  await page.keyboard.up("ArrowDown");
  await page.keyboard.press("Shift+ArrowUp");
  await page.keyboard.press("Enter");
  assert.deepEqual(await page.evaluate("sheet.now.strokes"), [[0.5, 0.5, 0.5, 0.54, 0.54, 0.58, 0.54, 0.57]]);
}));

test("a stylus takes the sheet over from the palm of its hand", () => withPage(browser, kiln.url, PHONE, async (page) => {
  await page.evaluate(() => {
    const send = (type, pointerId, pointerType, x, y) => {
      const box = ink.getBoundingClientRect();
      ink.dispatchEvent(new PointerEvent(type, { pointerId, pointerType, clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true }));
    };
    // Pointers that were made up cannot be captured.
    ink.setPointerCapture = () => {};
    send("pointerdown", 7, "touch", 0.9, 0.9);
    send("pointerdown", 8, "pen", 0.5, 0.2);
    send("pointermove", 7, "touch", 0.9, 0.8);
    send("pointermove", 8, "pen", 0.5, 0.8);
    send("pointerup", 8, "pen", 0.5, 0.8);
  });
  assert.deepEqual(await page.evaluate("sheet.now.strokes"), [[0.5, 0.2, 0.5, 0.8]]);
  assert.equal((await settled(page)).digit, "1");
}));

const three = () => readFileSync(`${repository}/examples/three.jpg`).toString("base64");

test("a picture can be chosen, photographed, dropped and pasted; a drawing takes its place", () =>
  withPage(browser, kiln.url, DESK, async (page) => {
    assert.equal(await page.getAttribute("#camera-file", "capture"), "environment");
    for (const id of ["choose-file", "camera-file"]) {
      await page.setInputFiles(`#${id}`, `${repository}/examples/seven.png`);
      assert.equal((await settled(page)).digit, "7");
      await page.click("#clear");
      assert.equal(await state(page), "idle");
    }
    for (const [type, options] of [["drop", "dataTransfer"], ["paste", "clipboardData"]]) {
      await page.evaluate(([base64, type, options]) => {
        const data = new DataTransfer();
        data.items.add(new File([bytesOf(base64)], "three.jpg", { type: "image/jpeg" }));
        const events = { drop: DragEvent, paste: ClipboardEvent };
        document.body.dispatchEvent(new events[type](type, { [options]: data, bubbles: true, cancelable: true }));
      }, [three(), type, options]);
      assert.equal((await settled(page)).digit, "3", type);
      assert.match(await page.textContent("#call"), /@picture\.jpg/);
      await page.click("#clear");
    }
    await page.click("#undo");
    assert.equal((await settled(page)).digit, "3");
    await draw(page, upright(6));
    assert.equal((await settled(page)).digit, "6");
    await page.click("#undo");
    assert.equal((await settled(page)).digit, "3");
  }));

test("a photograph of forty megapixels is made smaller before it is sent", () => withPage(browser, kiln.url, PHONE, async (page) => {
  await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 7300, height: 5500 });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, 7300, 5500);
    context.lineWidth = 500;
    context.beginPath();
    context.moveTo(3600, 1200);
    context.lineTo(3600, 4300);
    context.stroke();
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg"));
    await takePicture([new File([blob], "large.jpg", { type: "image/jpeg" })]);
  });
  assert.equal((await settled(page)).digit, "1");
  assert.ok(await page.evaluate(async () => (await sheetFile()).size) < 1e6);
}));

test("a sheet without a digit is no error, and what is no picture is refused in a sentence", () =>
  withPage(browser, kiln.url, PHONE, async (page) => {
    await page.evaluate(async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 200, height: 200 });
      const context = canvas.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, 200, 200);
      await takePicture([await new Promise((done) => canvas.toBlob(done, "image/png"))]);
    });
    await waitForState(page, "none");
    assert.deepEqual((({ digit, caption }) => ({ digit, caption }))(await settled(page)), { digit: "", caption: "No digit found" });
    await picture(page, "no-digit");
    await page.setInputFiles("#choose-file", { name: "note.txt", mimeType: "text/plain", buffer: Buffer.from("seven") });
    await waitForState(page, "refused");
    assert.equal((await settled(page)).note, "This is no picture that Kiln reads (PNG, JPEG, GIF, BMP, WebP).");
    // A text is no call to copy, and no picture to save.
    assert.match(await page.textContent("#call"), /@digit\.png$/);
    assert.equal(await page.textContent("#save"), "Save digit.png");
    assert.ok(await disabled(page, "save"));
    await picture(page, "refused");
    await page.click("#undo");
    await waitForState(page, "none");
    assert.match(await page.textContent("#call"), /@picture\.png$/);
    assert.ok(!await disabled(page, "save"));
  }));

for (const [width, height] of [[320, 568], [568, 320]]) {
  test(`at ${width}x${height} what to do with a HEIC file is told as a whole`, () =>
    withPage(browser, kiln.url, { ...PHONE, viewport: { width, height } }, async (page) => {
      const buffer = Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "latin1");
      await page.setInputFiles("#choose-file", { name: "photo.heic", mimeType: "image/heic", buffer });
      await waitForState(page, "refused");
      assert.match((await settled(page)).note, /Choose JPEG: Settings > Camera > Formats > Most Compatible\.$/);
      const note = await page.$eval("#note", (each) => {
        const [inside, card] = [each.getBoundingClientRect(), each.parentElement.getBoundingClientRect()];
        return { whole: each.scrollHeight <= each.clientHeight && each.scrollWidth <= each.clientWidth, share: inside.width / card.width };
      });
      assert.ok(note.whole && note.share > 0.8, JSON.stringify(note));
      await picture(page, `heic-${width}x${height}`);
    }));
}

test("a drawing outlives its page", () => withPage(browser, kiln.url, PHONE, async (page) => {
  await draw(page, upright(6));
  assert.equal((await settled(page)).digit, "6");
  await page.reload();
  assert.equal((await settled(page)).digit, "6");
}));
