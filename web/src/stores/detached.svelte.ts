// SPDX-License-Identifier: Apache-2.0
// Makes an object whose state belongs to no view. A view that asks for it first, in a derived value, would otherwise not
// be told of its changes: Svelte doesn't track state inside the computation that made it.

export function detached<T>(make: () => T): T {
    let made: T | undefined;
    $effect.root(() => { made = make(); });
    return made as T;
}
