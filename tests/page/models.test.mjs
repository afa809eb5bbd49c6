// Other models than the built-in ones.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DESK, Kiln, PHONE, draw, picture, repository, settled, startBrowser, waitForState, withPage } from "./support.mjs";
import { saveClassifier } from "./classifier.mjs";

let browser;
before(async () => { browser = await startBrowser(); });
after(async () => { await browser?.close(); });

async function withKiln(options, use) {
  const kiln = await Kiln.start(...options);
  try {
    await use(kiln);
  } finally {
    await kiln.kill();
  }
}

test("with both built-in models there is a choice, and the one chosen answers, also after the page is loaded again", () =>
  withKiln([], ({ url }) => withPage(browser, url, PHONE, async (page) => {
    assert.deepEqual(await page.locator("#model option").allTextContents(), ["mnist", "mnist-mlp"]);
    await page.selectOption("#model", "mnist-mlp");
    await draw(page, [[[0.5, 0.2], [0.5, 0.8]]]);
    assert.equal((await settled(page)).digit, "1");
    assert.match(await page.textContent("#model-name"), /^mnist-mlp/);
    assert.match(await page.textContent("#call"), /model=mnist-mlp/);
    await page.reload();
    assert.equal((await settled(page)).digit, "1");
    assert.match(await page.textContent("#model-name"), /^mnist-mlp/);
  })));

test("a model that tells no digits is shown a picture, and answers with its five best labels", () =>
  withKiln(["--model", saveClassifier()], ({ url }) => withPage(browser, url, PHONE, async (page) => {
    assert.ok(!await page.isVisible("#model"), "one model is no choice");
    assert.ok(!await page.isVisible("#ghost"));
    assert.ok(await page.isVisible("#offer"));
    await draw(page, [[[0.2, 0.2], [0.8, 0.8]]]);
    assert.ok(await page.evaluate("sheet.empty"), "it takes no drawing");
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#offer-choose")]);
    await chooser.setFiles(`${repository}/examples/three.jpg`);
    const answer = await settled(page);
    assert.equal(answer.digit, "white paper");
    assert.equal(answer.bars.length, 5);
    assert.match(answer.bars[0], /^white paper \d+(\.\d)? %$/);
    assert.match(await page.textContent("#call"), /fit=resize/);
    await picture(page, "labels");
  })));

test("a model that is no classifier says why it is not asked", () =>
  withKiln(["--model", `${repository}/tests/fixtures/keras/convolutions.keras`], ({ url }) => withPage(browser, url, DESK, async (page) => {
    await waitForState(page, "refused");
    assert.match(await page.textContent("#note"), /^convolutions cannot be asked here: .+/);
    assert.ok(!await page.isVisible("#offer"));
    await picture(page, "no-classifier");
  })));

test("beside others, a model that is no classifier can be seen and not be chosen", () =>
  withKiln([], ({ url }) => withPage(browser, url, DESK, async (page) => {
    await page.route("**/models", async (route) => {
      const response = await route.fetch();
      const json = await response.json();
      json.models.push({ name: "depth", version: "1", classifier: false, digits: false, reason: "its output is a picture" });
      await route.fulfill({ response, json });
    });
    await page.reload();
    const option = page.locator('#model option[value="depth"]');
    await option.waitFor({ state: "attached" });
    assert.equal(await option.textContent(), "depth: its output is a picture");
    assert.ok(await option.isDisabled());
  })));
