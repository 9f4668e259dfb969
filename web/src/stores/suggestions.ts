// SPDX-License-Identifier: Apache-2.0
// What a value that refers to another component can be.
import { suggestions } from "../fields/field";
import type { KeyPair } from "../model";
import { accounts } from "./accounts.svelte";
import { allPages } from "./live.svelte";

suggestions.of = async (type) => {
    if (type === "KeyPair")
        return (await allPages<KeyPair>("/trust/keys")).map(({ id }) => id);
    return accounts.items.filter((a) => a.type === type).map(({ name }) => name);
};
