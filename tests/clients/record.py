"""A proxy that writes down every exchange, for the replay test (tests/http/replay.py) that needs no clients."""
import json
import socket
import threading


def read_head(connection, data):
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None, b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def field(head, name):
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return None


def read_message(connection, data):
    """One whole message and what came behind it; None at the end of the connection."""
    head, rest = read_head(connection, data)
    if head is None:
        return None, b""
    if (field(head, "transfer-encoding") or "").lower() == "chunked":
        while not rest.endswith(b"0\r\n\r\n"):
            rest += connection.recv(65536)
        return head + rest, b""
    length = int(field(head, "content-length") or 0)
    while len(rest) < length:
        rest += connection.recv(65536)
    return head + rest[:length], rest[length:]


class Recorder:
    def __init__(self, address):
        host, port = address.split("//")[1].rsplit(":", 1)
        self.upstream, self.exchanges, self.lock, self.call = (host, int(port)), [], threading.Lock(), ""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.create_connection(self.upstream) as server:
            request_rest = answer_rest = b""
            while True:
                request, request_rest = read_message(client, request_rest)
                if request is None:
                    return
                server.sendall(request)
                answer, answer_rest = read_message(server, answer_rest)
                with self.lock:
                    self.exchanges.append({"call": self.call, "request": request.decode("latin-1"),
                                           "answer": answer.decode("latin-1")})
                client.sendall(answer)

    def write(self, path):
        with open(path, "w") as file:
            json.dump(self.exchanges, file, indent=0)
            file.write("\n")
