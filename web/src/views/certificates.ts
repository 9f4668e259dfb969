// SPDX-License-Identifier: Apache-2.0
import type { Certificate } from "../api";

export function keyOf(c: Certificate): string {
    return [c.keyType, c.keyBits ? String(c.keyBits) : ""].filter(Boolean).join(" ");
}

/* The name that people know a certificate by: its CN, else its first name, else the whole subject. */
export function shortName(c: Certificate): string {
    return /(?:^|,)\s*CN=([^,]+)/i.exec(c.subject)?.[1] ?? (c.subject || c.sans[0] || c.sha256.slice(0, 16));
}
