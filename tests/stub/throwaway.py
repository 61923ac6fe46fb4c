# SPDX-License-Identifier: ISC
"""A throw-away authority and the certificates it signs, made by openssl(1).

    ca = Authority(path)
    ca.file                       its own certificate, for --cacert
    cert, key = ca.issue("localhost")
    cert, key = ca.issue("localhost", days=-1)     expired
    cert, key = ca.vouch_for_itself("localhost")   self-signed
"""

import subprocess

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*words, stdin=""):
    subprocess.run(["openssl", *map(str, words)], check=True, input=stdin,
                   text=True, capture_output=True)


class Authority:
    def __init__(self, path):
        self.path = path
        self.count = 0
        self.file, self.key = self.vouch_for_itself("throw-away authority")

    def names(self):
        self.count += 1
        return [self.path / f"{self.count}.{end}"
                for end in ("pem", "key", "csr", "ext")]

    def vouch_for_itself(self, name):
        cert, key, _, _ = self.names()
        openssl("req", "-x509", *KEY, "-keyout", key, "-out", cert, "-days",
                "2", "-subj", f"/CN={name}", "-addext",
                "subjectAltName=DNS:" + name.replace(" ", "-"))
        return cert, key

    def issue(self, name, days=2):
        cert, key, request, more = self.names()
        openssl("req", *KEY, "-keyout", key, "-out", request, "-subj",
                f"/CN={name}")
        more.write_text(f"subjectAltName=DNS:{name}")
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey",
                self.key, "-CAcreateserial", "-out", cert, "-days", days,
                "-extfile", more)
        return cert, key
