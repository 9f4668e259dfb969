// SPDX-License-Identifier: Apache-2.0
// Which editor edits what. A new kind of property is one line here and one small file.
import type { Component } from "svelte";
import type { Kind, Property } from "../schema";
import BooleanField from "./BooleanField.svelte";
import EnumField from "./EnumField.svelte";
import type { FieldProps } from "./field";
import IntegerField from "./IntegerField.svelte";
import ListField from "./ListField.svelte";
import MultilineField from "./MultilineField.svelte";
import QuantityField from "./QuantityField.svelte";
import ReadOnlyField from "./ReadOnlyField.svelte";
import SecretField from "./SecretField.svelte";
import TextField from "./TextField.svelte";
import TimeField from "./TimeField.svelte";
import VariantField from "./VariantField.svelte";

const fields: Record<Kind, Component<FieldProps>> = {
    boolean: BooleanField,
    enum: EnumField,
    integer: IntegerField,
    list: ListField,
    multiline: MultilineField,
    object: ReadOnlyField,
    quantity: QuantityField,
    secret: SecretField,
    text: TextField,
    time: TimeField,
    variant: VariantField,
};

export function fieldFor(property: Property): Component<FieldProps> {
    return property.readOnly ? ReadOnlyField : fields[property.kind];
}
