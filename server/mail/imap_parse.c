/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/imap_parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define KEEP_MAX 4096 /* bytes, and nodes * 32: what a parser keeps between responses */

enum state {
    AT_TAG,
    AT_NAME,
    AT_TEXT, /* free words up to the end of the line */
    AT_DATA, /* between tokens */
    IN_ATOM,
    IN_QUOTED,
    IN_ESCAPE,
    IN_SIZE,    /* after "{" */
    AFTER_SIZE, /* after "}" */
    IN_LITERAL,
    AFTER_TOKEN, /* a quoted string, literal or list has ended */
};

void imap_parser_init(struct imap_parser *p)
{
    *p = (struct imap_parser){ 0 };
    buf_init(&p->text, IMAP_TEXT_MAX);
    imap_parser_clear(p);
}

void imap_parser_clear(struct imap_parser *p)
{
    const struct imap_sink *sink = p->sink;
    struct imap_node *nodes = p->nodes;
    struct buf text = p->text;
    uint32_t room = p->room;

    if (text.cap > KEEP_MAX)
        buf_free(&text);
    else
        buf_clear(&text);
    if (room * sizeof(*nodes) > KEEP_MAX || nodes == NULL) {
        free(nodes);
        room = 16;
        nodes = mem_array(room, sizeof(*nodes));
    }
    *p = (struct imap_parser){ .sink = sink, .nodes = nodes, .room = room, .text = text, .count = 1 };
    nodes[0] = (struct imap_node){ .kind = IMAP_LIST };
}

void imap_parser_free(struct imap_parser *p)
{
    buf_free(&p->text);
    free(p->nodes);
    p->nodes = NULL;
    p->room = 0;
}

/* ---- the tree --------------------------------------------------------------------------------------- */

/* Adds to the innermost open list. */
static enum imap_step add_node(struct imap_parser *p, struct imap_node node)
{
    uint32_t *last = &p->last[p->depth], index = p->count;

    if (p->count >= IMAP_NODES_MAX)
        return IMAP_LONG;
    if (p->count == p->room) {
        p->room *= 2;
        p->nodes = mem_resize(p->nodes, p->room * sizeof(*p->nodes));
    }
    p->nodes[p->count++] = node;
    if (*last)
        p->nodes[*last].next = index;
    else
        p->nodes[p->open[p->depth]].child = index;
    *last = index;
    return IMAP_MORE;
}

static enum imap_step add_token(struct imap_parser *p, enum imap_kind kind)
{
    return add_node(p, (struct imap_node){ .kind = kind,
                                           .at = (uint32_t)p->token,
                                           .len = (uint32_t)(p->text.len - p->token) });
}

static enum imap_step open_list(struct imap_parser *p)
{
    if (p->depth == IMAP_DEPTH_MAX || add_node(p, (struct imap_node){ .kind = IMAP_LIST }) != IMAP_MORE)
        return IMAP_LONG;
    p->open[++p->depth] = p->count - 1;
    p->last[p->depth] = 0;
    p->state = AT_DATA;
    return IMAP_MORE;
}

static enum imap_step close_list(struct imap_parser *p)
{
    if (p->depth == 0)
        return IMAP_GARBAGE;
    p->depth--;
    p->state = AFTER_TOKEN;
    p->after_list = true;
    return IMAP_MORE;
}

/* ---- the beginning of a response -------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The tag is over: "*", "+", or one of ours. */
static enum imap_step end_tag(struct imap_parser *p)
{
    struct str tag = buf_str(&p->text);

    if (tag.len == 0 || tag.len > IMAP_WORD_MAX)
        return IMAP_GARBAGE;
    for (size_t i = 0; i < tag.len && tag.len > 1; i++)
        if (!is_letter(tag.p[i]) && !is_digit(tag.p[i]))
            return IMAP_GARBAGE;
    p->type = str_eq(tag, STR("*")) ? IMAP_UNTAGGED : str_eq(tag, STR("+")) ? IMAP_CONTINUE : IMAP_TAGGED;
    if (p->type == IMAP_TAGGED && !is_letter(tag.p[0]) && !is_digit(tag.p[0]))
        return IMAP_GARBAGE;
    memcpy(p->tag, tag.p, tag.len);
    p->tag[tag.len] = '\0';
    buf_clear(&p->text);
    p->state = p->type == IMAP_CONTINUE ? AT_TEXT : AT_NAME;
    return IMAP_MORE;
}

