// The page that shows the API: read and tried as a person does, at the size of a phone and of a desk.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { DEVICES, Kiln, picture, repository, startBrowser } from "./support.mjs";

let kiln, browser;
before(async () => { [kiln, browser] = [await Kiln.start(), await startBrowser()]; });
after(async () => { await browser?.close(); await kiln?.kill(); });

/** Opens the page, and holds it to what is true of every page: no error, nothing forbidden, no request to another host. */
async function withDocs(options, use, hash = "") {
  const context = await browser.newContext({ colorScheme: "light", ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.stack));
  // A browser notes every answer of 400 and more.
  page.on("console", (message) => { if (message.type() === "error" && !/status of 4/.test(message.text())) faults.push(message.text()); });
  context.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(kiln.url)) faults.push(`asked ${request.url()}`);
  });
  await page.goto(`${kiln.url}/docs${hash}`);
  await page.waitForSelector("#predict");
  await use(page);
  assert.deepEqual(faults, []);
  await context.close();
}

const answered = async (page, operation) => {
  await page.waitForSelector(`#${operation} .outcome .status`);
  return {
    status: await page.textContent(`#${operation} .outcome .status`),
    body: await page.textContent(`#${operation} .answer pre`),
  };
};

for (const [name, device] of Object.entries(DEVICES)) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${name}, ${colorScheme}: axe finds nothing, and nothing is wider than the window`, () =>
      withDocs({ ...device, colorScheme }, async (page) => {
        await page.click("#predict >> text=Take an example");
        assert.match(await page.textContent("#predict .shown"), /^seven\.png, 317 bytes$/);
        await page.click("#predict button.send");
        await answered(page, "predict");
        await picture(page, `docs-${name}-${colorScheme}`);
        await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
        await page.evaluate(axe.source);
        const found = await page.evaluate(async () => (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`));
        assert.deepEqual(found, []);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      }));
  }
}

test("a picture that is uploaded is told, in each form, with the curl that does the same", () =>
  withDocs(DEVICES.phone, async (page) => {
    const bodies = await page.locator("#predict .body select option").allTextContents();
    assert.ok(bodies.length >= 3);
    for (const body of bodies) {
      await page.selectOption("#predict .body select", body);
      if (body !== "application/json") await page.setInputFiles("#predict input[type=file]", `${repository}/examples/seven.png`);
      await page.click("#predict button.send");
      const { status, body: answer } = await answered(page, "predict");
      assert.equal(status, "200", body);
      assert.equal(JSON.parse(answer).digit, "7", body);
      const curl = await page.textContent("#predict pre[aria-label=curl]");
      assert.match(curl, body === "application/json" ? /-H 'content-type: application\/json' -d '\{/ : /@seven\.png/);
      await page.evaluate(() => document.querySelector("#predict .outcome").replaceChildren());
    }
  }));

test("parameters are sent, and an error is shown with its words", () =>
  withDocs(DEVICES.desk, async (page) => {
    await page.click("#predict >> text=Take an example");
    await page.fill("#predict label:has-text('model') input", "nobody");
    await page.selectOption("#predict label:has-text('fit') select", "digit");
    assert.match(await page.textContent("#predict pre[aria-label=curl]"), /model=nobody&fit=digit/);
    await page.click("#predict button.send");
    const { status, body } = await answered(page, "predict");
    assert.equal(status, "404");
    assert.match(JSON.parse(body).detail, /no model 'nobody'/);
  }));

test("nobody is promised that a model is loaded by request", () =>
  withDocs(DEVICES.desk, async (page) => {
    assert.equal(await page.textContent("#load_model .summary"), "Whether a model file is there and served");
  }));

test("an operation is reached by its address and by the keyboard alone", () =>
  withDocs(DEVICES.desk, async (page) => {
    assert.ok(await page.isVisible("#models form"));
    await page.focus("#models button.send");
    await page.keyboard.press("Enter");
    const { body } = await answered(page, "models");
    assert.equal(JSON.parse(body).default, "mnist");
  }, "#models"));
