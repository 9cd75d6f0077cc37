"""nginx, HAProxy and Caddy before the server, and a systemd unit for it, as OPERATING.md prints them.

Only ports, paths of files and the server's own port are replaced in what is printed there.
"""

import csv
import http.client
import os
import re
import socket
import ssl
import subprocess
import tempfile
import time

from support import BINARY, ROOT, ServerTest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

HOST = "chat.example.com"
SECONDS_TO_START = 20


def printed(language):
    """The code blocks of OPERATING.md in this language."""
    with open(os.path.join(ROOT, "OPERATING.md"), encoding="utf-8") as file:
        return re.findall(rf"```{language}\n(.*?)```", file.read(), re.DOTALL)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def replaced(text, *replacements):
    """The text with each old part replaced; all of them must be there."""
    for old, new in replacements:
        if old not in text:
            raise AssertionError(f"{old!r} is not in:\n{text}")
        text = text.replace(old, new)
    return text


class ProxyTest(ServerTest):
    """A server for each class of tests, and a proxy for each test."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="throng-proxy-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.proxy_port = free_port()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def upstream(self):
        return ("127.0.0.1:8080", f"127.0.0.1:{self.port}")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def certificate(self):
        """A certificate and its key, in two files and in one."""
        key, certificate = os.path.join(self.folder, "key"), os.path.join(self.folder, "certificate")
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={HOST}",
                "-keyout",
                key,
                "-out",
                certificate,
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        with open(key, encoding="ascii") as one, open(certificate, encoding="ascii") as other:
            return certificate, key, self.write("both.pem", other.read() + one.read())

    def start(self, *command, **environment):
        """Starts the proxy and waits until it has a certificate and accepts connections."""
        log = open(os.path.join(self.folder, "log"), "wb")
        self.addCleanup(log.close)
        proxy = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.terminate)
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                return self.tls.wrap_socket(self.connection(), server_hostname=HOST).close()
            except OSError as error:
                if proxy.poll() is not None or time.monotonic() > deadline:
                    with open(log.name, encoding="utf-8", errors="replace") as file:
                        self.fail(f"{command} does not listen ({error}):\n{file.read()}")
                time.sleep(0.05)

    def connection(self):
        return socket.create_connection(("127.0.0.1", self.proxy_port))

    def get(self, path, method="GET"):
        client = http.client.HTTPSConnection("127.0.0.1", self.proxy_port, context=self.tls)
        self.addCleanup(client.close)
        client.sock = self.tls.wrap_socket(self.connection(), server_hostname=HOST)
        client.request(method, path, headers={"Host": f"{HOST}:{self.proxy_port}"})
        response = client.getresponse()
        return response, response.read().decode()

    def chat(self, prefix, name, origin=None):
        address = f"{HOST}:{self.proxy_port}"
        connection = connect(
            f"wss://{address}{prefix}/chat/{self._testMethodName}?format=lines&name={name}",
            sock=self.connection(),
            ssl=self.tls,
            origin=origin or f"https://{address}",
            server_hostname=HOST,
            open_timeout=SECONDS_TO_START,
        )
        client = self.enterContext(connection)
        self.assertEqual(client.recv(), f"Welcome {name} !")
        return client

    def assert_serves(self, prefix=""):
        """Page, health check, messages in both directions, and origins."""
        page, html = self.get(f"{prefix}/")
        self.assertEqual((page.status, page.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("<title>", html)
        absolute = re.search(r'(src|href)="/[^"]*', html)
        self.assertIsNone(absolute, "the prefix is not a part of this address")
        health, text = self.get(f"{prefix}/healthz")
        self.assertEqual((health.status, text.strip()), (200, "ok"))

        ada = self.chat(prefix, "Ada")
        bob = self.chat(prefix, "Bob")
        self.assertEqual(ada.recv(), "Welcome Bob !")
        ada.send("hello")
        for member in (ada, bob):
            self.assertRegex(member.recv(), r"^\d\d:\d\d:\d\d Ada say: hello$")
        for origin in ("https://elsewhere.example", f"http://{HOST}:{self.proxy_port}"):
            with self.assertRaises(InvalidStatus) as refused:
                self.chat(prefix, "Eve", origin=origin)
            self.assertEqual(refused.exception.response.status_code, 403, origin)


class Nginx(ProxyTest):
    def start_nginx(self, site):
        certificate, key, _ = self.certificate()
        site = replaced(
            site,
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.proxy_port} ssl;"),
            self.upstream(),
            ("/etc/ssl/chat.example.com.pem", certificate),
            ("/etc/ssl/chat.example.com.key", key),
        )
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        path = self.write(
            "nginx.conf",
            f"daemon off; master_process off; pid {self.folder}/pid; error_log stderr;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{site}\n}}\n",
        )
        self.start("/usr/sbin/nginx", "-e", "stderr", "-p", self.folder, "-c", path)

    def test_a_host_of_its_own(self):
        site, _ = printed("nginx")
        self.start_nginx(site)
        self.assert_serves()

    def test_a_path_of_another_site(self):
        site, location = printed("nginx")
        whole = site.index("    location / {")
        self.start_nginx(site[:whole] + location + "}\n")
        self.assert_serves("/throng")
        bare, _ = self.get("/throng")
        self.assertEqual(bare.status, 301)


class Haproxy(ProxyTest):
    def start_haproxy(self, *replacements):
        (configuration,) = printed("haproxy")
        _, _, both = self.certificate()
        configuration = replaced(
            configuration,
            ("bind :443 ", f"bind 127.0.0.1:{self.proxy_port} "),
            self.upstream(),
            ("/etc/ssl/chat.example.com.pem", both),
            *replacements,
        )
        self.socket = os.path.join(self.folder, "socket")
        path = self.write("haproxy.cfg", f"global\n    stats socket {self.socket}\n{configuration}")
        self.start("/usr/sbin/haproxy", "-db", "-f", path)

    def status(self):
        """What HAProxy says of the server: whether it is up, and how the last check went."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.socket)
            sock.sendall(b"show stat\n")
            text = b"".join(iter(lambda: sock.recv(65536), b"")).decode().removeprefix("# ")
        (row,) = [row for row in csv.DictReader(text.splitlines()) if row["svname"] == "throng1"]
        return row["status"], row["check_status"]

    def assert_is_up(self):
        # The server counts as up until its first check has ended.
        while (status := self.status())[1] in ("", "INI") or status[1].startswith("*"):
            time.sleep(0.05)
        self.assertEqual(status, ("UP", "L7OK"))

    def test_a_host_of_its_own(self):
        self.start_haproxy()
        self.assert_is_up()
        self.assert_serves()

    def test_the_default_health_check(self):
        self.start_haproxy(("option httpchk GET /healthz", "option httpchk"))
        self.assert_is_up()


