// SPDX-License-Identifier: Apache-2.0
// The one way to the server. Everything is JSON under /api/v1 of the same origin; a refusal comes back as a Problem,
// a server that can't be reached as Unreachable, and nothing else is thrown.

import type { FieldError } from "./model";

export class Problem extends Error {
    constructor(
        readonly status: number, readonly code: string, detail: string,
        readonly errors: FieldError[] = [], readonly retryAfter: number | null = null,
    ) {
        super(detail);
        this.name = "Problem";
    }
}

export class Unreachable extends Error {
    constructor() {
        super("unreachable");
        this.name = "Unreachable";
    }
}

export interface Answer<T> { status: number; data: T; etag: string | null; location: string | null }

export interface Options {
    method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
    body?: unknown;             /* an object is sent as JSON, a string or bytes as they are with `type` */
    type?: string;
    ifMatch?: string | null;
    timeout?: number;           /* ms */
    signal?: AbortSignal;
}

const base = "/api/v1";
let csrfToken = "";
let whenSessionEnds: () => void = () => {};
let whenTokenIsStale: () => Promise<void> = () => Promise.resolve();

export function useToken(token: string): void { csrfToken = token; }
export function onSessionEnd(handler: () => void): void { whenSessionEnds = handler; }
/* Another tab logged in anew: the handler fetches the token of now. */
export function onStaleToken(handler: () => Promise<void>): void { whenTokenIsStale = handler; }

/* How far the server's clock is ahead of this one, in ms: times are the server's, and clocks differ. */
let ahead = 0;

export function serverNow(): number { return Date.now() + ahead; }

function noteClock(response: Response): void {
    const theirs = Date.parse(response.headers.get("Date") ?? ""), difference = theirs + 500 - Date.now();
    /* It tells whole seconds, and the answer was under way: what is less than two is none. */
    if (!Number.isNaN(theirs))
        ahead = Math.abs(difference) < 2000 ? 0 : difference;
}

function headersOf(options: Options): Headers {
    const headers = new Headers({ Accept: "application/json, application/problem+json" });
    const method = options.method ?? "GET";
    if (options.body !== undefined)
        headers.set("Content-Type", options.type ?? (method === "PATCH" ? "application/merge-patch+json" : "application/json"));
    if (method !== "GET" && csrfToken)
        headers.set("X-CSRF-Token", csrfToken);
    if (options.ifMatch)
        headers.set("If-Match", options.ifMatch);
    return headers;
}

async function problemOf(response: Response): Promise<Problem> {
    let told: { code?: string; type?: string; title?: string; detail?: string; errors?: FieldError[] } = {};
    try {
        told = await response.json();
    } catch {
        /* not from Postern itself: a proxy, perhaps. The status says enough. */
    }
    const after = Number(response.headers.get("Retry-After"));
    return new Problem(response.status, told.code ?? told.type ?? "", told.detail || told.title || response.statusText ||
        String(response.status), told.errors ?? [], Number.isFinite(after) && after > 0 ? after : null);
}

export async function request<T>(path: string, options: Options = {}): Promise<Answer<T>> {
    try {
        return await requestOnce<T>(path, options);
    } catch (cause) {
        if (!(cause instanceof Problem && cause.status === 403 && cause.code === "csrf"))
            throw cause;
        await whenTokenIsStale();
        return requestOnce<T>(path, options);
    }
}

async function requestOnce<T>(path: string, options: Options): Promise<Answer<T>> {
    const deadline = AbortSignal.timeout(options.timeout ?? 15_000);
    const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
    const body = options.body === undefined ? null
        : typeof options.body === "string" ? options.body
        : options.body instanceof Uint8Array ? new Blob([options.body as BlobPart]) : JSON.stringify(options.body);
    let response: Response;
    let text = "";
    try {
        response = await fetch(base + path, {
            method: options.method ?? "GET", headers: headersOf(options), body, signal,
            credentials: "same-origin", cache: "no-cache", redirect: "error",
        });
        noteClock(response);
        if (response.ok)
            text = await response.text();
    } catch (cause) {
        if (options.signal?.aborted)
            throw cause;
        throw new Unreachable();
    }
    if (!response.ok) {
        if (response.status === 401 && !path.startsWith("/session"))
            whenSessionEnds();
        throw await problemOf(response);
    }
    const isJson = /[/+]json\b/.test(response.headers.get("Content-Type") ?? "");
    return {
        status: response.status,
        data: (isJson && text ? JSON.parse(text) : text || null) as T,       /* what isn't JSON is text */
        etag: response.headers.get("ETag"),
        location: response.headers.get("Location"),
    };
}

/* What is no text, such as a picture in a mail: as a data URL of the type that the caller believes in. */
export async function dataUrl(path: string, type: string): Promise<string> {
    const response = await fetch(base + path, { credentials: "same-origin", redirect: "error" });
    if (!response.ok)
        throw await problemOf(response);
    const blob = new Blob([await response.arrayBuffer()], { type });
    return new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(String(reader.result));
        reader.onerror = () => reject(new Unreachable());
        reader.readAsDataURL(blob);
    });
}

/* An answer that is a file, as bytes. */
export async function postForBytes(path: string, body: unknown): Promise<ArrayBuffer> {
    let response: Response;
    try {
        response = await fetch(base + path, { method: "POST", headers: headersOf({ method: "POST", body }), body: JSON.stringify(body), credentials: "same-origin", redirect: "error" });
    } catch {
        throw new Unreachable();
    }
    if (!response.ok)
        throw await problemOf(response);
    return response.arrayBuffer();
}

export async function get<T>(path: string, options: Options = {}): Promise<T> {
    return (await request<T>(path, options)).data;
}

export async function post<T>(path: string, body?: unknown, options: Options = {}): Promise<T> {
    return (await request<T>(path, { ...options, method: "POST", ...(body === undefined ? {} : { body }) })).data;
}

/* One segment of a path. A colon may stand there, and an Allowed Hosts id is readable with it. */
export function segment(text: string): string {
    return encodeURIComponent(text).replace(/%3A/gi, ":");
}
