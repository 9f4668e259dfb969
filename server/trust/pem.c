/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/pem.h"

#define BEGIN STR("-----BEGIN ")
#define DASHES STR("-----")

void pem_start(struct pem *pem, struct str text)
{
    *pem = (struct pem){ .rest = text, .line = 1 };
}

/* A line without its end; false when there is none left. */
static bool next_line(struct pem *pem, struct str *line)
{
    const char *end;

    if (pem->rest.len == 0)
        return false;
    end = memchr(pem->rest.p, '\n', pem->rest.len);
    *line = str_n(pem->rest.p, end ? (size_t)(end - pem->rest.p) : pem->rest.len);
    pem->rest = str_from(pem->rest, line->len + (end != NULL));
    pem->line++;
    *line = str_trim(*line);
    return true;
}

/* "-----BEGIN label-----" */
static bool is_begin(struct str line, struct str *label)
{
    if (!str_starts(line, BEGIN) || line.len < BEGIN.len + DASHES.len || !str_ends_nocase(line, DASHES))
        return false;
    *label = str_n(line.p + BEGIN.len, line.len - BEGIN.len - DASHES.len);
    return label->len > 0 && label->len <= PEM_LABEL_MAX;
}

static bool is_end(struct str line, struct str label)
{
    struct str end = STR("-----END ");

    return line.len == end.len + label.len + DASHES.len && str_starts(line, end) && str_ends_nocase(line, DASHES) &&
           str_eq(str_n(line.p + end.len, label.len), label);
}

enum pem_step pem_next(struct pem *pem, struct pem_block *block)
{
    struct pem after = *pem;            /* behind the last block: a caller may want to refuse what follows */
    struct str line;

    do {
        block->line = pem->line;
        if (!next_line(pem, &line)) {
            *pem = after;
            return PEM_END;
        }
    } while (!is_begin(line, &block->label));

    block->base64 = str_n(pem->rest.p, 0);
    while (next_line(pem, &line)) {
        if (is_end(line, block->label))
            return PEM_BLOCK;
        if (str_starts(line, BEGIN))
            break;
        block->base64.len = (size_t)(pem->rest.p - block->base64.p);
    }
    return PEM_BAD;
}
