// SPDX-License-Identifier: Apache-2.0
export { default as Certificates } from "./Certificates.svelte";
export { default as Challenge } from "./Challenge.svelte";
export { default as ImportCa } from "./ImportCa.svelte";
export { default as ImportKey } from "./ImportKey.svelte";
export { default as NewKey } from "./NewKey.svelte";
