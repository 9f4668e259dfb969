// SPDX-License-Identifier: Apache-2.0
export { default as Account } from "./Account.svelte";
export { default as Accounts } from "./Accounts.svelte";
export { default as Diagnostics } from "./Diagnostics.svelte";
export { default as SendTest } from "./SendTest.svelte";
export { default as Sheet } from "../Sheet.svelte";
export { default as Transcript } from "./Transcript.svelte";
export { default as Charts } from "../messages/Charts.svelte";
export { default as Messages } from "../messages/Messages.svelte";
