"""A real kerasd for the black-box tests: started on a free port, stopped by signal. Standard library only."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = os.environ.get("KERASD_SRCDIR", ".")
KERASD = os.environ.get("KERASD", "./kerasd")
DIGITS = os.path.join(SOURCE, "examples", "digits.h5")
PATIENCE = 60  # seconds, before a test gives up; no test asserts a time


def digit(n):
    """The body of a request with a real digit."""
    with open(os.path.join(SOURCE, "examples", "digits-%d.json" % n), "rb") as file:
        return file.read()


class Daemon:
    """with Daemon("digits.h5") as daemon: daemon.get("/v1/models")"""

    def __init__(self, *args, env=None, listen="127.0.0.1:0", wait=True, pass_fds=(), preexec=None):
        self.lines = []
        command = [KERASD] + (["--listen", listen] if listen else []) + list(args)
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env, pass_fds=pass_fds,
                                        preexec_fn=preexec)
        self.listening = threading.Event()
        self.address = None
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        if wait and not self.wait_for_listening():
            self.stop(signal.SIGKILL)
            raise AssertionError("kerasd did not start: " + "".join(self.lines))

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if line.startswith("listening on "):
                self.address = line.split()[2]
                self.listening.set()
        self.listening.set()

    def wait_for_listening(self):
        self.listening.wait(PATIENCE)
        return self.address is not None

    def connect(self):
        host = self.address.split("//", 1)[1]
        return http.client.HTTPConnection(host, timeout=PATIENCE)

    def request(self, method, path, body=None, headers=None, connection=None):
        """(status, headers, body)"""
        own = connection or self.connect()
        own.request(method, path, body, headers or {})
        response = own.getresponse()
        data = response.read()
        if not connection:
            own.close()
        return response.status, response.headers, data

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body=b"", headers=None):
        return self.request("POST", path, body, headers)

    def json(self, method, path, body=None):
        status, _, data = self.request(method, path, body)
        return status, json.loads(data)

    def log(self):
        return "".join(self.lines)

    def stop(self, how=signal.SIGTERM):
        """Returns the exit status. how None: it is stopping already."""
        if how and self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("kerasd did not stop; its log:\n" + self.log())
        self.reader.join()
        return status

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        status = self.stop()
        if kind is None:
            check(status == 0, "exit status %s\n%s" % (status, self.log()))
        else:
            sys.stderr.write(self.log())


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def eventually(condition, message):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < deadline, message)
        time.sleep(0.01)


def put(source, target):
    """As a deployment should: written beside, then renamed."""
    temporary = target + ".tmp"
    if isinstance(source, bytes):
        with open(temporary, "wb") as file:
            file.write(source)
    else:
        shutil.copyfile(source, temporary)
    os.replace(temporary, target)


def run(*tests):
    """Runs functions, each with a directory of its own; the process's exit status says whether all passed."""
    failed = 0
    for test in tests:
        with tempfile.TemporaryDirectory(prefix="kerasd-test-") as directory:
            try:
                test(directory)
                print("ok   %s" % test.__name__)
            except Exception as error:  # one failure must not hide the others
                failed += 1
                print("FAIL %s: %s: %s" % (test.__name__, type(error).__name__, error))
    sys.exit(1 if failed else 0)
