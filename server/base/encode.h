/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/encode.h - hex and base64 (RFC 4648). */
#ifndef POSTERN_BASE_ENCODE_H
#define POSTERN_BASE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* `text` has room for 2 * len + 1; lower case; returns `text`. */
char *hex_encode(const void *bytes, size_t len, char *text);
/* Exactly `len` bytes from 2 * len digits; -1 otherwise. */
int hex_decode(struct str text, void *bytes, size_t len);

int base64_encode(struct str bytes, struct buf *into);         /* -1 past the buffer's ceiling */
int base64url_encode(struct str bytes, struct buf *into);      /* without padding */
/* White space is skipped; anything else that is not base64 is refused. -1 then, or past the ceiling. */
int base64_decode(struct str text, struct buf *into);

/* A SHA-256 as people write it: 64 hex digits in either case with or without colons or spaces, or base64. */
int fingerprint_parse(struct str text, uint8_t sha256[32]);

#endif
