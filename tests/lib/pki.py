# SPDX-License-Identifier: Apache-2.0
"""pki.py - makes keys and certificates of any kind while a test runs; none is ever stored in the repository.

    pki = Pki(folder)
    root = pki.ca("Example Root")
    leaf = pki.leaf("localhost", issuer=root)
    own = pki.leaf("localhost", days=(-30, -1))         # self-signed and expired
    again = pki.leaf("localhost", key=leaf.key)         # renewed with the same key
"""

import atexit
import base64
import datetime
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

USUAL_NAMES = ("localhost",)
USUAL_ADDRESSES = ("127.0.0.1", "::1")


class Identity:
    """Files: key, cert (the certificate alone), chain (it and what is between it and the root)."""

    def __init__(self, key, cert, issuer):
        self.key, self.cert, self.issuer = key, cert, issuer
        self.chain = cert
        if issuer is not None and issuer.issuer is not None:
            self.chain = cert[:-len(".crt")] + ".chain"
            with open(self.chain, "w", encoding="ascii") as chain:
                chain.write(self.pem + read(issuer.chain))

    @property
    def pem(self):
        return read(self.cert)

    @property
    def der(self):
        return base64.b64decode(re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", self.pem, re.S).group(1))

    @property
    def sha256(self):
        """Of the whole certificate: 64 small hex digits."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def spki_sha256(self):
        """Of the public key: stays the same when a certificate is renewed with the same key."""
        public = run("openssl", "pkey", "-in", self.key, "-pubout", "-outform", "DER", text=False)
        return hashlib.sha256(public).hexdigest()

    def openssl_fingerprint(self):
        """What a person would compare with: AB:CD:… as openssl prints it."""
        printed = run("openssl", "x509", "-in", self.cert, "-noout", "-fingerprint", "-sha256")
        return printed.strip().split("=", 1)[1]


class Pki:
    def __init__(self, folder=None):
        if folder is None:
            folder = tempfile.mkdtemp(prefix="postern-pki-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.folder = folder
        os.makedirs(self.folder, exist_ok=True)
        self.made = 0

    def ca(self, name="Example Root CA", issuer=None, path_len=None, permit=(), **options):
        """A root, or with an issuer an intermediate; permit: name constraints."""
        lines = ["ca", "cert_signing_key", "crl_signing_key"]
        if path_len is not None:
            lines.append(f"path_len = {path_len}")
        lines += [f"nc_permit_dns = {suffix}" for suffix in permit]
        return self.make(name, issuer, lines, **{"days": (-1, 3650), **options})

    def leaf(self, name="localhost", issuer=None, names=USUAL_NAMES, addresses=USUAL_ADDRESSES,
             purpose="tls_www_server", must_staple=False, extra=(), **options):
        """A server's certificate; without an issuer it signs itself. names and addresses go into the SAN."""
        lines = ["signing_key", "encryption_key"]
        lines += [f"dns_name = {dns}" for dns in names]
        lines += [f"ip_address = {address}" for address in addresses]
        if purpose:
            lines.append(purpose)
        if must_staple:
            lines.append("tls_feature = 5")     # RFC 7633
        return self.make(name, issuer, lines + list(extra), **options)

    def new_key(self, key_type="ecdsa", bits=256):
        path = self.path("key")
        choice = {"ecdsa": ["--key-type", "ecdsa", "--curve", f"secp{bits}r1"],
                  "rsa": ["--key-type", "rsa", "--bits", str(bits if bits > 256 else 2048)],
                  "ed25519": ["--key-type", "ed25519"]}[key_type]
        run("certtool", "--generate-privkey", *choice, "--outfile", path)
        os.chmod(path, 0o600)
        return path

    def make(self, name, issuer, lines, days=(-1, 365), key=None, key_type="ecdsa", bits=256, hash=None):
        """days: when it begins and ends to be valid, counted from now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (now + datetime.timedelta(days=offset) for offset in days)
        self.made += 1
        template = [f'cn = "{name}"', 'organization = "Postern tests"',
                    f"serial = {int(now.timestamp() * 1000) + self.made}",
                    f'activation_date = "{begin:%Y-%m-%d %H:%M:%S} UTC"',
                    f'expiration_date = "{end:%Y-%m-%d %H:%M:%S} UTC"', *lines]
        key = key or self.new_key(key_type, bits)
        template_file, cert = self.path("template"), self.path("crt")
        with open(template_file, "w", encoding="utf-8") as file:
            file.write("\n".join(template) + "\n")
        command = ["--generate-self-signed"] if issuer is None else [
            "--generate-certificate", "--load-ca-certificate", issuer.cert, "--load-ca-privkey", issuer.key]
        run("certtool", *command, "--load-privkey", key, "--template", template_file, "--outfile", cert,
            *(["--hash", hash.upper()] if hash else []))
        return Identity(key, cert, issuer)

    def bundle(self, *identities):
        """One PEM file of several certificates."""
        path = self.path("pem")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(identity.pem for identity in identities))
        return path

    def path(self, ending):
        self.made += 1
        return os.path.join(self.folder, f"{self.made:03}.{ending}")


def read(path):
    with open(path, encoding="ascii") as file:
        text = file.read()
    return text[text.index("-----BEGIN"):]


def run(*command, text=True):
    done = subprocess.run(command, capture_output=True, text=text, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout
