#!/usr/bin/env python3
"""Starting, signals, the service manager's protocols, exit codes and their sentences."""
import http.client
import json
import os
import queue
import select
import signal
import socket
import subprocess
import threading
import time

from daemon import DIGITS, KERASD, Daemon, check, digit, eventually, put, run


def predicts(daemon, name="digits"):
    status, data = daemon.json("POST", "/v1/models/%s:predict" % name, digit(3))
    row = data["predictions"][0] if status == 200 else []
    return status == 200 and row.index(max(row)) == 3


def kerasd(*args, stdin=b""):
    done = subprocess.run([KERASD] + list(args), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def serves_and_stops(directory):
    for how in (signal.SIGTERM, signal.SIGINT):
        daemon = Daemon(DIGITS)
        check(daemon.address.startswith("http://127.0.0.1:"), daemon.address)
        check(predicts(daemon), "wrong answer")
        check(daemon.log().count("listening on ") == 1, "once")
        check(daemon.stop(how) == 0, "exit status\n" + daemon.log())


def names(directory):
    put(DIGITS, os.path.join(directory, "plain.h5"))
    versions = os.path.join(directory, "base", "7")
    os.makedirs(versions)
    put(DIGITS, os.path.join(versions, "model.h5"))
    with Daemon("one=" + DIGITS, os.path.join(directory, "plain.h5"), os.path.join(directory, "base")) as daemon:
        for name in ("one", "plain", "base"):
            check(predicts(daemon, name), name)
        check(daemon.json("GET", "/v1/models/base")[1]["model_version_status"][0]["version"] == "7", "version")


def environment(directory):
    """The variables of TensorFlow Serving's image."""
    base = os.path.join(directory, "resnet", "3")
    os.makedirs(base)
    put(DIGITS, os.path.join(base, "model.h5"))
    env = dict(os.environ, MODEL_NAME="resnet", MODEL_BASE_PATH=directory)
    with Daemon(env=env) as daemon:
        check(predicts(daemon, "resnet"), "answer")
    with Daemon("--rest_api_port=0", "--model_name=x", "--model_base_path=" + os.path.join(directory, "resnet"),
                listen=None) as daemon:
        daemon.address = daemon.address.replace("0.0.0.0", "127.0.0.1")
        check(predicts(daemon, "x"), "answer")


def refusals(directory):
    bad = os.path.join(directory, "bad.h5")
    put(b"not a model", bad)
    config = os.path.join(directory, "kerasd.conf")
    put(b"\nlisten = 127.0.0.1:0\nworker = 3\n", config)
    for args, code, sentence in (
            ((bad,), 1, "bad.h5: this is a text file, not a model"),
            ((DIGITS, bad), 1, "bad.h5: "),
            ((os.path.join(directory, "none.h5"),), 1, "none.h5: cannot be opened: No such file"),
            ((), 64, "nothing to serve"),
            (("--frobnicate", "1", DIGITS), 64, "unknown key 'frobnicate'"),
            (("--workers", "many", DIGITS), 64, "expected a number"),
            (("--workers",), 64, "--workers needs a value"),
            ((DIGITS, DIGITS), 64, "two models are called 'digits'"),
            (("--config", config), 78, "kerasd.conf:3: unknown key 'worker'; did you mean 'workers'?"),
            (("--config", config + "x", DIGITS), 78, "kerasd.confx"),
            (("--listen", "no-such-host.invalid:80", DIGITS), 1, "no-such-host.invalid")):
        status, out, err = kerasd(*(args if "--listen" in args or not args else ("--listen", "127.0.0.1:0") + args))
        check(status == code and sentence in err and not out, "%r: %d %r" % (args, status, err))
        check("listening on" not in err, "it said that it listens")


def one_bad_of_many(directory):
    """In a directory or the configuration a bad model is listed as failed and the others serve."""
    put(DIGITS, os.path.join(directory, "good.h5"))
    put(b"not a model", os.path.join(directory, "bad.h5"))
    with Daemon("--model-directory", directory) as daemon:
        check(predicts(daemon, "good"), "good")
        status, data = daemon.json("GET", "/v1/models/bad")
        version = data["model_version_status"][0]
        check(version["state"] == "END" and "not a model" in version["status"]["error_message"], "%r" % data)
    status, _, err = kerasd("--listen", "127.0.0.1:0", "--exit-on-load-error", "--model-directory", directory)
    check(status == 1 and "model 'bad'" in err, err)


def hangup(directory):
    """SIGHUP reads the configuration again; one that is wrong changes nothing."""
    config = os.path.join(directory, "kerasd.conf")
    put(("[model a]\npath = %s\n" % DIGITS).encode(), config)
    with Daemon("--config", config) as daemon:
        put(("[model a]\npath = %s\n[model b]\npath = %s\n" % (DIGITS, DIGITS)).encode(), config)
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: daemon.get("/v1/models/b")[0] == 200, "b did not come")
        for i in range(20):  # none is lost, however close they come
            put(("[model b]\npath = %s\nmax_queue_jobs = %d\n" % (DIGITS, i + 1)).encode(), config)
            daemon.process.send_signal(signal.SIGHUP)
        put(("[model a]\npath = %s\n[model b]\npath = %s\n[model c]\npath = %s\n" %
             (DIGITS, DIGITS, DIGITS)).encode(), config)
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: daemon.get("/v1/models/c")[0] == 200, "the last one was lost")
        put(b"wrong\n", config)
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "kerasd.conf:1: " in daemon.log(), "no complaint")
        check(predicts(daemon, "a") and predicts(daemon, "b"), "they serve on")
        put(("workers = 7\n[model b]\npath = %s\n" % DIGITS).encode(), config)
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: daemon.get("/v1/models/a")[0] == 404, "a did not go")
        eventually(lambda: "take effect at the next start keys='workers'" in daemon.log(), "no warning")


