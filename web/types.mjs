// SPDX-License-Identifier: Apache-2.0
// Writes src/api-types.ts from the OpenAPI document of a running server.
//
//   node types.mjs DOCUMENT [FILE]       DOCUMENT: a file, or http://127.0.0.1:8025/api/v1/openapi.json
//
// Only the shapes: what the routes take is checked by the server, and words are for people.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const here = dirname(fileURLToPath(import.meta.url));
const [source, out = join(here, "src/api-types.ts")] = process.argv.slice(2);

function bare(value) {
    if (Array.isArray(value))
        return value.map(bare);
    if (!value || typeof value !== "object")
        return value;
    return Object.fromEntries(Object.entries(value)
        .filter(([name, v]) => !(["title", "description", "default", "format"].includes(name) && typeof v !== "object"))
        .map(([name, v]) => [name, bare(v)]));
}

const text = /^https?:/.test(source) ? await (await fetch(source)).text() : readFileSync(source, "utf8");
const { openapi, info, components } = JSON.parse(text);
const nodes = await openapiTS({ openapi, info, paths: {}, components: { schemas: bare(components.schemas) } }, { silent: true });
writeFileSync(out, `// SPDX-License-Identifier: Apache-2.0\n// Made by types.mjs from the server's OpenAPI document: npm run types. Not to be changed by hand.\n${astToString(nodes)}`);
