#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The scripted servers do what their dialogs say, seen with Python's own SMTP client."""

import os
import smtplib
import socket
import ssl
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import peer
from pki import Pki
from tap import diag, is_, main, ok

USERNAME, PASSWORD = "peer-user", "peer-Secret-123"
dialogs = {dialog.name: dialog for dialog in peer.load(os.path.join(HERE, "..", "dialogs", "smtp"))}
pki = Pki()
root = pki.ca()
shown = peer.contexts(pki, root)


def settled(server):
    """The last conversation, once the server's thread is done with it."""
    deadline = time.monotonic() + 5
    while not (server.conversations and server.conversations[-1].end) and time.monotonic() < deadline:
        time.sleep(0.01)
    return server.conversations[-1]


def no_problems(conversation, name):
    if not ok(not conversation.problems and conversation.complete, f"{name}: played to its end, nothing odd"):
        diag(f"{conversation.end}: {conversation.problems}")


def send_with_smtplib(port, tls):
    context = ssl.create_default_context(cafile=root.cert)
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        if tls:
            client.starttls(context=context)
            client.ehlo()
        client.login(USERNAME, PASSWORD)
        client.sendmail("a@example.test", ["b@example.test"], "Subject: x\r\n\r\n.dotted\r\n")


def every_dialog_is_complete():
    for dialog in dialogs.values():
        missing = [key for key in ("expect-verify-step", "expect-state", "expect-code") if not dialog.get(key)]
        if missing or not dialog.shows:
            ok(False, f"{dialog.name}: lacks {missing or 'a comment'}")
    ok(len(dialogs) > 90, f"{len(dialogs)} dialogs were read")


def good_servers():
    for name in ("good-starttls", "good-slow", "good-long-greeting"):
        with peer.Peer(dialogs[name], shown) as server:
            send_with_smtplib(server.port, tls=True)
            conversation = settled(server)
        no_problems(conversation, name)
        is_(conversation.messages, [b"Subject: x\r\n\r\n.dotted\r\n"], f"{name}: the message as it was sent")
        ok(conversation.contains(PASSWORD) and not conversation.contains(PASSWORD, clear_only=True),
           f"{name}: the password was seen, under TLS only")


def credentials_are_noticed():
    with peer.Peer(dialogs["good-cleartext-allowed"], shown) as server:
        send_with_smtplib(server.port, tls=False)
        conversation = settled(server)
    ok(conversation.contains(PASSWORD, clear_only=True), "a password inside base64 is noticed")
    ok(conversation.contains(USERNAME, clear_only=True), "a user name too")
    ok(not conversation.contains("another-Secret"), "and what isn't there is not")


def injected_reply():
    with peer.Peer(dialogs["starttls-injected"], shown) as server:
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            for command in (b"EHLO x\r\n", b"STARTTLS\r\n"):
                client.recv(4096)
                client.sendall(command)
            got = client.recv(4096)
        ok(got.startswith(b"220 ") and got.endswith(b"250 injected\r\n"), "both replies come in one segment")


def misbehaviour_is_noticed():
    with peer.Peer(dialogs["good-starttls"], shown) as server:
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.recv(4096)
            client.sendall(b"EHLO x\r\nSTARTTLS\r\n")
            client.recv(4096)
        ok(any("sent more before" in problem for problem in settled(server).problems), "unasked pipelining")
    with peer.Peer(dialogs["good-starttls"], shown) as server:
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.recv(4096)
            client.sendall(b"EHLO x\r\n")
            client.recv(4096)
            client.sendall(b"AUTH PLAIN AHgAeQ==\r\n")
            client.recv(4096)
        ok(any("expected 'STARTTLS'" in problem for problem in settled(server).problems), "a wrong command")


def faults():
    for fault, error in (("close", b""), ("reset", ConnectionResetError), ("refuse", b"421")):
        with peer.Peer(dialogs[f"starttls-at-each-step-greeting-{fault}"], shown) as server:
            with socket.create_connection(("127.0.0.1", server.port), 5) as client:
                try:
                    got = client.recv(4096)
                    good = got.startswith(error) and (error or not got) if isinstance(error, bytes) else False
                except OSError as raised:
                    good = isinstance(error, type) and isinstance(raised, error)
                ok(good, f"greeting: {fault}")
    for name, kind in (("connect-refused", ConnectionRefusedError), ("connect-timeout", TimeoutError)):
        with peer.Peer(dialogs[name], shown) as server:
            try:
                socket.create_connection(("127.0.0.1", server.port), 0.5).close()
                ok(False, name)
            except OSError as raised:
                ok(isinstance(raised, kind), name)
    with peer.Peer(dialogs["greeting-endless-line"], shown) as server:
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.recv(100000)
        conversation = settled(server)
        no_problems(conversation, "a flood ends when the client closes")


def later_connections():
    with peer.Peer(dialogs["dot-reply-lost"], shown) as server:
        ends = []
        for _ in range(2):
            try:
                send_with_smtplib(server.port, tls=True)
                ends.append("sent")
            except smtplib.SMTPServerDisconnected:
                ends.append("lost")
            settled(server)
        is_(ends, ["lost", "sent"], "the second connection plays the second part")


main(every_dialog_is_complete, good_servers, credentials_are_noticed, injected_reply, misbehaviour_is_noticed, faults,
     later_connections)