static enum imap_status status_named(const char *name)
{
    static const char *const names[] = {
        [IMAP_OK] = "OK", [IMAP_NO] = "NO", [IMAP_BAD] = "BAD", [IMAP_BYE] = "BYE", [IMAP_PREAUTH] = "PREAUTH"
    };

    for (enum imap_status status = IMAP_OK; status <= IMAP_PREAUTH; status++)
        if (strcmp(name, names[status]) == 0)
            return status;
    return IMAP_DATA;
}

static enum imap_step take_number(struct imap_parser *p, struct str word)
{
    int64_t number;

    if (p->type != IMAP_UNTAGGED || p->has_number || !str_to_int(word, &number) || number < 0 ||
        number > UINT32_MAX)
        return IMAP_GARBAGE;
    p->number = (uint32_t)number;
    p->has_number = true;
    buf_clear(&p->text);
    return IMAP_MORE; /* the name is still to come */
}

/* "OK", "CAPABILITY", or the number before "EXISTS". RFC 9051 7. */
static enum imap_step end_name(struct imap_parser *p, bool at_end)
{
    struct str word = buf_str(&p->text);

    if (word.len == 0 || word.len > IMAP_WORD_MAX)
        return IMAP_GARBAGE;
    if (is_digit(word.p[0]))
        return at_end ? IMAP_GARBAGE : take_number(p, word);
    for (size_t i = 0; i < word.len; i++) {
        char c = word.p[i];

        if (!is_letter(c) && !is_digit(c) && !memchr("-._", c, 3))
            return IMAP_GARBAGE;
        p->name[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    p->name[word.len] = '\0';
    p->status = p->has_number ? IMAP_DATA : status_named(p->name);
    if (p->type == IMAP_TAGGED && (p->status == IMAP_DATA || p->status > IMAP_BAD))
        return IMAP_GARBAGE;
    buf_clear(&p->text);
    p->state = p->status == IMAP_DATA ? AT_DATA : AT_TEXT;
    return IMAP_MORE;
}

/* ---- tokens ----------------------------------------------------------------------------------------- */

/* A byte of the text, where it has room. */
static enum imap_step keep(struct imap_parser *p, char c)
{
    return buf_add_char(&p->text, c) < 0 ? IMAP_LONG : IMAP_MORE;
}

static enum imap_step begin_size(struct imap_parser *p)
{
    p->state = IN_SIZE;
    p->size = 0;
    p->digits = 0;
    return IMAP_MORE;
}

static enum imap_step at_data(struct imap_parser *p, char c)
{
    p->token = p->text.len;
    p->after_list = p->bracketed = false;
    if (c == ' ')
        return IMAP_MORE;
    if (c == '(')
        return open_list(p);
    if (c == ')')
        return close_list(p);
    if (c == '"')
        p->state = IN_QUOTED;
    else if (c == '{')
        return begin_size(p);
    else if ((unsigned char)c < 0x20 || c == 0x7f)
        return IMAP_GARBAGE;
    else
        p->state = IN_ATOM;
    return p->state == IN_ATOM ? keep(p, c) : IMAP_MORE;
}

/* RFC 9051 6.4.5: within "BODY[HEADER.FIELDS (A B)]" spaces and parentheses belong to the name. */
static bool opens_section(const struct imap_parser *p)
{
    struct str atom = str_from(buf_str(&p->text), p->token);

    return str_starts_nocase(atom, STR("BODY")) || str_starts_nocase(atom, STR("BINARY"));
}

static enum imap_step in_atom(struct imap_parser *p, char c)
{
    enum imap_step step;

    if ((unsigned char)c < 0x20 || c == 0x7f)
        return IMAP_GARBAGE;
    if (p->bracketed) {
        p->bracketed = c != ']';
        return keep(p, c);
    }
    if (c == '{' && p->text.len == p->token + 1 && p->text.p[p->token] == '~') {
        p->text.len = p->token; /* literal8 is a literal like others */
        return begin_size(p);
    }
    if (c == '"' || c == '{' || c == '(')
        return IMAP_GARBAGE;
    if (c != ' ' && c != ')') {
        p->bracketed = c == '[' && opens_section(p);
        return keep(p, c);
    }
    step = add_token(p, IMAP_ATOM);
    p->state = AT_DATA;
    return step == IMAP_MORE && c == ')' ? close_list(p) : step;
}

static enum imap_step in_quoted(struct imap_parser *p, char c)
{
    if (c == '\0')
        return IMAP_GARBAGE;
    if (p->state == IN_ESCAPE) {
        p->state = IN_QUOTED;
        return keep(p, c);
    }
    if (c == '\\') {
        p->state = IN_ESCAPE;
        return IMAP_MORE;
    }
    if (c != '"')
        return keep(p, c);
    p->state = AFTER_TOKEN;
    return add_token(p, IMAP_STRING);
}

/* RFC 9051 4.3: digits, at most 63 bits; no "+", which only a client may add. */
static enum imap_step in_size(struct imap_parser *p, char c)
{
    if (c == '}' && p->digits > 0) {
        p->state = AFTER_SIZE;
        return IMAP_MORE;
    }
    if (!is_digit(c) || ++p->digits > 18)
        return IMAP_GARBAGE;
    p->size = p->size * 10 + (uint64_t)(c - '0');
    return IMAP_MORE;
}

static enum imap_step after_token(struct imap_parser *p, char c)
{
    bool after_list = p->after_list;

    p->after_list = false;
    if (c == ' ')
        p->state = AT_DATA;
    else if (c == ')')
        return close_list(p);
    else if (c == '(' && after_list) /* bodies of a multipart follow one another without a space */
        return open_list(p);
    else
        return IMAP_GARBAGE;
    return IMAP_MORE;
}

/* ---- literals --------------------------------------------------------------------------------------- */

static enum imap_step end_literal(struct imap_parser *p)
{
    p->state = AFTER_TOKEN;
    if (!p->streaming)
        return add_token(p, IMAP_STRING);
    p->streaming = false;
    return add_node(p, (struct imap_node){ .kind = IMAP_STREAMED, .size = p->size });
}

static enum imap_step begin_literal(struct imap_parser *p)
{
    int wanted = p->sink ? p->sink->wants(p->sink->ctx, p, p->size) : 0;

    if (wanted < 0)
        return IMAP_STOPPED;
    p->streaming = wanted > 0;
    if (!p->streaming && p->size > IMAP_TEXT_MAX - p->text.len)
        return IMAP_LONG;
    p->left = p->size;
    p->state = IN_LITERAL;
    return p->left ? IMAP_MORE : end_literal(p);
}

static enum imap_step take_literal(struct imap_parser *p, struct str *bytes)
{
    struct str part = *bytes;

    if (part.len > p->left)
        part.len = (size_t)p->left;
    p->left -= part.len;
    *bytes = str_from(*bytes, part.len);
    if (p->streaming && p->sink->data(p->sink->ctx, part) < 0)
        return IMAP_STOPPED;
    if (!p->streaming && buf_add(&p->text, part) < 0)
        return IMAP_LONG;
    return p->left ? IMAP_MORE : end_literal(p);
}

uint64_t imap_literal_left(const struct imap_parser *p)
{
    return p->left;
}

/* ---- bytes ------------------------------------------------------------------------------------------ */

static enum imap_step end_line(struct imap_parser *p)
{
    enum imap_step step = IMAP_MORE;

    switch ((enum state)p->state) {
    case AFTER_SIZE:
        return begin_literal(p);
    case AT_TAG:
        step = end_tag(p); /* "+" alone is a continuation */
        return step == IMAP_MORE && p->type == IMAP_CONTINUE ? IMAP_DONE : IMAP_GARBAGE;
    case AT_NAME:
        step = end_name(p, true);
        break;
    case IN_ATOM:
        step = p->bracketed ? IMAP_GARBAGE : add_token(p, IMAP_ATOM);
        break;
    case IN_QUOTED:
    case IN_ESCAPE:
    case IN_SIZE:
        return IMAP_GARBAGE;
    default:
        break;
    }
    return step != IMAP_MORE ? step : p->depth == 0 ? IMAP_DONE : IMAP_GARBAGE;
}

static enum imap_step take_byte(struct imap_parser *p, char c)
{
    if (p->cr && c != '\n')
        return IMAP_GARBAGE;
    p->cr = c == '\r';
    if (p->cr)
        return IMAP_MORE;
    if (c == '\n')
        return end_line(p);
    switch ((enum state)p->state) {
    case AT_TAG:
        return c == ' ' ? end_tag(p) : p->text.len > IMAP_WORD_MAX ? IMAP_GARBAGE : keep(p, c);
    case AT_NAME:
        return c == ' ' ? end_name(p, false) : p->text.len > IMAP_WORD_MAX ? IMAP_GARBAGE : keep(p, c);
    case AT_DATA:
        return at_data(p, c);
    case IN_ATOM:
        return in_atom(p, c);
    case IN_QUOTED:
    case IN_ESCAPE:
        return in_quoted(p, c);
    case IN_SIZE:
        return in_size(p, c);
    case AFTER_TOKEN:
        return after_token(p, c);
    case AT_TEXT:
        return keep(p, c);
    default: /* something between "}" and the line break */
        return IMAP_GARBAGE;
    }
}

enum imap_step imap_parse(struct imap_parser *p, struct str *bytes)
{
    enum imap_step step = IMAP_MORE;

    while (step == IMAP_MORE && bytes->len > 0) {
        if (p->state == IN_LITERAL) {
            step = take_literal(p, bytes);
        } else {
            step = take_byte(p, bytes->p[0]);
            *bytes = str_from(*bytes, 1);
        }
    }
    return step;
}

/* ---- reading it ------------------------------------------------------------------------------------- */

static const struct imap_node *node_at(const struct imap_parser *p, uint32_t index)
{
    return index ? &p->nodes[index] : NULL;
}

const struct imap_node *imap_first(const struct imap_parser *p)
{
    return node_at(p, p->nodes[0].child);
}

const struct imap_node *imap_next(const struct imap_parser *p, const struct imap_node *node)
{
    return node_at(p, node->next);
}

const struct imap_node *imap_child(const struct imap_parser *p, const struct imap_node *list)
{
    return list->kind == IMAP_LIST ? node_at(p, list->child) : NULL;
}

struct str imap_node_str(const struct imap_parser *p, const struct imap_node *node)
{
    return node->kind == IMAP_ATOM || node->kind == IMAP_STRING
               ? str_n(buf_str(&p->text).p + node->at, node->len)
               : STR("");
}

/* RFC 9051 7.1: what stands in brackets; without them, nothing. */
static struct str in_brackets(const struct imap_parser *p)
{
    struct str text = buf_str(&p->text);
    const char *end;

    if (p->status == IMAP_DATA || text.len == 0 || text.p[0] != '[')
        return STR("");
    end = memchr(text.p, ']', text.len);
    return end ? str_n(text.p + 1, (size_t)(end - text.p) - 1) : STR("");
}

struct str imap_code(const struct imap_parser *p)
{
    struct str rest = in_brackets(p), name = STR("");

    str_split(&rest, ' ', &name);
    return name;
}

struct str imap_code_value(const struct imap_parser *p)
{
    struct str code = in_brackets(p);

    return str_trim(str_from(code, imap_code(p).len));
}

struct str imap_words(const struct imap_parser *p)
{
    struct str text = buf_str(&p->text), code = in_brackets(p);

    return code.len ? str_trim(str_from(text, code.len + 2)) : text;
}

bool imap_has_code(const struct imap_parser *p, const char *name)
{
    return str_eq_nocase(imap_code(p), str_c(name));
}
