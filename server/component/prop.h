/* SPDX-License-Identifier: Apache-2.0 */
/* server/component/prop.h - property descriptors: one row is the source of checks, storage, JSON, JSON Schema, sheet and manual.
 *
 * A component is a plain C struct; its type is a table of rows that say where each value lives. */
#ifndef POSTERN_COMPONENT_PROP_H
#define POSTERN_COMPONENT_PROP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum prop_type {
    PROP_BOOL,          /* bool */
    PROP_INT,           /* int64_t */
    PROP_ENUM,          /* int64_t, the index into choices */
    PROP_STRING,        /* char *, one line */
    PROP_TEXT,          /* char *, several lines */
    PROP_HOST,          /* char *, DNS name or IP literal, or "" */
    PROP_MAILBOX,       /* char *, an RFC 5322 mailbox ("Plant <plant@example.com>") or "" */
    PROP_TIME,          /* int64_t, ms since 1970; 0 is null */
    PROP_STRINGS,       /* json_t *, array of strings (owned) */
    PROP_SECRET,        /* struct secret */
    PROP_VARIANT,       /* struct variant: an object whose "type" chooses its rows */
    PROP_JSON,          /* json_t * (owned), read-only facts such as lastTls; NULL is null */
};

enum prop_flags {
    PROP_READONLY = 1,  /* the server writes it; not configuration */
    PROP_REQUIRED = 2,  /* must be given at creation */
    PROP_OPERATOR = 4,  /* an operator may set it; everything else takes an administrator */
    PROP_PERSISTENT = 8,        /* with READONLY: kept over restarts; READONLY alone is worked out when asked for */
    PROP_HIDDEN = 16,           /* stored, and in no JSON and no schema */
};

/* A write-only value: given itself, or by the name of a file in the credentials directory. */
struct secret {
    char *value;        /* or NULL */
    char *file;         /* {"$file": "name"}; or NULL */
};

struct variant_type {
    const char *name;                   /* "basic" */
    const char *title;                  /* "Basic"; NULL: from the name */
    const char *doc;
    const struct prop *props;           /* offsets into `size` bytes */
    size_t size;
    const struct component_type *only;  /* or NULL: for every type */
};

struct variant {
    const struct variant_type *type;
    void *value;                        /* owned; `type->size` bytes */
};

struct problems;

struct prop {
    const char *name;                   /* camelCase, as in JSON; the column is its snake_case */
    enum prop_type type;
    size_t at;
    const char *preset;                 /* default, as text; goes through the same parser as input. NULL: "" / 0 / null */
    struct { int64_t min, max; } range; /* PROP_INT; both 0: any. For strings: max length in bytes, 0: 1024 */
    const char *const *choices;         /* PROP_ENUM, NULL-terminated */
    const char *const *titles;          /* PROP_ENUM: words for the sheet; NULL: from the choices */
    const struct variant_type *variants;        /* PROP_VARIANT; the first row with a NULL name ends it */
    unsigned flags;
    const char *group;                  /* heading on the sheet: "Connection" */
    const char *unit;                   /* "s", "bytes", "days" */
    const char *doc;                    /* one sentence */
    const char *refers;                 /* the value names a component of this type; NULL: it names none */
    /* One more check of a value that parsed; returns NULL or what is wrong. */
    const char *(*check)(const void *component, const struct prop *prop);
    /* Schema: the default depends on other properties. */
    const struct dependent_default *dependent;
};

/* Where the value lives; a member of another C type does not compile. */
#define PROP_AT(obj, member, ctype) \
    .at = offsetof(obj, member) + 0 * _Generic(((obj *)0)->member, ctype: 1)

/* {"on": [names], "table": rows}: `values` has one text per name, then the default's text. Ends with a NULL row. */
struct dependent_default {
    const char *const *on;
    const char *const (*rows)[8];
};

struct component_action {
    const char *name;                   /* "sendTest" */
    const char *doc;
    const struct prop *params;          /* or NULL; offsets are not used, only names, types and docs */
    bool admin;                         /* else the operator role is enough */
};

struct component_type {
    const char *name;                   /* "OutgoingAccount" */
    const char *table;                  /* "outgoing_account"; NULL: not stored */
    const char *doc;
    size_t size;
    const struct prop *props;           /* ends with a NULL name */
    const struct component_action *actions;     /* ends with a NULL name, or NULL */
    /* Rules across properties; adds to `problems`. Called after each value is right by itself. */
    void (*check)(const void *component, struct problems *problems);
    const char *const (*exclusive)[2];  /* pairs that cannot both be true; ends with { NULL } */
};

/* ---- values -------------------------------------------------------------------------------------- */

void *component_new(const struct component_type *type);         /* every property at its default */
void *component_copy(const struct component_type *type, const void *from);
void component_free(const struct component_type *type, void *component);       /* wipes secrets; NULL is fine */

/* Makes the variant of `prop` a fresh one of `type`, at its defaults. */
void variant_set(const struct prop *prop, void *component, const struct variant_type *type);

/* Frees what the property holds; leaves it empty. */
void prop_release(const struct prop *prop, void *component);

const struct prop *prop_find(const struct prop *props, const char *name);
#define PROP_VALUE(component, prop, ctype) ((ctype *)((char *)(component) + (prop)->at))
#define PROP_VALUE_CONST(component, prop, ctype) \
    ((const __typeof__(ctype) *)((const char *)(component) + (prop)->at))

char *prop_column(const struct prop *prop);         /* snake_case; the caller frees */
char *prop_title(const char *name);                 /* "useStartTls" -> "Use Start Tls"; the caller frees */

/* 1 to 64 of A-Z a-z 0-9 _ - . and not starting with a dot. */
bool component_name_ok(struct str name);
bool component_host_ok(const char *text);       /* a DNS name or an IP literal by its syntax, or "" */

#endif
