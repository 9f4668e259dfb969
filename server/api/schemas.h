/* SPDX-License-Identifier: Apache-2.0 */
/* server/api/schemas.h - the shapes that no component type describes: pages, problems, answers of actions. */
#ifndef POSTERN_API_SCHEMAS_H
#define POSTERN_API_SCHEMAS_H

#include <jansson.h>

json_t *schemas_json(void);     /* {name: schema}; the caller's */

#endif
