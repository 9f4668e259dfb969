/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/event_types.h - every type of event, with its words: checks, filters, the API's document and the manual read it. */
#ifndef POSTERN_APP_EVENT_TYPES_H
#define POSTERN_APP_EVENT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct component_type;

struct event_type {
    const char *name;                   /* "message.sent" */
    int role;                           /* USER_VIEWER …: who is told, at least */
    const char *doc;                    /* one sentence */
    const char *data;                   /* members of its data, with a space between; "" for none */
};
/* In order of name; the last has none. */
extern const struct event_type event_types[];

int event_type_find(const char *name);                  /* its place; -1 when there is no such type */

/* What the events of a component type begin with: "account", "user"; NULL for one whose changes are told in words of their own. */
const char *event_family(const struct component_type *type);

/* Some of the types. */
struct event_set {
    bool all;                           /* also such as this version doesn't know */
    uint64_t bits[2];
};
/* Adds what a word names: a type, a prefix ("message.*") or everything ("*"); false when it names nothing. */
bool event_set_add(struct event_set *set, struct str word);
bool event_set_has(const struct event_set *set, int type);

#endif
