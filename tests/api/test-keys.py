#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The User Key Store: key pairs made, requested for, imported, exported, shown to browsers, deleted. openssl reads what Postern
writes, and writes what it reads (DESIGN 4)."""

import base64
import hashlib
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from pki import Pki
from postern import Postern
from servers import free_port
from tap import diag, is_, main, ok

KEYS, WEB = "/api/v1/trust/keys", "/api/v1/services/WebService"
PASSPHRASE, RIGHT = "a very long staple 42", "rightful-7"
PEM = "application/x-pem-file"
pki = Pki()
root = pki.ca("Keys Root")
between = pki.ca("Keys Between", issuer=root)
leaf = pki.leaf("mail.example.com", issuer=between)
other = pki.leaf("other.example.com", issuer=root)
expired = pki.leaf("localhost", days=(-30, -1))
weak = pki.leaf("localhost", key_type="rsa", bits=1024)


def read(path, mode="r"):
    with open(path, mode) as file:
        return file.read()


def write(suffix, text):
    path = pki.path(suffix)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


def openssl(*arguments, feed=None):
    """What it prints, and whether it was content."""
    done = subprocess.run(["openssl", *arguments], input=feed, capture_output=True, timeout=120, check=False)
    return done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace"), done.returncode == 0


def codes(answer):
    return answer.status, [one[1] for one in answer.codes()] or [(answer.json or {}).get("code")]


def make(api, name, key_type="ecdsa-p256", **more):
    return api.post(KEYS, {"name": name, "keyType": key_type, "sans": ["localhost"], **more})


def pkcs12(identity, passphrase, *options, chain=None):
    path = pki.path("p12")
    command = ["pkcs12", "-export", "-inkey", identity.key, "-in", identity.cert, "-out", path, "-passout",
               f"pass:{passphrase}", *options]
    if chain:
        command += ["-certfile", chain]
    said, good = openssl(*command)
    if not good:
        raise RuntimeError(said)
    return base64.b64encode(read(path, "rb")).decode()


def encrypted_pem(identity, passphrase, *options):
    path = pki.path("key")
    openssl("pkcs8", "-topk8", "-in", identity.key, "-out", path, "-passout", f"pass:{passphrase}", *options)
    return read(path)


def generating():
    with Postern() as postern:
        api = postern.api
        for key_type, word, shown in (("ecdsa-p256", "prime256v1", "EC"), ("rsa-3072", "3072 bit", "RSA"), ("ed25519", "ED25519", "ED25519")):
            answer = make(api, key_type, key_type, sans=["mail.example.com", "*.example.com", "192.0.2.7", "2001:db8::1",
                                                         "plant@example.com"], days=90)
            is_((answer.status, answer.headers["Location"]), (201, f"{KEYS}/{key_type}"), f"{key_type}: made")
            certificate = answer.json["certificate"]
            text, good = openssl("x509", "-noout", "-text", feed=answer.json["chain"].encode())
            ok(good and word in text and "DNS:mail.example.com, DNS:*.example.com, IP Address:192.0.2.7" in text and
               "email:plant@example.com" in text and "CN = mail.example.com" in text, "as openssl reads it")
            is_((certificate["keyType"], certificate["selfSigned"], answer.json["usedBy"], answer.json["daysLeft"]),
                (shown, True, [], 89), "facts, who uses it, how long it lasts")
            ok(openssl("verify", "-CAfile", write("crt", answer.json["chain"]), write("crt", answer.json["chain"]))[1],
               "its own signature holds")
            ok("PRIVATE" not in answer.text and "privateKey" not in answer.text, "without the private key")
            again = api.get(f"{KEYS}/{key_type}")
            is_((again.status, again.etag, again.json["certificate"]["sha256"]), (200, answer.etag, certificate["sha256"]), "read again")
        answer = make(api, "named", sans=[], subject="CN=Press 7,OU=Plant,O=Example")
        text, _ = openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", feed=answer.json["chain"].encode())
        is_(text.strip(), "subject=CN=Press 7,OU=Plant,O=Example", "a whole distinguished name")
        answer = api.post(KEYS, {"name": "common", "keyType": "ed25519", "commonName": "gate.example.com"})
        is_(answer.json["certificate"]["sans"], ["gate.example.com"], "a common name that is a host's is among the names")
        answer = api.post(KEYS, {"name": "plain", "keyType": "ed25519", "commonName": "Press, 7 + \"x\""})
        is_((answer.status, answer.json["certificate"]["sans"]), (201, []), "any common name")
        answer = make(api, "idn", sans=["bücher.example"])
        is_(answer.json["certificate"]["sans"], ["xn--bcher-kva.example"], "international names")
        is_(make(api, "wide", sans=[], commonName="ü" * 64).status, 201, "64 characters, whatever their bytes")
        before = len(api.get(KEYS).json["items"])
        for more, fault in (
                ({"keyType": "dsa"}, ("/keyType", "property.choice")), ({"keyType": None}, ("/keyType", "property.choice")),
                ({"days": 0}, ("/days", "property.range")), ({"days": 3651}, ("/days", "property.range")),
                ({"days": "x"}, ("/days", "property.range")), ({"sans": "x"}, ("/sans", "property.type")),
                ({"sans": ["a", 1]}, ("/sans/1", "property.type")), ({"sans": ["a", "a b"]}, ("/sans/1", "key.name")),
                ({"sans": ["a\u0000b.example"]}, None), ({"sans": ["*.com"]}, ("/sans/0", "key.name")),
                ({"sans": ["*.*.com"]}, ("/sans/0", "key.name")), ({"sans": [""]}, ("/sans/0", "key.name")),
                ({"sans": ["@x"]}, ("/sans/0", "key.name")), ({"sans": ["a@b@c"]}, ("/sans/0", "key.name")),
                ({"sans": []}, ("/sans", "key.subject")), ({"sans": ["a.example"] * 101}, ("/sans", "key.name")),
                ({"subject": "nonsense"}, ("/subject", "key.subject")), ({"subject": ""}, ("/subject", "key.subject")),
                ({"subject": "1.2.3.4.5=#0401"}, ("/subject", "key.subject")), ({"subject": "CN=a,,="}, ("/subject", "key.subject")),
                ({"subject": "CN=" + "x" * 5000}, ("/subject", "key.subject")), ({"commonName": "x" * 65}, ("/commonName", "key.subject")),
                ({"commonName": "a\nb"}, ("/commonName", "key.subject")),
                ({"commonName": "a", "subject": "CN=b"}, ("/commonName", "property.exclusive")),
                ({"name": "a b"}, ("/name", "name.format")), ({"name": "import"}, ("/name", "name.reserved")),
                ({"more": 1}, ("/more", "property.unknown"))):
            answer = api.post(KEYS, {"name": "new", "keyType": "ed25519", "sans": ["localhost"], **more})
            if fault is None:
                ok(answer.status in (400, 422), f"{more} is refused")
            else:
                is_((answer.status, answer.codes()), (422, [fault]), f"{json.dumps(more)[:60]} is refused")
        is_(codes(api.post(KEYS, {"keyType": "ed25519"})), (422, ["property.required"]), "a name is needed")
        is_(codes(make(api, "https")), (409, ["key.selfMade"]), "the self-made one's name is taken")
        is_(codes(make(api, "ed25519")), (409, ["name.taken"]), "a name once")
        answer = api.post(KEYS + "?dryRun=true", {"name": "dry", "keyType": "ed25519", "sans": ["localhost"]})
        is_((answer.status, [one["action"] for one in answer.json["changes"]]), (200, ["create"]), "a dry run tells the plan")
        is_(len(api.get(KEYS).json["items"]), before, "and none of it was made")
        ok(before == 8 and all(one["etag"] and "usedBy" in one for one in api.get(KEYS).json["items"]), "the list")
        first = api.get(KEYS + "?limit=3").json
        is_((len(first["items"]), bool(first["next"])), (3, True), "in pages")


def requests():
    with Postern() as postern:
        api = postern.api
        for key_type in ("ecdsa-p256", "rsa-3072", "ed25519"):
            make(api, key_type, key_type, sans=["mail.example.com", "192.0.2.7"])
            answer = api.post(f"{KEYS}/{key_type}/actions/request", {"subject": "CN=mail.example.com,O=Example",
                                                                     "sans": ["mail.example.com", "imap.example.com"]})
            text, good = openssl("req", "-verify", "-noout", "-text", feed=answer.json["pem"].encode())
            ok(answer.status == 200 and good and "verify" in text and "O = Example, CN = mail.example.com" in text and
               "DNS:mail.example.com, DNS:imap.example.com" in text, f"{key_type}: openssl verifies the request")
            text, good = openssl("req", "-verify", "-noout", "-text", feed=api.post(f"{KEYS}/{key_type}/actions/request").json["pem"].encode())
            ok(good and "DNS:mail.example.com, IP Address:192.0.2.7" in text and "CN = mail.example.com" in text,
               "without words, for the names of its certificate")
        is_(codes(api.post(f"{KEYS}/ed25519/actions/request", {"sans": ["a b"]})), (422, ["key.name"]), "a name that is none")
        is_(codes(api.post(f"{KEYS}/ed25519/actions/request", {"days": 1})), (422, ["property.unknown"]), "a member that is none")
        is_(api.post(f"{KEYS}/nobody/actions/request", {}).status, 404, "a key that isn't there")
        # signed elsewhere
        request = api.post(f"{KEYS}/ecdsa-p256/actions/request", {"sans": ["mail.example.com"]}).json["pem"]
        made = pki.path("crt")
        said, good = openssl("x509", "-req", "-in", write("csr", request), "-CA", between.cert, "-CAkey", between.key,
                             "-CAcreateserial", "-days", "30", "-out", made, "-copy_extensions", "copy")
        ok(good, "a CA signs it") or diag(said)
        before = api.get(f"{KEYS}/ecdsa-p256")
        path = f"{KEYS}/ecdsa-p256/certificate"
        is_(api.put(path, {"pem": read(made)}, headers={"If-Match": '"no"'}).status, 412, "not if it was changed meanwhile")
        plan = api.put(path + "?dryRun=true", {"pem": read(made)})
        is_((plan.status, [one["action"] for one in plan.json["changes"]]), (200, ["change"]), "a dry run")
        is_(api.get(f"{KEYS}/ecdsa-p256").etag, before.etag, "changes nothing")
        # in any order, with one that has nothing to do with it
        answer = api.put(path, data=(between.pem + other.pem + read(made)).encode(), headers={"Content-Type": PEM, "If-Match": before.etag})
        is_((answer.status, [one["code"] for one in answer.json["warnings"]]), (200, ["certificate.unrelated"]), "the chain is taken")
        ok(answer.etag != before.etag and "Keys Between" in answer.json["certificate"]["issuer"], "and has another ETag")
        is_(answer.json["chain"].count("BEGIN CERTIFICATE"), 2, "its own first, then its issuer")
        is_(hashlib.sha256(ssl.PEM_cert_to_DER_cert(answer.json["chain"].split("-----END")[0] + "-----END CERTIFICATE-----\n")).hexdigest(),
            answer.json["certificate"]["sha256"], "sorted")
        same = api.put(path, {"pem": answer.json["chain"]})
        is_((same.status, same.etag), (200, answer.etag), "again: nothing changes")
        is_(codes(api.put(path, {"pem": other.pem})), (422, ["key.mismatch"]), "a certificate of another key")
        ok("other.example.com" in api.put(path, {"pem": other.pem}).text, "which is named")
        is_(codes(api.put(path, {"pem": "x"})), (422, ["import.empty"]), "no certificate at all")
        is_(codes(api.put(path, {"pem": read(leaf.key)})), (422, ["import.privateKey"]), "a private key instead")
        is_(codes(api.put(path, {})), (422, ["property.required"]), "nothing")
        is_(api.put(f"{KEYS}/nobody/certificate", {"pem": other.pem}).status, 404, "a key that isn't there")
        is_(api.get(f"{KEYS}/ecdsa-p256").etag, answer.etag, "none of it changed anything")


def importing():
    with Postern() as postern:
        api = postern.api
        key, chain = read(leaf.key), read(leaf.chain)
        line = key[key.index("-----BEGIN"):].splitlines()[1]
        rows = [
            ("plain PEM", {"pem": key + chain}), ("in another order", {"pem": between.pem + key + leaf.pem}),
            ("PKCS#8, encrypted", {"pem": chain + encrypted_pem(leaf, "secret 1"), "passphrase": "secret 1"}),
            ("PKCS#12", {"pkcs12": pkcs12(leaf, "secret 2", chain=between.cert), "passphrase": "secret 2"}),
            ("PKCS#12 of an older kind", {"pkcs12": pkcs12(leaf, "secret 3", "-legacy", chain=between.cert), "passphrase": "secret 3"}),
            ("PKCS#12 with an umlaut", {"pkcs12": pkcs12(leaf, "schlüssel", chain=between.cert), "passphrase": "schlüssel"}),
        ]
        for i, (name, body) in enumerate(rows):
            answer = api.post(KEYS + "/import", {"name": f"k{i}", **body})
            got = (answer.status, (answer.json.get("certificate") or {}).get("sha256"), (answer.json.get("chain") or "").count("BEGIN"))
            is_(got, (201, leaf.sha256, 2), name) or diag(repr(answer))
        answer = api.post(KEYS + "/import", {"name": "old", "pem": read(expired.key) + expired.pem})
        is_((answer.status, [one["code"] for one in answer.json["warnings"]]), (201, ["certificate.expired"]), "an expired one: a warning")
        ok(answer.json["daysLeft"] < 0, "which has no days left")
        before = api.get(KEYS).text
        many = "".join([between.pem] * 3 + [pki.leaf(f"h{i}.example").pem for i in range(16)])
        lots = key + leaf.pem + "".join(bulk(10000))
        rows = [
            ("a wrong passphrase (PKCS#12)", {"pkcs12": pkcs12(leaf, RIGHT), "passphrase": "wrong"}, 422, "import.passphrase"),
            ("no passphrase (PKCS#12)", {"pkcs12": pkcs12(leaf, RIGHT)}, 422, "import.passphraseNeeded"),
            ("a wrong passphrase (PEM)", {"pem": chain + encrypted_pem(leaf, RIGHT), "passphrase": "wrong"}, 422, "import.passphrase"),
            ("no passphrase (PEM)", {"pem": chain + encrypted_pem(leaf, RIGHT)}, 422, "import.passphraseNeeded"),
            ("a key that doesn't fit", {"pem": read(other.key) + leaf.pem}, 422, "key.mismatch"),
            ("RSA of 1024 bits", {"pem": read(weak.key) + weak.pem}, 422, "key.weak"),
            ("two keys", {"pem": key + read(other.key) + chain}, 422, "import.keys"),
            ("no key", {"pem": chain}, 422, "import.noKey"), ("no certificate", {"pem": key}, 422, "import.empty"),
            ("a key cut short", {"pem": damaged(key) + chain}, 422, "key.damaged"),
            ("a certificate cut short", {"pem": key + leaf.pem[:300]}, 422, "import.format"),
            ("garbage", {"pem": "garbage"}, 422, "import.noKey"), ("nothing", {"pem": ""}, 422, "import.noKey"),
            ("PKCS#12 that is none", {"pkcs12": base64.b64encode(os.urandom(500)).decode()}, 422, "import.format"),
            ("a certificate as PKCS#12", {"pkcs12": base64.b64encode(leaf.der).decode()}, 422, "import.format"),
            ("not base64", {"pkcs12": "%%%"}, 422, "import.format"), ("20 certificates", {"pem": key + chain + many}, 413, "import.tooMany"),
            ("10,000 certificates", {"pem": lots}, 413, "import.tooMany"),
            ("something behind", {"pem": key + chain + "more"}, 422, "import.trailing"),
            ("another kind of block", {"pem": key + chain + "-----BEGIN X-----\nAA==\n-----END X-----\n"}, 422, "import.format"),
            ("both", {"pem": key, "pkcs12": "AA=="}, 422, "property.required"), ("neither", {}, 422, "property.required"),
            ("a passphrase that is none", {"pem": key + chain, "passphrase": 7}, 422, "property.type"),
            ("seconds of key derivation (PKCS#12)", {"pkcs12": pkcs12(leaf, RIGHT, "-iter", "2100000", "-nomaciter"), "passphrase": RIGHT},
             422, "import.iterations"),
            ("seconds of key derivation (its MAC)", {"pkcs12": pkcs12(leaf, RIGHT, "-iter", "2100000"), "passphrase": "wrong"}, 422,
             "import.iterations"),
            ("seconds of key derivation (PEM)", {"pem": chain + encrypted_pem(leaf, RIGHT, "-iter", "2100000"), "passphrase": RIGHT}, 422,
             "import.iterations"),
        ]
        for name, body, status, code in rows:
            begun = time.monotonic()
            answer = api.post(KEYS + "/import", {"name": "new", **body})
            got = codes(answer)
            ok(got == (status, [code]) and time.monotonic() - begun < 30, f"{name}: {code}") or diag(repr(answer))
        is_(api.get(KEYS).text, before, "nothing was imported, not even half")
        plan = api.post(KEYS + "/import?dryRun=true", {"name": "dry", "pem": key + chain})
        ok(plan.status == 200 and plan.json["changes"][0]["action"] == "create" and "PRIVATE" not in plan.text, "a dry run")
        is_(codes(api.post(KEYS + "/import", {"name": "k0", "pem": key + chain})), (409, ["name.taken"]), "a name once")
        audit, log = api.get("/api/v1/audit?limit=500").text, postern.log(1_000_000)
        secrets = ["secret 1", "secret 2", RIGHT, "PRIVATE", line]
        ok(not any(one in text for one in secrets for text in (audit, log)), "nothing secret in audit or log")
        connection = sqlite3.connect(os.path.join(postern.state, "postern.db"))
        everything = "\n".join(connection.iterdump())
        connection.close()
        ok("PRIVATE KEY" not in everything and line not in everything, "nor in the clear in the database")
        postern.restart()
        is_(postern.api.get(f"{KEYS}/k3").json["certificate"]["sha256"], leaf.sha256, "they are there after a restart")


def bulk(count):
    """Different certificates by the thousands: the last bytes of the signature count up, and nobody verifies it."""
    der = bytearray(leaf.der)
    for i in range(count):
        der[-4:] = i.to_bytes(4, "big")
        yield ssl.DER_cert_to_PEM_cert(bytes(der))


def damaged(key):
    """The outer lines of it."""
    lines = key[key.index("-----BEGIN"):].splitlines(keepends=True)
    return "".join(lines[:2] + lines[-1:])


def exporting():
    with Postern() as postern:
        api = postern.api
        api.post(KEYS + "/import", {"name": "k", "pem": read(leaf.key) + read(leaf.chain)})
        for name in ("rsa-3072", "ed25519"):
            make(api, name, name)
        path = f"{KEYS}/k/actions/export"
        answer = api.post(path, {"passphrase": PASSPHRASE, "format": "pkcs12"})
        is_((answer.status, answer.headers["Content-Type"], answer.headers["Cache-Control"], answer.headers["Content-Disposition"]),
            (200, "application/x-pkcs12", "no-store", 'attachment; filename="k.p12"'), "PKCS#12")
        file = write("p12", answer.body)
        text, good = openssl("pkcs12", "-in", file, "-passin", f"pass:{PASSPHRASE}", "-nodes", "-info")
        ok(good and text.count("BEGIN CERTIFICATE") == 2 and "AES-256-CBC" in text, "openssl opens it") or diag(text)
        key = text[text.index("-----BEGIN PRIVATE KEY-----"):text.index("-----END PRIVATE KEY-----")]
        public = openssl("pkey", "-pubout", feed=(key + "-----END PRIVATE KEY-----\n").encode())[0]
        is_(public, openssl("pkey", "-pubout", "-in", leaf.key)[0], "the key is the one that was imported")
        ok(not openssl("pkcs12", "-in", file, "-passin", "pass:wrong", "-nodes")[1], "not with another passphrase")
        is_(api.post(KEYS + "/import", {"name": "back", "pkcs12": base64.b64encode(answer.body).decode(),
                                        "passphrase": PASSPHRASE}).status, 201, "and can be imported again")
        answer = api.post(path, {"passphrase": PASSPHRASE, "format": "pem"})
        ok("ENCRYPTED PRIVATE KEY" in answer.text and answer.text.count("BEGIN CERTIFICATE") == 2, "PEM")
        ok(openssl("pkey", "-noout", "-passin", f"pass:{PASSPHRASE}", feed=answer.body)[1], "openssl opens it")
        is_(api.post(KEYS + "/import", {"name": "back2", "pem": answer.text, "passphrase": PASSPHRASE}).status, 201, "imported again")
        for name in ("rsa-3072", "ed25519"):
            for kind in ("pkcs12", "pem"):
                answer = api.post(f"{KEYS}/{name}/actions/export", {"passphrase": PASSPHRASE, "format": kind})
                tool = ("pkcs12", "-nodes") if kind == "pkcs12" else ("pkey", "-noout")
                ok(openssl(*tool, "-passin", f"pass:{PASSPHRASE}", feed=answer.body)[1], f"{name} as {kind}")
        for body, fault in (({}, ("/passphrase", "property.required")), ({"passphrase": "elevenchars"}, ("/passphrase", "passphrase.short")),
                            ({"passphrase": "ä" * 11}, ("/passphrase", "passphrase.short")),
                            ({"passphrase": "x" * 513}, ("/passphrase", "passphrase.format")),
                            ({"passphrase": "two lines\nof words"}, ("/passphrase", "passphrase.format")),
                            ({"passphrase": PASSPHRASE, "format": "der"}, ("/format", "property.choice"))):
            answer = api.post(path, body)
            is_((answer.status, answer.codes()), (422, [fault]), f"{fault[1]}")
        tokens = {role: api.post("/api/v1/tokens", {"name": role, "role": role}).json["token"] for role in ("viewer", "operator")}
        for role, token in tokens.items():
            less = api.clone(headers={"Authorization": f"Bearer {token}"})
            is_([less.get(f"{KEYS}/k").status, less.post(path, {"passphrase": PASSPHRASE}).status, less.delete(f"{KEYS}/k").status,
                 less.post(KEYS, {"name": "x", "keyType": "ed25519", "sans": ["x"]}).status, less.put(f"{KEYS}/k/certificate", {"pem": ""}).status],
                [200, 403, 403, 403, 403], f"{role}: to be read only")
        entries = api.get("/api/v1/audit?limit=500").json["items"]
        done = [(one["action"], one["resource"], one["detail"]) for one in entries if one["resource"] == "KeyPair/k"]
        ok(("export", "KeyPair/k", {"format": "pkcs12"}) in done and ("create", "KeyPair/k", None) in done, "in the audit trail") or diag(repr(done))
        ok(PASSPHRASE not in api.get("/api/v1/audit?limit=500").text and PASSPHRASE not in postern.log(1_000_000), "without the passphrase")


def shown(port):
    """SHA-256 of the certificate that openssl s_client is given, and how many came with it."""
    said, _ = openssl("s_client", "-connect", f"127.0.0.1:{port}", "-showcerts", feed=b"")
    pem = said[said.index("-----BEGIN CERTIFICATE-----"):]
    first = pem[:pem.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest(), pem.count("BEGIN CERTIFICATE")


def until_shown(port, expected, seconds=20):
    deadline = time.monotonic() + seconds
    while shown(port)[0] != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return shown(port)


def serving():
    port = free_port()
    with Postern(arguments=("--listen", f"0.0.0.0:{port}")) as postern:
        api = postern.api
        deadline = time.monotonic() + 20
        while "listens on https" not in postern.log() and time.monotonic() < deadline:
            time.sleep(0.05)
        own = api.get(f"{KEYS}/https").json
        is_((shown(port)[0], own["usedBy"]), (own["certificate"]["sha256"], ["WebService"]), "at first the self-made one")
        is_(codes(api.delete(f"{KEYS}/https")), (409, ["key.inUse"]), "which can't be deleted")
        is_(codes(api.put(f"{KEYS}/https/certificate", {"pem": own["chain"]})), (409, ["key.selfMade"]), "nor given another certificate")
        is_(api.patch(WEB, {"httpsKey": "nobody"}).codes(), [("/httpsKey", "reference.missing")], "a key that isn't there isn't taken")
        api.post(KEYS + "/import", {"name": "site", "pem": read(leaf.key) + read(leaf.chain)})
        is_(api.patch(WEB, {"httpsKey": "site"}).status, 200, "another one")
        is_(until_shown(port, leaf.sha256), (leaf.sha256, 2), "is shown at once, with its chain")
        is_(api.get(f"{KEYS}/site").json["usedBy"], ["WebService"], "the key says who uses it")
        status = api.get(WEB + "/status").json["status"]
        is_((status["state"], status["httpsKey"]), ("ok", "site"), "and the service which")
        answer = api.delete(f"{KEYS}/site")
        is_((codes(answer), "WebService" in answer.text), ((409, ["key.inUse"]), True), "it can't be deleted")
        renewed = pki.leaf("mail.example.com", issuer=between, key=leaf.key)
        is_(api.put(f"{KEYS}/site/certificate", {"pem": renewed.pem + between.pem}).status, 200, "renewed with the same key")
        is_(until_shown(port, renewed.sha256), (renewed.sha256, 2), "shown at once")
        is_(codes(api.put(f"{KEYS}/site/certificate", {"pem": other.pem})), (422, ["key.mismatch"]), "one that doesn't fit")
        is_(shown(port)[0], renewed.sha256, "isn't shown")
        for key_type in ("rsa-3072", "ed25519", "ecdsa-p256"):
            made = make(api, key_type, key_type).json["certificate"]["sha256"]
            api.patch(WEB, {"httpsKey": key_type})
            is_(until_shown(port, made)[0], made, f"{key_type} over TLS")
        api.post(KEYS + "/import", {"name": "old", "pem": read(expired.key) + expired.pem})
        api.patch(WEB, {"httpsKey": "old"})
        is_(until_shown(port, expired.sha256)[0], expired.sha256, "an expired one, if that is what was asked for")
        status = api.get(WEB + "/status").json["status"]
        is_((status["state"], status["code"]), ("fault", "certificate.expired"), "but the service says so")
        ok(status["cause"] and status["advice"] and status["daysLeft"] < 0, "with what to do")
        api.patch(WEB, {"httpsKey": "site"})
        until_shown(port, renewed.sha256)
        postern.restart()
        is_(until_shown(port, renewed.sha256)[0], renewed.sha256, "the same after a restart")
        is_(postern.api.delete(f"{KEYS}/old").status, 204, "what isn't in use goes")
        is_(postern.api.get(f"{KEYS}/old").status, 404, "and is gone")
        etag = postern.api.get(f"{KEYS}/rsa-3072").etag
        is_([postern.api.delete(f"{KEYS}/rsa-3072", headers={"If-Match": '"x"'}).status, postern.api.delete(f"{KEYS}/rsa-3072?dryRun=true").status,
             postern.api.delete(f"{KEYS}/rsa-3072", headers={"If-Match": etag}).status], [412, 200, 204], "under its ETag")
        events = postern.api.get("/api/v1/events?limit=500", headers={"Accept": "application/json"}).json["items"]
        seen = {(one["type"], one["resource"]) for one in events if (one["resource"] or "").startswith("KeyPair/")}
        ok({("keyPair.created", "KeyPair/site"), ("keyPair.changed", "KeyPair/site"), ("keyPair.deleted", "KeyPair/old")} <= seen,
           "events") or diag(repr(seen))


main(generating, requests, importing, exporting, serving)
