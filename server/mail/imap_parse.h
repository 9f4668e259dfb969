/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap_parse.h - reads one IMAP response, byte by byte if need be. Needs no connection.
 *
 * RFC 9051 9. Three kinds: "a1 OK text" (tagged), "* …" (untagged: a status, or data as a tree of tokens),
 * and
 * "+ text". A literal goes into the response, or to a sink that wants it: a message of any size passes
 * without being kept. Everything has a ceiling; a literal that would pass it is refused when it is announced.
 */
#ifndef POSTERN_MAIL_IMAP_PARSE_H
#define POSTERN_MAIL_IMAP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define IMAP_TEXT_MAX (256 * 1024) /* bytes of a response, without what went to a sink */
#define IMAP_NODES_MAX 32768       /* tokens and lists of a response */
#define IMAP_DEPTH_MAX 32          /* lists within lists */
#define IMAP_WORD_MAX 32           /* bytes of a tag, or of a response's name */

enum imap_step {
    IMAP_MORE, /* the response goes on */
    IMAP_DONE,
    IMAP_GARBAGE, /* not IMAP */
    IMAP_LONG,    /* a ceiling is reached */
    IMAP_STOPPED, /* the sink wants no more */
};

enum imap_type { IMAP_UNTAGGED, IMAP_TAGGED, IMAP_CONTINUE };
enum imap_status { IMAP_DATA, IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };
enum imap_kind { IMAP_ATOM, IMAP_STRING, IMAP_LIST, IMAP_STREAMED };

struct imap_node {
    enum imap_kind kind;
    uint32_t at, len; /* of its bytes in `text`; a list and what was streamed have none */
    uint32_t next;    /* the one that follows in the same list; 0: none */
    uint32_t child;   /* a list's first; 0: none */
    uint64_t size;    /* streamed: bytes */
};

struct imap_parser;

/* Takes literals away from the response. */
struct imap_sink {
    void *ctx;
    /* A literal of `size` bytes is announced; `so_far` tells what it belongs to. 1: it goes to data(); 0: into the response;
     * -1: IMAP_STOPPED. */
    int (*wants)(void *ctx, const struct imap_parser *so_far, uint64_t size);
    int (*data)(void *ctx, struct str bytes); /* -1: IMAP_STOPPED */
};

struct imap_parser {
    /* The response, once it is IMAP_DONE. */
    enum imap_type type;
    enum imap_status status;
    char tag[IMAP_WORD_MAX + 1];
    char name[IMAP_WORD_MAX + 1]; /* in capitals: "CAPABILITY", "EXISTS", "OK" */
    uint32_t number;              /* "* 23 EXISTS" */
    bool has_number;
    struct buf text;
    struct imap_node *nodes; /* the first is the list of all; use imap_first() and so on */
    uint32_t count;
    const struct imap_sink *sink; /* or NULL */

    /* Where it is. */
    int state;
    bool cr; /* the last byte was one */
    bool after_list, bracketed;
    bool streaming;
    uint32_t room;                     /* nodes there is memory for */
    uint32_t open[IMAP_DEPTH_MAX + 1]; /* the lists that are open */
    uint32_t last[IMAP_DEPTH_MAX + 1]; /* their last members */
    int depth;
    size_t token;  /* where the present token begins in `text` */
    uint64_t size; /* of the literal */
    uint64_t left; /* bytes of it that are still to come */
    int digits;
};

void imap_parser_init(struct imap_parser *parser);
void imap_parser_clear(struct imap_parser *parser); /* for the next response; the sink stays */
void imap_parser_free(struct imap_parser *parser);

/* Takes bytes off the front of `*bytes`, none beyond the end of the response. After anything but IMAP_MORE
 * the parser is finished until it is cleared. */
enum imap_step imap_parse(struct imap_parser *parser, struct str *bytes);
/* Bytes that are still to come before the next line begins. */
uint64_t imap_literal_left(const struct imap_parser *parser);

/* Data: the tokens after the name. NULL: none. */
const struct imap_node *imap_first(const struct imap_parser *parser);
const struct imap_node *imap_next(const struct imap_parser *parser, const struct imap_node *node);
const struct imap_node *imap_child(const struct imap_parser *parser, const struct imap_node *list);
struct str imap_node_str(const struct imap_parser *parser, const struct imap_node *node);

/* Status: "[UIDNEXT 42] words" in parts. Empty where there are none. */
struct str imap_code(const struct imap_parser *parser);       /* UIDNEXT */
struct str imap_code_value(const struct imap_parser *parser); /* 42 */
struct str imap_words(const struct imap_parser *parser);      /* words; of a continuation, all of it */
bool imap_has_code(const struct imap_parser *parser, const char *name);

#endif
