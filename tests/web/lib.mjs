// SPDX-License-Identifier: Apache-2.0
// For the browser tests: TAP, the servers, a Chromium that asks nobody else, and axe.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const top = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const modules = join(top, "web", "node_modules");

// ---- TAP ---------------------------------------------------------------------------------------------------

let count = 0;
let failed = 0;

export function ok(good, name) {
    count++;
    if (!good)
        failed++;
    console.log(`${good ? "ok" : "not ok"} ${count} - ${String(name).replaceAll("\n", " ").replaceAll("#", "no. ")}`);
    return Boolean(good);
}

export function is(got, expected, name) {
    const good = ok(JSON.stringify(got) === JSON.stringify(expected), name);
    if (!good)
        diag(`     got: ${JSON.stringify(got)}\nexpected: ${JSON.stringify(expected)}`);
    return good;
}

export function diag(text) {
    for (const line of String(text).split("\n"))
        console.log(`# ${line.slice(0, 1000)}`);
}

export function done() {
    console.log(`1..${count}`);
    process.exitCode = failed > 0 ? 1 : 0;
}

export function skipAll(reason) {
    console.log(`1..0 # SKIP ${reason}`);
    process.exit(0);
}

/* A module of web/node_modules; where they aren't installed, there is nothing to test with. */
export function load(name) {
    if (!existsSync(join(modules, name)))
        skipAll(`web/node_modules has no ${name}: run npm ci in web/`);
    return createRequire(join(modules, "anchor.js"))(name);
}

/* What a module of web/src exports, as the browser would see it. */
export async function source(path) {
    const { outputFiles } = await load("esbuild").build({
        entryPoints: [join(top, "web", "src", path)], bundle: true, write: false, format: "esm", logLevel: "warning",
    });
    return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

// ---- servers -----------------------------------------------------------------------------------------------

export async function startStack() {
    const child = spawn("/usr/bin/python3", ["-B", join(top, "tests", "web", "stack.py")], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => {
        const { value, done: ended } = await lines.next();
        if (ended)
            throw new Error("the servers ended");
        const answer = JSON.parse(value);
        if (answer.error)
            throw new Error(answer.error);
        return answer;
    };
    const facts = await next();
    const ask = (command) => {
        child.stdin.write(`${JSON.stringify(command)}\n`);
        return next();
    };
    return {
        ...facts, ask,
        api: async (method, path, json) => ask({ do: "api", method, path: `/api/v1${path}`, json }),
        stop: () => new Promise((resolve) => {
            child.on("exit", (code) => resolve(code));
            child.stdin.end();
        }),
    };
}

// ---- browser -----------------------------------------------------------------------------------------------

const quiet = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-domain-reliability", "--disable-client-side-phishing-detection", "--no-first-run", "--no-default-browser-check",
];

export async function startBrowser() {
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    if (!existsSync(executablePath))
        skipAll(`there is no ${executablePath}: install the Debian package chromium`);
    return load("playwright-core").chromium.launch({ executablePath, args: quiet });
}

/* A page that remembers what went wrong in it: console, CSP, uncaught errors, requests to somebody else. A refusal that
 * the server meant (4xx) is no error of the page, though Chromium writes it to the console. */
export async function openPage(browser, url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(20_000);
    /* A warning tells where it comes from. */
    await context.addInitScript(() => {
        const warn = console.warn;
        console.warn = (...words) => warn(...words, new Error().stack);
    });
    const page = await context.newPage();
    const faults = [];
    page.on("console", (message) => {
        const refused = message.text().startsWith("Failed to load resource");
        if (["error", "warning"].includes(message.type()) && !refused)
            faults.push(`console: ${message.text()} (${message.location().url}:${message.location().lineNumber}:${message.location().columnNumber})`);
    });
    page.on("pageerror", (error) => faults.push(`uncaught: ${error.stack ?? error.message}`));
    page.on("request", (request) => {
        const origin = new URL(request.url()).origin;
        if (!request.url().startsWith("data:") && origin !== new URL(url).origin)
            faults.push(`request to ${origin}`);
    });
    await page.goto(url);
    return { page, faults, context };
}

export async function logIn(page, stack) {
    await page.getByLabel("Username").fill(stack.username);
    await page.getByLabel("Password").fill(stack.password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.locator("#main").waitFor();
}

export async function goTo(page, hash, selector) {
    await page.evaluate((to) => { location.hash = to; }, hash);
    if (selector)
        await page.locator(selector).first().waitFor();
}

/* axe is put into the page past the CSP, which has no say over the debugger. */
export async function accessible(page, name) {
    const axe = readFileSync(join(modules, "axe-core", "axe.min.js"), "utf8");
    await page.waitForTimeout(200);
    await page.evaluate(`${axe}; undefined`);
    const found = await page.evaluate(() => globalThis.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }));
    if (!ok(found.violations.length === 0, `axe: ${name}`))
        for (const v of found.violations)
            diag(`${v.id}: ${v.help}\n${v.nodes.slice(0, 4).map((n) => `  ${n.target} ${n.failureSummary}`).join("\n")}`);
}

/* With POSTERN_SHOTS=DIRECTORY the pages are there to be looked at afterwards. */
export async function shot(page, name) {
    const folder = process.env.POSTERN_SHOTS;
    if (!folder)
        return;
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`) });
}

/* Runs the parts in order; what breaks one is shown, and the rest still get their turn. */
export async function story(page, ...parts) {
    for (const part of parts)
        try {
            await part();
        } catch (error) {
            ok(false, `${part.name}: ${error.message.split("\n")[0]}`);
            diag(error.stack);
            await shot(page, `failed-${part.name}`);
            for (let open = 0; open < 3; open++)
                await page.keyboard.press("Escape").catch(() => {});
        }
}
