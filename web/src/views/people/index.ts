// SPDX-License-Identifier: Apache-2.0
export { default as Configuration } from "./Configuration.svelte";
export { default as Logs } from "./Logs.svelte";
export { default as NewToken } from "./NewToken.svelte";
export { default as NewUser } from "./NewUser.svelte";
export { default as Tokens } from "./Tokens.svelte";
export { default as User } from "./User.svelte";
export { default as Users } from "./Users.svelte";