def finishes_requests(directory):
    """A request whose body is still coming when the signal arrives is answered."""
    daemon = Daemon(DIGITS)
    body = digit(3)
    host, port = daemon.address.split("//")[1].split(":")
    slow = socket.create_connection((host, int(port)))
    slow.sendall(b"POST /v1/models/digits:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
    slow.sendall(body[:1000])
    time.sleep(0.2)
    daemon.process.send_signal(signal.SIGTERM)
    eventually(lambda: "stopping" in daemon.log(), "no sign of stopping")
    slow.sendall(body[1000:])
    answer = b""
    while True:
        data = slow.recv(65536)
        if not data:
            break
        answer += data
    check(answer.startswith(b"HTTP/1.1 200 ") and b"predictions" in answer, repr(answer[:300]))
    status = daemon.process.wait(60)
    check(status == 0, "exit status %s\n%s" % (status, daemon.log()))
    daemon.reader.join()


def finishes_queue(directory):
    """What waits in the queue when the signal arrives is computed and answered, and its clients learn that this was it."""
    daemon = Daemon("--inline-max-us", "0", "--workers", "1", "--batch-delay-us", "1000000", "--max-batch", "1000", DIGITS)
    connections = [daemon.connect() for _ in range(16)]
    for connection in connections:
        connection.request("POST", "/v1/models/digits:predict", digit(3))
    sockets = [connection.sock for connection in connections]
    eventually(lambda: b"kerasd_http_requests_in_flight 17\n" in daemon.get("/metrics")[2] or
               select.select(sockets, [], [], 0)[0], "they do not arrive")
    daemon.process.send_signal(signal.SIGTERM)
    for connection in connections:
        answer = connection.getresponse()
        row = json.loads(answer.read())["predictions"][0]
        check(answer.status == 200 and row.index(max(row)) == 3, answer.status)
        connection.close()
    check(daemon.stop(None) == 0, daemon.log())


class Worker(threading.Thread):
    """A client that goes on until it is told to stop ("Connection: close") or nobody listens any more. What breaks a
    request is wrong, unless the client itself paused and therefore could not know."""

    def __init__(self, daemon, keep):
        super().__init__()
        self.daemon_process, self.keep, self.count, self.wrong = daemon, keep, 0, None

    def run(self):
        connection, before = self.daemon_process.connect(), time.monotonic()
        while not self.wrong:
            try:
                connection.connect() if connection.sock is None else None
            except OSError:
                return
            sent = None
            try:
                connection.request("POST", "/v1/models/digits:predict", digit(3))
                sent = time.monotonic()
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                if (sent or time.monotonic()) - before < 0.1:
                    self.wrong = "%s after %d answers" % (type(error).__name__, self.count)
                return
            before = sent
            self.count += 1
            if answer.status != 200:
                self.wrong = "status %d" % answer.status
            if answer.headers["Connection"] == "close" or not self.keep:
                connection.close()


def stops_under_load(directory):
    """No request that was sent is lost, on kept connections and on new ones."""
    for more in ((), ("--inline-max-us", "0")):
        daemon = Daemon(*more, DIGITS)
        workers = [Worker(daemon, n % 3 != 0) for n in range(9)]
        for worker in workers:
            worker.start()
        eventually(lambda: all(worker.count > 5 or worker.wrong for worker in workers), "no answers")
        daemon.process.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.join()
            check(worker.wrong is None, worker.wrong)
        check(daemon.stop(None) == 0, daemon.log())


def second_signal(directory):
    daemon = Daemon("--drain-delay", "60s", DIGITS)
    daemon.process.send_signal(signal.SIGTERM)
    eventually(lambda: "stopping" in daemon.log(), "no sign of stopping")
    check(daemon.get("/v2/health/ready")[0] == 503, "not ready while draining")
    check(predicts(daemon), "still serves while draining")
    check(daemon.stop(signal.SIGTERM) == 1, "second signal quits")


def notifies(directory):
    """READY, RELOADING with its time, WATCHDOG, STOPPING; through a path and an abstract socket."""
    for name in (os.path.join(directory, "notify"), "\0kerasd-test-%d" % os.getpid()):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(name)
        arrived = queue.Queue()

        def read():
            message = b""
            while not message.startswith(b"STOPPING=1"):
                message = notify.recv(4096)
                arrived.put(message.decode())
        # From the start: a manager that does not read makes a process wait that tells it something.
        threading.Thread(target=read, daemon=True).start()
        env = dict(os.environ, NOTIFY_SOCKET=name.replace("\0", "@"), WATCHDOG_USEC="200000")
        daemon = Daemon(DIGITS, env=env, wait=False)  # who does not read lets the socket fill up, and the daemon wait
        seen = []

        def until(start):
            while not seen or not seen[-1].startswith(start):
                seen.append(arrived.get(timeout=60))
        until("READY=1")
        check("1 model versions available" in seen[-1], seen[-1])
        until("WATCHDOG=1")
        daemon.process.send_signal(signal.SIGHUP)
        until("RELOADING=1\nMONOTONIC_USEC=")
        until("READY=1")
        daemon.process.send_signal(signal.SIGTERM)
        until("STOPPING=1")
        check(daemon.stop() == 0, "exit status")
        notify.close()


def ignores_a_deaf_manager(directory):
    """A manager that reads nothing neither stops the start nor the beat of the daemon."""
    name = os.path.join(directory, "deaf")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(name)
    for i in range(1000):  # until its queue is full
        try:
            notify.sendto(b"x", socket.MSG_DONTWAIT, name)
        except BlockingIOError:
            break
    with Daemon(DIGITS, env=dict(os.environ, NOTIFY_SOCKET=name, WATCHDOG_USEC="20000")) as daemon:
        check(daemon.get("/v1/models/digits")[0] == 200, "serves")
    notify.close()


def socket_activation(directory):
    """The listening socket comes from the service manager."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(10)

    # LISTEN_PID must be the daemon's own: a shell sets it and becomes the daemon.
    script = 'exec 3<&%d; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec "$0" "$@"' % listener.fileno()
    process = subprocess.Popen(["/bin/sh", "-c", script, KERASD, "--listen", "127.0.0.1:1", DIGITS],
                               stderr=subprocess.PIPE, text=True, pass_fds=(listener.fileno(),))
    daemon = Daemon.__new__(Daemon)
    daemon.lines, daemon.process, daemon.address = [], process, None
    daemon.listening = threading.Event()
    daemon.reader = threading.Thread(target=daemon._read)
    daemon.reader.start()
    with daemon:
        check(daemon.wait_for_listening(), daemon.log())
        check(daemon.address == "http://127.0.0.1:%d" % listener.getsockname()[1], daemon.address)
        check(predicts(daemon), "answer")
    listener.close()


def tools(directory):
    status, out, err = kerasd("inspect", DIGITS)
    check(status == 0 and "dense_1 (Dense)" in out and "101,770" in out, out + err)
    status, out, err = kerasd("inspect", "--json", DIGITS)
    check(status == 0 and json.loads(out)["class"] == "Sequential", out + err)
    status, out, err = kerasd("inspect", __file__)
    check(status == 1 and "this is a text file" in err and not out, err)
    status, out, err = kerasd("predict", DIGITS, stdin=digit(5))
    row = json.loads(out)["predictions"][0]
    check(status == 0 and row.index(max(row)) == 5, out + err)
    status, out, err = kerasd("predict", DIGITS, stdin=b'{"instances": [[1, 2]]}')
    check(status == 1 and "the request: " in err and not out, err)
    status, out, err = kerasd("layers")
    check(status == 0 and "Dense" in out, out)
    status, out, err = kerasd("--version")
    check(status == 0 and out.startswith("kerasd ") and "jail=" in out, out + err)
    status, out, err = kerasd("--help")
    check(status == 0 and "--max-body 64M" in out and "curl" in out, out)
    config = os.path.join(directory, "kerasd.conf")
    put(b"max_body = 3M\n", config)
    status, out, err = kerasd("check-config", config)
    check(status == 0 and "max_body = 3M\n" in out, out + err)
    put(b"max_body = 3\n", config)
    status, out, err = kerasd("check-config", config)
    check(status == 78 and "kerasd.conf:1: max_body = '3': expected a size" in err and not out, err)


if __name__ == "__main__":
    run(serves_and_stops, names, environment, refusals, one_bad_of_many, hangup, finishes_requests,
        finishes_queue, stops_under_load, second_signal, notifies, ignores_a_deaf_manager, socket_activation, tools)
