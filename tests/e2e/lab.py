# SPDX-License-Identifier: Apache-2.0
"""A whole line on one machine for tests: the real KMS, the real station, simulated boards behind TCP probes.

Everything listens on loopback. Only processes started here are ended, each by its own id.
"""
import contextlib
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("LPA_BUILD", os.path.join(TOP, "build"))
sys.path.insert(0, os.path.join(TOP, "examples"))

from authenticator import secret_of, shown_on_terminal, totp  # noqa: E402 (the phone of the demonstration)

EXIT_OK, EXIT_UNIT, EXIT_USAGE, EXIT_TARGET, EXIT_DENIED, EXIT_VERIFY, EXIT_REMOTE, EXIT_AUDIT = range(8)


def program(name):
    return os.path.join(BUILD, "cmd", name)


def bootloader():
    return os.path.join(BUILD, "device-fw", "bootloader.bin")


class Finished:
    """Exit code, standard output and standard error of a program that ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Tester:
    """What the tester's phone knows. Codes are single-use: each call gives the code of a later step."""

    def __init__(self, name, secret):
        self.name, self.secret = name, secret
        self.last = 0

    def code(self):
        """A fresh code that the KMS accepts now (it allows one step either way), waiting only when it must."""
        seconds = time.time()
        now = int(seconds) // 30
        # The step before leaves more of them for later, but is over soon: only where a slow program has time to use it.
        step = max(now - 1 if seconds % 30 < 8 else now, self.last + 1)
        while step > int(time.time()) // 30 + 1:
            time.sleep(0.2)
        self.last = step
        return totp(self.secret, step)