class Caddy(ProxyTest):
    def start_caddy(self, site):
        options = f"""{{
            admin off
            auto_https disable_redirects
            local_certs
            skip_install_trust
            http_port {free_port()}
            https_port {self.proxy_port}
        }}
        """
        path = self.write("Caddyfile", options + replaced(site, self.upstream()))
        self.start(
            "caddy",
            "run",
            "--adapter",
            "caddyfile",
            "--config",
            path,
            XDG_DATA_HOME=self.folder,
            XDG_CONFIG_HOME=self.folder,
            HOME=self.folder,
        )

    def test_a_host_of_its_own(self):
        site, _ = printed("caddyfile")
        self.start_caddy(site)
        self.assert_serves()

    def test_a_path_of_another_site(self):
        _, site = printed("caddyfile")
        self.start_caddy(site)
        self.assert_serves("/throng")
        bare, _ = self.get("/throng")
        self.assertEqual((bare.status, bare.headers["Location"]), (302, "/throng/"))


class Systemd(ProxyTest):
    def test_the_unit_is_valid_and_exposes_little(self):
        (unit,) = printed("ini")
        path = self.write("throng.service", replaced(unit, ("/usr/local/bin/throng", BINARY)))
        verified = subprocess.run(["systemd-analyze", "verify", path], check=False, capture_output=True, text=True)
        # Man pages need not be installed, and other units of the machine may have faults of their own.
        faults = [line for line in verified.stderr.splitlines() if "throng" in line]
        self.assertEqual((verified.returncode, faults), (0, []))
        rated = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--no-pager", path],
            check=False,
            capture_output=True,
            text=True,
        )
        exposure = re.search(r"Overall exposure level for throng\.service: ([\d.]+)", rated.stdout)
        self.assertLess(float(exposure[1]), 2.0, rated.stdout)
