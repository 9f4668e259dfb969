// SPDX-License-Identifier: Apache-2.0
// What the API tells, as the pages use it. The shapes come from the server's own document (api-types.ts); here they get the names
// that the pages know them by, and what the document leaves open.
import type { components } from "./api-types";
import type { Values } from "./schema";

type Schemas = components["schemas"];
/* The document names the members; the server always sends them. */
type Whole<T> = T extends (infer U)[] ? Whole<U>[] : T extends object ? { -readonly [K in keyof T]-?: Whole<T[K]> } : T;
type With<T, More> = Omit<T, keyof More> & More;

export type Role = "viewer" | "operator" | "admin";
export type State = "ok" | "down" | "fault" | "challenged" | "disabled" | "pending";
export type Status = With<Partial<Whole<Schemas["Status"]>>, { state: State }>;
export type Session = With<Whole<Schemas["Session"]>, { role: Role; csrfToken: string }>;

export interface Page<T> { items: T[]; next: string | null }
export interface FieldError { pointer: string; code: string; detail: string }
export type Warning = FieldError;

export interface Node { name: string; type: string; path?: string; state?: State | undefined; cause?: string | undefined; children?: Node[] }

type Either = Omit<Schemas["OutgoingAccount"], "type" | "transport"> & Omit<Schemas["IncomingAccount"], "type" | "transport">;
export type Account = With<Partial<Whole<Either>>, {
    name: string; type: string; hostname: string; port: number; transport: string; enabled: boolean; useSsl: boolean; useStartTls: boolean;
    emailAuthenticator: Values & { type: string }; etag?: string; status: Status;
}>;

export type Certificate = With<Whole<Schemas["Certificate"]>, { notBefore: string; notAfter: string }>;
export type AllowedHost = With<Whole<Schemas["AllowedHost"]>, {
    certificate: Certificate | null; chain: Certificate[]; previous: Certificate | null;
}>;
export type Approval = AllowedHost["approval"];
export type TrustedCa = With<Whole<Schemas["UserCa"]>, { certificate: Certificate }>;
export type SystemCa = With<Whole<Schemas["SystemCa"]>, { certificate: Certificate }>;
export type KeyPair = With<Partial<Whole<Schemas["KeyPair"]>>, { id: string; certificate: Certificate | null; usedBy: string[]; warnings?: Warning[] }>;
export type Impact = Whole<Schemas["Impact"]>;
export type Change = Whole<Schemas["Change"]>;
export interface Plan { changes: Change[]; unchanged: number; warnings?: Warning[]; impact?: Impact[] }

export type Step = With<Partial<Whole<Schemas["Step"]>>, { name: string; ok: boolean; ms: number }>;
export interface Verification {
    ok: boolean; steps: Step[]; tls?: Values | null; certificate?: Certificate | null; challenge?: AllowedHost | null;
}

export type Recipient = Whole<Schemas["Recipient"]>;
export type MessageItem = Whole<Schemas["MessageItem"]>;
export type Attachment = Whole<Schemas["AttachmentItem"]>;
export type ReportedRecipient = Whole<Schemas["ReportedRecipient"]>;
/* Its content is for those who may read it. */
type Content = "cc" | "replyTo" | "headers" | "text" | "html" | "attachments" | "partial";
export type Message = Omit<Whole<Schemas["Message"]>, Content | "report" | "reports"> & Partial<Pick<Whole<Schemas["Message"]>, Content | "report" | "reports">>;

export type Provider = With<Whole<Schemas["Provider"]>, { authenticator: string | Values }>;
export type User = With<Partial<Whole<Schemas["User"]>>, { name: string; role: Role; etag: string }>;
export type Token = With<Whole<Schemas["Token"]>, { role: Role }>;
export type AuditEntry = With<Whole<Schemas["AuditEntry"]>, { detail: Values | null }>;
