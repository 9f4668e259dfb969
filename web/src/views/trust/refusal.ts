// SPDX-License-Identifier: Apache-2.0
import { Problem } from "../../api";
import { wordsFor } from "../../stores/notices.svelte";

/* Everything that was wrong, in one text: for dialogs with one place for it. */
export function refusal(cause: unknown): string {
    return cause instanceof Problem && cause.errors.length > 0 ? cause.errors.map((e) => e.detail).join(" ") : wordsFor(cause);
}
