// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=300 jobs=2 plain
// The nav tree, its menus and the palette: dragging, presets, copying, renaming, deleting; and all of it with 5,000 accounts.
import { accessible, diag, done, goTo, is, logIn, ok, openPage, shot, startBrowser, startStack, story } from "./lib.mjs";

const browser = await startBrowser();
const stack = await startStack();
const { page, faults } = await openPage(browser, stack.url);

const dialog = page.locator("dialog[open]");
const node = (name) => page.getByRole("treeitem").filter({ has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) });
const account = async (name) => (await stack.api("GET", `/accounts/${name}`)).json;
const value = (name) => page.locator(`[data-property="${name}"]`).first().locator("input, select").first().inputValue();
const item = (name) => page.getByRole("menuitem", { name, exact: true });
const title = (name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
const gone = () => page.waitForFunction(() => !document.querySelector("dialog[open], [role=menu]"));

async function choose(name, ...path) {
    await node(name).click({ button: "right" });
    for (const one of path)
        await item(one).click();
}

async function dragFromPalette() {
    await logIn(page, stack);
    await page.locator(".palette").getByText("Microsoft 365, outgoing").waitFor();
    await page.locator(".palette").getByRole("button", { name: "OutgoingAccount", exact: true }).dragTo(node("EmailService"));
    await dialog.getByLabel("Name").fill("alerts");
    await page.keyboard.press("Enter");
    await title("alerts");
    is((await account("alerts")).type, "OutgoingAccount", "dragged onto the EmailService and named: the account is there");
    await page.locator(".palette").getByRole("button", { name: "Microsoft 365, outgoing" }).dragTo(node("alerts"));
    is(await dialog.getByLabel("Name").inputValue(), "microsoft365-out", "a preset suggests a name, also when let go on a child of the EmailService");
    await accessible(page, "the dialog of a preset");
    await page.keyboard.press("Enter");
    await title("microsoft365-out");
    await page.locator("[data-property=port]").waitFor();
    is([await value("hostname"), await value("port"), await value("useStartTls")], ["smtp.office365.com", "587", "true"], "host, port and security are filled in");
    const made = await account("microsoft365-out");
    is([made.emailAuthenticator.type, made.emailAuthenticator.provider], ["oauth2", "microsoft365"], "and how to log in");
    await page.locator(".palette").getByRole("button", { name: "Gmail, incoming" }).press("Enter");
    await page.keyboard.press("Enter");
    await title("gmail-in");
    is(await account("gmail-in").then((a) => [a.type, a.transport, a.hostname, a.port]), ["IncomingAccount", "imap", "imap.gmail.com", 993], "the same by the keyboard alone");
    await page.locator(".palette").getByRole("button", { name: "OutgoingAccount", exact: true }).dragTo(node("Logs"));
    is(await dialog.count(), 0, "the Logs take no account");
}

async function views() {
    await choose("alerts", "Views", "Diagnostics");
    await page.locator("#diagnostics").waitFor();
    ok(page.url().endsWith("#/accounts/alerts/diagnostics"), "Views, Diagnostics");
    await node("alerts").click({ button: "right" });
    await item("Actions").click();
    await item("Send Test").waitFor();
    is(await page.getByRole("menu").last().getByRole("menuitem").allInnerTexts(), ["Verify", "Send Test", "Flush", "Pause", "Resume", "Reset Number Sent", "Clear Queue"], "the actions are the type's");
    await shot(page, "menu");
    await accessible(page, "the menu of an account");
    await item("Pause").click();
    await page.getByText("This account is paused").waitFor();
    ok(true, "an action runs from the menu, and the account says so");
    await choose("alerts", "Actions", "Resume");
    await page.getByText("This account is paused").waitFor({ state: "detached" });
    await choose("EmailService", "New", "IncomingAccount…");
    await dialog.getByLabel("Name").fill("inbox");
    await page.keyboard.press("Enter");
    await title("inbox");
    ok(true, "New under the EmailService");
}

async function copies() {
    await stack.api("PATCH", "/accounts/alerts", { hostname: "mail.example.com", useSsl: true, emailAuthenticator: { type: "basic", username: "plant", password: stack.userPassword } });
    await choose("alerts", "Duplicate…");
    is(await dialog.getByLabel("Name").inputValue(), "alerts-2", "Duplicate suggests a free name");
    await dialog.getByText("Secrets are not copied (Password)").waitFor();
    await page.keyboard.press("Enter");
    await title("alerts-2");
    const copy = await account("alerts-2");
    is([copy.hostname, copy.port, copy.emailAuthenticator.username, copy.emailAuthenticator.passwordSet, copy.enabled], ["mail.example.com", 465, "plant", false, false],
        "the copy has everything but the secret, and waits for it disabled");
    await node("EmailService").click({ button: "right" });
    is(await item("Paste…").getAttribute("aria-disabled"), "true", "nothing to paste yet");
    await page.keyboard.press("Escape");
    await choose("gmail-in", "Copy");
    await page.locator(".notice").getByText("gmail-in is copied").waitFor();
    await choose("EmailService", "Paste…");
    await dialog.getByLabel("Name").fill("gmail-copy");
    await page.keyboard.press("Enter");
    await title("gmail-copy");
    is(await account("gmail-copy").then((a) => [a.type, a.hostname, a.enabled]), ["IncomingAccount", "imap.gmail.com", true], "Copy and Paste make another one");
}

async function renames() {
    await page.locator("[data-property=description] textarea").fill("typed before");
    await choose("gmail-copy", "Rename…");
    await dialog.getByText("Unsaved changes on its sheet are lost.").waitFor();
    await dialog.getByLabel("New name").fill("alerts");
    await page.keyboard.press("Enter");
    await dialog.getByText("There is already an account named alerts.").waitFor();
    await dialog.getByLabel("New name").fill("office-mail");
    await page.keyboard.press("Enter");
    await title("office-mail");
    await node("office-mail").waitFor();
    is([(await stack.api("GET", "/accounts/gmail-copy")).status, (await stack.api("GET", "/accounts/office-mail")).status], [404, 200], "renamed, and the page follows");
}

async function toggles() {
    await choose("inbox", "Disable");
    await node("inbox").getByText("disabled", { exact: true }).waitFor({ state: "attached" });
    await choose("inbox", "Enable");
    await node("inbox").getByText("disabled", { exact: true }).waitFor({ state: "detached" });
    ok(true, "Disable and Enable, and the tree says so");
}

async function deletes() {
    await stack.api("PATCH", "/services/EmailService", { defaultOutgoingAccount: "alerts" });
    await stack.api("PATCH", "/accounts/alerts", { allowDisabledQueuing: true, enabled: false });
    for (const subject of ["one", "two"])
        is((await stack.api("POST", "/accounts/alerts/messages", { from: "a@example.test", to: [stack.to], subject, text: "x" })).status, 202, "a message waits");
    await choose("alerts", "Delete…");
    await dialog.getByText("2 messages that wait are canceled and never sent.").waitFor();
    await dialog.getByText("EmailService has no default outgoing account any more.").waitFor();
    ok(true, "Delete says what would be lost, as the server worked it out");
    is(await page.evaluate(() => document.activeElement.textContent), "Cancel", "the safe button has the focus");
    await shot(page, "delete");
    await accessible(page, "what would be lost");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    is((await stack.api("GET", "/accounts/alerts")).status, 200, "Cancel cancels");
    await goTo(page, "#/accounts/alerts", "[data-property=port]");
    await choose("alerts", "Delete…");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await title("EmailService");
    await node("alerts").waitFor({ state: "detached" });
    is([(await stack.api("GET", "/accounts/alerts")).status, (await stack.api("GET", "/services/EmailService")).json.defaultOutgoingAccount], [404, ""], "deleted, as was said");
}

/* Pattern: https://www.w3.org/WAI/ARIA/apg/patterns/treeview/ */
async function keyboard() {
    await goTo(page, "#/", ".verdict");
    await gone();
    await node("Station").focus();
    const at = () => page.evaluate(() => document.activeElement.querySelector(".name")?.textContent ?? document.activeElement.tagName);
    const press = async (...keys) => {
        for (const key of keys)
            await page.keyboard.press(key);
        return at();
    };
    is(await page.locator('[role=treeitem][tabindex="0"]').count(), 1, "one stop for Tab");
    is(await press("ArrowDown", "ArrowDown"), "EmailService", "down");
    is(await press("ArrowLeft"), "EmailService", "left closes an open node");
    is(await node("EmailService").getAttribute("aria-expanded"), "false", "and says that it is closed");
    is(await press("ArrowDown"), "CertificateService", "what is closed is passed by");
    is(await press("ArrowUp", "ArrowRight", "ArrowRight"), "alerts-2", "right opens, then goes in");
    is(await press("ArrowLeft"), "EmailService", "left goes to the parent");
    is(await press("End"), "Logs", "End");
    is(await press("Home"), "Station", "Home");
    is(await press("w"), "WebService", "a letter");
    is([await node("WebService").getAttribute("aria-level"), await node("WebService").getAttribute("aria-posinset"), await node("WebService").getAttribute("aria-setsize")], ["3", "3", "4"],
        "level and place are told");
    await press("Enter");
    await title("WebService");
    ok(true, "Enter opens");
    await node("inbox").focus();
    await page.keyboard.press("F2");
    await dialog.getByLabel("New name").waitFor();
    await page.keyboard.press("Escape");
    await gone();
    is(await at(), "inbox", "F2 renames; closed, the focus is where it was");
}

async function unsaved() {
    await goTo(page, "#/accounts/inbox", "[data-property=hostname]");
    await page.locator("[data-property=hostname] input").fill("typed.example.com");
    await node("inbox").getByText("unsaved changes").waitFor({ state: "attached" });
    await node("WebService").click();
    await dialog.getByText("1 change has not been saved.").waitFor();
    await accessible(page, "leaving with unsaved changes");
    await page.keyboard.press("Escape");
    await gone();
    is([page.url().endsWith("#/accounts/inbox"), await value("hostname")], [true, "typed.example.com"], "leaving asks, and staying stays");
    await node("WebService").click();
    await dialog.getByRole("button", { name: "Keep for later" }).click();
    await title("WebService");
    await node("inbox").click();
    await title("inbox");
    is(await value("hostname"), "typed.example.com", "kept for later, it is still there");
    await page.goBack();
    await dialog.getByRole("button", { name: "Save" }).click();
    await title("WebService");
    is((await account("inbox")).hostname, "typed.example.com", "saved on the way out, also with the back button");
    await goTo(page, "#/accounts/inbox", "[data-property=hostname]");
    await page.locator("[data-property=port] input").fill("99999");
    await node("Logs").click();
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.locator("[data-property=port] .error").waitFor();
    ok(page.url().endsWith("#/accounts/inbox"), "what is refused keeps one here");
    await node("Logs").click();
    await dialog.getByRole("button", { name: "Discard" }).click();
    await title("Logs");
    await goTo(page, "#/accounts/inbox", "[data-property=hostname]");
    is(await value("port"), "110", "discarded");
}

const many = 5000;

async function thousands() {
    await goTo(page, "#/", ".verdict");
    const before = (await stack.api("GET", "/tree?accounts=false")).json.children[0].children[0].accounts;
    const there = Object.values(before).reduce((sum, n) => sum + n, 0);
    await stack.ask({ do: "many", count: many });
    let began = Date.now();
    await page.reload();
    await page.locator(".verdict").waitFor();
    await page.getByText(`${(many + there).toLocaleString("en")} accounts`).waitFor();
    diag(`${many} accounts read ${Date.now() - began} ms after reload`);
    await page.evaluate(() => {
        window.longest = 0;
        new PerformanceObserver((list) => { for (const e of list.getEntries()) window.longest = Math.max(window.longest, e.duration); }).observe({ type: "longtask", buffered: true });
    });
    const drawn = await page.getByRole("treeitem").count();
    ok(drawn < 100, `only the rows in sight are drawn (${drawn})`);
    is(await node("EmailService").getAttribute("aria-expanded"), "true", "with all of them open");
    const search = page.getByRole("searchbox", { name: "Filter the tree" });
    for (const [text, expected] of [["pump-4321", 4], ["pump-432", 14], ["", 0]]) {
        began = Date.now();
        await search.fill(text);
        if (expected)
            await page.waitForFunction((n) => document.querySelectorAll("[role=treeitem]").length === n, expected);
        diag(`filter "${text}": ${Date.now() - began} ms`);
    }
    ok(true, "the filter finds those it should, and what they are under");
    await page.locator("[role=tree]").evaluate((tree) => { tree.scrollTop = tree.scrollHeight / 2; });
    await page.waitForFunction(() => [...document.querySelectorAll("[role=treeitem] .name")].some((e) => /^pump-2\d\d\d$/.test(e.textContent)));
    ok(true, "scrolled to the middle, the middle is there");
    is(await page.locator('[role=treeitem][tabindex="0"]').count(), 1, "and the stop for Tab still is");
    await node("Station").focus();
    for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown"])
        await page.keyboard.press(key);
    await page.keyboard.type("p");
    ok((await page.evaluate(() => document.activeElement.textContent)).includes("pump-1"), "a letter finds one out of sight, and scrolls there");
    await page.keyboard.press("End");
    ok(await node("Logs").isVisible(), "End goes to the last of them");
    diag(`longest task: ${Math.round(await page.evaluate(() => window.longest))} ms`);
    await shot(page, "many");
    await accessible(page, "a tree of 5,000");

    await goTo(page, "#/services/EmailService", "tbody tr");
    const rows = await page.locator("tbody tr").count();
    ok(rows < 120, `the account manager draws those in sight as well (${rows})`);
    is(await page.locator("table").getAttribute("aria-rowcount"), String(many + there + 1), "and says how many there are");
    await page.getByRole("searchbox", { name: "Find an account" }).fill("mail49.plant");
    await page.getByText("100 accounts").waitFor();
    await page.getByRole("columnheader", { name: "Name" }).getByRole("button").click();
    is((await page.locator("tbody tr .name a").first().innerText()), "pump-4999", "found by hostname, sorted downward by name, numbers as numbers");
}

try {
    await story(page, dragFromPalette, views, copies, renames, toggles, deletes, keyboard, unsaved, thousands);
    if (!is(faults, [], "no console error, no CSP message, no request to another origin"))
        diag(faults.join("\n"));
} finally {
    await browser.close();
    is(await stack.stop(), 0, "postern and the servers ended as they should");
}
done();
