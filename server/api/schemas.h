/* SPDX-License-Identifier: Apache-2.0 */
/* server/api/schemas.h - the shapes that no component type describes: pages, problems, answers of actions. */
#ifndef POSTERN_API_SCHEMAS_H
#define POSTERN_API_SCHEMAS_H

#include <jansson.h>

json_t *schemas_json(void);     /* {name: schema}; the caller's */
/* Adds the component types to them, with what the API tells beside their properties. */
void schemas_add_components(json_t *schemas);

#endif
