// SPDX-License-Identifier: Apache-2.0
// Every word that the workbench says, in one place; a translation is another object of the same shape. The names and
// help of properties and actions are not here: they come with the types, from the server.
import type { Complaint } from "./schema";

const plural = new Intl.PluralRules("en");

function count(n: number, one: string, other: string): string {
    return `${n.toLocaleString()} ${plural.select(n) === "one" ? one : other}`;
}

function list(words: string[]): string {
    return new Intl.ListFormat("en", { type: "conjunction" }).format(words);
}

/* The first few of many. */
function someOf(words: string[]): string {
    return words.length > 8 ? `${words.slice(0, 8).join(", ")}, ${andMore(words.length - 8)}` : list(words);
}

function andMore(n: number): string {
    return `and ${n.toLocaleString()} more`;
}

export const t = {
    product: "Postern",
    tagline: "Every mail account of a site, in one place.",
    list, someOf, andMore,

    common: {
        cancel: "Cancel", close: "Close", delete: "Delete", loading: "Loading…", more: "More", none: "none", copy: "Copy",
        copied: "Copied", yes: "yes", no: "no", undo: "undo", refresh: "Refresh", save: "Save", never: "never", all: "all",
        retry: "Try again", details: "Details", skip: "Skip to the sheet",
    },
    header: {
        search: "Filter the tree", challenges: (n: number) => count(n, "challenge", "challenges"), noChallenges: "No challenges",
        dark: "Dark colours", light: "Light colours", account: (name: string) => `Logged in as ${name}`,
        logOut: "Log out", logOutEverywhere: "Log out everywhere", password: "Change password…", shortcuts: "Keyboard shortcuts", navigation: "Navigation",
        menu: "Show or hide the tree", licences: "Licences",
    },
    session: {
        title: "Log in", username: "Username", password: "Password", logIn: "Log in", working: "Logging in…",
        wrong: "The username or the password is not right.",
        locked: (seconds: number | null) => seconds
            ? `Too many attempts. Log in again in ${duration(seconds)}.`
            : "Too many attempts. Wait a few minutes, then log in again.",
        ended: "Your session has ended. Log in again to go on; nothing you typed is lost.",
        again: "Log in again",
        change: "Choose a new password", first: "The password you used is for the first log-in only.", old: "Present password",
        next: "New password", repeat: "New password again", set: "Set the password", differ: "The two are not the same.",
        rule: "A short sentence is easy to remember and hard to guess.", changed: "The password is changed.",
        show: "Show", hide: "Hide",
        idle: (at: string) => `Nobody has used this page for a while. You will be logged out at ${at}.`, stay: "Stay logged in",
        ending: (at: string) => `Your session ends at ${at}. Log in again to go on; nothing you typed is lost.`,
    },
    lost: {
        now: "The server doesn't answer.",
        strip: (since: string) => `The server has not answered since ${since}. What you typed is kept; this page goes on by itself.`,
        start: "The server doesn't answer yet. This page goes on by itself.",
        part: "This part of the page could not be fetched. The server may be away, or newer than this page.", reload: "Reload the page",
    },
    refused: {
        forbidden: (detail: string) => `Your role doesn't allow this. ${detail}`,
        other: (detail: string) => `That didn't work: ${detail}`,
        gone: "This is not there any more. Someone may have deleted it.",
    },
    state: {
        names: { ok: "ok", pending: "not tried yet", challenged: "challenged", down: "down", fault: "fault", disabled: "disabled" },
        since: (when: string) => `since ${when}`,
    },
    complaint: (c: Complaint, measured: (n: number) => string): string =>
        c.why === "number" ? "A whole number goes here."
        : c.why === "range" ? `From ${measured(c.from)} to ${measured(c.to)}.`
        : `At most ${c.most.toLocaleString()} characters.`,

    sheet: {
        other: "General", tab: "Property Sheet", label: "Properties",
        changes: (n: number) => n === 0 ? "No changes" : count(n, "change", "changes"),
        saved: "Saved.", savedWith: (n: number) => `Saved, with ${count(n, "remark", "remarks")}.`, saving: "Saving…",
        refused: (n: number) => `Not saved: ${count(n, "value needs", "values need")} another look.`,
        was: (old: string) => `was ${old}`, to: (old: string, now: string) => `${old} → ${now}`, follows: (by: string) => `follows ${by}`,
        usual: (value: string, why: string) => `${value} is usual for ${why}.`, use: (value: string) => `use ${value}`,
        undoRow: (title: string) => `Undo the change of ${title}`,
        conflict: (who: string, both: number) => `${who || "Someone else"} saved this while you were editing. ${both === 0
            ? "You changed other rows; Save keeps both." : `${count(both, "row was", "rows were")} changed by both of you; take which?`}`,
        theirs: (value: string) => `Theirs: ${value}`, takeTheirs: "take theirs", keepMine: "keep mine", takeAll: "Take theirs", keepAll: "Keep mine", understood: "All right",
        range: (from: string, to: string) => `${from} to ${to}`, setBy: (who: string, when: string) => `set by ${who}, ${when}`, changedBy: (who: string) => `last changed by ${who}`,
        readOnly: "Your role may look at this; an administrator changes what is greyed.", empty: "empty",
        refreshed: "Up to date.",
        discard: { title: "Discard the changes?", text: (n: number) => `${count(n, "change has", "changes have")} not been saved.`, go: "Discard and refresh" },
    },
    secret: {
        set: "set", notSet: "not set", replace: "Replace", enter: "Set", clear: "Clear", cleared: "will be cleared", keep: "keep stored",
        fromFile: (name: string) => `from the file ${name}`, value: (title: string) => `New ${title}`, willBeSet: "will be set",
    },
    boolean: { true: "true", false: "false" },

    nav: { tree: "Station", palette: "Palette", paletteOf: "email", filterNone: "Nothing has that name.", unsaved: "unsaved changes", menu: (name: string) => `Menu of ${name}` },
    menu: {
        views: "Views", actions: "Actions", new: "New", enable: "Enable", disable: "Disable", delete: "Delete…", open: "Open", review: "Review the certificate…",
        copy: "Copy", paste: "Paste…", duplicate: "Duplicate…", rename: "Rename…", enabled: (name: string) => `${name} is enabled.`, disabled: (name: string) => `${name} is disabled.`,
    },
    leave: {
        title: (name: string) => `Save the changes of ${name}?`, discard: "Discard", keep: "Keep for later",
        text: (n: number) => `${count(n, "change has", "changes have")} not been saved. Kept for later, they stay on the sheet as long as this page is open.`,
    },
    copy: {
        done: (name: string) => `${name} is copied. Paste makes another one of it.`, paste: (name: string) => `Paste ${name}`, duplicate: (name: string) => `Duplicate ${name}`,
        lost: (secrets: string[]) => `Secrets are not copied (${list(secrets)}): the new account starts disabled until you set them.`,
    },
    rename: {
        title: (name: string) => `Rename ${name}`, to: "New name", go: "Rename", rule: "1 to 64 of A–Z a–z 0–9 _ - . and not a dot first.",
        text: "Its messages and its place as the default account go along. Programs that post to it by the old name must be told.", unsaved: "Unsaved changes on its sheet are lost.",
        done: (name: string, to: string) => `${name} is now ${to}.`,
    },
    bulk: {
        at: (n: number, of: number, failed: number) => `${n.toLocaleString()} of ${of.toLocaleString()}${failed > 0 ? `, ${failed.toLocaleString()} failed` : ""}`,
        over: (n: number, failed: number) => failed > 0 ? `${n.toLocaleString()} done, ${failed.toLocaleString()} of them failed.` : `${n.toLocaleString()} done, none failed.`,
        stop: "Stop", all: (n: number) => `show all ${n.toLocaleString()}`, fewer: "show fewer",
    },

    station: {
        well: (n: number) => n === 0 ? "No accounts yet" : n === 1 ? "The account works" : `All ${n.toLocaleString()} accounts work`,
        need: (n: number) => `${count(n, "account needs", "accounts need")} you`,
        wait: (n: number) => `${count(n, "account has", "accounts have")} not been tried yet`,
        needs: "What needs you", services: "Services", disabledAll: "Every account is disabled", more: (n: number) => `${n.toLocaleString()} more in the account manager`,
        redundant: "No longer needed", accounts: (n: number) => count(n, "account", "accounts"),
    },
    accounts: {
        title: "Accounts", name: "Name", kind: "Kind", server: "Server", security: "Security", status: "Status", queue: "Queue",
        lastSuccess: "Last success", none: "No accounts yet", authenticator: "Authenticator", securities: { ssl: "Ssl", startTls: "Start Tls", plain: "none" },
        find: "Find an account", anyKind: "Both kinds", several: "With the selected accounts", clear: "clear", poll: "Poll", noneFound: "No account is like that.",
        selected: (n: number, of: number) => n === 0 ? count(of, "account", "accounts") : `${n.toLocaleString()} of ${count(of, "account", "accounts")} selected`,
        select: (name: string) => `Select ${name}`, selectAll: "Select all", paused: "This account is paused: messages wait until it is resumed.",
        teach: "An OutgoingAccount sends what your machines post. An IncomingAccount fetches what arrives in a mailbox. Make the first one here, or with POST /api/v1/accounts.",
        table: "Accounts of the EmailService",
    },
    create: {
        button: "New account", title: "New account", kind: "Kind", name: "Name", make: "Create",
        outgoing: "OutgoingAccount", outgoingHelp: "sends messages through a server", incoming: "IncomingAccount", incomingHelp: "fetches messages from a mailbox",
        rule: "1 to 64 of A–Z a–z 0–9 _ - . and not a dot first. The name stays.",
        bad: "A name is 1 to 64 of A–Z a–z 0–9 _ - . and doesn't start with a dot.", taken: (name: string) => `There is already an account named ${name}.`,
        made: (name: string, complete: boolean) => complete ? `${name} is made.` : `${name} is made. Give it a hostname next.`,
        preset: (provider: string, type: string, both: boolean) => both ? `${provider}, ${type === "IncomingAccount" ? "incoming" : "outgoing"}` : provider,
        presetAny: "any server", fills: (server: string) => `Fills in ${server} and how to log in.`,
    },
    remove: {
        title: (name: string) => `Delete ${name}?`, titleMany: (n: number) => `Delete ${count(n, "account", "accounts")}?`, asking: "Looking at what would be lost…",
        account: "Its settings and its secrets are lost. Finished messages stay listed until their retention ends.",
        accounts: "Their settings and their secrets are lost. Finished messages stay listed until their retention ends.",
        waiting: (n: number) => `${count(n, "message that waits is", "messages that wait are")} canceled and never sent.`,
        also: (what: string) => `${what} has no default outgoing account any more.`, unsaved: (name: string) => `Unsaved changes of ${name} are lost.`, more: (n: number) => `${n.toLocaleString()} more`,
        progress: (n: number, of: number) => `${n.toLocaleString()} of ${of.toLocaleString()} deleted.`,
        done: (name: string) => `${name} is deleted.`, doneMany: (n: number) => `${count(n, "account is", "accounts are")} deleted.`,
    },
    views: { sheet: "Property Sheet", messages: "Messages", diagnostics: "Diagnostics", log: "Log", accounts: "Accounts", hosts: "Allowed Hosts", userTrust: "User Trust Store", systemTrust: "System Trust Store", keys: "User Key Store", users: "Users", tokens: "API Tokens", overview: "Overview", config: "Configuration" },
    actions: {
        menu: "More actions", done: (title: string) => `${title}: done.`, go: "Go", confirm: (title: string, name: string) => `${title} on ${name}?`,
        clearQueue: (n: number) => n > 0 ? `${count(n, "waiting message is", "waiting messages are")} canceled and never sent.` : "Waiting messages are canceled and never sent.",
        unsaved: "This works with what is saved. The changes on the sheet are not saved yet.",
    },
    verify: {
        title: "Diagnostics", run: "Verify", again: "Verify again", running: (name: string) => `Verifying ${name}…`, stop: "Stop waiting",
        waits: "Waiting for the server's answer.", ok: "Everything worked.", failed: (step: string) => `It stopped at: ${step}.`,
        none: "Verify goes through every step of a connection, says how long each took, and where it stopped, why. It sends no message.",
        took: (ms: string) => `${ms} ms in all`, when: (at: string) => `checked ${at}`, step: "Step", time: "Time", detail: "What happened", cause: "Cause", remedy: "What to do",
        tls: "Connection", review: "Review the certificate…",
        steps: {
            settings: "Settings", resolve: "Resolve", connect: "Connect", tls: "TLS handshake", certificate: "Certificate", greeting: "Greeting", starttls: "Start Tls", capabilities: "Capabilities",
            authenticate: "Log in", mailbox: "Mailbox",
        } as Record<string, string>,
        passed: "passed", stopped: "stopped here",
        tlsNames: {
            protocol: "Protocol", cipher: "Cipher", keyExchange: "Key exchange", issuer: "Issuer", notAfter: "Valid until", sha256: "SHA-256", spkiSha256: "Key SHA-256",
        } as Record<string, string>,
    },
    sendTest: {
        watch: "The test message", sent: (to: string) => `The server took the message to ${to}.`, state: "State", open: "Open in Messages", title: "Send test",
        waiting: "On its way…", help: "A short message is put into this account's queue and sent like any other.", to: "To", send: "Send",
    },
    messages: {
        title: "Messages", none: "No messages yet", teach: "What this account sends is listed here, newest first.", teachIncoming: "What arrives in the mailbox is listed here, newest first.",
        noneFound: "No message is like that.", find: "Find words", table: "Messages, newest first", one: "Message", back: "All messages",
        state: "State", to: "To", from: "From", subject: "Subject", date: "Date", size: "Size", account: "Account", finished: "Finished", sendAt: "Send at", by: (who: string) => `posted by ${who}`,
        recipients: "Recipients", reply: "Reply", raw: "Raw message", noSubject: "(no subject)", recipient: "Recipient", code: "Code", allRecipients: (n: number) => `Show all ${n.toLocaleString()}`,
        retry: "Retry", cancel: "Cancel message", hold: "Hold", release: "Release", acknowledge: "Acknowledge", more: "Show more",
        anyState: "Any state", direction: "Direction", anyWay: "Both ways", ways: { outgoing: "Outgoing", incoming: "Incoming" } as Record<string, string>,
        statesOf: {
            outgoing: ["queued", "sending", "held", "deferred", "sent", "failed", "canceled", "uncertain"],
        } as Record<string, string[]>,
        states: {
            queued: "queued", sending: "sending", held: "held", deferred: "deferred", sent: "sent", failed: "failed", canceled: "canceled", uncertain: "uncertain", received: "received",
        } as Record<string, string>,
        attempts: (n: number) => count(n, "attempt", "attempts"), next: (when: string) => `next ${when}`, byLimit: "held by the day's limit until midnight",
        acknowledged: "acknowledged", unacknowledged: "not acknowledged yet",
        fromTo: "From, or to", cc: "Cc", replyTo: "Reply to", report: "This is a report on a delivery", reported: (when: string) => `A report came ${when}`, related: "The message that this is about",
        headersOnly: "It was larger than Max Message Size: only its headers are here, and it stays on the server.",
        reportActions: { failed: "was not delivered", delayed: "is delayed", delivered: "was delivered", relayed: "was passed on", expanded: "was passed on to several" } as Record<string, string>,
        anyReading: "All", unread: "Not acknowledged", read: "Acknowledged", acknowledgeAll: (n: number) => `Acknowledge ${n === 1 ? "this one" : `these ${n.toLocaleString()}`}`,
        acknowledgedAll: (n: number) => `${count(n, "message is", "messages are")} acknowledged.`,
        attachments: "Attachments", unnamed: (n: number) => `Attachment ${n}`, body: "What it says", bodies: { html: "HTML", text: "Text", raw: "Raw" }, save: "Save as file",
        remote: (n: number) => `${count(n, "picture", "pictures")} from elsewhere ${n === 1 ? "is" : "are"} not loaded: loading would tell the sender that this was read.`,
        cut: "This is only the beginning; the file has all of it.",
    },
    charts: {
        sent: "Sent, 24 h", failed: "Failed, 24 h", received: "Received, 24 h", queue: "Queue now", byHour: (title: string) => `${title}, by the hour`,
        queueSince: (most: number, since: string) => `At most ${most.toLocaleString()} since ${since}.`, only: (since: string) => `counted since ${since}`,
    },
    hosts: {
        title: "Allowed Hosts", host: "Host", approval: "Decision", reasons: "Reasons", accounts: "Accounts", lastSeen: "Last seen", until: "Until", certificate: "Certificate", deleteAccounts: (names: string) => `These use it: ${names}.`,
        none: "No exemptions", teach: "Every certificate verifies against the trust stores. When a server shows one that doesn't, it waits here for a decision and no mail goes to it.",
        review: "Review…", show: "Show…", approve: "Accept…", forget: "Delete", redundant: "no longer needed", redundantText: "The certificate verifies by itself now; the exemption can go.",
        deleted: (id: string) => `${id} is forgotten.`,
        deleteTitle: (id: string) => `Delete ${id} from Allowed Hosts?`,
        deleteText: "The exemption is lost, and connections that rely on it are closed. If the certificate still doesn't verify, mail to this host waits until someone accepts it again.",
        deleteRedundant: "The certificate verifies without it, so mail goes on flowing.",
        approvals: { pending: "waits for a decision", approved: "accepted", rejected: "rejected", changed: "key changed" } as Record<string, string>,
        table: "Exemptions by host and port",
    },
    challenge: {
        pendingTitle: (id: string) => `${id} can't be verified`, changedTitle: (id: string) => `${id} shows another key`, knownTitle: (id: string) => id,
        pending: (id: string) => `Postern reached ${id} and closed the connection before sending anything secret, because it can't verify who answered.`,
        changed: (id: string) => `${id} used to show a key that was accepted here. Now it shows another one. Messages wait until someone decides.`,
        approved: (by: string, when: string) => `Accepted by ${by} ${when}.`, rejected: "Rejected. No connection goes on with this certificate.",
        redundant: "The certificate verifies by itself now. This exemption is no longer needed.",
        why: "Why", fingerprint: "Fingerprint of the certificate (SHA-256)",
        compareLabel: "The fingerprint you were told", compareHelp: "Ask the server's administrator for it, by another way than mail. Hex with or without colons, or base64.",
        same: "The same.", sameSpki: "That is the fingerprint of its key, and the same.", differs: (n: number) => n === 1 ? "Not the same: one group differs." : `Not the same: ${n} groups differ.`,
        partial: (n: number) => `The same so far: ${n} of 64 digits.`, notHex: "That is not a SHA-256 fingerprint.",
        chain: "The chain, from the server to its issuer", server: "server", issuer: "issuer", root: "root", notSent: "Its issuer was not sent:", spki: "Key SHA-256", limits: "Limits", selfSigned: "signed by itself", old: "Accepted before", now: "Shown now",
        subject: "Subject", issuedBy: "Issuer", names: "Names", noNames: "no names", from: "Valid from", to: "Valid until", key: "Key", signature: "Signature", serial: "Serial", sha256: "SHA-256",
        differsMark: "differs", sameKey: "same key",
        accepting: "If you accept",
        acceptMeans: (accounts: string, id: string) => `${accounts} will connect to ${id} as long as it shows this key.`,
        acceptNobody: (id: string) => `Accounts of ${id} will connect as long as it shows this key.`,
        acceptReasons: (n: number) => n === 1 ? "The reason above is accepted for this host and port only." : "The reasons above are accepted for this host and port only.",
        acceptAgain: "Another key, or another reason, asks again.", acceptWithout: "The connection is encrypted, but nobody vouches for who is at the other end except this key.",
        until: "Accept until", untilRequired: (days: number) => `A certificate outside its dates can be accepted for ${days} days at most.`, untilOptional: "Empty: until it is deleted here.",
        untilMissing: "Choose a day.", untilRange: (last: string) => `Choose a day from tomorrow to ${last}.`,
        note: "Note", noteHelp: "For the next person: who compared it, and how.",
        accept: "Accept this key", reject: "Reject", later: "Decide later", working: "Saving the decision…",
        cannot: "Nobody can accept this.", cannotText: "The server needs another certificate. Mail waits until it has one.",
        notAllowed: "An administrator decides about certificates.",
        accepted: (id: string) => `${id} is accepted. Waiting mail goes out now.`, rejectedDone: (id: string) => `${id} is rejected.`,
        stale: "The server has shown another certificate since you opened this. Compare the new one.",
        instead: "Better, where you can:", insteadText: "import the CA that signed it into the User Trust Store.", insteadLink: "User Trust Store",
        issuerTitle: (name: string) => `Trust ${name} instead`, issuerDo: "See what that would change…",
        issuerText: "The server sent the CA that signed this certificate. In the User Trust Store it vouches for the next certificate as well, and for other servers of the site.",
        seen: (n: number, first: string, last: string) => `Seen ${count(n, "time", "times")}, first ${first}, last ${last}.`,
        banner: "This server shows a certificate nobody has approved yet.", bannerChanged: "This server shows another key than the one accepted. Messages wait.",
        bannerRejected: "The certificate of this server was rejected. Nothing is sent to it.", bannerRedundant: "This host verifies by itself now; its exemption in Allowed Hosts is no longer needed.",
    },
    reasons: {
        "self-signed": ["Signed by itself", "No authority vouches for it: anyone could make one with this name. The fingerprint is all there is to go by."],
        "unknown-issuer": ["Unknown issuer", "It is signed by an authority that is in none of this account's trust stores."],
        "name-mismatch": ["Another name", "None of the names in it is the hostname of this account. It may belong to another server."],
        expired: ["Expired", "Its last day is over. Its owner should have renewed it."],
        "not-yet-valid": ["Not valid yet", "Its first day is still to come. A clock may be wrong, there or here."],
        "weak-signature": ["Weak signature", "It is signed with an algorithm that can be forged today."],
        "must-staple": ["No proof of freshness", "It demands a stapled proof that it was not revoked, and the server sent none."],
        revoked: ["Revoked", "Its issuer took it back. Its key may be in other hands."],
        "weak-key": ["Weak key", "Its key is short enough to be broken."],
        "not-a-ca": ["Issuer is not a CA", "It was signed with a certificate that may not sign others."],
        "wrong-purpose": ["Wrong purpose", "It was issued for something else than a server."],
        constraint: ["Outside its issuer's limits", "Its issuer may not sign for this name."],
        malformed: ["Malformed", "It breaks the rules of its format and can't be judged."],
        other: ["Not verifiable", "The check failed for another reason."],
    } as Record<string, [string, string]>,
    trust: {
        title: "User Trust Store", none: "No CA of your own yet", import: "Import a CA…", importDo: "Import", subject: "Subject", issuer: "Issuer", left: "Valid", sha256: "SHA-256",
        teach: "Import your site's own root CA here, and every server it vouches for verifies without an exemption.",
        noneSystem: "The operating system has no roots here", teachSystem: "The operating system's roots, to be read. They change when the system's file changes.", tableSystem: "Roots of the operating system",
        find: "Find a certificate", noneFound: "No certificate is like that.", copyPem: "Copy as PEM", savePem: "Save as PEM",
        daysLeft: (n: number) => n < 0 ? `over since ${count(-n, "day", "days")}` : n === 0 ? "ends today" : n > 730 ? `${Math.floor(n / 365.25).toLocaleString()} years left` : `${count(n, "day", "days")} left`,
        importTitle: "Import a CA", paste: "PEM text", file: "or a file", pasteHelp: "One or more certificates. A file may be PEM, DER or PKCS#7; drop it here if you like.", another: "another one", there: "there already",
        done: "The certificate is in the User Trust Store.", nothing: "It was there already; nothing changed.", empty: "Paste a certificate or choose a file.",
        names: "Only for these hosts", namesAny: "any host", namesHelp: "Host names or suffixes, such as plant.example. Empty: it may vouch for any host.",
        limit: "Limit…", limitTitle: (name: string) => `Limit ${name}`, limited: (name: string, hosts: string[]) => `${name} vouches for ${list(hosts)} alone.`, unlimited: (name: string) => `${name} may vouch for any host.`,
        onlyFor: (hosts: string[]) => `only for ${list(hosts)}`,
        deleteTitle: (name: string) => `Delete ${name}?`, deleteText: "Servers that only this CA vouches for will not verify any more; mail to them waits.", deleted: "The certificate is deleted.",
        preview: "What this would do", noImpact: "No host that was seen so far would be judged otherwise.", becomesTrusted: (host: string) => `${host} will verify by itself.`,
        becomesExempt: (host: string) => `${host} will need its exemption in Allowed Hosts again.`, becomesUntrusted: (host: string) => `${host} will not verify any more.`,
        warned: (text: string) => `Imported. ${text}`, table: "Certificates of your own CAs",
    },
    keys: {
        none: "No keys of your own", teach: "Key pairs for HTTPS and for client certificates are kept here; a private key comes out encrypted only. Without one, HTTPS uses a certificate that Postern made itself.",
        table: "Keys and certificates of our own", noCertificate: "a key without a certificate yet", usedBy: "Used by", unused: "nothing", name: "Name",
        make: "New key pair", import: "Import a key pair", type: "Kind of key", commonName: "Common name", sans: "Names and addresses", sansHelp: "One a line: the names under which this server is reached.", days: "Valid for, days",
        types: { "ecdsa-p256": "ECDSA P-256", "rsa-3072": "RSA 3072", ed25519: "Ed25519" } as Record<string, string>,
        made: (id: string) => `${id} is in the User Key Store.`, file: "File", fileHelp: "PEM with the key and its certificates, or PKCS#12 (.p12, .pfx).", passphrase: "Passphrase of the file", passphraseHelp: "Empty, where it has none.",
        choose: "Choose a file.", menu: (id: string) => `Menu of ${id}`, show: "Show…", request: "Request for a CA…", requestTitle: (id: string) => `Certificate request of ${id}`, requestMake: "Make the request",
        requestHelp: "What you leave empty stays as its certificate has it. Send the request to a CA; what comes back goes in under Certificate from a CA.",
        certificate: "Certificate from a CA…", certificateTitle: (id: string) => `Certificate of ${id}`, certificateHelp: "The certificate that a CA made for this key, and the issuers that came with it.", certificateDone: (id: string) => `${id} has its new certificate.`,
        export: "Export…", exportTitle: (id: string) => `Export ${id}`, exportText: "The file has the private key, encrypted with this passphrase. Whoever has both can pretend to be this server.", exportPassphrase: "Passphrase, at least 12 characters", exportAgain: "Passphrase again",
        format: "Format", formats: { pkcs12: "PKCS#12", pem: "PEM" } as Record<string, string>, exportDo: "Export", exported: (id: string) => `${id} is exported.`,
        deleteText: "The private key is lost. Nothing uses it.", deleted: (id: string) => `${id} is deleted.`, warned: (text: string) => `Done. ${text}`,
    },
    users: {
        make: "New user", name: "Name", role: "Role", password: "Password", lastLogin: "Last log-in", you: "(you)", oneTime: "one-time, to be changed", changed: "changed", table: "People who may log in",
        roles: { viewer: "Viewer", operator: "Operator", admin: "Administrator" } as Record<string, string>,
        rolesHelp: { viewer: "looks at everything", operator: "also verifies, polls, sends and steers messages", admin: "also changes settings, certificates and users" } as Record<string, string>,
        taken: (name: string) => `There is already a user named ${name}.`, made: (name: string) => `${name} may log in.`, deleted: (name: string) => `${name} is deleted.`,
        deleteText: "They are logged out at once and can't log in any more. What they did stays in the audit trail.",
        reset: "Password…", resetTitle: (name: string) => `New password for ${name}`, resetText: "They are logged out everywhere and log in with this one from now on.", resetDone: (name: string) => `${name} has another password.`,
        suggest: "Make one", logOut: "Log out", logOutTitle: (name: string) => `Log out ${name} everywhere?`, logOutText: "Every session of theirs ends at once. They can log in again.", loggedOut: (name: string) => `${name} is logged out everywhere.`,
    },
    tokens: {
        make: "New API token", name: "Name", accounts: "Only these accounts", expires: "Expires", lastUsed: "Last used", made: "Made by", none: "No API tokens", table: "API tokens", add: "Add", kept: "I have kept it",
        teach: "Programs and provisioning tools use the API with a token: Authorization: Bearer …", once: "This is the token. It is shown this once; keep it where the program finds it.",
        expiresHelp: "Empty: it holds until it is deleted.", accountsHelp: "None: all accounts. A limited token sees nothing else.", without: (name: string) => `Without ${name}`,
        deleted: (name: string) => `The token ${name} is deleted.`, deleteText: "Programs that use it are refused from this moment.",
    },
    shortcuts: {
        title: "Keyboard shortcuts",
        rows: [
            ["Ctrl S, ⌘ S", "Save the sheet"], ["Esc", "Undo the row you are in; close what is open"], ["/", "Filter the tree"], ["N", "New account"], ["↑ ↓ ← → Home End", "Walk the tree"],
            ["A letter", "Next node that begins with it"], ["Enter", "Open the node"], ["Menu key, Shift F10", "Menu of the node"], ["F2", "Rename the account"], ["Delete", "Delete the account"],
            ["J, K", "Next and previous message"], ["?", "This list"],
        ],
    },
    transcript: {
        title: "Transcript", off: "The transcript of this account is not kept.", on: "Every line of this account's connections is kept, with secrets and bodies masked.", start: "Keep it", stop: "Stop keeping it",
        none: "Nothing said yet", teach: "Verify, or send a test: every line goes here.",
    },
    logs: {
        none: "Nothing has been changed yet.", table: "Audit trail", when: "When", who: "Who", what: "What", where: "Where", find: "Find in the trail", noneFound: "Nothing here is like that; older entries may be.",
        actions: { create: "made", change: "changed", delete: "deleted", rename: "renamed", approve: "accepted", reject: "rejected", import: "imported", login: "logged in", logout: "logged out",
            logoutEverywhere: "logged out everywhere", loginFailed: "log-in failed", lockOut: "locked out", changePassword: "changed the password", probe: "looked at a certificate" } as Record<string, string>,
    },
    config: {
        title: "Configuration", export: "Take it out", exportText: "Everything but secrets and messages, as one document that can be compared, kept and applied again.", exportDo: "Save as JSON",
        apply: "Apply a document", applyText: "All of it or nothing. What it would change is shown first; what it doesn't name stays as it is.", prune: "Delete what is not in it", force: "Delete also what still has messages waiting; they are canceled",
        notJson: "This file is not JSON.", plan: (changes: number, unchanged: number) => changes === 0 ? "Nothing would change." : `${count(changes, "change", "changes")}, ${unchanged.toLocaleString()} stay as they are`,
        touched: "Properties", applyDo: "Apply", applied: (n: number) => `${count(n, "change is", "changes are")} made.`, actions: { create: "make", change: "change", delete: "delete", rename: "rename" } as Record<string, string>,
    },
    unknown: { title: "There is nothing at this address", text: "It may have been deleted or renamed.", home: "To the station" },
    units: { duration, bytes, names: { second: "seconds", minute: "minutes", hour: "hours", day: "days", byte: "bytes" }, ms: (ms: number) => ms < 10 && !Number.isInteger(ms) ? ms.toFixed(1) : Math.round(ms).toLocaleString() },
};

/* Seconds as a person says them: 432000 is "5 days". Only whole steps, so nothing is rounded away. */
function duration(seconds: number): string {
    const steps: [number, string, string][] = [[86400, "day", "days"], [3600, "hour", "hours"], [60, "minute", "minutes"], [1, "second", "seconds"]];
    const parts: string[] = [];
    for (const [size, one, other] of steps) {
        const n = Math.floor(seconds / size);
        if (n > 0)
            parts.push(count(n, one, other));
        seconds -= n * size;
    }
    return parts.slice(0, 2).join(" ") || count(0, "second", "seconds");
}

function bytes(n: number): string {
    const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (n >= 1024 && unit < units.length - 1) {
        n /= 1024;
        unit++;
    }
    return `${n.toLocaleString(undefined, { maximumFractionDigits: 1 })} ${units[unit]}`;
}
