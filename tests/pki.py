"""Certificates, made as the manual of mosquitto has them made: they lack some of what RFC 5280 asks for."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

__all__ = ["Pki"]

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Pki:
    """NAME.pem and NAME.key for each name, good for two days."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def authority(self, name: str) -> Path:
        """Make an authority; return its certificate's file."""
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        self.openssl("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN={name}", *files)
        return self.directory / f"{name}.pem"

    def certificate(self, name: str, *, subject: str, address: str = "IP:127.0.0.1") -> None:
        """Have the authority `ca` sign a certificate."""
        files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.openssl("req", "-new", *_NEW_KEY, "-subj", f"/CN={subject}", *files)
        (self.directory / f"{name}.ext").write_text(f"subjectAltName={address}\n")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        self.openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-days", "2", "-out", f"{name}.pem")

    def server_context(self, name: str) -> ssl.SSLContext:
        """Return what a server with this certificate takes connections by."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        return context

    def openssl(self, *arguments: str) -> None:
        """Run openssl where the files are."""
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)
