// SPDX-License-Identifier: Apache-2.0
// The types' schemas; each is asked for once, they don't change while the server runs.
import { get, segment } from "../api";
import type { Schema } from "../schema";

const known = new Map<string, Promise<Schema>>();

export function typeOf(name: string): Promise<Schema> {
    let schema = known.get(name);
    if (!schema) {
        schema = get<Schema>(`/types/${segment(name)}`);
        schema.catch(() => known.delete(name));
        known.set(name, schema);
    }
    return schema;
}
