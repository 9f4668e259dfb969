/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/smtp_caps.h"

#include "base/mem.h"

static void add_mechanisms(struct smtp_caps *caps, struct str names)
{
    struct str name;

    caps->auth_offered = true;
    while (str_split(&names, ' ', &name)) {
        size_t used = strlen(caps->auth);

        if (name.len == 0 || used + name.len + 2 > sizeof(caps->auth) || !str_is_utf8(name) ||
            str_has_control(name))
            continue;
        if (used)
            caps->auth[used++] = ' ';
        memcpy(caps->auth + used, name.p, name.len);
        caps->auth[used + name.len] = '\0';
    }
}

static void read_line(struct smtp_caps *caps, struct str line)
{
    const struct {
        const char *keyword;
        bool *flag;
    } flags[] = {
        { "PIPELINING", &caps->pipelining },
        { "SIZE", &caps->size },
        { "8BITMIME", &caps->eight_bit },
        { "SMTPUTF8", &caps->smtputf8 },
        { "DSN", &caps->dsn },
        { "ENHANCEDSTATUSCODES", &caps->enhanced },
        { "STARTTLS", &caps->starttls },
    };
    struct str rest = line, keyword;

    if (!str_split(&rest, ' ', &keyword))
        return;
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (str_eq_nocase(keyword, str_c(flags[i].keyword)))
            *flags[i].flag = true;
    if (str_eq_nocase(keyword, STR("SIZE")) && rest.p)
        if (!str_to_int(str_trim(rest), &caps->size_max) || caps->size_max < 0)
            caps->size_max = 0;
    if (str_eq_nocase(keyword, STR("AUTH")))
        add_mechanisms(caps, rest);
    if (str_starts_nocase(line, STR("AUTH="))) /* from before RFC 2554, still sent */
        add_mechanisms(caps, str_from(line, 5));
}

void smtp_caps_read(struct smtp_caps *caps, struct str text)
{
    struct str line;

    *caps = (struct smtp_caps){ 0 };
    str_split(&text, '\n', &line);
    while (str_split(&text, '\n', &line))
        read_line(caps, str_trim(line));
}
