/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *hex_encode(const void *bytes, size_t len, char *text)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < len; i++) {
        text[2 * i] = hex_digits[p[i] >> 4];
        text[2 * i + 1] = hex_digits[p[i] & 15];
    }
    text[2 * len] = '\0';
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(struct str text, void *bytes, size_t len)
{
    uint8_t *p = bytes;

    if (text.len != 2 * len)
        return -1;
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(text.p[2 * i]), low = hex_value(text.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        p[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static int encode64(struct str bytes, const char *digits, bool pad, struct buf *into)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t len = (bytes.len + 2) / 3 * 4, at = 0;
    char *out = buf_room(into, len);

    if (out == NULL)
        return -1;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);

        out[at++] = digits[v >> 18];
        out[at++] = digits[v >> 12 & 63];
        if (n > 1 || pad)
            out[at++] = n > 1 ? digits[v >> 6 & 63] : '=';
        if (n > 2 || pad)
            out[at++] = n > 2 ? digits[v & 63] : '=';
    }
    into->len += at;
    into->p[into->len] = '\0';
    return 0;
}

int base64_encode(struct str bytes, struct buf *into)
{
    return encode64(bytes, base64_digits, true, into);
}

int base64url_encode(struct str bytes, struct buf *into)
{
    return encode64(bytes, base64url_digits, false, into);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct str text, struct buf *into)
{
    char *out = buf_room(into, text.len / 4 * 3 + 3);
    uint32_t bits = 0;
    size_t at = 0, count = 0, padding = 0;

    if (out == NULL)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        int value = base64_value(c);

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        if (value < 0 || padding > 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
        count++;
        if (count % 4 == 0) {
            out[at++] = (char)(bits >> 16);
            out[at++] = (char)(bits >> 8);
            out[at++] = (char)bits;
        }
    }
    if (count % 4 == 1 || padding > 2 || (padding && (count + padding) % 4 != 0))
        return -1;
    if (count % 4 >= 2)
        out[at++] = (char)(count % 4 == 2 ? bits >> 4 : bits >> 10);
    if (count % 4 == 3)
        out[at++] = (char)(bits >> 2);
    into->len += at;
    into->p[into->len] = '\0';
    return 0;
}

int fingerprint_parse(struct str text, uint8_t sha256[32])
{
    char digits[65];
    size_t n = 0;
    bool hex = true;

    text = str_trim(text);
    for (size_t i = 0; i < text.len && hex; i++) {
        if (text.p[i] == ':' || text.p[i] == ' ')
            continue;
        hex = n < 64 && hex_value(text.p[i]) >= 0;
        if (hex)
            digits[n++] = text.p[i];
    }
    if (hex && n == 64)
        return hex_decode(str_n(digits, 64), sha256, 32);

    AUTO_BUF(raw, 64);
    if (text.len > 60 || base64_decode(text, &raw) < 0 || raw.len != 32)
        return -1;
    memcpy(sha256, raw.p, 32);
    return 0;
}
