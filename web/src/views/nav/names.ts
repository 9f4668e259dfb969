// SPDX-License-Identifier: Apache-2.0
/* DESIGN 1: of a component. The server has the last word. */
export const validName = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$/;