class Lab:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="lpa-e2e-")
        os.chmod(self.dir, 0o700)
        self.started = []
        self.kms_process = None
        self.kms_port = 0
        self.image = self.path("bootloader.bin")

    # -- housekeeping ---------------------------------------------------------------------------------------------

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, *args, **kw):
        log = open(self.path("started-%d.log" % len(self.started)), "wb")
        process = subprocess.Popen(list(args), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **kw)
        process.log_path = log.name
        log.close()
        self.started.append(process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.terminate()
            process.wait(20)

    def wait_file(self, path, process, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if os.path.exists(path) and os.path.getsize(path) > 0:
                with open(path) as file:
                    return file.read().strip()
            if process.poll() is not None:
                break
            time.sleep(0.02)
        with open(process.log_path, errors="replace") as file:
            raise AssertionError("program did not start: " + file.read())

    def run(self, *args, data=None, timeout=240, env=None, check=None, wrapper=()):
        done = subprocess.run(list(wrapper) + list(args), input=data, capture_output=True, timeout=timeout, env=env)
        result = Finished(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if check is not None and result.code != check:
            raise AssertionError(f"expected exit {check} of {' '.join(args)}\n{result}")
        return result

    def kill_at_sync(self, at):
        """What to put before a program so that it dies (SIGKILL) at its sync number `at`, whichever thread that is in."""
        module = os.path.join(BUILD, "tests", "tools", "sync-kill.so")
        return ["env", f"LD_PRELOAD={module}", f"SYNC_KILL_AT={at}", f"SYNC_KILL_COUNT={self.path('syncs')}"]

    def syncs(self):
        """How many syncs a program with that before it made that was not killed."""
        with open(self.path("syncs")) as file:
            return int(file.read())

    # -- KMS ------------------------------------------------------------------------------------------------------

    def kms(self, *args, check=EXIT_OK, **kw):
        return self.run(program("lpa-kms"), *args, check=check, **kw)

    def setup_kms(self):
        self.kms("init", "--dev", "--dir", self.path("kms"))
        authority = self.kms("authority", "--dir", self.path("kms")).out
        with open(self.path("authority.pem"), "w") as file:
            file.write(authority)
        self.run(program("lpa-image"), "bind", bootloader(), self.image, "--authority", self.path("authority.pem"),
                 "--lab", check=EXIT_OK)

    def sign_image(self):
        """Off the line: a production image with its signature, and the key as the boot ROM wants it."""
        key, public, bound = self.path("image-signing.pem"), self.path("image-public.pem"), self.path("bound.bin")
        self.signed_image, self.image_key = self.path("signed.bin"), self.path("image.key")
        self.run("openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key,
                 check=EXIT_OK)
        self.run("openssl", "pkey", "-in", key, "-pubout", "-out", public, check=EXIT_OK)
        image = program("lpa-image")
        self.sign_application()
        self.run(image, "bind", bootloader(), bound, "--authority", self.path("authority.pem"), "--application-key",
                 self.application_key, check=EXIT_OK)
        self.run(image, "sign", "--key", key, "--out", self.signed_image, bound, check=EXIT_OK)
        self.run(image, "key", "--public", public, "--out", self.image_key, check=EXIT_OK)
        self.secure_hash = self.run(image, "secure-hash", "--image-key", self.image_key, check=EXIT_OK).out.split()[0]
        os.unlink(key)

    def sign_application(self, name="application", version="1.0.0", key=None, binary=None):
        """Off the line: the demonstration application, signed; the key stays for tests that sign another one."""
        self.application_signer, self.application_key = self.path("application-signing.pem"), self.path("application.pem")
        if not os.path.exists(self.application_signer):
            self.new_p256_key(self.application_signer)
            self.run("openssl", "pkey", "-in", self.application_signer, "-pubout", "-out", self.application_key,
                     check=EXIT_OK)
        path = self.path(name + ".app")
        self.run(program("lpa-image"), "app-sign", binary or os.path.join(BUILD, "device-fw", "app-demo.bin"), "--key",
                 key or self.application_signer, "--version", version, "--out", path, check=EXIT_OK)
        if name == "application":
            self.application = path
        return path

    def new_p256_key(self, path):
        self.run("openssl", "genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path,
                 check=EXIT_OK)
        os.chmod(path, 0o600)

    def add_attested_lot(self, lot, lock="aps", extra=(), application=True, **kw):
        named = ("--application", self.application) if application else ()
        return self.add_lot(lot, trust="attested", image=self.signed_image, **kw, extra=(
            "--image-key", self.image_key, "--secure-hash", self.secure_hash, "--restrict", "secure", "--lock", lock,
            *named, *extra))

    def add_permit(self, lot, acts, chip=None):
        """The permit's id."""
        args = ["permit", "add", "--dir", self.path("kms"), lot, "--acts", acts, "--expires", "+12h", "--json"]
        args += ["--chip", chip] if chip else []
        return json.loads(self.kms(*args).out)["permit"]

    def add_lot(self, lot, target=4, allowance=8, trust="tofu", first="70b3d57ed0010000", count=64, expires="+1d",
                unattended=True, check=EXIT_OK, extra=(), lorawan="1.0.4", image=None):
        args = ["lot", "add", "--dir", self.path("kms"), lot, "--image", image or self.image, "--lorawan", lorawan,
                "--join-eui", "70b3d57ed0000001", "--deveui-first", first, "--deveui-count", str(count),
                "--target", str(target), "--allowance", str(allowance), "--trust", trust, "--expires", expires]
        if trust == "tofu":
            args.append("--consent-tofu")
        if unattended:
            args.append("--unattended")
        return self.kms(*args, *extra, check=check)

    def serve_kms(self, port=0):
        port_file = self.path("kms.port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        self.kms_process = self.start(program("lpa-kms"), "serve", "--dir", self.path("kms"),
                                      "--listen", f"127.0.0.1:{port or self.kms_port}", "--port-file", port_file)
        self.kms_port = int(self.wait_file(port_file, self.kms_process))
        return self.kms_port

    def stop_kms(self):
        self.stop(self.kms_process)

    def add_tester(self, name, role="tester"):
        command = [program("lpa-kms"), "tester", "add", "--dir", self.path("kms"), name, "--role", role]
        shown, code = shown_on_terminal(command)
        secret = secret_of(shown)
        if code != 0 or secret is None:
            raise AssertionError(f"tester add: exit {code}: {shown}")
        return Tester(name, secret)

    def lot_show(self, lot):
        return json.loads(self.kms("lot", "show", "--dir", self.path("kms"), lot, "--json").out)

    def unit_list(self, lot=None):
        args = ["unit", "list", "--dir", self.path("kms"), "--json"]
        if lot:
            args += ["--lot", lot]
        return [json.loads(line) for line in self.kms(*args).out.splitlines() if line.strip()]

    def roots(self):
        """Root keys in clear, taken out of the development KMS by a tool that only the tests have."""
        out = self.run(os.path.join(BUILD, "tests", "tools", "kms-roots"), "--dir", self.path("kms"), check=0).out
        return [json.loads(line) for line in out.splitlines() if line.strip()]

    # -- station --------------------------------------------------------------------------------------------------

    def add_station(self, name="station-1", role="provision", url=None):
        folder = self.path(name)
        self.run(program("lpa-provision"), "enrol", "--dir", folder, "--name", name,
                 "--kms", url or f"https://localhost:{self.kms_port}", "--ca", self.path("kms", "ca.pem"), check=EXIT_OK)
        with open(os.path.join(folder, "log.vkey")) as file:
            vkey = file.read().strip()
        certificate = self.path(name + ".pem")
        self.kms("station", "add", "--dir", self.path("kms"), name, "--csr", os.path.join(folder, "station.csr"),
                 "--log-key", vkey, "--out", certificate, "--role", role)
        self.run(program("lpa-provision"), "enrol", "--dir", folder, "--cert", certificate, check=EXIT_OK)
        return folder

    def login(self, station, tester, code=None, check=EXIT_OK, wrapper=()):
        code = code if code is not None else tester.code()
        read, write = os.pipe()
        os.write(write, code.encode() + b"\n")
        os.close(write)
        args = [*wrapper, program("lpa-provision"), "login", "--dir", station, "--tester", tester.name,
                "--totp-fd", str(read)]
        done = subprocess.run(args, capture_output=True, pass_fds=[read], stdin=subprocess.DEVNULL, timeout=60)
        os.close(read)
        result = Finished(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if check is not None and result.code != check:
            raise AssertionError(f"login: expected exit {check}: {result}")
        return result

    def provision_args(self, station, lot, probes, verb="run", image=None, extra=()):
        args = [program("lpa-provision"), verb, "--dir", station, "--lot", lot, "--image", image or self.image,
                "--batch", "--json"]
        for probe in probes:
            args += ["--probe", probe if isinstance(probe, str) else probe.url]
        return args + list(extra)

    def provision(self, station, lot, probes, check=EXIT_OK, verb="run", image=None, extra=(), **kw):
        return self.run(*self.provision_args(station, lot, probes, verb, image, extra), check=check, **kw)

    def audit(self, station, *args, check=EXIT_OK, verb="verify"):
        return self.run(program("lpa-audit"), verb, "--dir", station, *args, check=check)

    # -- boards ---------------------------------------------------------------------------------------------------

    def board(self, number, *options):
        return Board(self, number, options)


class Board:
    """One simulated chip whose flash and fuses live in a file, behind a CMSIS-DAP probe on a TCP port."""

    def __init__(self, lab, number, options=(), uid=None):
        self.lab, self.number = lab, number
        self.file = lab.path(f"board{number}.state")
        self.uid = uid or f"51a0000000c0{number:04x}"
        self.port = 0
        self.process = None
        self.probe = tuple(option for option in options if option in ("--kitprog3", "--miniprog4"))
        self.power(*options)

    @property
    def url(self):
        return f"tcp:127.0.0.1:{self.port}"

    def power(self, *options):
        port_file = self.lab.path(f"board{self.number}.port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        self.process = self.lab.start(program("lpa-sim"), "serve", "--listen", f"127.0.0.1:{self.port}",
                                      "--port-file", port_file, "--board", self.file, "--uid", self.uid, *self.probe,
                                      *[str(option) for option in options if option not in self.probe])
        self.port = int(self.lab.wait_file(port_file, self.process))

    def off(self):
        self.lab.stop(self.process)

    def cycle(self, *options):
        self.off()
        self.power(*options)


# -- relays between station and the rest ------------------------------------------------------------------------------


class Relay:
    """A TCP relay on loopback that can record, hold and cut. One thread per direction."""

    def __init__(self, target_port, on_request=None, on_reply=None):
        self.target_port = target_port
        self.on_request, self.on_reply = on_request, on_reply
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open, self.threads = [], []
        self.running = True
        self.spawn(self.accept)

    def spawn(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def wrap_client(self, client):
        return client

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.target_port))

    def accept(self):
        while self.running:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                client = self.wrap_client(client)
                server = self.connect()
            except OSError:
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open += [client, server]
            self.carry(client, server)

    def carry(self, client, server):
        self.spawn(self.pump, client, server, self.on_request)
        self.spawn(self.pump, server, client, self.on_reply)

    def pump(self, source, sink, hook):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if hook is not None:
                    data = hook(data)
                    if data is None:
                        break
                sink.sendall(data)
        except OSError:
            pass
        self.hang_up(source, sink)

    @staticmethod
    def hang_up(*ends):
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                end.close()

    def close(self):
        """End all connections. A socket that another thread waits in is shut down first: closing alone would leave it
        open in the kernel, and the peer with a connection on which nothing ever comes."""
        self.running = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        while self.threads:
            self.hang_up(*self.open)
            thread = self.threads.pop(0)
            thread.join(20)
            expect(not thread.is_alive(), "a thread of the relay does not end")
        self.hang_up(self.listener, *self.open)


class TlsRelay(Relay):
    """The same between station and KMS, with the TLS taken off: it holds the KMS's server key and the station's key."""

    def __init__(self, lab, station, on_request=None, on_reply=None):
        self.server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_side.minimum_version = ssl.TLSVersion.TLSv1_3
        self.server_side.load_cert_chain(lab.path("kms", "server.pem"), lab.path("kms", "keys", "server.key"))
        self.server_side.verify_mode = ssl.CERT_REQUIRED
        self.server_side.load_verify_locations(lab.path("kms", "ca.pem"))
        self.client_side = ssl.create_default_context(cafile=lab.path("kms", "ca.pem"))
        self.client_side.load_cert_chain(os.path.join(station, "station.pem"), os.path.join(station, "station.key"))
        super().__init__(lab.kms_port, on_request, on_reply)

    def wrap_client(self, client):
        return self.server_side.wrap_socket(client, server_side=True)

    def carry(self, client, server):
        """One thread for both directions: a TLS object must not be read and written at the same time."""
        self.spawn(self.shuttle, client, server)

    def leave(self):
        """For a hook: what it lets through is the last, and nobody is met here any more. A station that cannot even
        send does not wait and ask again, as it does when it has no answer."""
        self.running = False
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    @staticmethod
    def receive(source):
        """What has arrived; None where it was no data, such as a session ticket."""
        source.settimeout(0)
        try:
            return source.recv(65536)
        except ssl.SSLWantReadError:
            return None
        finally:
            source.settimeout(None)

    def shuttle(self, client, server):
        ways = {client: (server, self.on_request), server: (client, self.on_reply)}
        try:
            while True:
                ready = [end for end in ways if end.pending()] or select.select(list(ways), [], [])[0]
                for source in ready:
                    sink, hook = ways[source]
                    data = self.receive(source)
                    if data is None:
                        continue
                    if data and hook is not None:
                        data = hook(data)
                    if not data:
                        raise OSError("cut, or at its end")
                    sink.sendall(data)
                    if not self.running:
                        raise OSError("this was the last")
        except (OSError, ValueError):  # a socket closed under select has no number
            pass
        self.hang_up(client, server)

    def connect(self):
        return self.client_side.wrap_socket(super().connect(), server_hostname="localhost")


class Count:
    """A hook of a relay that cuts at the `at`-th piece of data and counts them all."""

    def __init__(self, at):
        self.at, self.seen = at, 0

    def __call__(self, data):
        self.seen += 1
        return None if self.seen == self.at else data


# -- results ----------------------------------------------------------------------------------------------------------


class Tap:
    """Test results in the Test Anything Protocol, one line each."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def case(self, name, function, *args):
        self.count += 1
        try:
            note = function(*args)
        except Exception:  # a test may fail in any way; the report names which
            self.failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print(f"not ok {self.count} - {name}", flush=True)
            return False
        print(f"ok {self.count} - {name}" + (f" ({note})" if isinstance(note, str) else ""), flush=True)
        return True

    def end(self):
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0


def run_cases(cases, make_line):
    """Run the cases whose names have a word of the command line in them, or all, on one line; the exit code."""
    tap = Tap()
    wanted = sys.argv[1:]
    with Lab() as lab:
        line = make_line(lab)
        for name, case in cases:
            if not wanted or any(word in name for word in wanted):
                tap.case(name, case, line)
    return tap.end()


def units_of(result):
    """The per-unit objects of a --json run."""
    rows = [json.loads(line) for line in result.out.splitlines() if line.startswith("{")]
    return [row for row in rows if row.get("type", "unit") == "unit" and "chip_id" in row]


def expect(condition, what):
    if not condition:
        raise AssertionError(what)
