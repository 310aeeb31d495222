# An OpenFlow controller that is of no use: silent_controller.py MODE PORT [ADDRESS]. It accepts connections, and is
# "mute", says "hello" and no more, talks "garbage", or "close"s them at once; or it "dies" before it listens.
import socket
import sys

mode, port = sys.argv[1], int(sys.argv[2])
address = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
if mode == "dies":
    sys.exit("there is no such application")
HELLO = bytes([4, 0, 0, 8, 0, 0, 0, 1])
GARBAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100 + bytes(range(256)) * 16
listener = socket.create_server((address, port))
print("ready", flush=True)
kept = []
while True:
    connection = listener.accept()[0]
    if mode == "close":
        connection.close()
        continue
    kept.append(connection)
    try:
        connection.sendall({"hello": HELLO, "garbage": GARBAGE}.get(mode, b""))
    except OSError:
        pass
