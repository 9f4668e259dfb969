# SPDX-License-Identifier: Apache-2.0
"""schema.py - as much of JSON Schema 2020-12 as our documents use; a keyword it doesn't know is an error of its own.

    faults(value, schema, document)         # ["/items/0/port: 70000 is not at most 65535", …]
"""

import datetime
import re

TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
NOTED = {"title", "description", "default", "examples", "readOnly", "writeOnly", "deprecated", "$schema", "$id",
         "$defs"}
KNOWN = {"$ref", "type", "const", "enum", "properties", "required", "additionalProperties", "items", "anyOf", "oneOf",
         "allOf", "minimum",
         "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "format"}


def is_type(value, name):
    if name in ("integer", "number"):
        return isinstance(value, (int, float) if name == "number" else int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def resolve(reference, document):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def faults(value, schema, document=None, at=""):
    if schema is True or schema == {}:
        return []
    if schema is False:
        return [f"{at}: nothing is allowed here"]
    found = [f"{at}: schema.py doesn't know {key}" for key in schema if key not in KNOWN | NOTED
             and not key.startswith("x-")]
    if "$ref" in schema:
        found += faults(value, resolve(schema["$ref"], document), document, at)
    found += plain(value, schema, at)
    found += members(value, schema, document, at)
    for key, good in (("anyOf", lambda n: n >= 1), ("oneOf", lambda n: n == 1), ("allOf", None)):
        if key in schema:
            each = [faults(value, one, document, at) for one in schema[key]]
            if key == "allOf":
                found += [fault for one in each for fault in one]
            elif not good(sum(not one for one in each)):
                found += [f"{at}: {sum(not one for one in each)} of {key} match"] + min(each, key=len)
    return found


def plain(value, schema, at):
    found = []
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, name) for name in types):
        return [f"{at}: {value!r} is not {' or '.join(types)}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{at}: {value!r} doesn't match {schema['pattern']}")
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            found.append(f"{at}: {value!r} has the wrong length")
        if schema.get("format") == "date-time":
            try:
                datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                found.append(f"{at}: {value!r} is no time")
    if is_type(value, "number"):
        if value < schema.get("minimum", value):
            found.append(f"{at}: {value} is not at least {schema['minimum']}")
        if value > schema.get("maximum", value):
            found.append(f"{at}: {value} is not at most {schema['maximum']}")
    return found


def members(value, schema, document, at):
    found = []
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            if name in properties:
                found += faults(member, properties[name], document, f"{at}/{name}")
            elif "additionalProperties" in schema:
                found += faults(member, schema["additionalProperties"], document, f"{at}/{name}")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{at}: {len(value)} items")
        for number, item in enumerate(value):
            found += faults(item, schema.get("items", True), document, f"{at}/{number}")
    return found


def references(node):
    """Every $ref in it."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def strict(node):
    """The same, and no object may have members that its properties don't name: for what we answer ourselves."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: {name: strict(one) for name, one in value.items()} if key == "properties" else strict(value) for key,
            value in node.items()}
    if made.get("properties") and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made
