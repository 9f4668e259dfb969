/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/text.h"

/* Bytes of the character at the front, 0 when it is not UTF-8. */
static size_t character(struct str s)
{
    for (size_t len = 1; len <= 4 && len <= s.len; len++)
        if (str_is_utf8(str_n(s.p, len)))
            return len;
    return 0;
}

char *text_clean(struct str from, char *into, size_t size)
{
    size_t used = 0;

    from = str_trim(from);
    while (from.len) {
        size_t len = character(from);
        bool plain = (unsigned char)from.p[0] >= 0x20 && from.p[0] != 0x7f;

        if (used + (len ? len : 1) >= size)
            break;
        if (len > 1)
            memcpy(into + used, from.p, len);
        else
            into[used] = len == 0 && plain ? '?' : plain ? from.p[0] : ' ';
        used += len ? len : 1;
        from = str_from(from, len ? len : 1);
    }
    while (used && into[used - 1] == ' ')
        used--;
    into[used] = '\0';
    return into;
}

void text_append(char *list, size_t size, struct str word)
{
    size_t used = strlen(list);

    if (word.len == 0 || used + word.len + 2 > size || !str_is_utf8(word) || str_has_control(word))
        return;
    if (used)
        list[used++] = ' ';
    memcpy(list + used, word.p, word.len);
    list[used + word.len] = '\0';
}
