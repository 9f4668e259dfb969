// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=300 jobs=2
// The administrator's path by keyboard alone, from the log-in to the mail that was sent; and what the page does for those who
// zoom in, who want no motion, and who read in another locale.
import { accessible, diag, done, goTo, is, logIn, ok, openPage, shot, startBrowser, startStack, story } from "./lib.mjs";

const browser = await startBrowser();
const stack = await startStack();
const { page, faults } = await openPage(browser, stack.url, { reducedMotion: "reduce" });

const press = async (...keys) => {
    for (const key of keys)
        await page.keyboard.press(key);
};
const type = (text) => page.keyboard.type(text);
const dialog = page.locator("dialog[open]");
const title = (name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
const account = async (name) => (await stack.api("GET", `/accounts/${name}`)).json;

/* What a screen reader would say of the element with the focus. */
const focused = () => page.evaluate(() => {
    const e = document.activeElement;
    const label = e.labels?.[0]?.textContent ?? e.getAttribute("aria-label") ?? document.getElementById(e.getAttribute("aria-labelledby"))?.textContent ?? e.textContent;
    return (label ?? "").trim();
});

async function tabTo(name, key = "Tab") {
    for (let i = 0; i < 120; i++) {
        if ((await focused()).startsWith(name))
            return true;
        await press(key);
    }
    throw new Error(`${key} never reached "${name}"; it is at "${await focused()}"`);
}

async function begin() {
    await type(stack.username);
    await press("Tab");
    await type(stack.password);
    await press("Enter");
    await page.locator("#main").waitFor();
    await page.getByText("No accounts yet").waitFor();
    ok(true, "logged in");
    await press("n");
    await dialog.waitFor();
    await type("alerts");
    await press("Enter");
    await title("alerts");
    ok(true, "N makes an account");
}

async function settings() {
    await page.locator("[data-property=port]").waitFor();
    await tabTo("Hostname");
    await type("localhost");
    await tabTo("Use Start Tls");
    await type("t");            // "true"
    await tabTo("Port");
    is(await page.evaluate(() => document.activeElement.value), "587", "the port follows the toggle");
    await press("Control+a");
    await type(String(stack.smtp.starttls));
    await tabTo("Basic");
    await press("Enter");
    await tabTo("Username");
    await type(stack.user);
    await tabTo("Password");
    await type(stack.userPassword);
    await press("Control+s");
    await page.locator(".notice").getByText("Saved").waitFor();
    const a = await account("alerts");
    is([a.hostname, a.port, a.useStartTls, a.emailAuthenticator.username, a.emailAuthenticator.passwordSet], ["localhost", stack.smtp.starttls, true, stack.user, true], "filled in and saved");
    await tabTo("Description", "Shift+Tab");
    await type("a mistake");
    await press("Escape");
    is(await page.evaluate(() => document.activeElement.value), "", "Esc undoes the row");
}

async function challenge() {
    await press("Escape");
    await page.evaluate(() => document.activeElement.blur());
    await press("/");
    await type("alerts");
    await press("ArrowDown", "End", "ContextMenu");
    await page.getByRole("menu").waitFor();
    await press("ArrowDown", "ArrowRight");       // Views, Actions ▸ Verify
    await page.getByRole("menuitem", { name: "Verify" }).waitFor();
    await press("Enter");
    await page.locator("li[data-step=certificate].failed").waitFor();
    ok(true, "verified from the menu");
    await page.locator("#main").focus();
    await tabTo("Review the certificate…");
    await press("Enter");
    await dialog.waitFor();
    is(await focused(), "Reject", "the safe button has the focus");
    const { sha256 } = await stack.ask({ do: "fingerprint", port: stack.smtp.tls });
    await tabTo("The fingerprint you were told", "Shift+Tab");
    await page.keyboard.insertText(sha256);
    await dialog.getByText("The same.").waitFor();
    await tabTo("Accept this key");
    await press("Enter");
    await dialog.waitFor({ state: "detached" });
    is((await stack.api("GET", `/trust/allowed-hosts/localhost:${stack.smtp.starttls}`)).json.approval, "approved", "compared and accepted");
    await tabTo("Verify again");
    await press("Enter");
    await page.getByText("Everything worked.").waitFor();
    ok(true, "and verified");
}

async function send() {
    await tabTo("Send test", "Shift+Tab");
    await press("Enter");
    await dialog.waitFor();
    await type(stack.to);
    await press("Enter");
    await dialog.getByText(`The server took the message to ${stack.to}.`).waitFor();
    await tabTo("Open in Messages");
    await press("Enter");
    await page.locator(".message .state").getByText("sent").waitFor();
    ok(true, "sent, and seen in Messages");
    await press("?");
    await dialog.getByText("Keyboard shortcuts").waitFor();
    await accessible(page, "the list of keys");
    await press("Escape");
    await dialog.waitFor({ state: "detached" });
    is(await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0.01 || parseFloat(getComputedStyle(e).animationDuration) > 0.01).length), 0,
        "nothing moves for who wants no motion");
}

/* 200 % of a 1280 pixel window, and 400 % of it: WCAG 1.4.4 and 1.4.10. */
async function zoomed() {
    const views = ["#/", "#/services/EmailService", "#/accounts/alerts", "#/accounts/alerts/messages", "#/accounts/alerts/diagnostics", "#/services/CertificateService", "#/services/CertificateService/system-trust",
        "#/services/UserService", "#/services/UserService/tokens", "#/logs"];
    for (const [name, width] of [["200 %", 640], ["400 %", 320]]) {
        const { page: other, context } = await openPage(browser, stack.url, { viewport: { width, height: 512 } });
        await logIn(other, stack);
        const wide = [];
        for (const hash of views) {
            await goTo(other, hash, "h1");
            await other.waitForTimeout(150);
            if (await other.evaluate(() => document.documentElement.scrollWidth > innerWidth || document.getElementById("main").scrollWidth > document.getElementById("main").clientWidth))
                wide.push(hash);
            await shot(other, `zoom-${width}-${hash.replace(/\W+/g, "-")}`);
        }
        is(wide, [], `${name}: nothing is wider than the window`);
        await goTo(other, "#/accounts/alerts", "[data-property=port]");
        await accessible(other, name);
        await context.close();
    }
}

async function locale() {
    const { page: other, context } = await openPage(browser, stack.url, { locale: "de-DE", timezoneId: "Europe/Berlin" });
    await logIn(other, stack);
    await goTo(other, "#/accounts/alerts/messages", "tbody time");
    const told = await other.locator("tbody time").first().getAttribute("title");
    ok(/^\d{2}\.\d{2}\.\d{4}, \d{2}:\d{2}:\d{2}$/.test(told), `dates as the browser's locale has them (${told})`);
    await context.close();
}

try {
    await story(page, begin, settings, challenge, send, zoomed, locale);
    if (!is(faults, [], "no console error, no CSP message, no request to another origin"))
        diag(faults.join("\n"));
} finally {
    await browser.close();
    is(await stack.stop(), 0, "postern and the servers ended as they should");
}
done();
