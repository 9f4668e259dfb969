// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=240 plain
// The pages fit the API as it is: types made now, from the document that this server serves, still pass the check. What the
// document tells more than web/src/api-types.ts knows is no fault; what it tells otherwise is.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diag, done, is, load, ok, top } from "./lib.mjs";
import { spawn } from "node:child_process";
import { createServer } from "node:net";

load("openapi-typescript/package.json");
const web = join(top, "web");
const folder = mkdtempSync(join(tmpdir(), "postern-types-"));

function run(...command) {
    try {
        return { code: 0, text: execFileSync(process.execPath, command, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }) };
    } catch (error) {
        return { code: error.status ?? -1, text: `${error.stdout}${error.stderr}` };
    }
}

async function freePort() {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.on("listening", resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
}

async function documentOf() {
    const port = await freePort();
    const postern = spawn(process.env.POSTERN ?? join(top, "build", "postern"), ["serve", "--state-dir", join(folder, "state"), "--listen", `127.0.0.1:${port}`], { stdio: "ignore" });
    const ended = new Promise((resolve) => postern.on("exit", resolve));
    try {
        for (let tries = 0; ; tries++)
            try {
                return await (await fetch(`http://127.0.0.1:${port}/api/v1/openapi.json`)).text();
            } catch (error) {
                if (tries === 600)
                    throw error;
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
    } finally {
        postern.kill("SIGTERM");
        await ended;
    }
}

try {
    for (const name of ["src", "types.mjs", "tsconfig.json", "package.json"])
        cpSync(join(web, name), join(folder, name), { recursive: true });
    symlinkSync(join(web, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "api.json"), await documentOf());
    const made = run("types.mjs", "api.json");
    if (!is(made.code, 0, "types are made from the document"))
        diag(made.text);
    const fresh = readFileSync(join(folder, "src", "api-types.ts"), "utf8");
    ok(/^ {8}AllowedHost: \{/m.test(fresh) && /^ {8}Message: \{/m.test(fresh), "with the shapes in them");
    const check = run("node_modules/svelte-check/bin/svelte-check", "--tsconfig", "./tsconfig.json", "--fail-on-warnings", "--output", "human");
    if (!is(check.code, 0, "the pages fit them"))
        diag(check.text);
    if (fresh !== readFileSync(join(web, "src", "api-types.ts"), "utf8"))
        diag("web/src/api-types.ts is older than the document: npm run types");
} finally {
    rmSync(folder, { recursive: true, force: true });
}
done();
